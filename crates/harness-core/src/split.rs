//! A benchmark: tasks in three splits.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::id::Fingerprint;
use crate::task::Task;
use crate::trial::SplitName;

/// Tasks with their splits. No task is in two of them.
#[derive(Clone, Debug)]
pub struct Benchmark {
    held_in: Vec<Arc<Task>>,
    held_out: Vec<Arc<Task>>,
    sealed: Vec<Arc<Task>>,
}

impl Benchmark {
    /// Takes the three splits. The sealed one may be empty: no final claim is made then.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when held-in or held-out is empty, or two tasks share a name.
    pub fn new(
        held_in: Vec<Arc<Task>>,
        held_out: Vec<Arc<Task>>,
        sealed: Vec<Arc<Task>>,
    ) -> Result<Self> {
        let benchmark = Self { held_in, held_out, sealed };
        for split in [SplitName::HeldIn, SplitName::HeldOut] {
            if benchmark.tasks(split).is_empty() {
                let message = format!("the {split} split has no task: give it at least one");
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
        }
        let mut seen = BTreeSet::new();
        for task in benchmark.all() {
            if !seen.insert(&task.name) {
                let message =
                    format!("the task '{}' occurs twice: names must be unique", task.name);
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
        }
        Ok(benchmark)
    }

    /// The tasks of one split.
    pub fn tasks(&self, split: SplitName) -> &[Arc<Task>] {
        match split {
            SplitName::HeldIn => &self.held_in,
            SplitName::HeldOut => &self.held_out,
            SplitName::Sealed => &self.sealed,
        }
    }

    /// All tasks, split by split.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.held_in.iter().chain(&self.held_out).chain(&self.sealed)
    }

    /// The digest of every task and its split.
    ///
    /// # Errors
    /// None in practice.
    pub fn fingerprint(&self) -> Result<Fingerprint> {
        #[derive(Serialize)]
        struct Member {
            split: SplitName,
            task: Fingerprint,
        }
        let mut members = Vec::new();
        for split in [SplitName::HeldIn, SplitName::HeldOut, SplitName::Sealed] {
            for task in self.tasks(split) {
                members.push(Member { split, task: task.fingerprint()? });
            }
        }
        Fingerprint::of(&members)
    }
}
