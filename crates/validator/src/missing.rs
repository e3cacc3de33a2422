//! Missing trials, bounded instead of ignored.
//!
//! Leaving out what could not be scored assumes that it is missing by chance. An edit that makes its hard attempts vanish would
//! profit from that. So every pair with a missing side is read twice, once against the candidate and once for it; what holds in both readings
//! holds whatever the missing outcomes were (worst-case bounds: C. F. Manski, *Nonparametric bounds on treatment effects*, 1990).

use serde::{Deserialize, Serialize};

use crate::evidence::Cell;

/// How a missing outcome is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// As bad for the candidate as can be: its missing attempts failed, the incumbent's passed.
    Adverse,
    /// As good for it as can be.
    Favourable,
}

/// Pairs of one attempt of each side at the same task, by how they differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Differences {
    /// The candidate passed and the incumbent failed.
    pub better: u64,
    /// Both passed or both failed.
    pub same: u64,
    /// The candidate failed and the incumbent passed.
    pub worse: u64,
}

impl Differences {
    /// Counts the pairs of (incumbent, candidate) outcomes.
    pub fn of(pairs: impl IntoIterator<Item = (Cell, Cell)>, reading: Reading) -> Self {
        pairs.into_iter().fold(Self::default(), |mut sum, (incumbent, candidate)| {
            match reading.passed(candidate) - reading.opposite().passed(incumbent) {
                1 => sum.better += 1,
                0 => sum.same += 1,
                _ => sum.worse += 1,
            }
            sum
        })
    }

    /// All pairs.
    pub fn pairs(&self) -> u64 {
        self.better + self.same + self.worse
    }

    /// The mean difference in pass rate, candidate minus incumbent; 0 without pairs.
    #[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^52")]
    pub fn mean(&self) -> f64 {
        if self.pairs() == 0 {
            return 0.0;
        }
        (self.better as f64 - self.worse as f64) / self.pairs() as f64
    }

    /// The same with both sides exchanged.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self { better: self.worse, same: self.same, worse: self.better }
    }
}

impl std::ops::Add for Differences {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            better: self.better + other.better,
            same: self.same + other.same,
            worse: self.worse + other.worse,
        }
    }
}

impl std::iter::Sum for Differences {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::default(), std::ops::Add::add)
    }
}

impl Reading {
    /// The reading that favours the other side.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Adverse => Self::Favourable,
            Self::Favourable => Self::Adverse,
        }
    }

    /// 1 for passed, 0 for failed, as this reading has it for the side that it judges.
    fn passed(self, cell: Cell) -> i8 {
        match (cell, self) {
            (Cell::Passed, _) | (Cell::Void, Self::Favourable) => 1,
            (Cell::Failed, _) | (Cell::Void, Self::Adverse) => 0,
        }
    }
}

/// The lowest and the highest mean difference that the missing outcomes allow.
pub fn bounds(pairs: &[(Cell, Cell)]) -> (f64, f64) {
    let mean = |reading| Differences::of(pairs.iter().copied(), reading).mean();
    (mean(Reading::Adverse), mean(Reading::Favourable))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cell() -> impl Strategy<Value = Cell> {
        prop_oneof![Just(Cell::Passed), Just(Cell::Failed), Just(Cell::Void)]
    }

    fn filled(cell: Cell, with: bool) -> Cell {
        match cell {
            Cell::Void if with => Cell::Passed,
            Cell::Void => Cell::Failed,
            scored => scored,
        }
    }

    proptest! {
        #[test]
        fn whatever_was_missing_lies_within_the_bounds(
            pairs in prop::collection::vec((cell(), cell(), any::<bool>(), any::<bool>()), 1..60),
        ) {
            let seen: Vec<_> = pairs.iter().map(|(a, b, _, _)| (*a, *b)).collect();
            let truth = pairs.iter().map(|(a, b, x, y)| (filled(*a, *x), filled(*b, *y)));
            let truth = Differences::of(truth, Reading::Adverse).mean();
            let (low, high) = bounds(&seen);
            prop_assert!(low <= truth && truth <= high, "{low} {truth} {high}");
        }

        #[test]
        fn without_missing_outcomes_both_readings_agree(
            pairs in prop::collection::vec((any::<bool>(), any::<bool>()), 0..60),
        ) {
            let cell = |passed| if passed { Cell::Passed } else { Cell::Failed };
            let pairs: Vec<_> = pairs.into_iter().map(|(a, b)| (cell(a), cell(b))).collect();
            let (low, high) = bounds(&pairs);
            prop_assert_eq!(low.to_bits(), high.to_bits());
        }

        #[test]
        fn losing_an_attempt_never_helps_a_candidate(
            pairs in prop::collection::vec((cell(), cell()), 1..60), lost in any::<prop::sample::Index>(),
        ) {
            let before = bounds(&pairs).0;
            let mut after = pairs.clone();
            after[lost.index(pairs.len())].1 = Cell::Void;
            prop_assert!(bounds(&after).0 <= before);
        }
    }
}
