//! The simulated world: its truth against real attempts in a real sandbox, its twin in the real loop, and what a planted
//! instruction can do.

use std::path::PathBuf;
use std::sync::Arc;

use harness_benchmark::{Assignment, HarborTask, HarborVerifier, Loader, Proportions};
use harness_core::testing::{InMemorySandbox, Twin};
use harness_core::{
    DocumentEdit, Engine, EngineConfig, Environment, ErrorKind, Harness, MinimalHarness, Operation,
    Outcome, Sandbox, Task, TaskName, TrialLimits,
};
use harness_llm::{Facts, Playbook, Profile, SimulatedLlm, Truth};
use harness_miner::SignatureMiner;
use harness_proposer::LlmProposer;
use harness_sandbox::SandboxKind;
use harness_validator::{GateKind, RegressionValidator};
use serde_json::json;

fn tasks() -> Vec<HarborTask> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/tasks");
    let loaded = Loader::new().load(directory).unwrap();
    for skipped in &loaded.skipped {
        crate::skip(&format!("task {}", skipped.name), &skipped.reason);
    }
    loaded.tasks
}

fn sandbox() -> Option<Arc<dyn Sandbox>> {
    let sandbox = harness_sandbox::build(SandboxKind::Auto);
    sandbox.map_err(|error| crate::skip("a real sandbox", &error.report())).ok()
}

fn playbook(task: &HarborTask) -> Playbook {
    crate::playbook::playbook(task, task.task.name.as_str()).unwrap()
}

fn model(profile: &str, tasks: &[HarborTask]) -> SimulatedLlm {
    SimulatedLlm::new(Profile::named(profile).unwrap(), 1, tasks.iter().map(playbook))
}

fn limits() -> TrialLimits {
    TrialLimits { steps: 30, ..TrialLimits::default() }
}

fn plain(tasks: &[HarborTask]) -> Vec<Arc<Task>> {
    tasks.iter().map(|task| Arc::clone(&task.task)).collect()
}

/// How the tasks' commands behave in `sandbox`, whoever plays them.
async fn facts(tasks: &[HarborTask], sandbox: &dyn Sandbox) -> Vec<(TaskName, Facts)> {
    let mut all = Vec::new();
    for task in tasks {
        let facts = Facts::measure(&playbook(task), &task.task, sandbox).await.unwrap();
        all.push((task.task.name.clone(), facts));
    }
    all
}

/// The truth on measured facts.
fn measured(model: &SimulatedLlm, facts: &[(TaskName, Facts)]) -> Truth {
    facts.iter().fold(model.truth().with_limits(limits()), |truth, (name, facts)| {
        truth.with_facts(name.clone(), facts.clone())
    })
}

/// The minimal harness with controls that send back, keep and stop.
fn guarded() -> MinimalHarness {
    let mut document = serde_json::to_value(MinimalHarness::default()).unwrap();
    for (at, value) in [
        (
            "/controls/environment_persistence",
            json!({ "variables": true, "working_directory": true }),
        ),
        (
            "/controls/check_before_finish",
            json!({ "command": "", "message": "Fix what fails, then finish.", "max_refusals": 2 }),
        ),
        (
            "/controls/artifact_guard",
            json!({ "message": "A required output is missing.", "max_refusals": 3 }),
        ),
        ("/controls/repair_tool_calls", json!({ "max_in_a_row": 3 })),
    ] {
        *document.pointer_mut(at).unwrap() = value;
    }
    serde_json::from_value(document).unwrap()
}

/// How far real trials are from the truth, in standard deviations.
async fn deviation(
    model: &SimulatedLlm,
    truth: &Truth,
    harness: &MinimalHarness,
    tasks: &[HarborTask],
    sandbox: &Arc<dyn Sandbox>,
) -> f64 {
    let config = EngineConfig { attempts: 2, limits: limits(), ..EngineConfig::default() };
    let measured = Engine::builder(harness.clone())
        .model(model.clone())
        .sandbox(Arc::clone(sandbox))
        .verifier(HarborVerifier::new(tasks).unwrap())
        .config(config)
        .measure(plain(tasks))
        .await
        .unwrap();
    let (mut surplus, mut variance) = (0.0, 0.0);
    for trial in &measured.trials {
        assert!(matches!(trial.outcome, Outcome::Scored { .. }), "{:?}", trial.outcome);
        let rate = truth.pass_rate(harness, &trial.key.task).unwrap();
        let passed = f64::from(u8::from(trial.passed() == Some(true)));
        surplus += passed - rate;
        variance += rate * (1.0 - rate);
        let certain = !(1e-9..=1.0 - 1e-9).contains(&rate);
        assert!(!certain || (passed - rate).abs() < 1e-9, "{}: {rate}", trial.key.task);
    }
    surplus / variance.sqrt().max(0.5)
}

