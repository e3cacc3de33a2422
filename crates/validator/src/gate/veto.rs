//! The word of a single task: a credible loss where the incumbent was reliable blocks a promotion.

use harness_core::TaskName;

use super::SequentialGate;
use crate::evidence::{Cell, Evidence, GatingSplit, TaskCells};
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
    let incumbent = tally(task.history());
    let candidate = tally(task.candidate.iter().copied());
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

fn tally(cells: impl Iterator<Item = Cell>) -> (u32, u32) {
    cells.filter(|cell| cell.is_scored()).fold((0, 0), |(passed, scored), cell| {
        (passed + u32::from(cell == Cell::Passed), scored + 1)
    })
}
