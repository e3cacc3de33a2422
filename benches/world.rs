//! Trials of the statistical twin a second, on one thread: verdicts alone, whole trials (trajectory, activations, costs), and trials
//! through the engine with its records; beside the floor, a bare draw of a number.
//!
//! `cargo bench --bench world`

#![allow(clippy::expect_used, reason = "a bench that cannot run has nothing to say")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use harness_core::testing::{Chance, InMemorySandbox, ScriptedLlm, Twin};
use harness_core::{
    Engine, EngineConfig, Environment, Harness, MinimalHarness, RunContext, Sandbox, Task,
    TrialLimits,
};
use harness_llm::{Playbook, Profile, SimulatedLlm};

const TASKS: usize = 40;

fn main() {
    // `cargo test --benches` and `cargo bench --no-run` only want to know that it starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let twin = twin();
    let tasks = tasks();
    for task in &tasks {
        // What every trial after the first finds ready.
        twin.pass_rate(task).expect("the world knows its tasks");
    }
    println!("one thread; profile mixed (simulated), the minimal harness, {TASKS} tasks");
    println!("what                     trials/s   floors");
    let floor = rate(20_000_000, |seed| {
        black_box(Chance::new(seed).happens(0.5));
    });
    print("a bare draw", floor, floor);
    let task = |seed: u64| &tasks[usize::try_from(seed).unwrap_or(0) % TASKS];
    let verdicts = rate(2_000_000, |seed| {
        black_box(twin.passes(task(seed), seed)).expect("a verdict");
    });
    print("verdicts", verdicts, floor);
    print("whole trials", trials(&twin, &tasks), floor);
    print("trials of the engine", engine(&twin, &tasks), floor);
}

fn print(what: &str, rate: f64, floor: f64) {
    println!("{what:<22} {rate:>10.0} {:>8.4}", rate / floor);
}

fn rate(count: u64, mut one: impl FnMut(u64)) -> f64 {
    let started = Instant::now();
    (0..count).for_each(&mut one);
    count as f64 / started.elapsed().as_secs_f64()
}

/// A session, an attempt, its log.
fn trials(twin: &Twin<MinimalHarness>, tasks: &[Arc<Task>]) -> f64 {
    let sandbox = InMemorySandbox::default();
    let model = Arc::new(ScriptedLlm::always("…"));
    rate(100_000, |seed| {
        futures::executor::block_on(async {
            let session = sandbox.open(&Environment::default()).await.expect("a session");
            let cx = RunContext::alone(model.clone(), session.as_ref(), TrialLimits::default());
            let task = &tasks[usize::try_from(seed).unwrap_or(0) % TASKS];
            black_box(twin.run(task, &cx).await).expect("an attempt");
        });
    })
}

fn engine(twin: &Twin<MinimalHarness>, tasks: &[Arc<Task>]) -> f64 {
    let attempts = 500;
    let started = Instant::now();
    let builder = Engine::builder(twin.clone())
        .model(ScriptedLlm::always("…"))
        .sandbox(InMemorySandbox::default())
        .verifier(Twin::<MinimalHarness>::verifier())
        .config(EngineConfig { attempts, ..EngineConfig::default() });
    let measured = futures::executor::block_on(builder.measure(tasks.to_vec())).expect("trials");
    measured.counts.scored as f64 / started.elapsed().as_secs_f64()
}

fn twin() -> Twin<MinimalHarness> {
    let script = "cat in.txt\n\nsort in.txt > a.txt\n\nuniq a.txt > out.txt\n\ntest -s out.txt\n";
    let playbook = |task: &Arc<Task>| {
        Playbook::from_script(task.name.as_str(), &task.instruction, script, ["out.txt"])
    };
    let profile = Profile::named("mixed").expect("a profile");
    let truth = SimulatedLlm::new(profile, 1, tasks().iter().map(playbook)).truth();
    Twin::new(MinimalHarness::default(), Arc::new(truth))
}

fn tasks() -> Vec<Arc<Task>> {
    (0..TASKS)
        .map(|index| Arc::new(Task::new(format!("task-{index}").as_str(), "Sort the lines.")))
        .collect()
}
