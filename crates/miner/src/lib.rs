#![doc = include_str!("../README.md")]

mod cause;
mod cluster;
mod diagnosis;
mod evidence;
mod miner;
mod select;
mod vocabulary;

pub use cause::{objections_without_answers, terminal_cause};
pub use evidence::EvidenceLimits;
pub use miner::SignatureMiner;
pub use vocabulary::{Cause, Mechanism, Status, VOCABULARY_VERSION};
