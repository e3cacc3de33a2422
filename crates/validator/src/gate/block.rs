//! From what each candidate wants to one interleaved block, with the incumbent beside them.

use std::collections::BTreeMap;

use harness_core::TaskName;

use super::{Arm, Purchase};
use crate::docket::Hearing;
use crate::evidence::{GatingSplit, TaskCells};

/// One task that a candidate shall have attempted `upto` times, and the incumbent beside it `beside` times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) split: GatingSplit,
    pub(super) task: TaskName,
    pub(super) upto: u32,
    pub(super) beside: u32,
}

/// The wishes of all candidates of a docket.
#[derive(Debug, Default)]
pub(super) struct Block {
    tasks: BTreeMap<(Arm, GatingSplit, u32), Vec<TaskName>>,
    incumbent: BTreeMap<(GatingSplit, TaskName), u32>,
}

/// The incumbent's attempts beside `upto` of a candidate.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small positive number, rounded down"
)]
pub(super) fn beside(share: f64, upto: u32) -> u32 {
    (share * f64::from(upto)).floor() as u32
}

impl Block {
    /// Adds a candidate's wishes; all must be of tasks that the hearing has.
    pub(super) fn add(&mut self, candidate: usize, hearing: &Hearing, wanted: Vec<Wanted>) {
        for Wanted { split, task, upto, beside } in wanted {
            let cells = hearing.evidence.split(split).iter().find(|cells| cells.task == task);
            let has = |side: fn(&TaskCells) -> usize| cells.map_or(0, side);
            if has(|cells| cells.candidate.len()) < upto as usize {
                let key = (Arm::Candidate(candidate), split, upto);
                self.tasks.entry(key).or_default().push(task.clone());
            }
            if has(|cells| cells.beside.len()) < beside as usize {
                let most = self.incumbent.entry((split, task)).or_default();
                *most = beside.max(*most);
            }
        }
    }

    /// All as one step's purchases.
    pub(super) fn purchases(self) -> Vec<Purchase> {
        let mut tasks = self.tasks;
        for ((split, task), upto) in self.incumbent {
            tasks.entry((Arm::Incumbent, split, upto)).or_default().push(task);
        }
        let purchase = |((arm, split, upto), tasks)| Purchase { arm, split, tasks, upto };
        tasks.into_iter().map(purchase).collect()
    }
}
