//! Gates: pure rules from evidence to the next step. Nothing here runs a trial, reads a clock or draws a number.

mod block;
mod loans;
mod paper;
mod posterior;
mod prior;
mod rates;
mod sequential;
mod strict;
mod value;
mod veto;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use harness_core::{Decision, Error, ErrorKind, Prior, Result, TaskName};
use serde::{Deserialize, Serialize};

pub use self::paper::PaperGate;
pub use self::prior::{Learnt, SpikeAndSlab};
pub use self::sequential::SequentialGate;
pub use self::strict::{Ledger, Question, Spending, StrictGate, ln_e_value};
pub use self::value::knowledge_gradient;

use crate::docket::Docket;
use crate::evidence::GatingSplit;

/// A rule that decides on the candidates of a docket, or says what it must know first.
///
/// # Contract
/// - Pure: the same docket gives the same step. What a run has taught so far is in [`Docket::past`], a function of
///   the journal; a gate keeps nothing between calls.
/// - Every [`Step::Buy`] asks for at least one attempt that the docket does not hold, for candidates that are open,
///   and no task gets more attempts than [`Gate::worst_case`] says, so that judging ends.
/// - Every [`Step::Decide`] decides on a candidate that is open.
/// - Void cells decide nothing: too many of them make the verdict inconclusive.
/// - Identical outcomes on both sides are never promoted.
///
/// # One more gate
/// A gate that looks at each candidate by itself implements [`CandidateGate`] (evidence of one hearing in, step out) and
/// is a `Gate` by that; [`PaperGate`] does. One that weighs candidates against each other, as [`SequentialGate`] does,
/// implements `Gate`. A gate with an error budget over the run writes what each decision spent into
/// [`Finding::stake`](harness_core::Finding::stake) and reads what is left from `past` and from the decided hearings of
/// the docket.
pub trait Gate: fmt::Debug + Send + Sync {
    /// The next step. The docket has at least one open candidate.
    fn step(&self, docket: &Docket) -> Step;

    /// Attempts at each task that one judgement may cost at worst.
    fn worst_case(&self, attempts: u32) -> WorstCase;

    /// As [`Validator::reassessment`](harness_core::Validator::reassessment).
    fn reassessment(&self, attempts: u32) -> u32 {
        attempts
    }

    /// What it expects of the docket's candidates before any trial of them, for a reader of its verdicts: it is kept in
    /// [`Finding::prior`](harness_core::Finding::prior). `None`, as by default, from a gate without a prior.
    fn prior(&self, docket: &Docket) -> Option<Prior> {
        let _ = docket;
        None
    }
}

/// A gate that hears candidates one after the other, each by its own evidence.
pub trait CandidateGate: fmt::Debug + Send + Sync {
    /// The next step for this candidate of the docket.
    fn hear(&self, candidate: usize, docket: &Docket) -> Step;

    /// As [`Gate::worst_case`].
    fn worst_case(&self, attempts: u32) -> WorstCase;
}

impl<G: CandidateGate> Gate for G {
    fn step(&self, docket: &Docket) -> Step {
        match docket.open().next() {
            Some((candidate, _)) => self.hear(candidate, docket),
            None => Step::Buy(Vec::new()),
        }
    }

    fn worst_case(&self, attempts: u32) -> WorstCase {
        CandidateGate::worst_case(self, attempts)
    }
}

impl<G: Gate + ?Sized> Gate for Arc<G> {
    fn step(&self, docket: &Docket) -> Step {
        (**self).step(docket)
    }

    fn worst_case(&self, attempts: u32) -> WorstCase {
        (**self).worst_case(attempts)
    }

    fn reassessment(&self, attempts: u32) -> u32 {
        (**self).reassessment(attempts)
    }

    fn prior(&self, docket: &Docket) -> Option<Prior> {
        (**self).prior(docket)
    }
}

/// What a gate wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// More attempts, as one interleaved block; then ask again.
    Buy(Vec<Purchase>),
    /// One candidate is decided; then ask again while others are open. The evidence's list of trials is left empty.
    Decide {
        /// Its index in the docket.
        candidate: usize,
        /// The decision.
        decision: Decision,
    },
}

/// Whose attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// Those of the candidate with this index in the docket.
    Candidate(usize),
    /// The incumbent's, beside those of its assessment and shared by the docket's candidates.
    Incumbent,
}

impl Arm {
    /// Whether its attempts are evidence in the hearing of this candidate.
    pub fn is_of(self, candidate: usize) -> bool {
        match self {
            Self::Candidate(own) => own == candidate,
            Self::Incumbent => true,
        }
    }
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
    /// [`StrictGate`].
    Strict,
}

impl GateKind {
    /// The gate with its default settings.
    pub fn gate(self) -> Arc<dyn Gate> {
        match self {
            Self::Paper => Arc::new(PaperGate::default()),
            Self::Sequential => Arc::new(SequentialGate::default()),
            Self::Strict => Arc::new(StrictGate::default()),
        }
    }
}

impl fmt::Display for GateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Paper => "paper",
            Self::Sequential => "sequential",
            Self::Strict => "strict",
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
            "strict" => Ok(Self::Strict),
            other => {
                let message =
                    format!("there is no gate '{other}': choose 'paper', 'sequential' or 'strict'");
                Err(Error::new(ErrorKind::InvalidInput, message))
            }
        }
    }
}
