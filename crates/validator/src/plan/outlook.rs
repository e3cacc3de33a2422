//! What a run of some size may expect of its gate.

use serde::{Deserialize, Serialize};

use super::Plan;
use super::bench::{Bench, Effect, targets};
use crate::gate::Gate;

/// A forecast by simulation of the very gate that will decide, on a seeded benchmark of the plan's size whose pass rates are ~ Beta(0.6, 0.6)
/// and where as many tasks show the targeted weakness as the plan says. A guide, not a promise: how flaky the real tasks are is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outlook {
    /// Attempts at each task.
    pub attempts: u32,
    /// Trials of a whole run on average, if one proposal in four mends what it targets and the others do nothing.
    pub expected: u64,
    /// The probability of promoting an edit that does nothing, per candidate.
    pub false_promotion: f64,
    /// Its standard error; the simulation is small.
    pub false_promotion_error: f64,
    /// The probability that a whole run of such edits promotes at least one, if its decisions were independent.
    pub false_promotion_run: f64,
    /// The smallest mean gain over all tasks, spread evenly, that one judgement finds in four of five cases; `None` when not even the largest
    /// that was tried (28 points) is found.
    pub smallest_uniform: Option<f64>,
    /// The same when all of it is on the targeted tasks; no gain there can be larger than from one pass in ten to always.
    pub smallest_targeted: Option<f64>,
    /// How many tasks are targeted.
    pub targeted: u32,
}

/// Gains that are tried, in pass rate over all tasks.
const GAINS: [f64; 9] = [0.02, 0.03, 0.045, 0.065, 0.09, 0.12, 0.16, 0.21, 0.28];
const POWER: f64 = 0.8;
const NULLS: u32 = 100;
const POWERED: u32 = 40;
const ROUNDS: u32 = 12;

impl Plan {
    /// What this plan may expect of `gate`, the same for the same seed. Some hundred judgements are simulated: a second or two.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small counts")]
    pub fn outlook(&self, gate: &dyn Gate, seed: u64) -> Outlook {
        let null = self.share(gate, Effect::Null, NULLS, seed);
        let candidates = f64::from(self.rounds.saturating_mul(self.width));
        let assess = u64::from(self.rounds).saturating_mul(self.one_assessment());
        let judge = f64::from(self.rounds) * self.round_trials(gate, seed);
        Outlook {
            attempts: self.attempts,
            expected: assess.saturating_add(judge.round() as u64).saturating_add(self.claim()),
            false_promotion: null,
            false_promotion_error: (null.max(1.0 / f64::from(NULLS)) * (1.0 - null)
                / f64::from(NULLS))
            .sqrt(),
            false_promotion_run: 1.0 - (1.0 - null).powf(candidates),
            smallest_uniform: self.smallest(gate, Effect::Uniform, seed),
            smallest_targeted: self.smallest(gate, Effect::Targeted, seed),
            targeted: targets(self).count() as u32,
        }
    }

    /// The same with twice the attempts.
    pub fn doubled(&self) -> Self {
        let twice = |count: u32| count.saturating_mul(2);
        Self { attempts: twice(self.attempts), claim_attempts: twice(self.claim_attempts), ..*self }
    }

    fn share(&self, gate: &dyn Gate, effect: Effect, count: u32, seed: u64) -> f64 {
        let promoted = |index: u32| {
            Bench::new(*self, seed.wrapping_add(u64::from(index))).hear(gate, &[effect]).promoted()
        };
        (0..count).filter(|index| promoted(*index) > 0).count() as f64 / f64::from(count)
    }

    /// Gains are tried from the largest down, until one is missed too often.
    #[expect(clippy::cast_precision_loss, reason = "a count of targeted tasks")]
    fn smallest(&self, gate: &dyn Gate, effect: fn(f64) -> Effect, seed: u64) -> Option<f64> {
        let most = match effect(0.0) {
            Effect::Targeted(_) => 0.9 * targets(self).count() as f64 / self.tasks().max(1) as f64,
            _ => 1.0,
        };
        let possible = GAINS.iter().rev().filter(|gain| **gain <= most);
        possible
            .take_while(|gain| self.share(gate, effect(**gain), POWERED, seed) >= POWER)
            .last()
            .copied()
    }

    /// Trials to judge a round and its composition, on average.
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    fn round_trials(&self, gate: &dyn Gate, seed: u64) -> f64 {
        let gain = 0.6 * targets(self).count() as f64 / self.tasks().max(1) as f64;
        let helps = |index: u32| {
            if index.is_multiple_of(4) { Effect::Targeted(gain) } else { Effect::Null }
        };
        let mut trials = 0;
        for round in 0..ROUNDS {
            let mut bench = Bench::new(*self, seed.wrapping_add(u64::from(round)));
            let first = round.wrapping_mul(self.width);
            let effects: Vec<Effect> =
                (0..self.width).map(|index| helps(first.wrapping_add(index))).collect();
            let ended = bench.hear(gate, &effects);
            trials += ended.trials;
            if ended.promoted() > 1 {
                trials += bench.hear(gate, &[Effect::Targeted(gain)]).trials;
            }
        }
        trials as f64 / f64::from(ROUNDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{GateKind, PaperGate, StrictGate};

    const SMALL: Plan = Plan {
        held_in: 20,
        held_out: 10,
        sealed: 10,
        attempts: 2,
        width: 2,
        rounds: 2,
        claim_attempts: 2,
        targets: None,
    };

    #[test]
    fn the_papers_gate_takes_what_one_counts_by_hand() {
        let outlook = SMALL.outlook(&PaperGate::default(), 1);
        let single = 2 * 30 * 2 + 2 * 2 * 30 * 2 + 2 * 10 * 2;
        assert!((single..=single + 2 * 30 * 2).contains(&outlook.expected), "{outlook:?}");
        // Three in ten, as the design's simulation has it.
        assert!((0.1..0.5).contains(&outlook.false_promotion), "{outlook:?}");
    }

    #[test]
    fn the_strict_gate_promotes_no_null_edit_and_no_run_takes_more_than_the_worst_case() {
        let gate = StrictGate { patience: 10, ..StrictGate::default() };
        let outlook = SMALL.outlook(&gate, 2);
        assert!(outlook.false_promotion <= 0.02, "{outlook:?}");
        assert!(outlook.expected <= SMALL.at_worst(&gate).total, "{outlook:?}");
        assert!(outlook.smallest_uniform.is_some(), "{outlook:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_outlook_and_doubling_doubles_the_claim() {
        let gate = GateKind::Paper.gate();
        assert_eq!(SMALL.outlook(gate.as_ref(), 3), SMALL.outlook(gate.as_ref(), 3));
        assert_eq!(
            SMALL.doubled().at_worst(gate.as_ref()).claim,
            2 * SMALL.at_worst(gate.as_ref()).claim
        );
    }
}
