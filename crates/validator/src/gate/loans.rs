//! What a docket's candidates tell of the incumbent: most of them change little, so that an attempt of one is nearly an
//! attempt of the incumbent to all others.

use std::collections::BTreeMap;

use harness_core::TaskName;

use super::posterior::{Posterior, observe};
use super::prior::Learnt;
use super::rates::Lent;
use crate::docket::{Docket, Hearing};
use crate::evidence::GatingSplit;

/// What one attempt of another candidate counts for, beside one of the incumbent: edits move single tasks more or less than
/// all, and nobody knows by how much.
const DISCOUNT: f64 = 0.75;

/// Lent attempts by task.
#[derive(Clone, Debug, Default)]
pub(super) struct Loans(BTreeMap<(GatingSplit, TaskName), Lent>);

impl Loans {
    /// What is lent at a task.
    pub(super) fn at(&self, split: GatingSplit, task: &TaskName) -> Lent {
        self.0.get(&(split, task.clone())).copied().unwrap_or_default()
    }

    /// What every candidate of the docket may borrow from the others.
    pub(super) fn within(docket: &Docket, learnt: &Learnt) -> Vec<Self> {
        let own: Vec<Self> =
            docket.hearings.iter().map(|hearing| Self::of(hearing, learnt)).collect();
        let all = own.iter().fold(Self::default(), |mut all, one| {
            for (task, lent) in &one.0 {
                let sum = all.0.entry(task.clone()).or_default();
                sum.passed += lent.passed;
                sum.scored += lent.scored;
            }
            all
        });
        let others = |mine: &Self| {
            let mut others = all.clone();
            for (task, lent) in &mine.0 {
                if let Some(sum) = others.0.get_mut(task) {
                    sum.passed = (sum.passed - lent.passed).max(0.0);
                    sum.scored = (sum.scored - lent.scored).max(0.0);
                }
            }
            others
        };
        own.iter().map(others).collect()
    }

    /// The attempts of one candidate as if they were the incumbent's. Those on its target tell nothing.
    fn of(hearing: &Hearing, learnt: &Learnt) -> Self {
        let tasks = observe(&hearing.evidence, &Self::default());
        let posterior = Posterior::of(&tasks, learnt, hearing);
        let lent = tasks.iter().filter(|task| !task.targeted && task.candidate.scored > 0);
        Self(
            lent.map(|task| {
                let scored = f64::from(task.candidate.scored);
                let undone = f64::from(task.candidate.passed)
                    - scored * posterior.change_at(task.rate.flake);
                let passed = DISCOUNT * undone.clamp(0.0, scored);
                let key = (task.split, task.task.task.clone());
                (key, Lent { passed, scored: DISCOUNT * scored })
            })
            .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::{Cell, Evidence, TaskCells};
    use crate::gate::SequentialGate;

    const TASKS: usize = 30;

    /// A candidate that passed each task so often out of twice, against an incumbent that passed each once of twice.
    fn hearing(passed: usize, targeted: usize) -> Hearing {
        let name = |task: usize| TaskName::new(format!("t{task:02}"));
        let cells = |task: usize| TaskCells {
            assessed: vec![Cell::Passed, Cell::Failed],
            candidate: (0..2)
                .map(|at| if at < passed { Cell::Passed } else { Cell::Failed })
                .collect(),
            ..TaskCells::new(name(task))
        };
        Hearing::of(Evidence {
            attempts: 2,
            target: (0..targeted).map(name).collect(),
            held_in: (0..TASKS).map(cells).collect(),
            ..Evidence::default()
        })
    }

    fn loans(hearings: Vec<Hearing>) -> Vec<Loans> {
        let docket = Docket { hearings, ..Docket::default() };
        Loans::within(&docket, &SequentialGate::default().learnt(&docket))
    }

    fn total(loans: &Loans) -> Lent {
        loans.0.values().fold(Lent::default(), |sum, lent| Lent {
            passed: sum.passed + lent.passed,
            scored: sum.scored + lent.scored,
        })
    }

    #[test]
    fn nobody_borrows_from_himself() {
        assert!(total(&loans(vec![hearing(2, 0)])[0]).scored < 1e-9);
    }

    #[test]
    fn what_is_on_a_target_is_not_lent() {
        let lent = &loans(vec![hearing(2, 7), hearing(1, 0)])[1];
        assert!((total(lent).scored - DISCOUNT * 2.0 * (TASKS - 7) as f64).abs() < 1e-9);
    }

    #[test]
    fn the_harm_that_one_does_is_mostly_not_held_against_the_incumbent() {
        let lent = total(&loans(vec![hearing(0, 0), hearing(1, 0)])[1]);
        // Taken as they are, these attempts would say that the incumbent never passes.
        assert!(lent.passed / lent.scored > 0.15, "{lent:?}");
    }

    proptest! {
        #[test]
        fn nothing_is_lent_beyond_the_attempts_there_are(
            passed in prop::collection::vec(0usize..=2, 1..5), targeted in 0usize..TASKS,
        ) {
            let all = passed.len();
            for lent in loans(passed.into_iter().map(|passed| hearing(passed, targeted)).collect()) {
                let most = 2.0 * DISCOUNT * (all - 1) as f64;
                for lent in lent.0.values() {
                    prop_assert!((-1e-9..=lent.scored + 1e-9).contains(&lent.passed));
                    prop_assert!(lent.scored <= most + 1e-9);
                }
            }
        }
    }
}
