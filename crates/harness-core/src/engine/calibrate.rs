//! Calibration: how far two measurements of one and the same harness differ, before anything is judged.

use std::sync::Arc;

use super::{ControlKind, Engine, NoiseFloor};
use crate::error::{Error, ErrorKind, Result};
use crate::harness::Harness;
use crate::placebo::{Placebo, PlaceboEdit};
use crate::replay::RecordedTrials;
use crate::runner::Order;
use crate::trial::{Phase, Replicate, SplitName};

impl<H: Harness> Engine<H> {
    /// Measures the seed harness under another label (A/A) as often as an assessment does, and refuses a bar below what that shows: whoever wants to tell
    /// so small a change from nothing must attempt each task more often. Trials of an earlier session are not bought again, and the
    /// controls share them.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a bar below the floor, and where no task was scored twice, so that none is known.
    pub(super) async fn calibrate(&mut self) -> Result<()> {
        let Some(bar) = self.bar.take() else { return Ok(()) };
        let calibrated = self.buy_calibration().await;
        let floor = match calibrated {
            Ok(()) => self.noise_floor().await,
            Err(error) => Err(error),
        };
        let verdict = floor.and_then(|floor| match refusal(floor.as_ref(), bar) {
            Some(message) => Err(Error::new(ErrorKind::InvalidInput, message)),
            None => Ok(()),
        });
        if verdict.is_err() {
            // Whoever calls again is told again.
            self.bar = Some(bar);
        }
        verdict
    }

    async fn buy_calibration(&self) -> Result<()> {
        let copy = PlaceboEdit { label: ControlKind::Same.label().to_owned(), edit: None };
        let harness = Placebo::of(self.lineage.seed().clone()).apply(&copy)?;
        let print = harness.fingerprint()?;
        let recorded = RecordedTrials::read(self.runner.ledger.journal.as_ref()).await?;
        let seed = self.config.seed;
        let attempts = (0..self.config.attempts).map(|attempt| Replicate {
            seed,
            round: 1,
            phase: Phase::Control,
            attempt,
        });
        let mut orders = Vec::new();
        for replicate in attempts {
            for split in [SplitName::HeldIn, SplitName::HeldOut] {
                let tasks = self.benchmark.tasks(split).iter();
                let missing = tasks.filter(|task| !recorded.has(print, &task.name, replicate));
                orders.extend(
                    missing.map(|task| (0, Order { task: Arc::clone(task), split, replicate })),
                );
            }
        }
        self.runner.run_block(&[&harness], orders, "calibration (A/A)").await.map(drop)
    }
}

/// Why a bar is refused, if it is.
fn refusal(floor: Option<&NoiseFloor>, bar: f64) -> Option<String> {
    let Some(floor) = floor else {
        return Some("the noise floor is unknown: no task was scored twice, so no bar can be held against it".to_owned());
    };
    let change = floor.change();
    (bar < change).then(|| {
        format!(
            "the bar of {:.1} points lies below the noise floor: one measurement in twenty of the very same harness differs by {:.1} points or more. \
             Attempt each task {} times, or raise the bar",
            100.0 * bar,
            100.0 * change,
            floor.attempts_for(bar)
        )
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bar_passes_exactly_when_it_is_not_below_the_floor_and_the_attempts_named_would_do(
            within_task in 0.001..0.25, tasks in 1..200_u64, attempts in 1..20_u32, bar in 0.001..0.5,
        ) {
            let floor = NoiseFloor { within_task, tasks, attempts };
            prop_assert_eq!(refusal(Some(&floor), bar).is_none(), bar >= floor.change());
            let enough = NoiseFloor { attempts: floor.attempts_for(bar), ..floor };
            prop_assert!(refusal(Some(&enough), bar).is_none());
            prop_assert!(refusal(None, bar).is_some());
        }
    }
}
