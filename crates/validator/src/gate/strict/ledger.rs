//! What a run may still spend of its level, decision by decision.

use harness_core::{Decision, Verdict};
use serde::{Deserialize, Serialize};

/// The error budget of a whole run.
///
/// Decision j is tested at level α_j: a candidate is promoted when its e-value reaches 1/α_j. With Σ α_j ≤ α and Ville's inequality for each, the
/// probability that the run promotes any null or harmful edit is at most α, however many are tried, however the decisions
/// depend on each other and on what was tried before (alpha-spending: Foster and Stine, *α-investing*, 2008, in its family-wise form). When a
/// decision promotes, its level goes to the next one (the online fallback procedure: Tian and Ramdas, *Online control of the
/// familywise error rate*, 2021, which holds under any dependence).
///
/// The first `horizon` decisions share nine tenths of α equally; the rest is spread over all later ones as 1/k², so that the
/// ledger never runs dry.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// The level of the whole run, 0 to 1.
    pub level: f64,
    /// How many decisions are expected: rounds times width is a good guess. More are allowed, at ever smaller levels.
    pub horizon: u32,
}

/// One decision that was tested.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spending {
    /// Its level.
    pub level: f64,
    /// Whether it promoted.
    pub promoted: bool,
}

impl Spending {
    /// What a decision spent, if it was tested at a level at all.
    pub fn of(decision: &Decision) -> Option<Self> {
        let stake = decision.finding.as_ref()?.stake?;
        // A promotion that was taken back in a composition had reached its level all the same.
        let promoted = decision.verdict == Verdict::Promote;
        Some(Self { level: stake.level, promoted })
    }
}

/// The share of α that the first decisions get.
const EARLY: f64 = 0.9;

impl Ledger {
    /// The level of the next decision, after these in order.
    pub fn next(&self, spent: &[Spending]) -> f64 {
        let returned = spent.last().filter(|last| last.promoted).map_or(0.0, |last| last.level);
        self.own(spent.len()) + returned
    }

    /// What decision `index` gets by itself, counted from 0.
    #[expect(clippy::cast_precision_loss, reason = "counts of decisions are far below 2^52")]
    fn own(&self, index: usize) -> f64 {
        let horizon = self.horizon.max(1) as usize;
        if index < horizon {
            return self.level * EARLY / horizon as f64;
        }
        let late = (index - horizon + 1) as f64;
        self.level * (1.0 - EARLY) * 6.0 / (std::f64::consts::PI * late).powi(2)
    }

    /// What is left for decisions to come.
    pub fn left(&self, spent: &[Spending]) -> f64 {
        let own: f64 = (0..spent.len()).map(|index| self.own(index)).sum();
        let returned = spent.last().filter(|last| last.promoted).map_or(0.0, |last| last.level);
        (self.level - own).max(0.0) + returned
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEDGER: Ledger = Ledger { level: 0.05, horizon: 16 };

    fn spend(outcomes: &[bool]) -> Vec<Spending> {
        let mut spent = Vec::new();
        for promoted in outcomes {
            let level = LEDGER.next(&spent);
            spent.push(Spending { level, promoted: *promoted });
        }
        spent
    }

    proptest! {
        #[test]
        fn what_false_hypotheses_did_not_return_is_never_more_than_the_level(
            outcomes in prop::collection::vec(any::<bool>(), 0..400),
        ) {
            // Promotions return their level: what stays spent is that of the others.
            let spent = spend(&outcomes);
            let kept: f64 = spent.iter().filter(|one| !one.promoted).map(|one| one.level).sum();
            prop_assert!(kept <= LEDGER.level + 1e-12, "{kept}");
            prop_assert!(spent.iter().all(|one| one.level > 0.0 && one.level <= LEDGER.level));
            prop_assert!((kept + LEDGER.left(&spent) - LEDGER.level).abs() < 1e-9);
        }
    }

    #[test]
    fn a_promotion_hands_its_level_on() {
        let spent = spend(&[true, true, false, false]);
        let own = spent[0].level;
        for (one, times) in spent.iter().zip([1.0, 2.0, 3.0, 1.0]) {
            assert!((one.level - times * own).abs() < 1e-12, "{spent:?}");
        }
    }
}
