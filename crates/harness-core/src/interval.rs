//! How far two harnesses differ, from paired trials: intervals that hold at every size, however often one looks.

use serde::{Deserialize, Serialize};

/// A range for a mean, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// The probability that it holds the truth, at least: 0.95 for 95 %.
    pub level: f64,
}

/// Attempts of two harnesses at the same tasks, one pair after the other, as changes from the first to the second.
///
/// A pair of which one side was not scored is kept: what it could have been bounds the interval, so that
/// missing trials can widen it and never move it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pairs {
    /// Failed by the first, passed by the second.
    pub better: u64,
    /// The same outcome twice.
    pub same: u64,
    /// Passed by the first, failed by the second.
    pub worse: u64,
    /// Not scored on one side, where the other tells that the second was not worse.
    pub not_worse: u64,
    /// Not scored on one side, where the other tells that the second was not better.
    pub not_better: u64,
    /// Scored on neither side.
    pub unknown: u64,
}

impl Pairs {
    /// Adds a pair: whether each side passed, `None` where it could not be scored.
    pub fn add(&mut self, first: Option<bool>, second: Option<bool>) {
        let count = match (first, second) {
            (Some(false), Some(true)) => &mut self.better,
            (Some(true), Some(false)) => &mut self.worse,
            (Some(_), Some(_)) => &mut self.same,
            (Some(false), None) | (None, Some(true)) => &mut self.not_worse,
            (Some(true), None) | (None, Some(false)) => &mut self.not_better,
            (None, None) => &mut self.unknown,
        };
        *count += 1;
    }

    /// Pairs scored on both sides.
    pub fn scored(&self) -> u64 {
        self.better + self.same + self.worse
    }

