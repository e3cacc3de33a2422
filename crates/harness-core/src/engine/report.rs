//! What a round, and a run, leave to read.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Ablation, Assessment, Claim, Controls, Drift, Engine, StopReason};
use crate::error::{Error, ErrorKind, Result};
use crate::harness::Harness;
use crate::id::{Fingerprint, ModelId, ProposalId};
use crate::lineage::{PromotedEdit, Promotion};
use crate::proposal::{PastProposal, Proposal};
use crate::sandbox::Isolation;
use crate::trial::{Score, Spent};
use crate::verdict::{Decision, Judged, Judgement};
use crate::weakness::Weakness;

/// What happened in one round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundReport {
    /// Its number, from 1.
    pub round: u32,
    /// The harness it started from.
    pub incumbent: Fingerprint,
    /// The harness it ended with.
    pub tip: Fingerprint,
    /// The incumbent's fresh trials.
    pub assessed: Assessed,
    /// What was mined, heaviest first.
    pub weaknesses: Vec<Weakness>,
    /// Every proposal with its decision; edits as plain data.
    pub judged: Vec<Judged<Value>>,
    /// The proposals that are in the new harness, in order of application.
    pub promoted: Vec<ProposalId>,
    /// The decision on the composition, when something was promoted.
    pub composition: Option<Decision>,
    /// The incumbent beside each of its ancestors, by the trials of all rounds so far; the seed harness first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<Drift>,
    /// What each retained edit is worth, where the round was a pruning: such a round measures no incumbent and proposes nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ablations: Vec<Ablation>,
}

/// The incumbent's outcomes on both splits that may be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessed {
    /// On the mined split.
    pub held_in: Score,
    /// On the split that gates promotion.
    pub held_out: Score,
}

impl Assessed {
    /// Whether, on one of the splits, no more trials were scored than void: the rest says nothing of the harness.
    pub fn is_mostly_void(&self) -> bool {
        [self.held_in, self.held_out].iter().any(|score| score.void >= score.scored.max(1))
    }
}

impl RoundReport {
    /// Whether too few of the incumbent's trials could be scored for anything to be mined, proposed or judged.
    pub fn is_inconclusive(&self) -> bool {
        self.assessed.is_mostly_void()
    }

    /// Whether the round left the harness as it was.
    pub fn is_dry(&self) -> bool {
        self.tip == self.incumbent
    }

    /// Whether it was a pruning.
    pub fn is_pruning(&self) -> bool {
        !self.ablations.is_empty()
    }

    /// The ancestor that the round went back to, because the incumbent credibly lost against it.
    pub fn reverted_to(&self) -> Option<Fingerprint> {
        (self.promoted.is_empty() && !self.is_dry() && !self.is_pruning()).then_some(self.tip)
    }

    /// The round's proposals as a later round's proposer may see them: without anything held-out.
    pub fn past_proposals(&self) -> Vec<PastProposal> {
        let past = self.judged.iter().map(|Judged { proposal, decision }| PastProposal {
            round: self.round,
            proposal: proposal.clone(),
            verdict: decision.verdict,
            held_in_change: decision.evidence.as_ref().map(|evidence| evidence.held_in.change()),
        });
        past.collect()
    }
}

/// What a run leaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Who thought. Label what a simulated model achieves.
    pub model: ModelId,
    /// Who mined and proposed; the same as `model` unless the operator asked aloud for another.
    pub improver: ModelId,
    /// Where trials ran.
    pub isolation: Isolation,
    /// The harness it began with.
    pub first: Fingerprint,
    /// The harness it ended with.
    pub last: Fingerprint,
    /// The rounds.
    pub rounds: Vec<RoundReport>,
    /// The final claim, when there is a sealed split.
    pub claim: Option<Claim>,
    /// Readings of the sealed split before that one, oldest first: none unless a second reading was forced.
    #[serde(default)]
    pub earlier_claims: Vec<Claim>,
    /// What the controls said; `None` in a run without.
    #[serde(default)]
    pub controls: Option<Controls>,
    /// Trials.
    pub trials: TrialCounts,
    /// What everything cost, resumed sessions included.
    pub spent: Spent,
    /// Why it ended; `None` while it has not.
    pub stopped: Option<StopReason>,
}

/// How many trials a run has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialCounts {
    /// Trials with a verdict.
    pub scored: u64,
    /// Trials without one, by the infrastructure's fault.
    pub void: u64,
    /// Of these all, trials taken from an earlier session's record.
    pub reused: u64,
}

