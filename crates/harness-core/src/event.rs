//! What happens while a run goes on, for whoever watches.

use std::fmt;
use std::time::Duration;

use crate::engine::{Claim, ControlArm, RoundReport, Sampling};
use crate::id::{ModelId, TaskName};
use crate::sandbox::Isolation;
use crate::trial::{Spent, SplitName, Trial};
use crate::verdict::Decision;
use crate::weakness::Weakness;
use serde::{Deserialize, Serialize};

/// Watches a run. Called synchronously and often: an observer must not block, and cannot influence the run.
pub trait Observer: fmt::Debug + Send + Sync {
    /// Something happened.
    fn observe(&self, event: &Event<'_>);
}

/// Something happened.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A run began, or goes on.
    RunStarted {
        /// Who thinks. Label what a simulated model achieves.
        model: &'a ModelId,
        /// Where trials run.
        isolation: &'a Isolation,
        /// Rounds that were finished in earlier sessions.
        rounds_done: u32,
    },
    /// The journal holds an earlier session's work, and the run goes on from there.
    Resumed {
        /// What was found.
        found: &'a Found,
    },
    /// A round began.
    RoundStarted {
        /// Its number, from 1.
        round: u32,
    },
    /// A batch of trials is about to run.
    TrialsPlanned {
        /// How many more.
        count: usize,
        /// What for, for a person.
        purpose: &'a str,
    },
    /// A trial ended.
    TrialFinished {
        /// The trial.
        trial: &'a Trial,
        /// Whether it was taken from the journal instead of being run.
        reused: bool,
    },
    /// A trial was void and is tried again.
    TrialVoid {
        /// Its task.
        task: &'a TaskName,
        /// Its split.
        split: SplitName,
        /// What failed.
        reason: &'a str,
    },
    /// The model's server does not answer: calls are held, and trials wait without losing time, until it is back.
    ModelDown {
        /// What it said last.
        reason: &'a str,
    },
    /// The model's server answers again.
    ModelBack {
        /// How long it was down.
        lasted: Duration,
    },
    /// Weaknesses were found.
    Mined {
        /// Heaviest first.
        weaknesses: &'a [Weakness],
    },
    /// A proposal was made.
    Proposed {
        /// Its id.
        proposal: &'a str,
        /// The surface it edits.
        surface: &'a str,
        /// How it is meant to work.
        mechanism: &'a str,
    },
    /// A proposal was judged.
    Judged {
        /// Its id.
        proposal: &'a str,
        /// What was decided.
        decision: &'a Decision,
    },
    /// A round ended.
    RoundFinished {
        /// What happened in it.
        report: &'a RoundReport,
    },
    /// A control was judged.
    Controlled {
        /// Which one, and what the gate said.
        arm: &'a ControlArm,
    },
    /// The seed harness was sampled.
    Sampled {
        /// What that achieved.
        sampling: &'a Sampling,
    },
    /// The sealed split was read.
    Claimed {
        /// What it said.
        claim: &'a Claim,
    },
}

/// What a resumed run finds in its journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Trials with a verdict: none of them is run again.
    pub finished: u64,
    /// Trials that ended without one, by the infrastructure's fault: run again when they are asked for.
    pub unscored: u64,
    /// Trials that were under way when a session ended: run again, because nothing of them is known.
    pub in_flight: u64,
    /// What everything cost so far, calls of unknown outcome at their worst case.
    pub spent: Spent,
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn observe(&self, _event: &Event<'_>) {}
}
