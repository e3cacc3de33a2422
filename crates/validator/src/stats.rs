//! The little statistics that the gates rest on. Every function is pure and says where its formula is from.

use serde::{Deserialize, Serialize};

/// Φ(x), the distribution function of the standard normal: `erfc(-x/√2) / 2`.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// What is believed of an effect: a normal distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Belief {
    /// Its mean.
    pub mean: f64,
    /// Its variance, positive.
    pub variance: f64,
}

impl Belief {
    /// A belief of this mean and standard deviation.
    pub fn new(mean: f64, sd: f64) -> Self {
        Self { mean, variance: sd * sd }
    }

    /// After seeing an unbiased estimate with this sampling variance: precisions add, and the mean is weighted by them
    /// (the conjugate normal update; Gelman et al., *Bayesian Data Analysis*, 3rd ed., section 2.5).
    #[must_use]
    pub fn updated(self, estimate: f64, sampling_variance: f64) -> Self {
        let (prior, seen) = (1.0 / self.variance, 1.0 / sampling_variance);
        Self {
            mean: (self.mean * prior + estimate * seen) / (prior + seen),
            variance: 1.0 / (prior + seen),
        }
    }

    /// The belief of the weighted sum of independent quantities.
    pub fn weighted_sum(parts: &[(f64, Self)]) -> Self {
        Self {
            mean: parts.iter().map(|(weight, part)| weight * part.mean).sum(),
            variance: parts.iter().map(|(weight, part)| weight * weight * part.variance).sum(),
        }
    }

    /// The probability that it is above `threshold`.
    pub fn above(&self, threshold: f64) -> f64 {
        if self.variance > 0.0 {
            return normal_cdf((self.mean - threshold) / self.variance.sqrt());
        }
        f64::from(u8::from(self.mean > threshold))
    }
}

/// The probability that the candidate passes a task less often than the incumbent, from their passes among their
/// scored attempts, each with a uniform prior on its pass rate.
///
/// Exact for integer counts: with X ~ Beta(a, b) and Y ~ Beta(c, d), `P(X > Y)` is the sum over i < a of
/// `B(c + i, b + d) / ((b + i) B(1 + i, b) B(c, d))` (J. D. Cook, *Exact calculation of beta inequalities*, 2005), and one less `P(Y > X)`, the same sum over
/// i < c with the sides exchanged. The shorter one is taken: an incumbent may have thousands of attempts on record, a candidate has a handful.
/// Passes above the number of attempts are taken as that number.
pub fn probability_of_loss(incumbent: (u32, u32), candidate: (u32, u32)) -> f64 {
    let shape = |(passed, scored): (u32, u32)| {
        let passed = passed.min(scored);
        (f64::from(passed) + 1.0, f64::from(scored - passed) + 1.0)
    };
    let (incumbent, candidate) = (shape(incumbent), shape(candidate));
    if incumbent.0 <= candidate.0 {
        above(incumbent, candidate)
    } else {
        1.0 - above(candidate, incumbent)
    }
}

/// P(X > Y), by the sum over the first shape of X.
fn above((a, b): (f64, f64), (c, d): (f64, f64)) -> f64 {
    let mut sum = 0.0;
    let mut i = 0.0;
    while i < a {
        let log = ln_beta(c + i, b + d) - (b + i).ln() - ln_beta(1.0 + i, b) - ln_beta(c, d);
        sum += log.exp();
        i += 1.0;
    }
    sum.clamp(0.0, 1.0)
}

fn ln_beta(a: f64, b: f64) -> f64 {
    libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b)
}

