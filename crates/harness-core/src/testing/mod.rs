//! For implementers: scripted doubles of every trait, a world whose truth is known, and the laws of every trait.
//!
//! - **Doubles** are real implementations, driven by closures and queues: [`ScriptedLlm`], [`InMemorySandbox`], [`ScriptedVerifier`],
//!   [`ScriptedMiner`], [`ScriptedProposer`], [`ScriptedValidator`], [`RecordingObserver`], [`ManualClock`], [`ToyHarness`].
//! - **The world** ([`World`]) has tasks whose pass rates are known for every harness, so that what a gate promotes can
//!   be compared with the truth, thousands of trials a second through the real engine.
//! - **The twin** ([`Twin`]) is any harness whose attempts are drawn from what is known of them ([`Nature`]).
//! - **Laws** ([`laws`]): one test for each sentence of a trait's contract, for any implementation anywhere.

mod answer;
mod chance;
mod clock;
mod files;
mod grounds;
pub mod laws;
mod llm;
mod observer;
mod sandbox;
mod stages;
mod toy;
mod twin;
mod world;

pub use self::chance::Chance;
pub use self::clock::ManualClock;
pub use self::files::{InMemoryFiles, StoredFile};
pub use self::grounds::Grounds;
pub use self::laws::{Fixture, Law, LawResult, Unkept};
pub use self::llm::ScriptedLlm;
pub use self::observer::{Noted, RecordingObserver};
pub use self::sandbox::{InMemorySandbox, ScriptedSandbox};
pub use self::stages::{
    EvidenceReader, ScriptedMiner, ScriptedProposer, ScriptedValidator, ScriptedVerifier,
};
pub use self::toy::{ToyEdit, ToyHarness, toy_task};
pub use self::twin::{Course, Nature, Twin};
pub use self::world::{World, WorldEdit, WorldHarness, WorldTask};
