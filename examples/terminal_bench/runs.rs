//! What can be done with the parts: evolve, measure.

use std::sync::Arc;
use std::time::Duration;

use harness_benchmark::{
    Assignment, HarborTask, HarborVerifier, NopHarness, OracleHarness, Proportions, Skipped,
};
use harness_core::{
    Benchmark, Caps, ControlGroup, DocumentControls, Engine, EngineBuilder, EngineConfig, Error,
    ErrorKind, Harness, LlmBackend, MinimalHarness, Pruning, Result, Sandbox, Task, TrialLimits,
};
use harness_miner::SignatureMiner;
use harness_proposer::LlmProposer;
use harness_report::{
    MeasurementSummary, ProgressObserver, Summary, measurement_table, publish, run_table,
    write_atomically,
};
use harness_sandbox::TokioExecutor;
use harness_validator::{Constraints, Gate, GateKind, Guards};
use serde::Serialize;

use crate::leaks::leaks;
use crate::options::{Agent, Options};
use crate::parts::Tasks;
use crate::rule::Rule;
use crate::state::State;

/// Who is tested on what, and what decides: read before anything is created, so that a mistake leaves nothing behind.
pub(crate) struct Rules {
    pub(crate) benchmark: Benchmark,
    pub(crate) gate: GateKind,
}

impl Rules {
    pub(crate) fn read(options: &Options, tasks: &Tasks) -> Result<Self> {
        let all = plain(&tasks.tasks);
        let assignment = match &options.split {
            Some(file) => Assignment::read(file, all.iter().map(|task| &task.name))?,
            None => Assignment::stratified(&all, options.seed, Proportions::default())?,
        };
        Ok(Self { benchmark: assignment.benchmark(&all)?, gate: options.gate.parse()? })
    }
}

/// The whole loop.
pub(crate) async fn evolve(
    options: &Options,
    tasks: Tasks,
    rules: Rules,
    model: Arc<dyn LlmBackend>,
    sandbox: Arc<dyn Sandbox>,
    state: &mut State,
) -> Result<()> {
    let Rules { benchmark, gate } = rules;
    let guards = Guards::default().with_leaks(leaks(&tasks.tasks));
    let progress = ProgressObserver::stderr();
    let mut builder = builder(MinimalHarness::default(), options, &tasks, model, sandbox, state)?
        .benchmark(benchmark)
        .miner(SignatureMiner::new())
        .proposer(LlmProposer::new())
        .validator(rule(gate, options).validator().with_guards(guards))
        .identity("gate", rule(gate, options))
        .read_sealed_again(options.read_sealed_again)
        .observer(progress.clone());
    if options.prune {
        builder = builder.pruning(Pruning::default());
    }
    if let Some(points) = options.bar {
        builder = builder.bar(points / 100.0);
    }
    if options.controls {
        let group = ControlGroup::judged_by(rule(gate, options).validator());
        builder = builder.controls(group.with_edits(DocumentControls));
    }
    let mut engine = builder.build().await?;
    let ended = engine.run().await;
    progress.finish();
    let (report, stopped) = match ended {
        Ok(report) => (report, None),
        // What was found before the money ran out is worth reading.
        Err(error) if error.kind() == ErrorKind::Budget => (engine.report(None), Some(error)),
        Err(error) => return Err(error),
    };
    let mut summary = Summary::of(&report).with_skipped(skipped(&tasks.skipped));
    if let Some(error) = &stopped {
        summary = summary.with_stopped(error.report());
    }
    let summary = publish(state.directory(), summary)?;
    let tip = serde_json::to_vec_pretty(engine.lineage().tip()).map_err(no_json)?;
    write_atomically(&state.directory().join("harness.json"), &tip)?;
    show(options, &summary, &run_table(&summary))?;
    stopped.map_or(Ok(()), Err)
}

/// The rule that decides. The strict one shares its level among as many decisions as this run can make.
fn rule(kind: GateKind, options: &Options) -> Rule {
    let constraints = Constraints { cost: options.cost_within, latency: options.time_within };
    Rule { kind, horizon: options.rounds.saturating_mul(options.width), constraints }
}

