//! The validator's answer, with its evidence.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::harness::Harness;
use crate::id::{ProposalId, TaskName};
use crate::prior::Prior;
use crate::proposal::Proposal;
use crate::trial::{Score, TrialId};

/// What becomes of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It helps and breaks nothing, as far as the gate can tell.
    Promote,
    /// It does not help, breaks something, or is not a valid edit.
    Reject,
    /// The evidence does not carry a decision: budget, or too many void trials.
    Inconclusive,
}

impl Verdict {
    /// One word for a table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Reject => "reject",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// A verdict, why, and on what evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in a sentence for a person.
    pub reason: String,
    /// The counts that decided; `None` when no trial was run.
    pub evidence: Option<Comparison>,
    /// What the gate held of the edit when it decided: what later rounds of the run may learn from. `None` when no trial
    /// was run, or the gate keeps no such account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<Box<Finding>>,
}

/// What a gate's numbers say of an edit, as later rounds need them. In units of pass rate, candidate minus incumbent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Of how many edits together; more than one for a composition, which is no draw from the pool of single edits.
    pub edits: u32,
    /// The tasks at which it is aimed: those that show the targeted weakness. Empty for an edit aimed at nothing. Held-out ones
    /// are among them: no stage but the validator may see this.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub aimed_at: BTreeSet<TaskName>,
    /// On the tasks that show the targeted weakness, where any was attempted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Estimate>,
    /// On all other tasks, where any was attempted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<Estimate>,
    /// The posterior mean of the change over all tasks of both splits.
    pub gain: f64,
    /// The posterior standard deviation of that change.
    pub gain_sd: f64,
    /// What a gate with an error budget spent on the decision, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stake: Option<Stake>,
    /// What the gate expected before any trial of the candidate; the same for all that were heard together. `None` from a gate
    /// without a prior, and in journals of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<Arc<Prior>>,
}

/// An estimate from data alone (no prior in it), with its sampling variance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean change.
    pub mean: f64,
    /// Its sampling variance, positive.
    pub variance: f64,
    /// Its sampling variance if the edit does nothing, positive: smaller where tasks are reliable, because an edit that
    /// does nothing leaves them so.
    pub null_variance: f64,
}

/// An entry of the ledger of a gate that controls error over a whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stake {
    /// The level that this decision was tested at.
    pub level: f64,
    /// The evidence against "null or harmful" when it was decided, as an e-value.
    pub e_value: f64,
}

impl Decision {
    /// A rejection before any trial.
    pub fn refuse(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Reject, reason: reason.into(), evidence: None, finding: None }
    }
}

/// Incumbent and candidate on the same tasks with the same model, verifier and limits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// On the mined split.
    pub held_in: Pair,
    /// On the split that only the validator sees.
    pub held_out: Pair,
    /// The trials behind it.
    pub trials: Vec<TrialId>,
    /// Tasks that the candidate passes more often than the incumbent.
    pub mended: Vec<TaskName>,
    /// Tasks that it passes less often.
    pub broken: Vec<TaskName>,
}

/// One split, before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The incumbent's outcomes.
    pub incumbent: Score,
    /// The candidate's outcomes.
    pub candidate: Score,
}

impl Pair {
    /// Passes after minus before.
    #[expect(clippy::cast_possible_wrap, reason = "counts of trials are far below 2^63")]
    pub fn change(&self) -> i64 {
        self.candidate.passed as i64 - self.incumbent.passed as i64
    }
}

/// What a validator says of a whole round.
#[derive(Clone, Debug)]
pub struct Judgement<H: Harness> {
    /// One entry for each proposal, in the order given.
    pub judged: Vec<Judged<H::Edit>>,
    /// The next harness, or `None` when the incumbent stays.
    pub composed: Option<Composed<H>>,
}

/// A proposal with its decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged<E> {
    /// What was proposed.
    pub proposal: Proposal<E>,
    /// What was decided.
    pub decision: Decision,
}

/// Edits that were accepted, together, validated together.
#[derive(Clone, Debug)]
pub struct Composed<H: Harness> {
    /// The incumbent with the edits applied in order.
    pub harness: H,
    /// Which proposals are in it, in order of application.
    pub proposals: Vec<ProposalId>,
    /// The decision on the composition itself; the single proposal's own when there is only one.
    pub decision: Decision,
}
