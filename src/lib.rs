//! An agent that improves its own harness: one crate that brings all the others.
//!
//! ```text
//!            ┌──────────── the incumbent harness ◄────────────┐
//!            ▼                                                │ promote
//!   assess: fresh trials on held-in and held-out tasks        │
//!            ▼                                                │
//!   mine: failed held-in trials ─► recurring weaknesses       │
//!            ▼                                                │
//!   propose: the same model ─► minimal edits, one weakness each
//!            ▼                                                │
//!   validate: regression tests on both splits ────────────────┤
//!                                                             └─► reject, with the reason
//! ```
//!
//! [`core`] holds the vocabulary, every trait and the loop; the others hold implementations and know only `core`. An
//! embedder depends on `harness-core` alone, implements a trait or two, and takes the rest from here. The example
//! `terminal_bench` is the whole on real tasks; `custom_harness`, `custom_llm` and `custom_sandbox` are it with one
//! part swapped; `step_by_step` leaves the loop to the caller.

pub use harness_benchmark as benchmark;
pub use harness_core as core;
pub use harness_journal as journal;
pub use harness_llm as llm;
pub use harness_miner as miner;
pub use harness_proposer as proposer;
pub use harness_report as report;
pub use harness_sandbox as sandbox;
pub use harness_validator as validator;
