//! What a proposal is: a minimal edit, tied to the weakness that it targets.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::harness::{Harness, Surface};
use crate::id::{ProposalId, SurfaceId, TaskName, WeaknessId};
use crate::verdict::Verdict;
use crate::weakness::Weakness;

/// One edit with its reasons.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposal<E> {
    /// Unique in the run.
    pub id: ProposalId,
    /// The weakness it targets, one of the brief's.
    pub weakness: WeaknessId,
    /// The surface it edits.
    pub surface: SurfaceId,
    /// How it is meant to work, in a few words: `artifact guard`, `check before finish`.
    pub mechanism: String,
    /// The change.
    pub edit: E,
    /// Why it should help.
    pub rationale: String,
    /// Tasks that the proposer expects to mend. Recorded and scored later; never used to accept.
    pub expected_to_mend: BTreeSet<TaskName>,
    /// What could get worse.
    pub risks: String,
}

/// All that a proposer may know: surfaces, weaknesses, behaviours to preserve, and what was tried before.
/// No held-out trial and no held-out score is in it.
#[derive(Clone, Debug)]
pub struct Brief<'a, H: Harness> {
    /// The round, from 1.
    pub round: u32,
    /// The harness to improve.
    pub incumbent: &'a H,
    /// Its surfaces.
    pub surfaces: Vec<Surface>,
    /// Weaknesses, heaviest first.
    pub weaknesses: &'a [Weakness],
    /// Held-in tasks that pass now, to be kept passing.
    pub passing: &'a BTreeSet<TaskName>,
    /// Earlier proposals and what became of them.
    pub history: &'a [PastProposal],
    /// At most this many proposals.
    pub width: usize,
}

/// An earlier proposal as a proposer may see it: without held-out scores, without the gate's reasons.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PastProposal {
    /// The round that judged it.
    pub round: u32,
    /// The proposal; the edit as plain data.
    pub proposal: Proposal<serde_json::Value>,
    /// What became of it.
    pub verdict: Verdict,
    /// Held-in passes after minus before, where both were measured.
    pub held_in_change: Option<i64>,
}
