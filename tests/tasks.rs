//! The bundled tasks, in real sessions at every level this machine allows: the solution earns 1, nothing earns 0, and a
//! plausible attempt that is wrong earns 0 although it leaves what the task declares.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use harness_benchmark::{HarborTask, HarborVerifier, Loader, NoEdit, NopHarness, OracleHarness};
use harness_core::testing::ScriptedLlm;
use harness_core::{
    Command, Engine, EngineConfig, File, Finish, Harness, Result, RunContext, Sandbox, SandboxPath,
    Surface, SurfaceId, Task, Trial,
};
use harness_sandbox::SandboxKind;
use serde::{Deserialize, Serialize};

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/tasks")
}

fn tasks() -> Vec<HarborTask> {
    let loaded = Loader::new().load(directory()).unwrap();
    for skipped in &loaded.skipped {
        crate::skip(&format!("task {}", skipped.name), &skipped.reason);
    }
    loaded.tasks
}

/// Every confining sandbox of this machine.
fn sandboxes() -> Vec<Arc<dyn Sandbox>> {
    [SandboxKind::Namespace, SandboxKind::Landlock]
        .into_iter()
        .filter_map(|kind| match harness_sandbox::build(kind) {
            Ok(sandbox) => Some(sandbox),
            Err(error) => {
                crate::skip(&format!("{kind:?}"), &error.report());
                None
            }
        })
        .collect()
}

/// Each task once in each sandbox.
async fn attempt<H: Harness>(harness: H, tasks: &[HarborTask]) -> Vec<Arc<Trial>> {
    let plain: Vec<Arc<Task>> = tasks.iter().map(|task| Arc::clone(&task.task)).collect();
    let mut trials = Vec::new();
    for sandbox in sandboxes() {
        let measured = Engine::builder(harness.clone())
            .model(ScriptedLlm::always("nobody asks"))
            .sandbox(sandbox)
            .verifier(HarborVerifier::new(tasks).unwrap())
            .config(EngineConfig { attempts: 1, void_retries: 0, ..EngineConfig::default() })
            .measure(plain.clone())
            .await
            .unwrap();
        trials.extend(measured.trials);
    }
    trials
}

fn assert_all(trials: &[Arc<Trial>], passed: bool) {
    for trial in trials {
        let (task, outcome) = (&trial.key.task, &trial.outcome);
        assert_eq!(trial.passed(), Some(passed), "{task} in {}: {outcome:?}", trial.isolation);
    }
}

#[test]
fn there_are_at_least_24_of_many_kinds() {
    let tasks = tasks();
    let kinds: std::collections::BTreeSet<&str> =
        tasks.iter().map(|task| task.task.category.as_str()).collect();
    assert!(tasks.len() >= 24 && kinds.len() >= 10, "{} tasks of {kinds:?}", tasks.len());
    assert!(
        tasks.iter().all(|task| !task.task.outputs.is_empty()),
        "each declares what it asks for"
    );
}

#[tokio::test]
async fn the_solution_earns_1() {
    let tasks = tasks();
    assert_all(&attempt(OracleHarness::new(&tasks), &tasks).await, true);
}

#[tokio::test]
async fn doing_nothing_earns_0() {
    assert_all(&attempt(NopHarness::default(), &tasks()).await, false);
}

#[tokio::test]
async fn a_plausible_but_wrong_attempt_earns_0() {
    let tasks = tasks();
    let scripts = tasks.iter().map(|task| {
        let script = std::fs::read_to_string(task.directory.join("attempts/wrong.sh")).unwrap();
        (task.task.name.to_string(), script)
    });
    let hasty = Hasty { scripts: scripts.collect() };
    let trials = attempt(hasty, &tasks).await;
    assert_all(&trials, false);
    assert!(
        trials.iter().all(|trial| trial.finish == Finish::Done),
        "the declared outputs are there"
    );
}

/// Runs a fixed script for each task, and stops without finishing when a declared output is missing.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Hasty {
    scripts: BTreeMap<String, String>,
}

impl Harness for Hasty {
    type Edit = NoEdit;

    fn surfaces(&self) -> Vec<Surface> {
        Vec::new()
    }

    fn surface_of(edit: &NoEdit) -> SurfaceId {
        match *edit {}
    }

    fn apply(&self, edit: &NoEdit) -> Result<Self> {
        match *edit {}
    }

    async fn run(&self, task: &Task, cx: &RunContext<'_>) -> Result<Finish> {
        let place = SandboxPath::new("/solution/wrong.sh")?;
        let script = &self.scripts[task.name.as_str()];
        cx.session().write(&place, File::executable(script.as_bytes())).await?;
        cx.session().exec(&Command::program(["bash", &cx.session().locate(&place)])).await?;
        for output in &task.outputs {
            let there = Command::program(["test", "-e", &cx.session().locate(output)]);
            if !cx.session().exec(&there).await?.exit.is_success() {
                return Ok(Finish::Stopped);
            }
        }
        Ok(Finish::Done)
    }
}
