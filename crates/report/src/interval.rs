//! Intervals for pass rates and their differences.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The two-sided 95 % quantile of the standard normal.
const Z: f64 = 1.959_963_984_540_054;

/// A 95 % interval, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl From<harness_core::Interval> for Interval {
    fn from(harness_core::Interval { low, high, .. }: harness_core::Interval) -> Self {
        Self { low, high }
    }
}

/// The 95 % score interval of a pass rate; `None` without scored trials, or with more passes than trials.
///
/// Wilson's interval (E. B. Wilson, *Probable inference, the law of succession, and statistical inference*, JASA 22, 1927):
/// `(p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n)`. It takes trials as independent with one pass rate; for fixed tasks that
/// differ in difficulty it is somewhat too wide.
pub fn wilson(passed: u64, scored: u64) -> Option<Interval> {
    let p = rate(passed, scored)?;
    let n = count(scored);
    let z2 = Z * Z;
    let centre = p + z2 / (2.0 * n);
    let spread = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    // At the ends the formula gives exactly 0 and 1; rounding must not leave the interval beside the rate.
    let low = if passed == 0 { 0.0 } else { ((centre - spread) / scale).max(0.0) };
    let high = if passed == scored { 1.0 } else { ((centre + spread) / scale).min(1.0) };
    Some(Interval { low, high })
}

/// The 95 % interval of `after − before` for two pass rates, each as (passed, scored); `None` when one has no scored trials.
///
/// Newcombe's hybrid score interval, his method 10 (R. G. Newcombe, *Interval estimation for the difference between
/// independent proportions*, Statistics in Medicine 17, 1998): from the rates' own Wilson limits `l`, `u`, the
/// difference `d = p₁ − p₂` has the limits `d − √((p₁−l₁)² + (u₂−p₂)²)` and `d + √((u₁−p₁)² + (p₂−l₂)²)`. It does not use that
/// both harnesses had the same tasks, so it is rather too wide than too narrow.
pub fn difference(before: (u64, u64), after: (u64, u64)) -> Option<Interval> {
    let (p1, p2) = (rate(after.0, after.1)?, rate(before.0, before.1)?);
    let (first, second) = (wilson(after.0, after.1)?, wilson(before.0, before.1)?);
    let d = p1 - p2;
    Some(Interval {
        low: (d - (p1 - first.low).hypot(second.high - p2)).max(-1.0),
        high: (d + (first.high - p1).hypot(p2 - second.low)).min(1.0),
    })
}

pub(crate) fn rate(passed: u64, scored: u64) -> Option<f64> {
    (scored > 0 && passed <= scored).then(|| count(passed) / count(scored))
}

#[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^52")]
fn count(trials: u64) -> f64 {
    trials as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(interval: Option<Interval>, low: f64, high: f64) {
        let interval = interval.expect("there are trials");
        let near = |a: f64, b: f64| (a - b).abs() < 6e-5;
        assert!(near(interval.low, low) && near(interval.high, high), "{interval:?}");
    }

    #[test]
    fn single_rates_match_published_values() {
        // Newcombe, Two-sided confidence intervals for the single proportion, 1998, table I, method 3.
        close(wilson(81, 263), 0.2553, 0.3662);
        close(wilson(15, 148), 0.0624, 0.1605);
        close(wilson(0, 20), 0.0, 0.1611);
        close(wilson(1, 29), 0.0061, 0.1718);
    }

    #[test]
    fn differences_match_published_values() {
        // Newcombe 1998, table II, method 10.
        close(difference((48, 80), (56, 70)), 0.0524, 0.3339);
        close(difference((3, 10), (9, 10)), 0.1705, 0.8090);
        close(difference((0, 29), (5, 56)), -0.0381, 0.1926);
        close(difference((0, 20), (0, 10)), -0.1611, 0.2775);
        close(difference((0, 10), (10, 10)), 0.6075, 1.0);
    }

    #[test]
    fn nothing_is_said_of_no_trials() {
        assert_eq!(wilson(0, 0), None);
        assert_eq!(wilson(2, 1), None);
        assert_eq!(difference((0, 0), (1, 2)), None);
    }

    fn outcome() -> impl Strategy<Value = (u64, u64)> {
        (1u64..400).prop_flat_map(|scored| (0..=scored, Just(scored)))
    }

    proptest! {
        #[test]
        fn a_rate_lies_in_its_interval((passed, scored) in outcome()) {
            let interval = wilson(passed, scored).expect("trials");
            let rate = rate(passed, scored).expect("trials");
            prop_assert!(0.0 <= interval.low && interval.low <= rate);
            prop_assert!(rate <= interval.high && interval.high <= 1.0);
        }

        #[test]
        fn failures_mirror_passes((passed, scored) in outcome()) {
            let passes = wilson(passed, scored).expect("trials");
            let fails = wilson(scored - passed, scored).expect("trials");
            prop_assert!((passes.low - (1.0 - fails.high)).abs() < 1e-12);
        }

        #[test]
        fn more_trials_at_the_same_rate_narrow_it((passed, scored) in outcome(), times in 2u64..5) {
            let width = |interval: Interval| interval.high - interval.low;
            let one = wilson(passed, scored).expect("trials");
            let many = wilson(passed * times, scored * times).expect("trials");
            prop_assert!(width(many) < width(one));
        }

        #[test]
        fn a_difference_lies_in_its_interval_and_mirrors(before in outcome(), after in outcome()) {
            let there = difference(before, after).expect("trials");
            let back = difference(after, before).expect("trials");
            let d = rate(after.0, after.1).expect("trials") - rate(before.0, before.1).expect("trials");
            prop_assert!(-1.0 <= there.low && there.low <= d + 1e-12);
            prop_assert!(d - 1e-12 <= there.high && there.high <= 1.0);
            prop_assert!((there.low + back.high).abs() < 1e-12);
        }
    }
}