/// The bundled tasks, really attempted: the twin's rates are theirs.
#[tokio::test]
async fn the_twin_passes_as_often_as_real_attempts_in_a_real_sandbox() {
    let (tasks, Some(sandbox)) = (tasks(), sandbox()) else { return };
    let facts = facts(&tasks, sandbox.as_ref()).await;
    for (profile, harness) in
        [("amnesiac", MinimalHarness::default()), ("planner", guarded()), ("clumsy", guarded())]
    {
        let model = model(profile, &tasks);
        let truth = measured(&model, &facts);
        let z = deviation(&model, &truth, &harness, &tasks, &sandbox).await;
        assert!(z.abs() < 4.0, "{profile}: {z:.1} standard deviations from the truth");
    }
}

fn twin(profile: &str, tasks: &[HarborTask]) -> (Truth, Twin<MinimalHarness>) {
    let truth = model(profile, tasks).truth().with_limits(limits());
    (truth.clone(), Twin::new(MinimalHarness::default(), Arc::new(truth)))
}

#[test]
fn verdicts_of_the_twin_follow_the_truth() {
    let tasks = tasks();
    let (truth, twin) = twin("mixed", &tasks);
    let draws = 4_000_u32;
    for task in plain(&tasks) {
        let rate = truth.pass_rate(twin.harness(), &task.name).unwrap();
        let passed =
            (0..draws).filter(|seed| twin.passes(&task, u64::from(*seed)).unwrap()).count();
        let deviation = (f64::from(draws) * rate * (1.0 - rate)).sqrt().max(1.0);
        let z = (passed as f64 - f64::from(draws) * rate) / deviation;
        assert!(z.abs() < 5.0, "{}: {passed} of {draws}, truth {rate}", task.name);
    }
}

#[test]
fn a_twin_is_the_harness_it_stands_for_but_for_its_attempts() {
    let (_, twin) = twin("mixed", &tasks());
    assert_eq!(twin.fingerprint().unwrap(), MinimalHarness::default().fingerprint().unwrap());
    let operation = Operation::Replace { at: "/prompts/memory".into(), value: json!("Hurry.") };
    let edit = DocumentEdit::one(operation);
    let edited = twin.apply(&edit).unwrap();
    assert_eq!(*edited.harness(), MinimalHarness::default().apply(&edit).unwrap());
    let document = serde_json::to_string(&twin).unwrap();
    let read: Twin<MinimalHarness> = serde_json::from_str(&document).unwrap();
    let refused = read.pass_rate(&Task::new("any", "")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
}

/// Without an environment: attempts that are drawn need nothing set up.
fn undemanding(task: &Task) -> Arc<Task> {
    Arc::new(Task { environment: Environment::default(), ..task.clone() })
}

/// The whole loop on the twin: how much of what could be gained was found, and what was believed falsely?
#[tokio::test]
async fn a_run_on_the_twin_gains_what_its_truth_confirms() {
    let tasks = tasks();
    let (truth, twin) = twin("explorer", &tasks);
    let plain: Vec<Arc<Task>> = plain(&tasks).iter().map(|task| undemanding(task)).collect();
    let assignment = Assignment::stratified(&plain, 1, Proportions::default()).unwrap();
    let gate = GateKind::Sequential;
    let mut engine = Engine::builder(twin)
        .model(model("explorer", &tasks))
        .sandbox(InMemorySandbox::default())
        .verifier(Twin::<MinimalHarness>::verifier())
        .benchmark(assignment.benchmark(&plain).unwrap())
        .miner(SignatureMiner::new())
        .proposer(LlmProposer::new())
        .validator(RegressionValidator::from(gate))
        .identity("gate", gate)
        .config(EngineConfig { rounds: 3, seed: 1, limits: limits(), ..EngineConfig::default() })
        .build()
        .await
        .unwrap();
    let report = engine.run().await.unwrap();
    assert!(report.model.is_simulated());
    let mean = |harness: &MinimalHarness| {
        let rates = plain.iter().map(|task| truth.pass_rate(harness, &task.name).unwrap());
        rates.sum::<f64>() / plain.len() as f64
    };
    let (before, after) =
        (mean(engine.lineage().seed().harness()), mean(engine.lineage().tip().harness()));
    assert!(after > before + 0.15, "{before:.3} → {after:.3}");
}
