//! An observer that remembers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::engine::{Claim, ControlArm, RoundReport, Sampling};
use crate::event::{Event, Found, Observer};
use crate::id::TaskName;
use crate::trial::Trial;
use crate::verdict::Decision;
use crate::weakness::Weakness;

/// Remembers every event. Clones share what they remember.
#[derive(Clone, Debug, Default)]
pub struct RecordingObserver(Arc<Mutex<Vec<Noted>>>);

/// An event with everything it borrowed, and no more of it than tests ask for.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub enum Noted {
    /// A run began after this many finished rounds.
    RunStarted(u32),
    /// An earlier session's work was found.
    Resumed(Found),
    /// A round began.
    RoundStarted(u32),
    /// So many trials are about to run, for this purpose.
    TrialsPlanned(usize, String),
    /// A trial ended; whether it was reused.
    TrialFinished(Box<Trial>, bool),
    /// A trial of the task was void and is tried again; the reason.
    TrialVoid(TaskName, String),
    /// The model's server does not answer; the reason.
    ModelDown(String),
    /// It answers again, after so long.
    ModelBack(Duration),
    /// Weaknesses were found.
    Mined(Vec<Weakness>),
    /// A proposal was made.
    Proposed(String),
    /// A proposal was judged.
    Judged(String, Decision),
    /// A round ended.
    RoundFinished(Box<RoundReport>),
    /// A control was judged.
    Controlled(Box<ControlArm>),
    /// The seed harness was sampled.
    Sampled(Sampling),
    /// The sealed split was read.
    Claimed(Claim),
}

impl RecordingObserver {
    /// Everything so far, oldest first.
    pub fn events(&self) -> Vec<Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The trials that ended so far, each with whether it was reused.
    pub fn trials(&self) -> Vec<(Trial, bool)> {
        let finished = self.events().into_iter().filter_map(|event| match event {
            Noted::TrialFinished(trial, reused) => Some((*trial, reused)),
            _ => None,
        });
        finished.collect()
    }
}

impl Observer for RecordingObserver {
    fn observe(&self, event: &Event<'_>) {
        let noted = match event {
            Event::RunStarted { rounds_done, .. } => Noted::RunStarted(*rounds_done),
            Event::Resumed { found } => Noted::Resumed(**found),
            Event::RoundStarted { round } => Noted::RoundStarted(*round),
            Event::TrialsPlanned { count, purpose } => {
                Noted::TrialsPlanned(*count, (*purpose).to_owned())
            }
            Event::TrialFinished { trial, reused } => {
                Noted::TrialFinished(Box::new((*trial).clone()), *reused)
            }
            Event::TrialVoid { task, reason, .. } => {
                Noted::TrialVoid((*task).clone(), (*reason).to_owned())
            }
            Event::ModelDown { reason } => Noted::ModelDown((*reason).to_owned()),
            Event::ModelBack { lasted } => Noted::ModelBack(*lasted),
            Event::Mined { weaknesses } => Noted::Mined(weaknesses.to_vec()),
            Event::Proposed { proposal, .. } => Noted::Proposed((*proposal).to_owned()),
            Event::Judged { proposal, decision } => {
                Noted::Judged((*proposal).to_owned(), (*decision).clone())
            }
            Event::RoundFinished { report } => Noted::RoundFinished(Box::new((*report).clone())),
            Event::Controlled { arm } => Noted::Controlled(Box::new((*arm).clone())),
            Event::Sampled { sampling } => Noted::Sampled(**sampling),
            Event::Claimed { claim } => Noted::Claimed((*claim).clone()),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(noted);
    }
}
