//! The tasks of this repository.

use std::path::PathBuf;

use futures::StreamExt;
use harness_benchmark::{
    Assignment, HarborTask, HarborVerifier, Loaded, Loader, NopHarness, OracleHarness, Proportions,
};
use harness_core::{IsolationLevel, Outcome, SplitName, Verifier};

use super::agents::attempt;
use crate::common::{prepared, run, sandbox};

/// None where the crate stands alone, without the repository around it.
fn bundled() -> Option<Loaded> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/tasks");
    if !directory.is_dir() {
        eprintln!("skipped: {} is not there", directory.display());
        return None;
    }
    Some(Loader::new().load(directory).unwrap_or_else(|error| panic!("{}", error.report())))
}

#[test]
fn every_task_loads() {
    let Some(loaded) = bundled() else { return };
    for skipped in &loaded.skipped {
        // A machine may lack a program that a task declares; nothing else is an excuse.
        assert!(
            skipped.reason.contains("needs the program"),
            "{}: {}",
            skipped.name,
            skipped.reason
        );
    }
    assert!(loaded.tasks.len() + loaded.skipped.len() >= 24);
    for task in &loaded.tasks {
        assert!(task.solution.is_some(), "{} has no solution", task.task.name);
        assert!(!task.task.category.is_empty(), "{} has no category", task.task.name);
        assert!(!task.task.outputs.is_empty(), "{} declares no output", task.task.name);
    }
}

#[test]
fn every_split_has_its_share_of_them() {
    let Some(loaded) = bundled() else { return };
    let tasks: Vec<_> = loaded.tasks.iter().map(|it| it.task.clone()).collect();
    for seed in 0..50 {
        let assignment = Assignment::stratified(&tasks, seed, Proportions::default()).unwrap();
        let benchmark = assignment.benchmark(&tasks).unwrap();
        let sizes = [SplitName::HeldIn, SplitName::HeldOut, SplitName::Sealed]
            .map(|split| benchmark.tasks(split).len());
        assert!(sizes[0] >= 8 && sizes[1] >= 3 && sizes[2] >= 1, "seed {seed}: {sizes:?}");
    }
}

/// Each task with what `verdict` finds, a few at a time.
async fn verdicts<'a, F: Future<Output = Outcome>>(
    tasks: &'a [HarborTask],
    verdict: impl Fn(&'a HarborTask) -> F,
) -> Vec<(String, Outcome)> {
    let pending: Vec<F> = tasks.iter().map(verdict).collect();
    let outcomes: Vec<Outcome> = futures::stream::iter(pending).buffered(4).collect().await;
    tasks.iter().map(|task| task.task.name.to_string()).zip(outcomes).collect()
}

fn assert_all(verdicts: &[(String, Outcome)], passed: bool) {
    let others: Vec<_> =
        verdicts.iter().filter(|(_, outcome)| outcome.passed() != Some(passed)).collect();
    assert!(others.is_empty(), "these should all be {passed}: {others:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn their_solutions_pass_doing_nothing_fails_and_so_do_their_wrong_attempts() {
    let Some(Loaded { tasks, .. }) = bundled() else { return };
    let (oracle, nop) = (OracleHarness::new(&tasks), NopHarness::default());
    let mut solved = verdicts(&tasks, async |task| attempt(&oracle, task).await.unwrap()).await;
    if sandbox().isolation().level == IsolationLevel::Restricted {
        // That level gives no sockets, and this task's solution is a server.
        solved.retain(|(name, _)| name != "kv-socket");
    }
    assert_all(&solved, true);
    assert_all(&verdicts(&tasks, async |task| attempt(&nop, task).await.unwrap()).await, false);
    assert_all(&verdicts(&tasks, wrong_attempt).await, false);
}

/// The attempt that looks right and is not, shipped with each task.
async fn wrong_attempt(task: &HarborTask) -> Outcome {
    let script = std::fs::read_to_string(task.directory.join("attempts/wrong.sh")).unwrap();
    let session = prepared(task).await;
    run(session.as_ref(), &script).await;
    let verifier = HarborVerifier::new([task]).unwrap();
    verifier.verify(&task.task, session.as_ref()).await.unwrap()
}
