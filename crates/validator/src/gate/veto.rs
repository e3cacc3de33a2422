//! The word of a single task: a credible loss where the incumbent was reliable blocks a promotion.

use harness_core::TaskName;

use super::SequentialGate;
use crate::evidence::{Evidence, GatingSplit, Tally, TaskCells};
use crate::stats::probability_of_loss;

/// What single tasks say against a candidate.
#[derive(Debug, Default)]
pub(super) struct Objections {
    /// Tasks that the candidate credibly broke, with the probability of a loss.
    pub(super) broken: Vec<(TaskName, f64)>,
    /// Tasks that look broken and could still be attempted more often.
    pub(super) suspect: Vec<(GatingSplit, TaskName)>,
}

impl Objections {
    pub(super) fn of(gate: &SequentialGate, evidence: &Evidence, most: u32) -> Self {
        let level = level(gate, evidence.tasks(), most);
        let mut objections = Self::default();
        for split in GatingSplit::BOTH {
            for task in evidence.split(split) {
                let Some(loss) = credible_loss(gate, task) else { continue };
                if loss >= level {
                    objections.broken.push((task.task.clone(), loss));
                } else if loss >= gate.suspicion && task.candidate.len() < most as usize {
                    objections.suspect.push((split, task.task.clone()));
                }
            }
        }
        objections
    }
}

/// The probability of a loss, on a task that the incumbent solves reliably; `None` on others, so that flaky tasks stay
/// quiet.
fn credible_loss(gate: &SequentialGate, task: &TaskCells) -> Option<f64> {
    let incumbent = (task.incumbent().passed, task.incumbent().scored);
    let Tally { passed, scored } = Tally::of(task.candidate.iter().copied());
    let candidate = (passed, scored);
    let rate = (f64::from(incumbent.0) + 1.0) / (f64::from(incumbent.1) + 2.0);
    (rate >= gate.reliable).then(|| probability_of_loss(incumbent, candidate))
}

/// Bonferroni over the tasks, so that a large benchmark does not veto by its size alone; but never beyond what a plain flip, from
/// every attempt to none, can show within the attempts there are: a task that was always passed and never is any more
/// blocks a promotion in the smallest run.
fn level(gate: &SequentialGate, tasks: usize, most: u32) -> f64 {
    let tasks = u32::try_from(tasks.max(1)).unwrap_or(u32::MAX);
    let shared = 1.0 - gate.veto_level / f64::from(tasks);
    shared.min(probability_of_loss((most, most), (0, most)) - 1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Cell;

    fn task(name: &str, incumbent: (usize, usize), candidate: (usize, usize)) -> TaskCells {
        let cells = |(passed, all): (usize, usize)| {
            let cell = |index| if index < passed { Cell::Passed } else { Cell::Failed };
            (0..all).map(cell).collect::<Vec<_>>()
        };
        TaskCells {
            beside: cells(incumbent),
            candidate: cells(candidate),
            ..TaskCells::new(name.into())
        }
    }

    fn objections(tasks: Vec<TaskCells>, most: u32) -> Objections {
        let evidence = Evidence { attempts: most / 3, held_out: tasks, ..Evidence::default() };
        Objections::of(&SequentialGate::default(), &evidence, most)
    }

    fn with_bystanders(broken: TaskCells, tasks: usize, attempts: usize) -> Vec<TaskCells> {
        let kept = (1..tasks).map(|_| task("kept", (attempts, attempts), (attempts, attempts)));
        std::iter::once(broken).chain(kept).collect()
    }

    #[test]
    fn a_plain_flip_blocks_even_the_largest_benchmark_with_the_fewest_attempts() {
        let tasks = with_bystanders(task("flips", (3, 3), (0, 3)), 500, 3);
        assert_eq!(objections(tasks, 3).broken.len(), 1);
    }

    #[test]
    fn a_near_flip_blocks_where_few_tasks_could_have_done_it_by_chance() {
        let near = || task("nearly", (6, 6), (1, 6));
        assert_eq!(objections(with_bystanders(near(), 4, 6), 6).broken.len(), 1);
        assert_eq!(objections(with_bystanders(near(), 200, 6), 6).broken.len(), 0);
    }

    #[test]
    fn a_flaky_task_keeps_quiet() {
        let objections = objections(vec![task("flaky", (3, 6), (0, 6))], 6);
        assert!(objections.broken.is_empty() && objections.suspect.is_empty());
    }

    #[test]
    fn a_loss_that_could_be_chance_is_looked_at_again_while_attempts_are_left() {
        let tasks = || with_bystanders(task("suspect", (2, 2), (0, 2)), 10, 2);
        assert_eq!(objections(tasks(), 6).suspect, [(GatingSplit::HeldOut, "suspect".into())]);
        assert!(objections(tasks(), 2).suspect.is_empty());
    }
}