    /// All of them.
    pub fn len(&self) -> u64 {
        self.scored() + self.not_worse + self.not_better + self.unknown
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The mean change in pass rate over the scored pairs, -1 to 1; `None` without any.
    #[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^52")]
    pub fn change(&self) -> Option<f64> {
        let change = self.better as f64 - self.worse as f64;
        (self.scored() > 0).then(|| change / self.scored() as f64)
    }

    /// The interval of the mean change, with error at most `alpha`; `None` when no pair was scored. See [`mean_interval`] for
    /// what it rests on: here an observation is a pair, and with as many pairs at each task the mean is that over tasks.
    pub fn interval(&self, alpha: f64) -> Option<Interval> {
        (self.scored() > 0).then(|| Interval {
            low: lower_bound(&self.at_worst(), alpha / 2.0),
            high: -lower_bound(&mirrored(&self.at_best()), alpha / 2.0),
            level: 1.0 - alpha,
        })
    }

    /// The largest mean change that these pairs leave possible, with error at most `alpha`; 1 without any.
    pub fn at_most(&self, alpha: f64) -> f64 {
        -lower_bound(&mirrored(&self.at_best()), alpha)
    }

    fn at_worst(&self) -> Vec<(f64, u64)> {
        let worse = self.worse + self.not_better + self.unknown;
        vec![(1.0, self.better), (0.0, self.same + self.not_worse), (-1.0, worse)]
    }

    fn at_best(&self) -> Vec<(f64, u64)> {
        let better = self.better + self.not_worse + self.unknown;
        vec![(1.0, better), (0.0, self.same + self.not_better), (-1.0, self.worse)]
    }
}

impl std::ops::AddAssign for Pairs {
    fn add_assign(&mut self, other: Self) {
        self.better += other.better;
        self.same += other.same;
        self.worse += other.worse;
        self.not_worse += other.not_worse;
        self.not_better += other.not_better;
        self.unknown += other.unknown;
    }
}

/// The interval of the mean of independent observations in [-1, 1] that may each have a mean of their own, with error at most
/// `alpha` at *any* number of them; `None` without observations.
///
/// For a supposed mean m and a stake c in (0, 1), a gambler who bets on "more than m" multiplies a capital of 1 by
/// `1 + c ((1 + x) / (1 + m) − 1)` at each observation x. If the mean is m (or less), the expected product is at most 1: for
/// independent x with means μᵢ it is `Π (1 + c ((1 + μᵢ) / (1 + m) − 1))`, and by the inequality of arithmetic and geometric means no
/// more than with all of them equal. Averaged over stakes it is an e-value, and by Markov's inequality a capital of 1/α refutes m
/// with error at most α. The interval holds every m that neither side refutes at α/2. This is betting by a fixed mixture
/// (I. Waudby-Smith and A. Ramdas, *Estimating means of bounded random variables by betting*, JRSS B 86, 2024,
/// section 4), which for one common mean is also valid at every look (Ville); with strata of equal size it is so after
/// every whole block of one attempt at each task, because each block has the same mean.
pub fn mean_interval(observations: &[f64], alpha: f64) -> Option<Interval> {
    let values: Vec<(f64, u64)> = observations.iter().map(|x| (x.clamp(-1.0, 1.0), 1)).collect();
    (!values.is_empty()).then(|| Interval {
        low: lower_bound(&values, alpha / 2.0),
        high: -lower_bound(&mirrored(&values), alpha / 2.0),
        level: 1.0 - alpha,
    })
}

fn mirrored(values: &[(f64, u64)]) -> Vec<(f64, u64)> {
    values.iter().map(|(x, count)| (-x, *count)).collect()
}

/// The smallest mean that is not refuted at level `alpha`, by bisection: the capital falls as m rises. Between the last two
/// trial values the refuted one is given, so that rounding can only widen.
fn lower_bound(values: &[(f64, u64)], alpha: f64) -> f64 {
    let (mut refuted, mut possible) = (-1.0, 1.0);
    for _ in 0..50 {
        let m = f64::midpoint(refuted, possible);
        if log_capital(values, m) >= -alpha.ln() {
            refuted = m;
        } else {
            possible = m;
        }
    }
    refuted
}

/// The logarithm of the capital, averaged over stakes spread evenly: those that fit the truth carry the others, at the price of
/// a factor of a few.
fn log_capital(values: &[(f64, u64)], m: f64) -> f64 {
    const STAKES: u32 = 64;
    let capital = |index: u32| {
        let c = (f64::from(index) + 0.5) / f64::from(STAKES);
        values.iter().map(|(x, n)| count(*n) * (c * ((1.0 + x) / (1.0 + m) - 1.0)).ln_1p()).sum()
    };
    let logs: Vec<f64> = (0..STAKES).map(capital).collect();
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + (logs.iter().map(|log| (log - most).exp()).sum::<f64>() / f64::from(STAKES)).ln()
}

#[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^52")]
fn count(trials: u64) -> f64 {
    trials as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::Chance;

    fn pairs(better: u64, same: u64, worse: u64) -> Pairs {
        Pairs { better, same, worse, ..Pairs::default() }
    }

    /// One attempt of both at each task; the truth is the mean of `after - before`.
    fn block(chance: &mut Chance, tasks: &[(f64, f64)], into: &mut Pairs) {
        for (before, after) in tasks {
            into.add(Some(chance.happens(*before)), Some(chance.happens(*after)));
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a handful of tasks")]
    fn truth(tasks: &[(f64, f64)]) -> f64 {
        tasks.iter().map(|(before, after)| after - before).sum::<f64>() / tasks.len() as f64
    }

    /// In how many of `runs` the truth was ever outside the 90 % interval, looking after each of `blocks` blocks.
    fn missed(tasks: &[(f64, f64)], blocks: usize, runs: u64) -> usize {
        let ever_missed = |seed: &u64| {
            let (mut chance, mut seen) = (Chance::new(*seed), Pairs::default());
            (0..blocks).any(|_| {
                block(&mut chance, tasks, &mut seen);
                let refuted = |values: &[(f64, u64)], m| log_capital(values, m) >= 20_f64.ln();
                let truth = truth(tasks);
                refuted(&seen.at_worst(), truth) || refuted(&mirrored(&seen.at_best()), -truth)
            })
        };
        (0..runs).filter(ever_missed).count()
    }

    #[test]
    fn the_truth_is_outside_at_any_look_no_more_often_than_declared() {
        let null = [(0.5, 0.5); 8];
        let mixed = [(0.1, 0.9), (0.9, 0.1), (0.5, 0.7), (0.0, 0.0), (1.0, 1.0), (0.3, 0.3)];
        let reliable = [(1.0, 0.95); 10];
        for tasks in [&null[..], &mixed, &reliable] {
            // Declared: 40 of 400. Fixed seeds: the counts are what they are.
            let missed = missed(tasks, 20, 400);
            assert!(missed <= 40, "{missed} of 400");
        }
    }

    #[test]
    fn a_plain_gain_is_seen_in_few_trials() {
        // Twelve of 32 pairs mended and none broken.
        let interval = pairs(12, 20, 0).interval(0.05).unwrap();
        assert!(interval.low > 0.05 && interval.low < 0.375, "{interval:?}");
        assert!(pairs(6, 6, 6).interval(0.05).unwrap().low < 0.0);
        assert!(pairs(1, 30, 1).interval(0.05).unwrap().high < 0.5);
    }

    #[test]
    fn nothing_is_said_of_no_trials() {
        assert_eq!(Pairs::default().interval(0.05), None);
        assert_eq!(Pairs { unknown: 4, ..Pairs::default() }.interval(0.05), None);
        assert_eq!(mean_interval(&[], 0.05), None);
    }

    fn any_pairs() -> impl Strategy<Value = Pairs> {
        (0..60_u64, 0..60_u64, 0..60_u64, 0..6_u64, 0..6_u64, 0..6_u64).prop_map(
            |(better, same, worse, not_worse, not_better, unknown)| Pairs {
                better,
                same,
                worse,
                not_worse,
                not_better,
                unknown,
            },
        )
    }

    #[expect(clippy::cast_precision_loss, reason = "few")]
    fn mean(values: &[(f64, u64)]) -> f64 {
        let all: u64 = values.iter().map(|(_, count)| count).sum();
        values.iter().map(|(x, count)| x * *count as f64).sum::<f64>() / all as f64
    }

    #[test]
    fn a_pair_that_cannot_have_been_worse_may_refute_the_estimate_of_the_scored_ones() {
        // Of two pairs one was worse and one was not: the mean change cannot be -1.
        let pairs = Pairs { worse: 1, not_worse: 1, ..Pairs::default() };
        assert!(pairs.interval(0.05).unwrap().low > -1.0 && pairs.change() == Some(-1.0));
    }

    proptest! {
        #[test]
        fn every_possible_estimate_lies_inside_and_both_directions_mirror(pairs in any_pairs()) {
            prop_assume!(pairs.scored() > 0);
            let there = pairs.interval(0.05).unwrap();
            prop_assert!(-1.0 <= there.low && there.low <= mean(&pairs.at_worst()) + 1e-9);
            prop_assert!(mean(&pairs.at_best()) <= there.high + 1e-9 && there.high <= 1.0);
            let mirrored = Pairs {
                better: pairs.worse, worse: pairs.better,
                not_worse: pairs.not_better, not_better: pairs.not_worse, ..pairs
            };
            let back = mirrored.interval(0.05).unwrap();
            prop_assert!((there.low + back.high).abs() < 1e-9 && (there.high + back.low).abs() < 1e-9);
        }

        #[test]
        fn whatever_a_missing_outcome_was_the_interval_with_it_lies_inside(
            pairs in any_pairs(), change in -1..=1_i32,
        ) {
            prop_assume!(pairs.scored() > 0);
            let mut missing = pairs;
            missing.add(None, None);
            let mut known = pairs;
            known.add(Some(change < 0), Some(change > 0));
            let (wide, narrow) = (missing.interval(0.05).unwrap(), known.interval(0.05).unwrap());
            prop_assert!(wide.low <= narrow.low + 1e-9 && narrow.high <= wide.high + 1e-9);
        }

        #[test]
        fn the_same_again_narrows_it(better in 0..20_u64, same in 0..20_u64, worse in 0..20_u64) {
            prop_assume!(better + same + worse > 4);
            let width = |interval: Interval| interval.high - interval.low;
            let once = pairs(better, same, worse).interval(0.05).unwrap();
            let often = pairs(better * 4, same * 4, worse * 4).interval(0.05).unwrap();
            prop_assert!(width(often) < width(once) + 1e-9);
        }

        #[test]
        fn values_between_are_bounded_too(values in proptest::collection::vec(-1.0..1.0_f64, 1..40)) {
            let interval = mean_interval(&values, 0.05).unwrap();
            #[expect(clippy::cast_precision_loss, reason = "few")]
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            prop_assert!(interval.low <= mean + 1e-9 && mean <= interval.high + 1e-9);
        }
    }
}
