//! Writes a small whole run into a directory, in the present version of the schema: what `tests/fixtures` keeps of every
//! version for ever.
//!
//! `cargo run -p harness-journal --example fixture -- DIRECTORY`
//!
//! `records.jsonl` beside the journal holds the records as they were appended.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use futures::TryStreamExt;
use harness_core::testing::{
    InMemorySandbox, ManualClock, ScriptedLlm, ScriptedMiner, ScriptedProposer, ScriptedValidator,
    ScriptedVerifier, ToyEdit, ToyHarness, toy_task,
};
use harness_core::{
    Benchmark, Completion, Engine, EngineConfig, Journal, Result, SandboxPath, Task, Usage,
};
use harness_journal::SqliteJournal;

fn main() -> io::Result<()> {
    let directory = std::env::args().nth(1).ok_or_else(|| io::Error::other("name a directory"))?;
    let directory = Path::new(&directory);
    let clock = ManualClock::new();
    clock.block_on(run(directory, clock.clone())).map_err(io::Error::other)?;
    let mut lines = fs::File::create(directory.join("records.jsonl"))?;
    let records = clock.block_on(async {
        SqliteJournal::read(directory)?.scan().await?.try_collect::<Vec<_>>().await
    });
    for record in records.map_err(io::Error::other)? {
        writeln!(lines, "{}", serde_json::to_string(&record)?)?;
    }
    Ok(())
}

/// Two rounds and the claim, the first session left in the middle.
async fn run(directory: &Path, clock: ManualClock) -> Result<()> {
    let mut first = engine(directory, clock.clone()).await?;
    first.round().await?;
    drop(first);
    engine(directory, clock).await?.run().await.map(drop)
}

async fn engine(directory: &Path, clock: ManualClock) -> Result<Engine<ToyHarness>> {
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
