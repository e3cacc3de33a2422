#![doc = include_str!("../README.md")]

mod attempts;
mod baseline;
mod case;
mod evidence;
mod gate;
mod guard;
mod merge;
mod plan;
mod stats;
mod validator;

pub use evidence::{Cell, Counts, Evidence, GatingSplit, TaskCells};
pub use gate::{Arm, Gate, GateKind, PaperGate, Purchase, SequentialGate, Step, WorstCase};
pub use merge::{Composing, ForwardSelection};
pub use plan::{Plan, Planned, smallest_effect};
pub use stats::{Belief, normal_cdf, probability_of_loss, within_task_variance};
pub use validator::RegressionValidator;
