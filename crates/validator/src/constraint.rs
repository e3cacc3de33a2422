//! Cost and latency as constraints: a candidate may be no dearer and no slower than the incumbent, but for a declared factor.

use std::sync::Arc;

use harness_core::Trial;
use serde::{Deserialize, Serialize};

/// What a promotion must not cost. Everything is optional; by default nothing is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Constraints {
    /// The largest factor by which the mean dollars of a trial may rise, such as 1.1. Unknown prices leave the question open.
    pub cost: Option<f64>,
    /// The largest factor by which the mean time of a trial may rise.
    pub latency: Option<f64>,
}

/// Something of both sides at one task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sides<T> {
    /// The incumbent's attempts.
    pub incumbent: Vec<T>,
    /// The candidate's.
    pub candidate: Vec<T>,
}

impl<T> Sides<T> {
    fn map<U>(&self, read: impl Fn(&T) -> U) -> Sides<U> {
        let side = |values: &[T]| values.iter().map(&read).collect();
        Sides { incumbent: side(&self.incumbent), candidate: side(&self.candidate) }
    }
}

/// What the trials say of a constraint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compliance {
    /// The interval lies within it.
    Kept,
    /// The interval lies beyond it.
    Broken,
    /// The interval reaches across it, or the quantity is not known.
    Open {
        /// Why.
        why: String,
    },
}

/// The normal quantile of the one-sided level of 5 %.
const Z: f64 = 1.644_854;

impl Constraints {
    /// Whether anything is asked.
    pub fn is_empty(&self) -> bool {
        self.cost.is_none() && self.latency.is_none()
    }

    /// The first constraint that is not kept, with its name. What was not scored counts too, for it was paid.
    pub(crate) fn breach(&self, tasks: &[Sides<Arc<Trial>>]) -> Option<(&'static str, Compliance)> {
        let breach = |name, factor: Option<f64>, measure: fn(&Arc<Trial>) -> Option<f64>| {
            let measured: Vec<_> = tasks.iter().map(|task| task.map(measure)).collect();
            let compliance = non_inferior(&measured, factor?);
            (compliance != Compliance::Kept).then_some((name, compliance))
        };
        breach("cost", self.cost, |trial| trial.spent.usd())
            .or_else(|| breach("latency", self.latency, |trial| Some(trial.elapsed.as_secs_f64())))
    }
}

/// Whether the candidate's mean is at most `factor` times the incumbent's, at one-sided 95 % for either answer, from each task's measurements; `None` is a quantity that nobody knows, and one of them leaves the question open.
///
/// # Formula
/// `mean(candidate) ≤ f · mean(incumbent)` holds exactly when the mean over tasks of `d = candidate − f · incumbent` is at most 0: Fieller's way to
/// an interval for a ratio (*J. R. Statist. Soc. B* 16, 1954) without dividing by a noisy number. d is averaged in each task first, so that attempts at
/// one task do not pass for independent ones, and its mean over tasks has a Student interval with n − 1 degrees of freedom (quantile by the
/// expansion 26.7.5 of Abramowitz and Stegun).
pub fn non_inferior(tasks: &[Sides<Option<f64>>], factor: f64) -> Compliance {
    let open = |why: &str| Compliance::Open { why: why.to_owned() };
    let mut differences = Vec::new();
    for Sides { incumbent, candidate } in tasks {
        if incumbent.is_empty() || candidate.is_empty() {
            continue;
        }
        let (Some(before), Some(after)) = (mean(incumbent), mean(candidate)) else {
            return open("some of it is not known");
        };
        differences.push(after - factor * before);
    }
    let Some((low, high)) = interval(&differences) else {
        return open("too few tasks were measured");
    };
    if high <= 0.0 {
        Compliance::Kept
    } else if low > 0.0 {
        Compliance::Broken
    } else {
        open("the trials do not tell")
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^52")]
fn mean(values: &[Option<f64>]) -> Option<f64> {
    let sum: Option<f64> = values.iter().copied().sum();
    sum.map(|sum| sum / values.len() as f64)
}

/// The two-sided 90 % interval for a mean; `None` for fewer than three values.
#[expect(clippy::cast_precision_loss, reason = "counts of tasks are far below 2^52")]
fn interval(values: &[f64]) -> Option<(f64, f64)> {
    if values.len() < 3 {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let half = student(n - 1.0) * (variance / n).sqrt();
    Some((mean - half, mean + half))
}

/// Student's 95 % quantile.
fn student(freedom: f64) -> f64 {
    let (z, z3, z5) = (Z, Z.powi(3), Z.powi(5));
    z + (z3 + z) / (4.0 * freedom)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * freedom.powi(2))
        + (3.0 * Z.powi(7) + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / (384.0 * freedom.powi(3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known(values: &[f64]) -> Vec<Option<f64>> {
        values.iter().copied().map(Some).collect()
    }

    fn costs() -> impl Strategy<Value = Vec<Sides<f64>>> {
        let side = || prop::collection::vec(0.1f64..10.0, 1..4);
        let sides =
            (side(), side()).prop_map(|(incumbent, candidate)| Sides { incumbent, candidate });
        prop::collection::vec(sides, 3..30)
    }

    fn tasks(costs: &[Sides<f64>]) -> Vec<Sides<Option<f64>>> {
        costs.iter().map(|task| task.map(|cost| Some(*cost))).collect()
    }

    #[test]
    fn the_quantile_is_students() {
        for (freedom, quantile) in [(5.0, 2.015), (10.0, 1.812), (30.0, 1.697), (1000.0, 1.646)] {
            assert!((student(freedom) - quantile).abs() < 2e-3, "{freedom}");
        }
    }

    #[test]
    fn twice_the_cost_is_a_breach_and_half_of_it_is_none() {
        let with = |times: f64| {
            let task = |index: u32| {
                let cost = 1.0 + 0.1 * f64::from(index);
                Sides {
                    incumbent: known(&[cost, cost]),
                    candidate: known(&[times * cost, times * cost * 1.01]),
                }
            };
            non_inferior(&(0..12).map(task).collect::<Vec<_>>(), 1.1)
        };
        assert_eq!(with(2.0), Compliance::Broken);
        assert_eq!(with(0.5), Compliance::Kept);
    }

    proptest! {
        #[test]
        fn an_unknown_cost_is_never_taken_for_nothing(costs in costs(), at in any::<prop::sample::Index>()) {
            let mut tasks = tasks(&costs);
            let task = at.index(tasks.len());
            tasks[task].candidate[0] = None;
            let is_open = matches!(non_inferior(&tasks, 1.1), Compliance::Open { .. });
            prop_assert!(is_open);
        }

        #[test]
        fn a_wider_factor_is_never_harder_to_keep(costs in costs(), factor in 0.5f64..2.0) {
            let tasks = tasks(&costs);
            let kept = |factor| non_inferior(&tasks, factor) == Compliance::Kept;
            let broken = |factor| non_inferior(&tasks, factor) == Compliance::Broken;
            // Widening by so much beats any noise of the larger factor's own.
            prop_assert!(!(kept(factor) && broken(factor * 100.0)));
            prop_assert!(!broken(1e6));
        }

        #[test]
        fn the_unit_of_money_does_not_matter(costs in costs(), factor in 0.5f64..2.0) {
            let scaled: Vec<_> = costs.iter().map(|task| task.map(|cost| cost * 64.0)).collect();
            prop_assert_eq!(non_inferior(&tasks(&costs), factor), non_inferior(&tasks(&scaled), factor));
        }
    }
}
