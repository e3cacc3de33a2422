//! The trials of a run that are paid for: those of earlier sessions, and those of this one.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::TrialCounts;
use crate::id::Fingerprint;
use crate::trial::{Trial, TrialId};

/// What the journal holds of trials and of the harnesses that they name.
#[derive(Debug, Default)]
pub(crate) struct PaidTrials {
    /// Trials of earlier sessions that were scored.
    reused: u64,
    /// Trials of earlier sessions that were void. They run again when they are asked for again.
    void: HashSet<TrialId>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    recorded: HashMap<TrialId, Arc<Trial>>,
    /// Ended, but whoever waited was dropped before the journal had acknowledged the record.
    unrecorded: HashMap<TrialId, Arc<Trial>>,
    harnesses: HashSet<Fingerprint>,
}

impl PaidTrials {
    /// What earlier sessions left.
    pub(crate) fn new(
        scored: HashMap<TrialId, Arc<Trial>>,
        void: HashSet<TrialId>,
        harnesses: HashSet<Fingerprint>,
    ) -> Self {
        let reused = scored.len() as u64;
        let state = State { recorded: scored, unrecorded: HashMap::new(), harnesses };
        Self { reused, void, state: Mutex::new(state) }
    }

    /// A trial that is on record and may be used.
    pub(crate) fn recall(&self, id: TrialId) -> Option<Arc<Trial>> {
        self.state().recorded.get(&id).cloned()
    }

    /// All that are on record, in no order.
    pub(crate) fn recorded(&self) -> Vec<Arc<Trial>> {
        self.state().recorded.values().cloned().collect()
    }

    /// A trial that ended and whose record is not known to be acknowledged: to be recorded, not to be run again.
    pub(crate) fn unrecorded(&self, id: TrialId) -> Option<Arc<Trial>> {
        self.state().unrecorded.get(&id).cloned()
    }

    /// Notes that a trial has ended.
    pub(crate) fn ended(&self, id: TrialId, trial: &Arc<Trial>) {
        self.state().unrecorded.insert(id, Arc::clone(trial));
    }

    /// Notes that the journal has acknowledged a trial.
    pub(crate) fn acknowledged(&self, id: TrialId) {
        let mut state = self.state();
        if let Some(trial) = state.unrecorded.remove(&id) {
            state.recorded.insert(id, trial);
        }
    }

    /// Whether the journal has this harness.
    pub(crate) fn knows_harness(&self, harness: Fingerprint) -> bool {
        self.state().harnesses.contains(&harness)
    }

    /// Notes that it has.
    pub(crate) fn introduced(&self, harness: Fingerprint) {
        self.state().harnesses.insert(harness);
    }

    /// Every trial of the run once, however often it was asked for.
    pub(crate) fn counts(&self) -> TrialCounts {
        let state = self.state();
        let scored = state.recorded.values().filter(|trial| trial.passed().is_some()).count();
        let still_void = self.void.iter().filter(|id| !state.recorded.contains_key(id)).count();
        TrialCounts {
            scored: scored as u64,
            void: (state.recorded.len() - scored + still_void) as u64,
            reused: self.reused,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every update is one insertion or removal: a panic elsewhere cannot leave half of one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
