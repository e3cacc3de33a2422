//! What each retained edit is worth, as pruning found it.

use harness_core::{Ablation, AblationOutcome, RunReport};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::interval::Interval;

/// An edit that was taken out of the last harness but one, or of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorthSummary {
    /// The proposal that had brought it.
    pub proposal: String,
    /// Whether the harness is without it now.
    pub removed: bool,
    /// What became of it, in words.
    pub outcome: String,
    /// Attempts with and without it at the same tasks that were compared.
    pub pairs: u64,
    /// Of these, passed with it only.
    pub better: u64,
    /// Passed without it only.
    pub worse: u64,
    /// What it is worth in pass rate over the tasks of both gating splits; null without scored pairs.
    pub worth: Option<f64>,
    /// The same with error at most 5 %.
    pub interval: Option<Interval>,
}

impl WorthSummary {
    /// Of the last pruning of a run; empty in a run without.
    pub(super) fn of(run: &RunReport) -> Vec<Self> {
        let pruned = run.rounds.iter().rev().find(|round| round.is_pruning());
        pruned.into_iter().flat_map(|round| &round.ablations).map(Self::one).collect()
    }

    fn one(ablation: &Ablation) -> Self {
        Self {
            proposal: ablation.proposal.to_string(),
            removed: ablation.outcome == AblationOutcome::Removed,
            outcome: ablation.outcome.as_str().to_owned(),
            pairs: ablation.pairs.scored(),
            better: ablation.pairs.better,
            worse: ablation.pairs.worse,
            worth: ablation.pairs.change(),
            interval: ablation.worth.map(Into::into),
        }
    }

    /// The worth with its interval, in points.
    pub fn in_words(&self) -> String {
        match (self.worth, self.interval) {
            (Some(worth), Some(Interval { low, high })) => format!(
                "{:+.1} points ({:+.1} to {:+.1})",
                100.0 * worth,
                100.0 * low,
                100.0 * high
            ),
            _ => "not measured".to_owned(),
        }
    }
}
