//! The trials of a run that are paid for: those of earlier sessions, and those of this one.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::lock::{Mutex as Turn, OwnedMutexGuard};

use crate::engine::TrialCounts;
use crate::id::{Fingerprint, TaskName};
use crate::trial::{Phase, Replicate, SplitName, Trial, TrialId};

/// What the journal holds of trials and of the harnesses that they name.
///
/// Trials of committed rounds are counted and let go: nobody asks for them again, and a long run must not keep them all.
#[derive(Debug, Default)]
pub(crate) struct PaidTrials {
    reused: u64,
    state: Mutex<State>,
}

/// What earlier sessions left.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stored {
    /// Scored trials that may be asked for again.
    pub(crate) recallable: HashMap<TrialId, Replicate>,
    /// Whether any trial on record may be asked for again, not only those: in a fork.
    pub(crate) all_recallable: bool,
    /// Trials that were void when they were last run. They run again when they are asked for again.
    pub(crate) void: HashSet<TrialId>,
    /// How many were scored, each once.
    pub(crate) scored: u64,
    pub(crate) harnesses: HashSet<Fingerprint>,
    /// How incumbents fared when they were assessed, in every round.
    pub(crate) assessed: HashMap<TrialId, Attempt>,
}

/// What is kept of an incumbent's trial when its round is over.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) harness: Fingerprint,
    pub(crate) task: TaskName,
    /// Its round, and which attempt of that round it is.
    pub(crate) place: (u32, u32),
    pub(crate) passed: bool,
}

impl Stored {
    /// Keeps what drift is seen by: scored trials that assess an incumbent.
    pub(crate) fn note(&mut self, id: TrialId, trial: &Trial) {
        let (key, replicate) = (&trial.key, trial.key.replicate);
        let Some(passed) = trial.passed() else { return };
        if replicate.phase == Phase::Assess && trial.split != SplitName::Sealed {
            let place = (replicate.round, replicate.attempt);
            let (harness, task) = (key.harness, key.task.clone());
            self.assessed.insert(id, Attempt { harness, task, place, passed });
        }
    }

    /// Nobody asks again for the trials of a committed round.
    pub(crate) fn committed(&mut self, round: u32) {
        self.recallable.retain(|_, replicate| !belongs(*replicate, round));
    }
}

#[derive(Debug, Default)]
struct State {
    stored: Stored,
    recorded: HashMap<TrialId, Arc<Trial>>,
    /// Ended, but whoever waited was dropped before the journal had acknowledged the record.
    unrecorded: HashMap<TrialId, Arc<Trial>>,
    /// One at a time runs a trial; whoever else asks for the same one waits for it.
    turns: HashMap<TrialId, Arc<Turn<()>>>,
}

impl PaidTrials {
    /// What earlier sessions left.
    pub(crate) fn new(stored: Stored) -> Self {
        let reused = stored.scored;
        Self { reused, state: Mutex::new(State { stored, ..State::default() }) }
    }

    /// Waits until nobody else is at this trial. Whoever holds the turn and is dropped gives it to the next.
    pub(crate) async fn turn(&self, id: TrialId) -> OwnedMutexGuard<()> {
        let turn = Arc::clone(self.state().turns.entry(id).or_default());
        turn.lock_owned().await
    }

    /// A trial that is on record and in memory.
    pub(crate) fn recall(&self, id: TrialId) -> Option<Arc<Trial>> {
        self.state().recorded.get(&id).cloned()
    }

    /// All that are on record and in memory, in no order: those of the rounds that are not committed.
    pub(crate) fn recorded(&self) -> Vec<Arc<Trial>> {
        self.state().recorded.values().cloned().collect()
    }

    /// Whether the journal may hold this trial from an earlier session.
    pub(crate) fn may_be_stored(&self, id: TrialId) -> bool {
        let state = self.state();
        state.stored.all_recallable || state.stored.recallable.contains_key(&id)
    }

    /// Notes that a trial of an earlier session was read back.
    pub(crate) fn read_back(&self, id: TrialId, trial: &Arc<Trial>) {
        let mut state = self.state();
        state.stored.note(id, trial);
        state.recorded.insert(id, Arc::clone(trial));
    }

    /// How incumbents fared when they were assessed, in no order.
    pub(crate) fn assessed(&self) -> Vec<Attempt> {
        self.state().stored.assessed.values().cloned().collect()
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
        state.turns.remove(&id);
        let Some(trial) = state.unrecorded.remove(&id) else { return };
        if trial.passed().is_none() {
            state.stored.void.insert(id);
        } else {
            state.stored.scored += 1;
            state.stored.void.remove(&id);
            state.stored.note(id, &trial);
        }
        state.recorded.insert(id, trial);
    }

    /// Lets go of a committed round's trials.
    pub(crate) fn committed(&self, round: u32) {
        let mut state = self.state();
        state.recorded.retain(|_, trial| !belongs(trial.key.replicate, round));
        state.stored.committed(round);
        state.turns.clear();
    }

    /// Whether the journal has this harness.
    pub(crate) fn knows_harness(&self, harness: Fingerprint) -> bool {
        self.state().stored.harnesses.contains(&harness)
    }

    /// Notes that it has.
    pub(crate) fn introduced(&self, harness: Fingerprint) {
        self.state().stored.harnesses.insert(harness);
    }

    /// Every trial of the run once, however often it was asked for.
    pub(crate) fn counts(&self) -> TrialCounts {
        let state = self.state();
        TrialCounts {
            scored: state.stored.scored,
            void: state.stored.void.len() as u64,
            reused: self.reused,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every update is one insertion or removal: a panic elsewhere cannot leave half of one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a trial was bought by this round, or an earlier one, and for nothing else.
fn belongs(replicate: Replicate, round: u32) -> bool {
    replicate.round <= round && !matches!(replicate.phase, Phase::Claim | Phase::Direct)
}
