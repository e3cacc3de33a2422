//! What a step of the agent loop and a trial of the engine cost beyond what they wait for.
//!
//! `instant`: model and sandbox answer at once, so all that is measured is ours. `real`: one step that runs `true` in a
//! namespace session, beside the floor, a bare spawn of the same command. Read the ratios; the machine is noisy.

#![allow(clippy::expect_used, reason = "a bench that cannot run has nothing to say")]

mod common;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use common::{Stepper, content_verifier, instant_sandbox, tasks};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use harness_core::{
    Command, Engine, EngineConfig, Environment, Harness, MinimalHarness, RunContext, Sandbox,
    Session, Task, TrialLimits,
};
use harness_sandbox::SandboxKind;
use tokio::runtime::Runtime;

const LIMITS: TrialLimits = TrialLimits {
    steps: 1000,
    tokens: u64::MAX,
    time: Duration::from_secs(3600),
    reply_tokens: 1000,
    temperature: None,
};

async fn attempt(model: Arc<Stepper>, session: &dyn Session, task: &Task) {
    let cx = RunContext::alone(model, session, LIMITS);
    black_box(MinimalHarness::default().run(task, &cx).await.expect("the attempt ends"));
}

/// Steps of one attempt: the cost of a step must not grow with the conversation.
fn steps(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let task = Task::new("task", "Do it.");
    let session = runtime.block_on(instant_sandbox().open(&task.environment)).expect("a session");
    let mut group = c.benchmark_group("agent loop, instant model and sandbox");
    for steps in [20, 50, 200] {
        group.throughput(Throughput::Elements(steps as u64));
        group.bench_with_input(BenchmarkId::new("steps", steps), &steps, |bencher, steps| {
            let model = Arc::new(Stepper::new(*steps, Duration::ZERO));
            bencher
                .to_async(&runtime)
                .iter(|| attempt(Arc::clone(&model), session.as_ref(), &task));
        });
    }
    group.finish();
}

/// Whole trials through the engine: plan, open, run, verify, record.
fn trials(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let tasks = tasks(100);
    let mut group = c.benchmark_group("engine, instant model and sandbox");
    group.throughput(Throughput::Elements(tasks.len() as u64));
    group.bench_function("trials of 10 steps", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let engine = Engine::builder(MinimalHarness::default())
                .model(Stepper::new(10, Duration::ZERO))
                .sandbox(instant_sandbox())
                .verifier(content_verifier())
                .config(EngineConfig { attempts: 1, limits: LIMITS, ..EngineConfig::default() });
            black_box(engine.measure(tasks.clone()).await.expect("the trials end"))
        });
    });
    group.finish();
}

/// The same with real processes, beside a bare spawn of the same command.
fn real(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let Ok(sandbox) = harness_sandbox::build(SandboxKind::Auto) else {
        eprintln!("skipped: this machine allows no namespace sessions");
        return;
    };
    let task = Task::new("task", "Do it.");
    let session = runtime.block_on(sandbox.open(&Environment::default())).expect("a session");
    let mut group = c.benchmark_group("one command");
    group.bench_function("floor: bare spawn of `bash -c true`", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let mut bare = tokio::process::Command::new("bash");
            black_box(bare.args(["-c", "true"]).env_clear().output().await.expect("it runs"))
        });
    });
    group.bench_function("in an open session", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            black_box(session.exec(&Command::shell("true")).await.expect("it runs"))
        });
    });
    group.throughput(Throughput::Elements(20));
    group.bench_function("20 agent steps in an open session", |bencher| {
        let model = Arc::new(Stepper::new(20, Duration::ZERO));
        bencher.to_async(&runtime).iter(|| attempt(Arc::clone(&model), session.as_ref(), &task));
    });
    group.bench_function("20 sessions, open, one command, close", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            for _ in 0..20 {
                let session = sandbox.open(&Environment::default()).await.expect("a session");
                session.exec(&Command::shell("true")).await.expect("it runs");
                session.close().await.expect("it closes");
            }
        });
    });
    group.finish();
}

criterion_group!(benches, steps, trials, real);
criterion_main!(benches);
