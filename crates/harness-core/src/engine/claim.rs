//! The claim: fresh trials of first and last harness on the split that no round touched.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Engine;
use crate::error::Result;
use crate::event::Event;
use crate::harness::Harness;
use crate::id::Fingerprint;
use crate::journal::Record;
use crate::runner::Order;
use crate::trial::{Phase, Replicate, Score, SplitName, TrialId};

/// What the sealed split said, once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The seed harness.
    pub first: Fingerprint,
    /// The tip.
    pub last: Fingerprint,
    /// The seed harness's outcomes.
    pub before: Score,
    /// The tip's outcomes.
    pub after: Score,
    /// The trials behind it.
    pub trials: Vec<TrialId>,
}

impl<H: Harness> Engine<H> {
    /// Reads the sealed split: once in a run's life, by fresh trials of first and last harness. A later call gives
    /// the recorded claim; without a sealed split there is none.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub async fn claim(&mut self) -> Result<Option<Claim>> {
        if self.claim.is_none() && !self.benchmark.tasks(SplitName::Sealed).is_empty() {
            let claim = self.read_sealed().await?;
            self.runner.journal.append(&Record::Claimed { claim: claim.clone() }).await?;
            self.claim = Some(claim);
        }
        if let Some(claim) = &self.claim {
            self.runner.observer.observe(&Event::Claimed { claim });
        }
        Ok(self.claim.clone())
    }

    async fn read_sealed(&self) -> Result<Claim> {
        let (first, last) = (self.lineage.seed(), self.lineage.tip());
        let before = self.runner.run(first, self.sealed_orders(), "seed harness, sealed").await?;
        let mut trials = before.iter().map(|trial| trial.id()).collect::<Result<Vec<_>>>()?;
        // Nothing was promoted: both are the same harness, and the same trials speak for both.
        let after = match first.fingerprint()? == last.fingerprint()? {
            true => before.clone(),
            false => {
                let after =
                    self.runner.run(last, self.sealed_orders(), "final harness, sealed").await?;
                for trial in &after {
                    trials.push(trial.id()?);
                }
                after
            }
        };
        Ok(Claim {
            first: first.fingerprint()?,
            last: last.fingerprint()?,
            before: Score::of(before.iter().map(AsRef::as_ref)),
            after: Score::of(after.iter().map(AsRef::as_ref)),
            trials,
        })
    }

    fn sealed_orders(&self) -> Vec<Order> {
        let tasks = self.benchmark.tasks(SplitName::Sealed);
        let mut orders = Vec::new();
        for attempt in 0..self.config.claim_attempts {
            let replicate =
                Replicate { seed: self.config.seed, round: 0, phase: Phase::Claim, attempt };
            orders.extend(tasks.iter().map(|task| Order {
                task: Arc::clone(task),
                split: SplitName::Sealed,
                replicate,
            }));
        }
        orders
    }
}
