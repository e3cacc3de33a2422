//! Trials of one harness, by task, bought as they are needed.

use std::collections::BTreeMap;
use std::sync::Arc;

use harness_core::{Error, ErrorKind, Result, Task, TaskName, Trial, TrialId};

use crate::constraint::Sides;
use crate::evidence::{Cell, GatingSplit};

/// Trials in the order of attempts. Nothing is bought twice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempts(BTreeMap<(GatingSplit, TaskName), Vec<Arc<Trial>>>);

impl Attempts {
    /// Takes trials that were run elsewhere, in whatever order.
    pub(crate) fn take<'a>(
        &mut self,
        split: GatingSplit,
        trials: impl Iterator<Item = &'a Arc<Trial>>,
    ) {
        let mut trials: Vec<_> = trials.collect();
        trials.sort_by_key(|trial| trial.key.replicate.attempt);
        for trial in trials {
            let key = (split, trial.key.task.clone());
            self.0.entry(key).or_default().push(Arc::clone(trial));
        }
    }

    /// The outcomes on one task.
    pub(crate) fn cells(&self, split: GatingSplit, task: &TaskName) -> Vec<Cell> {
        let trials = self.0.get(&(split, task.clone()));
        trials.into_iter().flatten().map(|trial| Cell::of(trial)).collect()
    }

    /// The trials of one task.
    pub(crate) fn of(&self, split: GatingSplit, task: &TaskName) -> impl Iterator<Item = &Trial> {
        self.0.get(&(split, task.clone())).into_iter().flatten().map(AsRef::as_ref)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These trials as the incumbent's and another harness's as the candidate's, at the same tasks, task by task.
    pub(crate) fn beside(&self, other: &Self) -> Vec<Sides<Arc<Trial>>> {
        let both = self.0.iter().filter_map(|(key, ours)| {
            Some(Sides { incumbent: ours.clone(), candidate: other.0.get(key)?.clone() })
        });
        both.collect()
    }

    /// The identities of all trials.
    pub(crate) fn ids(&self) -> Result<Vec<TrialId>> {
        self.0.values().flatten().map(|trial| trial.id()).collect()
    }

    /// The tasks that have fewer than `upto` attempts, by how many they have.
    ///
    /// # Errors
    /// [`ErrorKind::Contract`] for a task that the split does not have.
    pub(crate) fn short(
        &self,
        split: GatingSplit,
        known: &[Arc<Task>],
        tasks: &[TaskName],
        upto: u32,
    ) -> Result<Short> {
        let mut short: Short = BTreeMap::new();
        for name in tasks {
            let Some(task) = known.iter().find(|task| task.name == *name) else {
                let message = format!("the gate asks for the task '{name}', which {split} has not");
                return Err(Error::new(ErrorKind::Contract, message));
            };
            let has = self.0.get(&(split, name.clone())).map_or(0, Vec::len);
            let has = u32::try_from(has).unwrap_or(u32::MAX);
            if has < upto {
                short.entry(has).or_default().push(Arc::clone(task));
            }
        }
        Ok(short)
    }
}

/// Tasks by how many attempts they have.
pub(crate) type Short = BTreeMap<u32, Vec<Arc<Task>>>;
