//! What the journal costs an engine, and what a very long run costs to come back to.
//!
//! ```sh
//! cargo run --release -p harness-journal --example long_run -- DIRECTORY            # 100,000 trials
//! cargo run --release -p harness-journal --example long_run -- DIRECTORY 1000000
//! ```
//!
//! The directory should be on the disk that state directories will be on: in memory, a sync costs nothing.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::executor::block_on;
use futures::{StreamExt, TryStreamExt};
use harness_core::testing::{InMemorySandbox, ScriptedLlm, ScriptedVerifier, ToyHarness, toy_task};
use harness_core::{
    Completion, Engine, EngineBuilder, EngineConfig, Journal, Measured, Outcome, Record, Result,
    SandboxPath, Step, StepSource, Trial,
};
use harness_journal::SqliteJournal;

/// Trials of the comparison, at most so many at once.
const TRIALS: u32 = 2_000;
const AT_ONCE: usize = 64;
/// Calls to the model in each.
const CALLS: u32 = 10;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let parent = arguments.next().unwrap_or_else(|| ".".to_owned());
    let trials = arguments.next().map_or(Ok(100_000), |count| count.parse());
    let trials: u32 = trials.map_err(io::Error::other)?;
    let sample = compare(Path::new(&parent)).map_err(io::Error::other)?;
    long(Path::new(&parent), trials, &sample).map_err(io::Error::other)
}

/// The same instant trials with and without a journal on disk.
fn compare(parent: &Path) -> Result<Arc<Trial>> {
    let measured = timed("engine, no journal on disk", || block_on(measure(builder(TRIALS))))?;
    let state = tempfile::tempdir_in(parent).map_err(unexpected)?;
    timed("engine, journal on disk", || {
        block_on(measure(builder(TRIALS).journal(SqliteJournal::open(state.path())?)))
    })?;
    measured.trials.first().cloned().ok_or_else(|| unexpected("no trial"))
}

fn timed(name: &str, work: impl FnOnce() -> Result<Measured>) -> Result<Measured> {
    let started = Instant::now();
    let measured = work()?;
    let rate = f64::from(TRIALS) / started.elapsed().as_secs_f64();
    println!("{name}: {rate:.0} trials/s of {CALLS} calls, {AT_ONCE} at once");
    Ok(measured)
}

fn builder(attempts: u32) -> EngineBuilder<ToyHarness> {
    let answer = SandboxPath::new("answer").unwrap_or_else(|_| unreachable!("a plain name"));
    Engine::builder(ToyHarness { skills: ["read".to_owned()].into(), calls: CALLS })
        .model(ScriptedLlm::new(|_| Ok(Completion::text("ok"))))
        .sandbox(InMemorySandbox::default())
        .verifier(ScriptedVerifier::expecting(answer, "done"))
        .config(EngineConfig { attempts, concurrency: AT_ONCE, ..EngineConfig::default() })
}

async fn measure(builder: EngineBuilder<ToyHarness>) -> Result<Measured> {
    builder.measure(vec![Arc::new(toy_task("task", "read"))]).await
}

/// A journal of many trials of twenty steps each: written, opened, read through, resumed from.
fn long(parent: &Path, trials: u32, sample: &Trial) -> Result<()> {
    let state = tempfile::tempdir_in(parent).map_err(unexpected)?;
    let before = resident();
    let started = Instant::now();
    block_on(fill(&SqliteJournal::open(state.path())?, trials, sample))?;
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{trials} trials of 20 steps written: {:.0} trials/s, memory {} → {} MiB",
        f64::from(trials) / seconds,
        before,
        resident()
    );
    let size = fs::metadata(state.path().join(SqliteJournal::FILE)).map_err(unexpected)?.len();
    println!("file: {} MiB, {} bytes a trial", size >> 20, size / u64::from(trials));

    let started = Instant::now();
    let journal = SqliteJournal::open(state.path())?;
    println!("open: {:?}", started.elapsed());
    let started = Instant::now();
    let records = block_on(async {
        journal.outline().await?.try_fold(0_u64, |count, _| async move { Ok(count + 1) }).await
    })?;
    println!(
        "{records} records read through, each against its hash: {:?}, memory {} MiB",
        started.elapsed(),
        resident()
    );
    let started = Instant::now();
    // One attempt is asked for, and it is on record: what is measured is finding that out.
    let found = block_on(measure(builder(1).journal(journal)))?;
    println!(
        "resume: {:?}, memory {} MiB, {} trials known",
        started.elapsed(),
        resident(),
        found.counts.scored
    );
    Ok(())
}

async fn fill(journal: &SqliteJournal, trials: u32, sample: &Trial) -> Result<()> {
    let mut steps = Vec::new();
    for number in 1..=20 {
        let said = format!(
            "Step {number}: I look at the log, count its lines, and write what I found. {}",
            "detail ".repeat(60)
        );
        steps.push(Step { step_id: number, ..Step::said(StepSource::Agent, said) });
    }
    let record = |attempt: u32| -> Result<[Record; 2]> {
        let mut trial = sample.clone();
        trial.key.replicate.attempt = attempt;
        trial.outcome = Outcome::Scored { reward: f64::from(attempt % 2), evidence: Vec::new() };
        trial.trajectory.steps.clone_from(&steps);
        let (id, key, elapsed) = (trial.id()?, trial.key.clone(), Duration::ZERO);
        Ok([
            Record::TrialStarted { id, key, elapsed },
            Record::TrialFinished { trial: Arc::new(trial) },
        ])
    };
    // As an engine does it: so many at once, each waiting for its own sync.
    let appended = futures::stream::iter(0..trials).map(|attempt| async move {
        for record in record(attempt)? {
            journal.append(&record).await?;
        }
        Result::Ok(())
    });
    appended.buffer_unordered(AT_ONCE).try_collect::<()>().await
}

/// Memory of this process now, in MiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn unexpected(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> harness_core::Error {
    harness_core::Error::new(harness_core::ErrorKind::Journal, "measuring").with_source(source)
}
