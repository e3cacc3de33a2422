//! Trials made by hand, and a model that answers by a closure and remembers what it was asked.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use harness_core::{
    Arguments, Completion, Exit, Fingerprint, Finish, HeldIn, Isolation, IsolationLevel,
    LlmBackend, Miner, ModelId, Observation, ObservationStatus, Outcome, Phase, Replicate, Request,
    Result, Spent, SplitName, StageContext, Step, StepSource, ToolCall, Trajectory, Trial,
    TrialKey, Trials, Weakness,
};
use harness_miner::SignatureMiner;
use serde_json::{Value, json};

type Answer = dyn Fn(&Request) -> Result<Completion> + Send + Sync;

/// A model that answers by a closure.
#[derive(Clone)]
pub(crate) struct Script {
    model: ModelId,
    answer: Arc<Answer>,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Script {
    pub(crate) fn new(
        answer: impl Fn(&Request) -> Result<Completion> + Send + Sync + 'static,
    ) -> Self {
        let model = ModelId::new(ModelId::SIMULATED, "script");
        Self { model, answer: Arc::new(answer), asked: Arc::default() }
    }

    pub(crate) fn always(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::new(move |_| Ok(Completion::text(text.clone())))
    }

    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script")
    }
}

#[async_trait]
impl LlmBackend for Script {
    fn model(&self) -> &ModelId {
        &self.model
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        self.asked.lock().unwrap().push(request.clone());
        // Answers come in another order than questions, as they do from a server.
        for _ in 0..Fingerprint::of(&request).unwrap().seed() % 7 {
            turn().await;
        }
        (self.answer)(&request)
    }
}

/// Lets others go first once.
async fn turn() {
    let mut waited = false;
    futures::future::poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The material that a request carries.
pub(crate) fn material(request: &Request) -> Value {
    let user = &request.messages[1].content;
    let mut lines = user.lines().skip_while(|line| *line != "<data>").skip(1);
    let data = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(lines.next(), Some("</data>"));
    data
}

pub(crate) fn good_answer() -> Value {
    json!({ "status": "root_cause", "mechanism": "no_artifact", "steps": [2],
            "description": "It never writes the file.", "addressability": 0.8 })
}

pub(crate) fn mine(
    miner: &SignatureMiner,
    script: &Script,
    trials: Vec<Trial>,
) -> Result<Vec<Weakness>> {
    let trials = Trials::<HeldIn>::new(trials.into_iter().map(Arc::new).collect()).unwrap();
    let cx = StageContext::alone(Arc::new(script.clone()), 7);
    futures::executor::block_on(miner.mine(&trials, &cx))
}

pub(crate) fn failed(task: &str, attempt: u32, evidence: &[&str]) -> Trial {
    trial(task, attempt, scored(0.0, evidence))
}

pub(crate) fn passed(task: &str, attempt: u32) -> Trial {
    trial(task, attempt, scored(1.0, &["PASS all"]))
}

pub(crate) fn void(task: &str, attempt: u32) -> Trial {
    let mut trial = trial(task, attempt, Outcome::Void { reason: "the disk is full".into() });
    trial.finish = Finish::Void;
    trial
}

fn scored(reward: f64, evidence: &[&str]) -> Outcome {
    Outcome::Scored { reward, evidence: evidence.iter().map(|line| (*line).to_owned()).collect() }
}

/// Step 1 is the instruction, 2 a command that fails, 3 some words.
pub(crate) fn trial(task: &str, attempt: u32, outcome: Outcome) -> Trial {
    let nothing = Fingerprint::of_bytes(b"");
    Trial {
        key: TrialKey {
            harness: nothing,
            task: task.into(),
            task_fingerprint: Fingerprint::of_bytes(task.as_bytes()),
            model: ModelId::new("simulated", "script"),
            limits: nothing,
            verifier: nothing,
            isolation: nothing,
            replicate: Replicate { seed: 1, round: 1, phase: Phase::Assess, attempt },
        },
        split: SplitName::HeldIn,
        outcome,
        finish: Finish::Done,
        trajectory: Trajectory {
            steps: vec![
                step(1, StepSource::User, "Write the report to report.txt."),
                Step {
                    tool_calls: vec![call()],
                    observations: vec![observation()],
                    ..step(2, StepSource::Agent, "Looking.")
                },
                step(3, StepSource::Agent, "I am done."),
            ],
        },
        activations: BTreeMap::new(),
        spent: Spent::default(),
        elapsed: Duration::from_secs(1),
        isolation: Isolation {
            backend: "none".into(),
            level: IsolationLevel::None,
            residual: Vec::new(),
        },
        void_attempts: 0,
    }
}

pub(crate) fn step(step_id: u32, source: StepSource, message: &str) -> Step {
    Step { step_id, ..Step::said(source, message) }
}

fn call() -> ToolCall {
    ToolCall {
        id: "c1".into(),
        name: "shell".into(),
        arguments: Arguments::Parsed(json!({ "command": "ls x" })),
    }
}

fn observation() -> Observation {
    Observation {
        source_call_id: "c1".into(),
        content: "ls: cannot access 'x'".into(),
        status: ObservationStatus::Error,
        exit: Some(Exit::Code(2)),
        changed: Some(false),
    }
}
