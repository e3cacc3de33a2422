//! A whole run with scripted parts, small enough to be kept.

use std::path::Path;
use std::sync::Arc;

use harness_core::testing::{
    InMemorySandbox, ManualClock, ScriptedLlm, ScriptedMiner, ScriptedProposer, ScriptedValidator,
    ScriptedVerifier, ToyEdit, ToyHarness, toy_task,
};
use harness_core::{Benchmark, Completion, Engine, EngineConfig, Result, SandboxPath, Task, Usage};
use harness_journal::SqliteJournal;

/// Two rounds of one proposal each, the second of which is promoted, and a claim.
pub(crate) async fn engine(directory: &Path, clock: ManualClock) -> Result<Engine<ToyHarness>> {
    let usage = Usage {
        prompt_tokens: 90,
        completion_tokens: 10,
        cost_usd: Some(0.25),
        ..Usage::default()
    };
    let tasks = |split: &str| -> Vec<Arc<Task>> {
        ["read", "sort"].map(|skill| Arc::new(toy_task(&format!("{split}-{skill}"), skill))).into()
    };
    let learn = |skill: &str| ToyEdit::Learn(skill.to_owned());
    Engine::builder(ToyHarness { skills: ["read".to_owned()].into(), calls: 1 })
        .model(ScriptedLlm::new(move |_| Ok(Completion::text("ok").with_usage(usage))))
        .sandbox(InMemorySandbox::default())
        .verifier(ScriptedVerifier::expecting(SandboxPath::new("answer")?, "done"))
        .benchmark(Benchmark::new(tasks("in"), tasks("out"), tasks("sealed"))?)
        .miner(ScriptedMiner::by_evidence())
        .proposer(ScriptedProposer::cycling(vec![learn("juggle"), learn("sort")]))
        .validator(ScriptedValidator::counting())
        .journal(SqliteJournal::open(directory)?)
        .clock(clock)
        .config(EngineConfig {
            rounds: 2,
            width: 1,
            attempts: 1,
            claim_attempts: 1,
            ..EngineConfig::default()
        })
        .build()
        .await
}
