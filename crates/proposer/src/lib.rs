#![doc = include_str!("../README.md")]

mod answer;
mod check;
mod material;
mod proposer;
mod schema;
mod slot;
mod suggestion;

pub use proposer::LlmProposer;
pub use slot::{Slot, assign};
pub use suggestion::{Suggestion, family, suggestions};
