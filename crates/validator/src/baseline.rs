//! The incumbent's side of every comparison of a round.

use std::collections::BTreeMap;

use harness_core::{Harness, Incumbent, Result, TaskName, TaskRecord};

use crate::attempts::Attempts;
use crate::evidence::GatingSplit;

/// The incumbent's trials: those of the assessment, and those bought beside candidates, which all of them share; with
/// what earlier rounds tell.
#[derive(Debug)]
pub(crate) struct Baseline<'a, H> {
    pub(crate) harness: &'a H,
    record: BTreeMap<TaskName, TaskRecord>,
    pub(crate) assessed: Attempts,
    pub(crate) beside: Attempts,
}

impl<'a, H: Harness> Baseline<'a, H> {
    /// # Errors
    /// A harness that breaks its contract (no fingerprint).
    pub(crate) fn of(incumbent: &Incumbent<'a, H>) -> Result<Self> {
        let mut assessed = Attempts::default();
        assessed.take(GatingSplit::HeldIn, incumbent.held_in.iter());
        assessed.take(GatingSplit::HeldOut, incumbent.held_out.iter());
        let harness = incumbent.harness;
        let record = incumbent.history.record(harness.fingerprint()?);
        Ok(Self { harness, record, assessed, beside: Attempts::default() })
    }

    /// The same without the trials beside candidates: those that accepted single edits do not judge their composition.
    pub(crate) fn afresh(&self) -> Self {
        Self {
            harness: self.harness,
            record: self.record.clone(),
            assessed: self.assessed.clone(),
            beside: Attempts::default(),
        }
    }

    /// What earlier rounds say of a task.
    pub(crate) fn record(&self, task: &TaskName) -> TaskRecord {
        self.record.get(task).copied().unwrap_or_default()
    }
}
