#![doc = include_str!("../README.md")]

mod agent;
pub mod harbor;
mod obstacle;
pub mod split;
mod verifier;

pub use agent::{NoEdit, NopHarness, OracleHarness};
pub use harbor::{HarborTask, Loaded, Loader, Skipped};
pub use split::{Assignment, Proportions, Selection};
pub use verifier::{HarborVerifier, RewardFile, TestScript, read_reward};