/// The mean variance of one attempt around its task's own pass rate, `p (1 - p)` averaged over tasks: how flaky a
/// benchmark is under a harness, 0 (every task always or never passes) to 0.25.
///
/// Each item is one task's (passes, scored attempts) under one harness. The unbiased estimate of a task is
/// `x (n - x) / (n (n - 1))`, which needs two attempts; tasks with fewer tell nothing. `prior_tasks` tasks of
/// variance `prior` are added, so that a short run of equal outcomes is not taken for certainty.
pub fn within_task_variance(
    tasks: impl IntoIterator<Item = (u32, u32)>,
    prior: f64,
    prior_tasks: f64,
) -> f64 {
    let (mut sum, mut weight) = (prior * prior_tasks, prior_tasks);
    for (passed, scored) in tasks {
        if scored >= 2 {
            let (x, n) = (f64::from(passed), f64::from(scored));
            sum += x * (n - x) / (n * (n - 1.0));
            weight += 1.0;
        }
    }
    if weight > 0.0 { sum / weight } else { prior }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn either_side_s_sum_is_the_same_probability(
            (one, all) in (0u32..60).prop_flat_map(|all| (0..=all, Just(all))),
            (other, every) in (0u32..60).prop_flat_map(|all| (0..=all, Just(all))),
        ) {
            let shape = |passed: u32, scored: u32| {
                (f64::from(passed) + 1.0, f64::from(scored - passed) + 1.0)
            };
            let (x, y) = (shape(one, all), shape(other, every));
            let loss = probability_of_loss((one, all), (other, every));
            prop_assert!((above(x, y) - loss).abs() < 1e-9);
            prop_assert!((above(x, y) + above(y, x) - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn the_normal_distribution_has_its_known_quantiles() {
        for (x, p) in [(0.0, 0.5), (1.959_964, 0.975), (-1.644_854, 0.05), (-4.0, 3.167_124e-5)] {
            assert!((normal_cdf(x) - p).abs() < 1e-7, "{x}");
        }
    }

    #[test]
    fn losses_have_their_exact_probabilities() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(close(probability_of_loss((0, 0), (0, 0)), 0.5));
        assert!(close(probability_of_loss((1, 1), (0, 1)), 5.0 / 6.0));
        // All flip: of the C(2n + 2, n + 1) equally likely orders only one has every candidate draw on top.
        assert!(close(probability_of_loss((2, 2), (0, 2)), 1.0 - 1.0 / 20.0));
        assert!(close(probability_of_loss((6, 6), (0, 6)), 1.0 - 1.0 / 3432.0));
    }

    #[test]
    fn a_precise_observation_beats_the_prior_and_a_vague_one_does_not() {
        let prior = Belief::new(0.0, 0.1);
        assert!((prior.updated(1.0, 1e-9).mean - 1.0).abs() < 1e-6);
        assert!(prior.updated(1.0, 1e9).mean.abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn one_side_loses_or_the_other_does(
            (x, n) in (0u32..40).prop_flat_map(|n| (0..=n, Just(n))),
            (y, m) in (0u32..40).prop_flat_map(|m| (0..=m, Just(m))),
        ) {
            let sum = probability_of_loss((x, n), (y, m)) + probability_of_loss((y, m), (x, n));
            prop_assert!((sum - 1.0).abs() < 1e-9);
        }

        #[test]
        fn each_further_failure_makes_a_loss_likelier(n in 1u32..30, x in 0u32..30, y in 0u32..30) {
            let (x, y) = (x.min(n), y.min(n));
            prop_assume!(y > 0);
            let before = probability_of_loss((x, n), (y, n));
            let after = probability_of_loss((x, n), (y - 1, n));
            // Near 1 a float can tell no more.
            let told = if before < 1.0 - 1e-9 { after > before } else { after >= before - 1e-12 };
            prop_assert!(told, "{before} → {after}");
        }

        #[test]
        fn seeing_more_never_widens_a_belief(
            sd in 0.01f64..1.0, estimate in -1.0f64..1.0, variance in 1e-6f64..10.0,
        ) {
            let prior = Belief::new(0.0, sd);
            let after = prior.updated(estimate, variance);
            prop_assert!(after.variance <= prior.variance);
            prop_assert!(after.mean.abs() <= estimate.abs() + 1e-12);
        }

        #[test]
        fn flakiness_lies_between_its_bounds(tasks in prop::collection::vec((0u32..9, 0u32..9), 0..30)) {
            let tasks = tasks.into_iter().map(|(x, n)| (x.min(n), n));
            let variance = within_task_variance(tasks, 0.136, 2.0);
            prop_assert!((0.0..=0.5).contains(&variance));
        }
    }
}
