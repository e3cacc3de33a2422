//! What no test can beat: Wald's lower bound on the trials of a decision.

use serde::{Deserialize, Serialize};

/// A simple alternative for paired attempts, and the errors that a test may make.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// The share of pairs that only the candidate passes, if the edit helps; above `worse`.
    pub better: f64,
    /// The share of pairs that only the incumbent passes, above 0.
    pub worse: f64,
    /// The probability of promoting an edit that does nothing.
    pub level: f64,
    /// The probability of promoting one that helps.
    pub power: f64,
}

impl Question {
    /// Pairs that a decision on an edit that helps takes on average, at least.
    ///
    /// No test of these errors, sequential or not, needs fewer: `E[N] ≥ kl(power, level) / KL(helps ‖ null)` with `kl(a, b) = a ln(a/b) + (1 − a)
    /// ln((1 − a)/(1 − b))` (Wald, *Sequential Analysis*, 1947; Wald and Wolfowitz 1948). The null has as many pairs that differ, in both directions alike:
    /// the hardest one to tell from it. Infinite when there is nothing to find.
    pub fn pairs_if_it_helps(&self) -> f64 {
        let half = f64::midpoint(self.better, self.worse);
        binary(self.power, self.level) / divergence((self.better, self.worse), (half, half))
    }

    /// Pairs that a decision on an edit that does nothing takes on average, at least.
    pub fn pairs_if_null(&self) -> f64 {
        let half = f64::midpoint(self.better, self.worse);
        binary(self.level, self.power) / divergence((half, half), (self.better, self.worse))
    }
}

fn binary(a: f64, b: f64) -> f64 {
    term(a, b) + term(1.0 - a, 1.0 - b)
}

/// Of (better, worse) pairs; those that are the same are equally likely under both.
fn divergence(truth: (f64, f64), other: (f64, f64)) -> f64 {
    term(truth.0, other.0) + term(truth.1, other.1)
}

fn term(p: f64, q: f64) -> f64 {
    if p > 0.0 { p * (p / q).ln() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bound_is_the_known_one() {
        // KL = 0.15 ln(1.5) + 0.05 ln(0.5) = 0.026162; kl(0.9, 0.05) = 0.9 ln 18 + 0.1 ln(0.1/0.95) = 2.376195.
        let question = Question { better: 0.15, worse: 0.05, level: 0.05, power: 0.9 };
        assert!(
            (question.pairs_if_it_helps() - 90.83).abs() < 0.05,
            "{}",
            question.pairs_if_it_helps()
        );
    }

    proptest! {
        #[test]
        fn smaller_errors_and_smaller_effects_take_more(
            worse in 0.01f64..0.3, gain in 0.01f64..0.3, level in 0.001f64..0.1, power in 0.5f64..0.95,
        ) {
            let question = Question { better: worse + gain, worse, level, power };
            let pairs = question.pairs_if_it_helps();
            prop_assert!(pairs > 0.0);
            let dearer = [
                Question { level: level / 2.0, ..question },
                Question { better: worse + gain / 2.0, ..question },
                Question { power: power + 0.02, ..question },
            ];
            prop_assert!(dearer.iter().all(|question| question.pairs_if_it_helps() > pairs));
        }
    }
}
