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
