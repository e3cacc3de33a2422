//! The oracle and the agent that does nothing.

use std::sync::Arc;

use async_trait::async_trait;
use harness_benchmark::{HarborTask, HarborVerifier, NoEdit, NopHarness, OracleHarness};
use harness_core::{
    Completion, Error, ErrorKind, Finish, Harness, LlmBackend, ModelId, ObservationStatus, Outcome,
    Request, Result, RunContext, TrialLimits, Verifier,
};

use crate::common::{Tasks, prepared, run};

/// Neither agent asks a model.
#[derive(Debug)]
struct NoModel(ModelId);

#[async_trait]
impl LlmBackend for NoModel {
    fn model(&self) -> &ModelId {
        &self.0
    }
    async fn complete(&self, _request: Request) -> Result<Completion> {
        Err(Error::new(ErrorKind::ModelRejected, "nobody is here"))
    }
}

fn no_model() -> Arc<dyn LlmBackend> {
    Arc::new(NoModel(ModelId::new("none", "none")))
}

/// The verdict on what a harness leaves of a task.
pub(crate) async fn attempt<H: Harness>(harness: &H, task: &HarborTask) -> Result<Outcome> {
    let session = prepared(task).await;
    let cx = RunContext::alone(no_model(), session.as_ref(), TrialLimits::default());
    harness.run(&task.task, &cx).await?;
    let outcome = HarborVerifier::new([task])?.verify(&task.task, session.as_ref()).await?;
    drop(cx);
    session.close().await?;
    Ok(outcome)
}

fn task() -> HarborTask {
    Tasks::one()
        .with("task.toml", "[solution]\nenv = { WORD = \"done\", SOME_TOKEN = \"${T:-tok-123456}\" }")
        .with("solution/solve.sh", "cat \"$(dirname \"$0\")/lib/word.sh\" > copy.sh\n. ./copy.sh\necho $SOME_TOKEN\n")
        .with("solution/lib/word.sh", "echo \"$WORD\" > out.txt\n")
        .with(
            "tests/test.sh",
            "test \"$(cat out.txt)\" = done; echo $((1 - $?)) > \"$VERIFIER_LOGS_PATH/reward.txt\"\n",
        )
        .only()
}

#[tokio::test]
async fn the_oracle_passes_and_nothing_does_not() {
    let task = task();
    assert_eq!(attempt(&OracleHarness::new([&task]), &task).await.unwrap().passed(), Some(true));
    assert_eq!(attempt(&NopHarness::default(), &task).await.unwrap().passed(), Some(false));
}

#[tokio::test]
async fn the_oracle_writes_down_what_it_did_without_keys() {
    let task = task();
    let session = prepared(&task).await;
    run(
        session.as_ref(),
        "mkdir -p /solution/lib 2>/dev/null && echo 'exit 9' > /solution/lib/word.sh",
    )
    .await;
    let cx = RunContext::alone(no_model(), session.as_ref(), TrialLimits::default());
    assert_eq!(OracleHarness::new([&task]).run(&task.task, &cx).await.unwrap(), Finish::Done);
    let steps = cx.trajectory().steps;
    assert_eq!(steps.len(), 1);
    let seen = &steps[0].observations[0];
    assert_eq!((seen.content.as_str(), seen.status), ("[SOME_TOKEN]\n", ObservationStatus::Ok));
    assert_eq!(seen.source_call_id, steps[0].tool_calls[0].id);
}

#[tokio::test]
async fn a_solution_that_fails_or_is_missing_is_said() {
    let broken = Tasks::one().with("solution/solve.sh", "exit 3\n").only();
    let session = prepared(&broken).await;
    let cx = RunContext::alone(no_model(), session.as_ref(), TrialLimits::default());
    let oracle = OracleHarness::new([&broken]);
    assert_eq!(oracle.run(&broken.task, &cx).await.unwrap(), Finish::Stopped);

    let without = Tasks::one().only();
    let oracle = OracleHarness::new([&without]);
    assert!(!oracle.knows(&without.task.name));
    let missing = oracle.run(&without.task, &cx).await.unwrap_err();
    assert!(missing.message().contains("'t' has no solution"), "{missing}");
    assert!(!missing.stops_run(), "one task without a solution voids its own trial only");
}

#[test]
fn agents_are_values_that_keep_their_fingerprint() {
    let tasks = Tasks::one().with("solution/solve.sh", "true\n");
    std::fs::write(tasks.path().join("t/solution/data.bin"), [0, 159, 146, 150, 255]).unwrap();
    let oracle = OracleHarness::new([&tasks.only()]);
    let stored = serde_json::to_string(&oracle).unwrap();
    let back: OracleHarness = serde_json::from_str(&stored).unwrap();
    assert_eq!(back, oracle);
    assert_eq!(back.fingerprint().unwrap(), oracle.fingerprint().unwrap());
    let other = OracleHarness::new([&tasks.with("solution/solve.sh", "false\n").only()]);
    assert_ne!(other.fingerprint().unwrap(), oracle.fingerprint().unwrap());
    assert!(oracle.surfaces().is_empty());
    assert!(serde_json::from_str::<NoEdit>("null").is_err(), "there is no such edit");
    assert_eq!(schemars::schema_for!(NoEdit).get("not"), Some(&serde_json::json!({})));
}
