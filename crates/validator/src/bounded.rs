//! Promotions must not rest on what could not be scored.

use crate::evidence::{Cell, Evidence, GatingSplit, TaskCells};
use crate::missing::Reading;

/// The change over all attempted tasks, as a sum of pass rates by task, with every void attempt read against the candidate: its own as failed, the
/// incumbent's as passed. `None` when nothing is void.
///
/// A gate leaves void attempts out, which takes them as missing by chance. An edit that makes its failures vanish would profit, so whatever
/// a gate holds, a gain that this reading does not leave is no promotion.
pub(crate) fn adverse_change(evidence: &Evidence) -> Option<f64> {
    let tasks = || GatingSplit::BOTH.into_iter().flat_map(|split| evidence.split(split));
    let attempted = || tasks().filter(|task| !task.candidate.is_empty());
    let void = |task: &TaskCells| {
        task.candidate.iter().chain(incumbent(task)).any(|cell| !cell.is_scored())
    };
    attempted().any(void).then(|| {
        let change = |task: &TaskCells| {
            let before = rate(incumbent(task), Reading::Favourable)?;
            Some(rate(&task.candidate, Reading::Adverse)? - before)
        };
        attempted().filter_map(change).sum()
    })
}

/// The incumbent's attempts beside the candidate, or those of the assessment where a gate buys none.
fn incumbent(task: &TaskCells) -> &[Cell] {
    if task.beside.is_empty() { &task.assessed } else { &task.beside }
}

#[expect(clippy::cast_precision_loss, reason = "counts of attempts are far below 2^52")]
fn rate(cells: &[Cell], void_as: Reading) -> Option<f64> {
    let passed = cells.iter().filter(|cell| match cell {
        Cell::Passed => true,
        Cell::Failed => false,
        Cell::Void => void_as == Reading::Favourable,
    });
    (!cells.is_empty()).then(|| passed.count() as f64 / cells.len() as f64)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn cell() -> impl Strategy<Value = Cell> {
        prop_oneof![3 => Just(Cell::Passed), 3 => Just(Cell::Failed), 1 => Just(Cell::Void)]
    }

    fn evidence(tasks: &[(Vec<Cell>, Vec<Cell>)]) -> Evidence {
        let task = |(index, (beside, candidate)): (usize, &(Vec<Cell>, Vec<Cell>))| TaskCells {
            beside: beside.clone(),
            candidate: candidate.clone(),
            ..TaskCells::new(format!("t{index}").as_str().into())
        };
        Evidence { held_in: tasks.iter().enumerate().map(task).collect(), ..Evidence::default() }
    }

    fn side() -> impl Strategy<Value = Vec<Cell>> {
        vec(cell(), 1..6)
    }

    proptest! {
        #[test]
        fn making_an_attempt_void_never_helps(tasks in vec((side(), side()), 1..6), task: prop::sample::Index, attempt: prop::sample::Index) {
            let mut hidden = tasks.clone();
            let cells = &mut hidden[task.index(tasks.len())].1;
            let at = attempt.index(cells.len());
            cells[at] = Cell::Void;
            let all_failed = |tasks: &[(Vec<Cell>, Vec<Cell>)]| adverse_change(&evidence(tasks));
            let after = all_failed(&hidden).unwrap_or(0.0);
            if let Some(before) = all_failed(&tasks) {
                prop_assert!(after <= before + 1e-12);
            }
        }

        #[test]
        fn it_is_the_least_that_the_void_attempts_allow(tasks in vec((side(), side()), 1..6), outcomes in vec(any::<bool>(), 60)) {
            let mut outcomes = outcomes.into_iter().cycle();
            let mut truth = tasks.clone();
            for cell in truth.iter_mut().flat_map(|(before, after)| before.iter_mut().chain(after)) {
                if *cell == Cell::Void {
                    *cell = if outcomes.next().unwrap_or(false) { Cell::Passed } else { Cell::Failed };
                }
            }
            let change: f64 = truth.iter().map(|(before, after)| {
                rate(after, Reading::Adverse).unwrap_or(0.0) - rate(before, Reading::Adverse).unwrap_or(0.0)
            }).sum();
            if let Some(adverse) = adverse_change(&evidence(&tasks)) {
                prop_assert!(adverse <= change + 1e-12);
            }
        }
    }

    #[test]
    fn where_nothing_is_void_there_is_nothing_to_bound() {
        assert_eq!(adverse_change(&evidence(&[(vec![Cell::Failed], vec![Cell::Passed])])), None);
    }
}
