//! A translation agent that knows nothing of terminals, documents or this project's own parts. It depends on
//! `harness-core` alone and brings its own harness type, sandbox, model client, verifier, miner, proposer, validator and
//! journal: if this crate compiles and its test passes, so can anybody's.

mod harness;
mod infrastructure;
mod stages;

pub use harness::{Change, Phrasebook};
pub use infrastructure::{Desk, LineJournal, Parrot, Proofreader};
pub use stages::{Critic, Editor, Judge};
