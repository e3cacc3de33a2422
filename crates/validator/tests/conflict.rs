//! Edits that each pass alone, and cannot be composed.

#![allow(clippy::expect_used, reason = "helpers of tests")]

use std::sync::Arc;

use futures::FutureExt;
use futures::executor::block_on;
use harness_core::testing::{
    InMemorySandbox, ManualClock, ScriptedLlm, ScriptedMiner, ScriptedProposer, ScriptedVerifier,
};
use harness_core::{
    Benchmark, Engine, EngineConfig, Error, ErrorKind, File, Finish, Harness, Result, RoundReport,
    RunContext, SandboxPath, Surface, SurfaceId, Task, Verdict,
};
use harness_validator::{GateKind, RegressionValidator};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Passes a task when its text holds the task's instruction.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Text(String);

/// Replaces a passage that must be there, unless the text holds its replacement already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Splice {
    old: String,
    new: String,
}

impl Harness for Text {
    type Edit = Splice;

    fn surfaces(&self) -> Vec<Surface> {
        Vec::new()
    }

    fn surface_of(_: &Splice) -> SurfaceId {
        SurfaceId::new("text")
    }

    fn apply(&self, edit: &Splice) -> Result<Self> {
        if self.0.contains(&edit.new) {
            return Ok(self.clone());
        }
        if !self.0.contains(&edit.old) {
            let message = format!("'{}' is not in the text", edit.old);
            return Err(Error::new(ErrorKind::InvalidEdit, message));
        }
        Ok(Self(self.0.replace(&edit.old, &edit.new)))
    }

    async fn run(&self, task: &Task, cx: &RunContext<'_>) -> Result<Finish> {
        let answer = if self.0.contains(&task.instruction) { "yes" } else { "no" };
        let file = File::plain(answer.as_bytes());
        cx.session().write(&SandboxPath::new("answer")?, file).await?;
        Ok(Finish::Done)
    }
}

/// One round in which `x` is to be replaced by each of these: two tasks a split want `b`, one wants `a`.
fn round(replacements: &[&str]) -> (RoundReport, String) {
    let task = |name: String, wants: &str| Arc::new(Task::new(name.as_str(), wants));
    let split = |name: &str| {
        let wants = ["b", "b", "a"].iter().enumerate();
        wants.map(|(index, wants)| task(format!("{name}{index}"), wants)).collect()
    };
    let edits: Vec<Splice> = replacements
        .iter()
        .map(|new| Splice { old: "x".to_owned(), new: (*new).to_owned() })
        .collect();
    let builder = Engine::builder(Text("x".to_owned()))
        .model(ScriptedLlm::always("…"))
        .sandbox(InMemorySandbox::default())
        .verifier(ScriptedVerifier::expecting(SandboxPath::new("answer").expect("a path"), "yes"))
        .benchmark(Benchmark::new(split("in"), split("out"), Vec::new()).expect("a benchmark"))
        .miner(ScriptedMiner::by_evidence())
        .proposer(ScriptedProposer::new(move |brief, _| {
            let all = edits.iter();
            let all: Vec<_> =
                all.filter_map(|edit| ScriptedProposer::proposal(brief, edit.clone())).collect();
            async move { Ok(all) }.boxed()
        }))
        .validator(RegressionValidator::from(GateKind::Paper))
        .clock(ManualClock::new())
        .config(EngineConfig { void_retries: 0, ..EngineConfig::default() });
    let mut engine = block_on(builder.build()).expect("an engine");
    let report = block_on(engine.round()).expect("a round");
    let text = engine.lineage().tip().0.clone();
    (report, text)
}

#[test]
fn of_edits_that_conflict_the_better_one_stays_and_the_other_says_why() {
    let (report, text) = round(&["a", "b"]);
    assert_eq!(report.promoted, ["r1-p2".into()]);
    assert_eq!(text, "b");
    let dropped = &report.judged[0].decision;
    assert_eq!(dropped.verdict, Verdict::Reject);
    let told = "accepted alone, dropped in composition: r1-p1 does not apply after the others";
    assert!(dropped.reason.starts_with(told), "{}", dropped.reason);
}

#[test]
fn an_edit_that_adds_nothing_to_a_better_one_is_dropped_without_a_trial() {
    let (report, text) = round(&["b", "ab"]);
    assert_eq!(report.promoted, ["r1-p2".into()]);
    assert_eq!(text, "ab");
    let dropped = &report.judged[0].decision;
    assert_eq!(dropped.verdict, Verdict::Reject);
    assert!(dropped.reason.ends_with("it adds nothing to the others"), "{}", dropped.reason);
}
