#![doc = include_str!("../README.md")]

mod activation;
mod attempts;
mod baseline;
mod court;
mod docket;
mod evidence;
mod gate;
mod guard;
mod merge;
mod plan;
mod stats;
mod validator;

pub use docket::{Docket, Hearing, PastDecision};
pub use evidence::{Cell, Counts, Evidence, GatingSplit, Tally, TaskCells};
pub use gate::{
    Arm, CandidateGate, Gate, GateKind, PaperGate, Purchase, SequentialGate, Step, WorstCase,
};
pub use guard::{
    Growth, GuardKind, Guards, Leak, LeakIndex, LeakIndexBuilder, LeakKind, Refusal, Source,
};
pub use merge::{Composing, ForwardSelection};
pub use plan::{Plan, Planned, smallest_effect};
pub use stats::{Belief, normal_cdf, probability_of_loss, within_task_variance};
pub use validator::RegressionValidator;
