//! The claim: fresh trials of first and last harness on the split that no round touched.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::harness::Harness;
use crate::id::Fingerprint;
use crate::interval::{Interval, Pairs};
use crate::journal::Record;
use crate::runner::Order;
use crate::trial::{Phase, Replicate, Score, SplitName, Trial, TrialId};

/// What the sealed split said.
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
    /// The same attempt for attempt at the same tasks; empty when both are the same harness.
    #[serde(default)]
    pub pairs: Pairs,
    /// Of the change in pass rate from first to last, averaged over tasks, with error at most 5 % ([`Pairs::interval`]);
    /// `None` when both are the same harness, or nothing could be scored.
    #[serde(default)]
    pub difference: Option<Interval>,
    /// 1 for the reading that the run was made for. More for one that was forced: the run had been told the answer before,
    /// so its interval does not have its level any more.
    #[serde(default = "first_reading")]
    pub reading: u32,
    /// The trials behind it.
    pub trials: Vec<TrialId>,
}

fn first_reading() -> u32 {
    1
}

/// How likely the interval of a claim may miss the truth.
const ERROR: f64 = 0.05;

impl Claim {
    /// Whether the sealed split had been read before.
    pub fn is_repeated(&self) -> bool {
        self.reading > 1
    }
}

impl<H: Harness> Engine<H> {
    /// Reads the sealed split: once in a run's life, by fresh, interleaved trials of first and last harness. A later call
    /// gives the recorded claim; without a sealed split there is none.
    ///
    /// # Errors
    /// As [`Engine::run`]; [`ErrorKind::InvalidInput`] when the split was read already and the harness has changed since:
    /// a second reading is refused unless [`EngineBuilder::read_sealed_again`](super::EngineBuilder::read_sealed_again) forces it.
    pub async fn claim(&mut self) -> Result<Option<Claim>> {
        if self.benchmark.tasks(SplitName::Sealed).is_empty() {
            return Ok(None);
        }
        if self.claims.is_empty() || self.must_read_again() {
            let claim = self.read_sealed().await?;
            self.runner.ledger.journal.append(&Record::Claimed { claim: claim.clone() }).await?;
            self.claims.push(claim);
        }
        let Some(claim) = self.claims.last() else { return Ok(None) };
        if claim.last != self.lineage.tip().fingerprint()? {
            let message = "the sealed split was read already, and the harness has changed since: what it says of \
                           another harness would be no claim; force a second reading to get one that is marked as such";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        self.runner.observer.observe(&Event::Claimed { claim });
        Ok(Some(claim.clone()))
    }

    /// Whether a second reading was forced and has not happened yet.
    pub(super) fn must_read_again(&self) -> bool {
        self.read_again && self.claims.len() == self.earlier.claims.len()
    }

    async fn read_sealed(&self) -> Result<Claim> {
        let (first, last) = (self.lineage.seed(), self.lineage.tip());
        let same = first.fingerprint()? == last.fingerprint()?;
        // Nothing was promoted: both are the same harness, and the same trials speak for both.
        let arms = if same { vec![first] } else { vec![first, last] };
        let orders = self.sealed_orders(arms.len());
        let trials = self.runner.run_block(&arms, orders, "first and last harness, sealed").await?;
        let before = || trials.iter().step_by(arms.len()).map(AsRef::as_ref);
        let after = || trials.iter().skip(arms.len() - 1).step_by(arms.len()).map(AsRef::as_ref);
        // The split may be read once: an outage must not be what it says.
        super::assess::require_any_scored(Score::of(before()), SplitName::Sealed)?;
        super::assess::require_any_scored(Score::of(after()), SplitName::Sealed)?;
        let pairs = if same { Pairs::default() } else { paired(before(), after()) };
        Ok(Claim {
            first: first.fingerprint()?,
            last: last.fingerprint()?,
            before: Score::of(before()),
            after: Score::of(after()),
            pairs,
            difference: pairs.interval(ERROR),
            reading: self.reading(),
            trials: trials.iter().map(|trial| trial.id()).collect::<Result<_>>()?,
        })
    }

    /// The number of the next reading, from 1.
    fn reading(&self) -> u32 {
        u32::try_from(self.claims.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Every attempt at a task by each arm in turn, so that all meet the same weather. A repeated reading has attempts of its own.
    fn sealed_orders(&self, arms: usize) -> Vec<(usize, Order)> {
        let (seed, attempts) = (self.config.seed, self.config.claim_attempts);
        let from = attempts.saturating_mul(self.reading() - 1);
        let mut orders = Vec::new();
        for attempt in from..from.saturating_add(attempts) {
            let replicate = Replicate { seed, round: 0, phase: Phase::Claim, attempt };
            for task in self.benchmark.tasks(SplitName::Sealed) {
                orders.extend((0..arms).map(|arm| {
                    let task = Arc::clone(task);
                    (arm, Order { task, split: SplitName::Sealed, replicate })
                }));
            }
        }
        orders
    }
}

fn paired<'a>(
    before: impl Iterator<Item = &'a Trial>,
    after: impl Iterator<Item = &'a Trial>,
) -> Pairs {
    let mut pairs = Pairs::default();
    for (before, after) in before.zip(after) {
        pairs.add(before.passed(), after.passed());
    }
    pairs
}
