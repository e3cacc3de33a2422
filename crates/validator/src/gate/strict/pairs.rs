//! Attempts of both sides put together, block by block.

use harness_core::TaskName;

use crate::evidence::{Cell, Counts, Evidence, GatingSplit, PairedTask, TaskCells, total};
use crate::missing::{Differences, Reading};

/// The first attempts at each task, paired in their order. Only attempts beside the candidates count for the incumbent: those of its
/// assessment chose what was proposed.
pub(super) struct Paired {
    cells: Vec<TaskPairs>,
    tasks: Vec<PairedTask>,
}

/// The pairs of (incumbent, candidate) outcomes at one task.
struct TaskPairs {
    split: GatingSplit,
    task: TaskName,
    pairs: Vec<(Cell, Cell)>,
}

impl Paired {
    /// How many whole blocks there are: attempts that every task has had of both sides.
    pub(super) fn blocks(evidence: &Evidence) -> u32 {
        let tasks = evidence.held_in.iter().chain(&evidence.held_out);
        let blocks = tasks.map(|task| task.candidate.len().min(task.beside.len())).min();
        blocks.and_then(|blocks| u32::try_from(blocks).ok()).unwrap_or(0)
    }

    /// The first `blocks` attempts at the wanted tasks.
    pub(super) fn of(
        evidence: &Evidence,
        blocks: usize,
        wanted: impl Fn(&TaskCells) -> bool,
    ) -> Self {
        let (mut cells, mut tasks) = (Vec::new(), Vec::new());
        for split in GatingSplit::BOTH {
            for task in evidence.split(split).iter().filter(|task| wanted(task)) {
                let sides = task.beside.iter().copied().zip(task.candidate.iter().copied());
                let credited = |pair| if task.never_acted() { uncredited(pair) } else { pair };
                let pairs = sides.take(blocks).map(credited).collect();
                cells.push(TaskPairs { split, task: task.task.clone(), pairs });
                let (beside, candidate) =
                    (task.beside.iter().copied(), task.candidate.iter().copied());
                let counts = Counts::paired(beside, candidate, blocks);
                tasks.push(PairedTask { task: task.task.clone(), split, counts });
            }
        }
        Self { cells, tasks }
    }

    pub(super) fn tasks(&self) -> &[PairedTask] {
        &self.tasks
    }

    /// Scored attempts of a split.
    pub(super) fn counts(&self, split: GatingSplit) -> Counts {
        total(&self.tasks, split)
    }

    /// How all pairs differ.
    pub(super) fn whole(&self, reading: Reading) -> Differences {
        self.differences(reading, |_, _| true)
    }

    /// How the pairs of a split differ.
    pub(super) fn on(&self, split: GatingSplit, reading: Reading) -> Differences {
        self.differences(reading, |on, _| on == split)
    }

    /// How the pairs of some tasks differ.
    pub(super) fn chosen(
        &self,
        reading: Reading,
        wanted: impl Fn(&TaskName) -> bool,
    ) -> Differences {
        self.differences(reading, |_, task| wanted(task))
    }

    fn differences(
        &self,
        reading: Reading,
        wanted: impl Fn(GatingSplit, &TaskName) -> bool,
    ) -> Differences {
        let wanted = self.cells.iter().filter(|cells| wanted(cells.split, &cells.task));
        wanted.map(|cells| Differences::of(cells.pairs.iter().copied(), reading)).sum()
    }
}

/// A pair without the gain in it. To leave gains out and losses in only ever lowers an e-value, so that its level still holds.
fn uncredited(pair: (Cell, Cell)) -> (Cell, Cell) {
    match pair {
        (Cell::Failed, Cell::Passed) => (Cell::Failed, Cell::Failed),
        other => other,
    }
}
