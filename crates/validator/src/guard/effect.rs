//! What was tried already, by where it leads.

use harness_core::{
    Fingerprint, Harness, Incumbent, Judged, ProposalId, Result, RoundReport, Verdict,
};

use super::{GuardKind, Refusal};

/// Harnesses that need no trial any more: those of rejected proposals under the same incumbent, and those of earlier proposals of
/// the round.
#[derive(Debug, Default)]
pub(crate) struct Effects(Vec<(Fingerprint, Tried)>);

#[derive(Debug)]
enum Tried {
    ThisRound(ProposalId),
    Rejected { round: u32, id: ProposalId },
}

impl Effects {
    /// What the run's earlier rounds rejected and that would lead to the same harness now. A rejection was a verdict on an edit *of a
    /// harness*: once that has changed, it fades after `memory` more rounds, and what did not help then may return. What was
    /// inconclusive, or refused without a trial, may be tried again.
    ///
    /// # Errors
    /// A harness without a fingerprint.
    pub(crate) fn of<H: Harness>(
        incumbent: &Incumbent<'_, H>,
        round: u32,
        memory: u32,
    ) -> Result<Self> {
        let now = incumbent.harness.fingerprint()?;
        let holds = |report: &&RoundReport| {
            report.incumbent == now || round.saturating_sub(report.round) <= memory
        };
        let rounds = incumbent.history.rounds().iter().filter(holds);
        let rejected = rounds
            .flat_map(|report| report.judged.iter().map(move |judged| (report.round, judged)));
        let spurned = rejected.filter(|(_, judged)| was_tried_in_vain(judged));
        let leads_to = |(round, judged): (u32, &Judged<serde_json::Value>)| {
            let edit = serde_json::from_value::<H::Edit>(judged.proposal.edit.clone()).ok()?;
            let effect = incumbent.harness.apply(&edit).ok()?.fingerprint().ok()?;
            Some((effect, Tried::Rejected { round, id: judged.proposal.id.clone() }))
        };
        Ok(Self(spurned.filter_map(leads_to).collect()))
    }

    /// Why this effect needs no trial; remembers it otherwise.
    pub(super) fn seen(&mut self, effect: Fingerprint, id: &ProposalId) -> Option<Refusal> {
        let Some((_, tried)) = self.0.iter().find(|(known, _)| *known == effect) else {
            self.0.push((effect, Tried::ThisRound(id.clone())));
            return None;
        };
        let reason = match tried {
            Tried::ThisRound(first) => format!("the edit has the same effect as that of {first}"),
            Tried::Rejected { round, id } => {
                format!(
                    "the edit has the same effect as that of {id}, which round {round} rejected"
                )
            }
        };
        Some(Refusal::new(GuardKind::Duplicate, reason))
    }
}

fn was_tried_in_vain(judged: &Judged<serde_json::Value>) -> bool {
    judged.decision.verdict == Verdict::Reject && judged.decision.evidence.is_some()
}