impl<H: Harness> Engine<H> {
    /// The run so far.
    pub fn report(&self, stopped: Option<StopReason>) -> RunReport {
        let fingerprint = |harness: &H| {
            // Both were fingerprinted when they were introduced to the journal.
            harness.fingerprint().unwrap_or(Fingerprint::of_bytes(&[]))
        };
        RunReport {
            model: self.runner.model.model().clone(),
            improver: self.improver.model().clone(),
            isolation: self.runner.sandbox.isolation().clone(),
            first: fingerprint(self.lineage.seed()),
            last: fingerprint(self.lineage.tip()),
            rounds: self.past.rounds().to_vec(),
            claim: self.claims.last().cloned(),
            earlier_claims: self.claims.iter().rev().skip(1).rev().cloned().collect(),
            controls: self.controlled_by.is_some().then(|| self.controls.clone()),
            trials: self.runner.paid.counts(),
            spent: self.runner.ledger.budget.spent(),
            stopped,
        }
    }
}

pub(super) fn round<H: Harness>(
    round: u32,
    incumbent: &H,
    assessed: &Assessment,
    weaknesses: Vec<Weakness>,
    judgement: &Judgement<H>,
    promotion: Option<&Promotion<H::Edit>>,
) -> Result<RoundReport> {
    let incumbent = incumbent.fingerprint()?;
    let judged = judgement.judged.iter().map(|judged| {
        Ok(Judged { proposal: plain(&judged.proposal)?, decision: judged.decision.clone() })
    });
    Ok(RoundReport {
        round,
        incumbent,
        tip: promotion.map_or(incumbent, |promotion| promotion.child),
        assessed: assessed.level,
        weaknesses,
        judged: judged.collect::<Result<_>>()?,
        promoted: judgement
            .composed
            .as_ref()
            .map(|composed| composed.proposals.clone())
            .unwrap_or_default(),
        composition: judgement.composed.as_ref().map(|composed| composed.decision.clone()),
        drift: assessed.drift.clone(),
        ablations: Vec::new(),
    })
}

/// An edit as plain data.
pub(super) fn plain_edit<E: serde::Serialize>(edit: &E) -> Result<Value> {
    serde_json::to_value(edit).map_err(|source| not_json(source, "has no JSON form"))
}

/// A proposal with its edit as plain data.
pub(super) fn plain<E: serde::Serialize + Clone>(
    proposal: &Proposal<E>,
) -> Result<Proposal<Value>> {
    let edit = serde_json::to_value(&proposal.edit)
        .map_err(|source| not_json(source, "has no JSON form"))?;
    Ok(with_edit(proposal, edit))
}

/// The way back.
pub(crate) fn typed<E: DeserializeOwned>(proposal: &Proposal<Value>) -> Result<Proposal<E>> {
    let edit = serde_json::from_value(proposal.edit.clone())
        .map_err(|source| not_json(source, "in the journal is not one of this harness's"))?;
    Ok(with_edit(proposal, edit))
}

pub(super) fn plain_promotion<E: serde::Serialize>(
    promotion: &Promotion<E>,
) -> Result<Promotion<Value>> {
    convert(promotion, |edit| {
        serde_json::to_value(edit).map_err(|source| not_json(source, "has no JSON form"))
    })
}

pub(crate) fn typed_promotion<E: DeserializeOwned>(
    promotion: &Promotion<Value>,
) -> Result<Promotion<E>> {
    convert(promotion, |edit| {
        serde_json::from_value(edit.clone())
            .map_err(|source| not_json(source, "in the journal is not one of this harness's"))
    })
}

fn convert<A, B>(promotion: &Promotion<A>, edit: impl Fn(&A) -> Result<B>) -> Result<Promotion<B>> {
    let edits = promotion.edits.iter().map(|promoted| {
        Ok(PromotedEdit { proposal: promoted.proposal.clone(), edit: edit(&promoted.edit)? })
    });
    Ok(Promotion {
        round: promotion.round,
        parent: promotion.parent,
        child: promotion.child,
        base: promotion.base,
        edits: edits.collect::<Result<_>>()?,
    })
}

fn with_edit<A, B>(proposal: &Proposal<A>, edit: B) -> Proposal<B> {
    Proposal {
        id: proposal.id.clone(),
        weakness: proposal.weakness.clone(),
        surface: proposal.surface.clone(),
        mechanism: proposal.mechanism.clone(),
        edit,
        rationale: proposal.rationale.clone(),
        expected_to_mend: proposal.expected_to_mend.clone(),
        risks: proposal.risks.clone(),
    }
}

fn not_json(source: serde_json::Error, what: &str) -> Error {
    Error::new(ErrorKind::Contract, format!("an edit {what}")).with_source(source)
}
