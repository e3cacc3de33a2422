//! When a run is over.

use serde::{Deserialize, Serialize};

use super::Engine;
use crate::harness::Harness;

/// Why no further round was started.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// As many rounds as were asked for.
    Rounds,
    /// Several rounds in a row promoted nothing.
    Dry,
    /// The held-in tasks show no weakness any more.
    NothingFailed,
    /// The sealed split was read in an earlier session: further rounds would need a claim of their own.
    Claimed,
}

impl<H: Harness> Engine<H> {
    /// The reason to stop before another round, if there is one.
    pub fn stop_reason(&self) -> Option<StopReason> {
        // First why it would end in any case: a run that was interrupted after its claim ends for the reason that it had.
        self.own_reason().or_else(|| self.has_claimed().then_some(StopReason::Claimed))
    }

    fn has_claimed(&self) -> bool {
        !self.claims.is_empty() && !self.must_read_again()
    }

    fn own_reason(&self) -> Option<StopReason> {
        // A pruning is no attempt at something better.
        let rounds = || self.past.rounds().iter().filter(|report| !report.is_pruning());
        if rounds().count() >= self.config.rounds as usize {
            return Some(StopReason::Rounds);
        }
        // Nor does an inconclusive round say that there is nothing to mend, or that nothing mends it.
        let told = || rounds().filter(|report| !report.is_inconclusive());
        let last = told().next_back()?;
        if last.weaknesses.is_empty()
            && last.assessed.held_in.passed == last.assessed.held_in.scored
        {
            return Some(StopReason::NothingFailed);
        }
        let dry = told().rev().take_while(|report| report.is_dry()).count();
        (self.config.dry_rounds > 0 && dry >= self.config.dry_rounds as usize)
            .then_some(StopReason::Dry)
    }
}
