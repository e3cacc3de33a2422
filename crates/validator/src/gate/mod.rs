//! Gates: pure rules from evidence to the next step. Nothing here runs a trial, reads a clock or draws a number.

mod paper;
mod posterior;
mod sequential;
mod veto;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use harness_core::{Decision, Error, ErrorKind, Result, TaskName};
use serde::{Deserialize, Serialize};

pub use self::paper::PaperGate;
pub use self::sequential::SequentialGate;

use crate::evidence::{Evidence, GatingSplit};

/// A rule that decides, or says what it must know first.
///
/// # Contract
/// - Pure: the same evidence gives the same step.
/// - Every [`Step::Buy`] asks for at least one attempt that the evidence does not hold, and no task gets more
///   attempts than [`Gate::worst_case`] says, so that judging ends.
/// - Void cells decide nothing: too many of them make the verdict inconclusive.
/// - Identical outcomes on both sides are never promoted.
pub trait Gate: fmt::Debug + Send + Sync {
    /// The next step.
    fn step(&self, evidence: &Evidence) -> Step;

    /// Attempts at each task that one judgement may cost at worst.
    fn worst_case(&self, attempts: u32) -> WorstCase;
}

impl<G: Gate + ?Sized> Gate for Arc<G> {
    fn step(&self, evidence: &Evidence) -> Step {
        (**self).step(evidence)
    }

    fn worst_case(&self, attempts: u32) -> WorstCase {
        (**self).worst_case(attempts)
    }
}

/// What a gate wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// More attempts; then ask again.
    Buy(Vec<Purchase>),
    /// It is decided. The evidence's list of trials is left empty.
    Decide(Decision),
}

/// Whose attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// The candidate's.
    Candidate,
    /// The incumbent's, beside those of its assessment and shared by the round's candidates.
    Incumbent,
}

/// Bring these tasks to `upto` attempts each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    /// Whose attempts.
    pub arm: Arm,
    /// The split of the tasks.
    pub split: GatingSplit,
    /// The tasks.
    pub tasks: Vec<TaskName>,
    /// How many attempts each shall have, counting those it has.
    pub upto: u32,
}

/// What one judgement may cost at worst, in attempts at each task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorstCase {
    /// Of the candidate.
    pub candidate: u32,
    /// Of the incumbent beside it; bought once for all candidates of a round.
    pub incumbent: u32,
}

/// The gates of this version, by the names of the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateKind {
    /// [`PaperGate`].
    Paper,
    /// [`SequentialGate`].
    #[default]
    Sequential,
}

impl GateKind {
    /// The gate with its default settings.
    pub fn gate(self) -> Arc<dyn Gate> {
        match self {
            Self::Paper => Arc::new(PaperGate::default()),
            Self::Sequential => Arc::new(SequentialGate::default()),
        }
    }
}

impl fmt::Display for GateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Paper => "paper",
            Self::Sequential => "sequential",
        })
    }
}

impl FromStr for GateKind {
    type Err = Error;

    /// # Errors
    /// [`ErrorKind::InvalidInput`] naming the gates there are.
    fn from_str(name: &str) -> Result<Self> {
        match name {
            "paper" => Ok(Self::Paper),
            "sequential" => Ok(Self::Sequential),
            "strict" => refuse("the gate 'strict' is not available in this version"),
            other => refuse(&format!("there is no gate '{other}'")),
        }
    }
}

fn refuse(what: &str) -> Result<GateKind> {
    let message = format!("{what}: choose 'paper' or 'sequential'");
    Err(Error::new(ErrorKind::InvalidInput, message))
}
