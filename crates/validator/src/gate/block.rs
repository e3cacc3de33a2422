//! From what each candidate wants to one interleaved block, with the incumbent beside them.

use std::collections::BTreeMap;

use harness_core::TaskName;

use super::{Arm, Purchase};
use crate::docket::Hearing;
use crate::evidence::{GatingSplit, TaskCells};

/// One task that a candidate shall have attempted `upto` times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) split: GatingSplit,
    pub(super) task: TaskName,
    pub(super) upto: u32,
}

/// The wishes of all candidates of a docket.
#[derive(Debug)]
pub(super) struct Block {
    beside: f64,
    tasks: BTreeMap<(Arm, GatingSplit, u32), Vec<TaskName>>,
    incumbent: BTreeMap<(GatingSplit, TaskName), u32>,
}

impl Block {
    /// `beside`: attempts of the incumbent for each attempt of the candidate that has most at the same task.
    pub(super) fn new(beside: f64) -> Self {
        Self { beside, tasks: BTreeMap::new(), incumbent: BTreeMap::new() }
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

    /// Adds a candidate's wishes; all must be of tasks that the hearing has.
    pub(super) fn add(&mut self, candidate: usize, hearing: &Hearing, wanted: &[Wanted]) {
        for Wanted { split, task, upto } in wanted {
            let key = (Arm::Candidate(candidate), *split, *upto);
            self.tasks.entry(key).or_default().push(task.clone());
            let has = hearing.evidence.split(*split).iter().find(|cells| cells.task == *task);
            let has = has.map_or(0, |cells: &TaskCells| cells.beside.len());
            let needed = Self::beside(self.beside, *upto);
            if has < needed as usize {
                let most = self.incumbent.entry((*split, task.clone())).or_default();
                *most = needed.max(*most);
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