/// Its gate.
pub(crate) fn gate(kind: GateKind, options: &Options) -> Arc<dyn Gate> {
    rule(kind, options).gate()
}

/// One agent on every task, without evolution.
pub(crate) async fn measure(
    options: &Options,
    tasks: Tasks,
    model: Arc<dyn LlmBackend>,
    sandbox: Arc<dyn Sandbox>,
    state: &mut State,
) -> Result<()> {
    let progress = ProgressObserver::stderr();
    let all = plain(&tasks.tasks);
    let id = model.model().clone();
    let measured = match options.agent {
        Agent::Oracle => {
            let oracle = OracleHarness::new(&tasks.tasks);
            builder(oracle, options, &tasks, model, sandbox, state)?
                .observer(progress.clone())
                .measure(all)
                .await
        }
        _ => {
            let nop = NopHarness::default();
            builder(nop, options, &tasks, model, sandbox, state)?
                .observer(progress.clone())
                .measure(all)
                .await
        }
    };
    progress.finish();
    let agent = if options.agent == Agent::Oracle { "oracle" } else { "nop" };
    let summary =
        MeasurementSummary::of(agent, &id, &measured?).with_skipped(skipped(&tasks.skipped));
    let json = serde_json::to_vec_pretty(&summary).map_err(no_json)?;
    write_atomically(&state.directory().join("summary.json"), &json)?;
    show(options, &summary, &measurement_table(&summary))
}

/// What evolving and measuring have in common.
fn builder<H: Harness>(
    harness: H,
    options: &Options,
    tasks: &Tasks,
    model: Arc<dyn LlmBackend>,
    sandbox: Arc<dyn Sandbox>,
    state: &mut State,
) -> Result<EngineBuilder<H>> {
    let builder = Engine::builder(harness)
        .model(model)
        .sandbox(sandbox)
        .verifier(HarborVerifier::new(&tasks.tasks)?)
        .journal(state.take_journal()?)
        .caps(Caps {
            usd: options.max_cost,
            tokens: options.max_tokens,
            trials: options.max_trials,
            time: options.max_time.map(|span| span.0),
        })
        .config(config(options))
        .fork(options.fork);
    Ok(match TokioExecutor::current() {
        Some(executor) => builder.executor(executor),
        None => builder,
    })
}

fn config(options: &Options) -> EngineConfig {
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    EngineConfig {
        rounds: options.rounds,
        width: options.width as usize,
        attempts: options.attempts,
        claim_attempts: options.claim_attempts,
        seed: options.seed,
        limits: limits(options),
        // Calls are tried again already, and longer, by the model's own wrapper.
        void_retries: 1,
        concurrency: options.concurrency.map_or(processors * 2, |count| count as usize),
        ..EngineConfig::default()
    }
}

pub(crate) fn limits(options: &Options) -> TrialLimits {
    let steps =
        options.steps.unwrap_or(if options.model.starts_with("simulated:") { 30 } else { 100 });
    TrialLimits { steps, time: Duration::from_secs(3600), ..TrialLimits::default() }
}

fn plain(tasks: &[HarborTask]) -> Vec<Arc<Task>> {
    tasks.iter().map(|task| Arc::clone(&task.task)).collect()
}

fn skipped(skipped: &[Skipped]) -> Vec<harness_report::Skipped> {
    let tell = |skipped: &Skipped| harness_report::Skipped {
        name: skipped.name.to_string(),
        reason: skipped.reason.clone(),
    };
    skipped.iter().map(tell).collect()
}

/// The table for a person, on stdout; with `--json` on stderr, and the summary on stdout.
fn show(options: &Options, summary: &impl Serialize, table: &str) -> Result<()> {
    if !options.json {
        println!("{table}");
        return Ok(());
    }
    eprintln!("{table}");
    print_json(summary)
}

pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    println!("{}", serde_json::to_string(value).map_err(no_json)?);
    Ok(())
}

fn no_json(source: serde_json::Error) -> Error {
    Error::new(ErrorKind::Contract, "the summary has no JSON form").with_source(source)
}
