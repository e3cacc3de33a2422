#![doc = include_str!("../README.md")]

mod activation;
mod attempts;
mod baseline;
mod bounded;
mod constraint;
mod court;
mod docket;
mod evidence;
mod gate;
mod guard;
mod merge;
mod missing;
mod past;
mod plan;
mod reading;
mod stats;
mod validator;

pub use constraint::{Compliance, Constraints, Sides, non_inferior};
pub use docket::{Docket, Hearing, PastDecision};
pub use evidence::{Cell, Counts, Evidence, GatingSplit, Tally, TaskCells};
pub use gate::{
    Arm, CandidateGate, Gate, GateKind, Learnt, Ledger, PaperGate, Purchase, Question,
    SequentialGate, Spending, SpikeAndSlab, Step, StrictGate, WorstCase, knowledge_gradient,
    ln_e_value,
};
pub use guard::{
    Growth, GuardKind, Guards, Leak, LeakIndex, LeakIndexBuilder, LeakKind, Refusal, Source,
};
pub use merge::{Composing, ForwardSelection};
pub use missing::{Differences, Reading, bounds};
pub use past::Past;
pub use plan::{Outlook, Plan, Planned, smallest_effect};
pub use stats::{Belief, normal_cdf, probability_of_loss, within_task_variance};
pub use validator::RegressionValidator;
