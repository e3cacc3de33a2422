//! The agent that runs each task's own solution.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use harness_core::{
    Arguments, Command, Error, ErrorKind, ExecOutput, Finish, Harness, Observation,
    ObservationStatus, Result, RunContext, SandboxPath, Step, StepSource, Surface, SurfaceId, Task,
    TaskName, ToolCall,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::NoEdit;
use crate::harbor::{HarborTask, Solution};
use crate::verifier::place_fresh;

const HOME: &str = "/solution";

/// Runs `solution/solve.sh` of each task in its working directory. A task that it fails is broken, or its verifier is.
///
/// The solutions are part of the value, so that its fingerprint changes with them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OracleHarness {
    solutions: BTreeMap<TaskName, Arc<Solution>>,
}

impl OracleHarness {
    /// Knows the solutions of `tasks`; some may have none.
    pub fn new<'a>(tasks: impl IntoIterator<Item = &'a HarborTask>) -> Self {
        let solution = |task: &HarborTask| Some((task.task.name.clone(), task.solution.clone()?));
        Self { solutions: tasks.into_iter().filter_map(solution).collect() }
    }

    /// Whether it can attempt the task of this name.
    pub fn knows(&self, task: &TaskName) -> bool {
        self.solutions.contains_key(task)
    }
}

impl Harness for OracleHarness {
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
        let Some(solution) = self.solutions.get(&task.name) else {
            let message = format!("the task '{}' has no solution/{}", task.name, Solution::SCRIPT);
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        let home = SandboxPath::new(HOME)?;
        place_fresh(cx.session(), &home, &solution.files).await?;
        let script =
            cx.session().locate(&SandboxPath::new(format!("{HOME}/{}", Solution::SCRIPT))?);
        let mut command = Command::program(["bash", script.as_str()])
            .with_env("DEBIAN_FRONTEND", "noninteractive")
            .with_timeout(cx.remaining());
        for (name, value) in solution.env.iter() {
            command = command.with_env(name, value);
        }
        let output = cx.session().exec(&command).await?;
        let finish = if output.exit.is_success() { Finish::Done } else { Finish::Stopped };
        cx.record(step(&script, &output, |text| solution.env.redact(text)));
        Ok(finish)
    }
}

fn step(script: &str, output: &ExecOutput, redact: impl Fn(String) -> String) -> Step {
    let call = ToolCall {
        id: "oracle".to_owned(),
        name: "shell".to_owned(),
        arguments: Arguments::Parsed(json!({ "command": format!("bash {script}") })),
    };
    let status =
        if output.exit.is_success() { ObservationStatus::Ok } else { ObservationStatus::Error };
    let observation = Observation {
        source_call_id: call.id.clone(),
        content: redact(output.stdout.text() + &output.stderr.text()),
        status,
        exit: Some(output.exit),
        changed: None,
    };
    Step {
        step_id: 0,
        source: StepSource::Agent,
        message: "The task's own solution.".to_owned(),
        reasoning: None,
        tool_calls: vec![call],
        observations: vec![observation],
        usage: None,
        elapsed: Duration::ZERO,
    }
}
