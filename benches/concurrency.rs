//! 1, 100 and 1,000 trials at once with a model that answers after 100 ms: wall time beside the best possible, processor
//! time a step, and peak memory. Each size runs in a process of its own, because peak memory never falls.

#![allow(clippy::expect_used, reason = "a bench that cannot run has nothing to say")]

mod common;

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Stepper, content_verifier, instant_sandbox, tasks};
use harness_core::{Engine, EngineConfig, MinimalHarness};
use harness_sandbox::{SandboxKind, TokioExecutor};

const STEPS: usize = 20;
const LATENCY: Duration = Duration::from_millis(100);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == "--trials") {
        Some(at) => {
            measure(arguments[at + 1].parse().expect("a number"), arguments[at + 2] == "real");
        }
        // `cargo test --benches` and `cargo bench --no-run` only want to know that it starts.
        None if arguments.iter().any(|argument| argument == "--test") => {}
        None => each_size(),
    }
}

fn each_size() {
    println!("{STEPS} steps a trial, the model answers after {} ms", LATENCY.as_millis());
    println!("trials  sandbox     wall s  best possible s  ratio  own CPU ms/step  peak RSS MB");
    for sandbox in ["instant", "real"] {
        for trials in [1, 100, 1000] {
            let program = std::env::current_exe().expect("this program");
            let status =
                Command::new(program).args(["--trials", &trials.to_string(), sandbox]).status();
            assert!(status.expect("it runs").success());
        }
    }
}

fn measure(trials: usize, real: bool) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let started = Instant::now();
    runtime.block_on(async {
        let engine = Engine::builder(MinimalHarness::default())
            .model(Stepper::new(STEPS, LATENCY))
            .verifier(content_verifier())
            .executor(TokioExecutor::current().expect("a runtime"))
            .config(EngineConfig { attempts: 1, concurrency: trials, ..EngineConfig::default() });
        let engine = match real {
            true => engine.sandbox(harness_sandbox::build(SandboxKind::Auto).expect("namespaces")),
            false => engine.sandbox(Arc::new(instant_sandbox())),
        };
        let measured = engine.measure(tasks(trials)).await.expect("the trials end");
        assert_eq!(measured.counts.scored, trials as u64);
    });
    let wall = started.elapsed().as_secs_f64();
    // The reply that finishes is waited for too.
    let best = LATENCY.as_secs_f64() * (STEPS + 1) as f64;
    let cpu = own_cpu() * 1000.0 / (trials * STEPS) as f64;
    let sandbox = if real { "namespace" } else { "instant" };
    println!(
        "{trials:>6}  {sandbox:<9} {wall:>8.2}  {best:>15.2}  {:>5.2}  {cpu:>15.3}  {:>11.1}",
        wall / best,
        peak()
    );
}

/// Processor seconds of this process, children apart.
fn own_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    // User and system time, in the kernel's hundredths of a second.
    let ticks: f64 =
        fields[11..13].iter().map(|field| field.parse::<f64>().expect("a number")).sum();
    ticks / 100.0
}

/// Peak resident memory in megabytes.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|text| text.parse::<f64>().ok()).expect("a number")
        / 1024.0
}
