//! The incumbent beside its ancestors.

use harness_core::Drift;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RoundSummary;
use crate::text::counted;

/// The incumbent beside one earlier version, by the assessments of both: no trial was run for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DriftSummary {
    /// The digest of the earlier version.
    pub against: String,
    /// Attempts at the same tasks that were compared.
    pub pairs: u64,
    /// Of these, passed by the incumbent only.
    pub better: u64,
    /// Passed by the earlier version only.
    pub worse: u64,
    /// The largest change in pass rate that they leave possible; below 0 it is a credible loss.
    pub at_most: f64,
    /// Whether it is one.
    pub loss: bool,
}

impl DriftSummary {
    pub(super) fn of(drift: &Drift) -> Self {
        Self {
            against: drift.against.to_string(),
            pairs: drift.pairs.scored(),
            better: drift.pairs.better,
            worse: drift.pairs.worse,
            at_most: drift.at_most,
            loss: drift.is_loss(),
        }
    }

    fn counts(&self) -> String {
        let against: String = self.against.chars().take(12).collect();
        let (better, worse) = (self.better, self.worse);
        format!("{against}: {better} better, {worse} worse of {}", counted(self.pairs, "pair"))
    }
}

impl RoundSummary {
    /// What the comparison with the ancestors said, in a sentence; `None` while the seed harness has no successor.
    pub fn drift_in_words(&self) -> Option<String> {
        if self.drift.is_empty() {
            return None;
        }
        let lost: Vec<&DriftSummary> = self.drift.iter().filter(|drift| drift.loss).collect();
        let shown =
            if lost.is_empty() { self.drift.iter().take(1).collect() } else { lost.clone() };
        let counts: Vec<String> = shown.into_iter().map(DriftSummary::counts).collect();
        let counts = counts.join("; ");
        Some(match &self.reverted_to {
            Some(ancestor) => {
                let ancestor: String = ancestor.chars().take(12).collect();
                format!(
                    "a credible loss against {counts}: promotion stopped, went back to {ancestor}"
                )
            }
            None => {
                let ancestors = counted(self.drift.len() as u64, "ancestor");
                format!("beside {ancestors} no credible loss (against {counts})")
            }
        })
    }
}
