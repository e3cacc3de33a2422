//! An e-process for paired outcomes: evidence that stays valid however often one looks.

use crate::missing::Differences;

/// Shares of the largest bet that are placed, each with an equal part of the capital.
const STAKES: [f64; 7] = [0.03, 0.08, 0.14, 0.22, 0.33, 0.5, 0.85];

/// The natural logarithm of the e-value against "the mean difference over these tasks is at most `threshold`", with
/// −1 < `threshold` < 1.
///
/// # Formula
/// A gambler who stakes λ on each pair has capital `∏ (1 + λ (x − θ))`, with x = 1, 0 or −1 for a pair that is better, the same or worse. If
/// every task of the stratum has equally many pairs, outcomes are independent given the tasks, and task t's true difference is δ_t, the
/// expected capital of a block is `∏ (1 + λ (δ_t − θ)) ≤ (1 + λ (mean δ − θ))^n`, by the inequality of arithmetic and geometric
/// means: at most 1 under the hypothesis, *however the differences are spread over the tasks*. So the capital after whole blocks is a test supermartingale,
/// and so is the mean over several λ (the method of mixtures). By Ville's inequality the probability that it ever reaches 1/α
/// is at most α (Waudby-Smith and Ramdas, *Estimating means of bounded random variables by betting*, JRSS-B 2024; Ramdas,
/// Grünwald, Vovk and Shafer, *Game-theoretic statistics and safe anytime-valid inference*, 2023).
#[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^52")]
pub fn ln_e_value(pairs: Differences, threshold: f64) -> f64 {
    let (better, same, worse) = (pairs.better as f64, pairs.same as f64, pairs.worse as f64);
    let growth = |stake: &f64| {
        let bet = stake / (1.0 + threshold);
        better * (bet * (1.0 - threshold)).ln_1p()
            + same * (-bet * threshold).ln_1p()
            + worse * (-bet * (1.0 + threshold)).ln_1p()
    };
    ln_mean_exp(&STAKES.map(|stake| growth(&stake)))
}

/// `ln(mean(exp(x)))` without overflow.
#[expect(clippy::cast_precision_loss, reason = "a dozen of terms")]
fn ln_mean_exp(terms: &[f64]) -> f64 {
    let most = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = terms.iter().map(|term| (term - most).exp()).sum();
    most + (sum / terms.len() as f64).ln()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(better: u64, same: u64, worse: u64) -> Differences {
        Differences { better, same, worse }
    }

    /// The exact expectation over all outcomes of one pair at each of three tasks.
    fn expected(rates: [(f64, f64); 3], threshold: f64) -> f64 {
        let mut sum = 0.0;
        for outcome in 0..64u32 {
            let mut probability = 1.0;
            let mut counts = Differences::default();
            for (task, (before, after)) in rates.iter().enumerate() {
                let passed = |bit: u32| outcome >> (2 * task as u32 + bit) & 1 == 1;
                let of = |rate: f64, passed: bool| if passed { rate } else { 1.0 - rate };
                probability *= of(*before, passed(0)) * of(*after, passed(1));
                counts = counts
                    + match (passed(0), passed(1)) {
                        (false, true) => pairs(1, 0, 0),
                        (true, false) => pairs(0, 0, 1),
                        _ => pairs(0, 1, 0),
                    };
            }
            sum += probability * ln_e_value(counts, threshold).exp();
        }
        sum
    }

    proptest! {
        #[test]
        fn the_expected_capital_never_grows_when_there_is_nothing_to_find(
            rates in prop::array::uniform3((0.0f64..=1.0, 0.0f64..=1.0)), threshold in -0.3f64..0.3,
        ) {
            let mean = rates.iter().map(|(before, after)| after - before).sum::<f64>() / 3.0;
            prop_assume!(mean <= threshold);
            prop_assert!(expected(rates, threshold) <= 1.0 + 1e-9);
        }

        #[test]
        fn more_passes_are_more_evidence(
            better in 0u64..200, same in 0u64..200, worse in 1u64..200, threshold in -0.3f64..0.3,
        ) {
            let less = ln_e_value(pairs(better, same, worse), threshold);
            prop_assert!(ln_e_value(pairs(better, same + 1, worse - 1), threshold) >= less);
            prop_assert!(ln_e_value(pairs(better + 1, same, worse - 1), threshold) >= less);
        }

        #[test]
        fn a_higher_bar_is_harder_to_clear(better in 0u64..100, same in 0u64..100, worse in 0u64..100) {
            let evidence = |threshold| ln_e_value(pairs(better, same, worse), threshold);
            prop_assert!(evidence(0.1) <= evidence(0.0) + 1e-12);
            prop_assert!(evidence(0.0) <= evidence(-0.1) + 1e-12);
        }
    }

    #[test]
    fn nothing_seen_is_no_evidence_and_tasks_that_never_change_cost_nothing() {
        assert!(ln_e_value(pairs(0, 0, 0), 0.0).abs() < 1e-12);
        let few = ln_e_value(pairs(6, 0, 0), 0.0);
        assert!((ln_e_value(pairs(6, 1000, 0), 0.0) - few).abs() < 1e-9);
    }
}
