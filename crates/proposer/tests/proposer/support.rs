//! Briefs made by hand, and a model that answers by a closure and remembers what it was asked.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use async_trait::async_trait;
use harness_core::{
    Brief, Citation, Completion, Fingerprint, Harness, LlmBackend, MinimalHarness, ModelId,
    PastProposal, Proposal, Proposer, Request, Result, Signature, StageContext, TaskName, TrialId,
    Verdict, Weakness,
};
use harness_proposer::LlmProposer;
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

    /// Answers each slot by what it says.
    pub(crate) fn by_slot(answer: impl Fn(&Value) -> Value + Send + Sync + 'static) -> Self {
        Self::new(move |request| Ok(Completion::text(answer(&material(request)).to_string())))
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

/// The owned parts of a brief.
#[derive(Clone, Debug)]
pub(crate) struct Case<H> {
    pub(crate) round: u32,
    pub(crate) incumbent: H,
    pub(crate) weaknesses: Vec<Weakness>,
    pub(crate) passing: BTreeSet<TaskName>,
    pub(crate) history: Vec<PastProposal>,
    pub(crate) width: usize,
}

impl Case<MinimalHarness> {
    pub(crate) fn new(mechanisms: &[&str]) -> Self {
        Self::with(MinimalHarness::default(), mechanisms)
    }
}

impl<H: Harness> Case<H> {
    pub(crate) fn with(incumbent: H, mechanisms: &[&str]) -> Self {
        let count = mechanisms.len();
        let weigh = |(index, mechanism): (usize, &&str)| weakness(mechanism, count - index);
        Self {
            round: 5,
            incumbent,
            weaknesses: mechanisms.iter().enumerate().map(weigh).collect(),
            passing: BTreeSet::from(["kept-passing".into()]),
            history: Vec::new(),
            width: 4,
        }
    }

    pub(crate) fn brief(&self) -> Brief<'_, H> {
        Brief {
            round: self.round,
            incumbent: &self.incumbent,
            surfaces: self.incumbent.surfaces(),
            weaknesses: &self.weaknesses,
            passing: &self.passing,
            history: &self.history,
            width: self.width,
        }
    }

    pub(crate) fn propose(&self, script: &Script) -> Result<Vec<Proposal<H::Edit>>> {
        self.propose_with(&LlmProposer::new(), script)
    }

    pub(crate) fn propose_with(
        &self,
        proposer: &LlmProposer,
        script: &Script,
    ) -> Result<Vec<Proposal<H::Edit>>> {
        let cx = StageContext::alone(Arc::new(script.clone()), 7);
        futures::executor::block_on(proposer.propose(&self.brief(), &cx))
    }
}

pub(crate) fn weakness(mechanism: &str, tasks: usize) -> Weakness {
    let signature = Signature {
        cause: "missing_artifact".into(),
        status: "root_cause".into(),
        mechanism: mechanism.into(),
    };
    let tasks: BTreeSet<TaskName> =
        (0..tasks.max(1)).map(|n| TaskName::new(format!("task-{n:04}"))).collect();
    let trial = TrialId(Fingerprint::of_bytes(mechanism.as_bytes()));
    let task = tasks.first().unwrap().clone();
    Weakness {
        id: Weakness::id_of(&signature).unwrap(),
        signature,
        trials: 1,
        addressability: 0.9,
        description: "It goes wrong.".into(),
        evidence: vec![Citation { trial, task, step: Some(2), quote: "ls".into() }],
        tasks,
    }
}

/// An answer that puts a text at the end of the surface.
pub(crate) fn replacing(weakness: &Value, surface: &str, value: &Value) -> Value {
    proposing(
        weakness,
        surface,
        &json!({ "operations": [{ "op": "replace", "at": surface, "value": value }] }),
    )
}

pub(crate) fn proposing(weakness: &Value, surface: &str, edit: &Value) -> Value {
    json!({ "decision": "propose", "decline_reason": null, "weakness": weakness, "surface": surface,
            "mechanism": "say it", "edit": edit, "rationale": "It was not said.",
            "expected_to_mend": ["task-0000", "kept-passing", "elsewhere"], "risks": "None known." })
}

/// A value that fits any surface of the minimal harness a slot may name, and differs from what is there.
pub(crate) fn fitting(surface: &str) -> Value {
    match surface.rsplit('/').next().unwrap() {
        "artifact_guard" => json!({ "message": "Write it.", "max_refusals": 2 }),
        "check_before_finish" => {
            json!({ "command": "", "message": "Check it.", "max_refusals": 2 })
        }
        "unchanged_cap" => json!({ "max_calls": 5, "message": "Produce something." }),
        "tool_call_budget" => json!({ "max_calls": 20, "redirect": "Produce something." }),
        "identical_call_guard" => json!({ "mode": "deny", "message": "Try another way." }),
        "environment_persistence" => json!({ "variables": true, "working_directory": true }),
        "repair_tool_calls" => json!({ "max_in_a_row": 3 }),
        "download_cap" => json!({ "mebibytes": 64 }),
        "command_time_cap" => json!({ "seconds": 60 }),
        "input_guard" => json!({ "message": "Leave it as it was." }),
        "head_bytes" | "tail_bytes" => json!(3000),
        "reminders" => json!([{ "when": "at_start", "text": "Write early." }]),
        "skills" => json!([{ "name": "check", "description": "When done.", "body": "Read it." }]),
        "sub_agents" => json!([{ "name": "critic", "description": "Checks.", "prompt": "Check.",
            "tools": ["shell"], "call_policy": { "when": "At the end.", "max_calls": 1, "max_steps": 3 } }]),
        "tool_descriptions" => json!([{ "tool": "shell", "description": "Runs a command." }]),
        _ => json!("Write the output early."),
    }
}

/// Fills a slot with an edit of its own surface.
pub(crate) fn obliging(data: &Value) -> Value {
    let surface = data["slot"]["surface"].as_str().unwrap_or("/prompts/memory");
    replacing(&data["slot"]["weakness"], surface, &fitting(surface))
}

pub(crate) fn past(
    case: &Case<MinimalHarness>,
    round: u32,
    surface: &str,
    value: &Value,
    verdict: Verdict,
) -> PastProposal {
    PastProposal {
        round,
        proposal: Proposal {
            id: "r-p".into(),
            weakness: case.weaknesses[0].id.clone(),
            surface: surface.into(),
            mechanism: "guard".into(),
            edit: json!({ "operations": [{ "op": "replace", "at": surface, "value": value }] }),
            rationale: String::new(),
            expected_to_mend: BTreeSet::new(),
            risks: String::new(),
        },
        verdict,
        held_in_change: Some(-1),
    }
}
