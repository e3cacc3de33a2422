//! The engine runs to a promotion with nothing but parts from outside, and a second engine over the same journal
//! continues without running a finished trial again.

use std::collections::BTreeMap;
use std::sync::Arc;

use downstream::{Critic, Desk, Editor, Judge, LineJournal, Parrot, Phrasebook, Proofreader};
use futures::executor::block_on;
use harness_core::{Benchmark, Engine, EngineConfig, Harness, Result, RunReport, Task, Verdict};

fn benchmark() -> Result<Benchmark> {
    let task = |name: &str, sentence: &str| Arc::new(Task::new(name, sentence));
    Benchmark::new(
        vec![task("drink", "eau"), task("empty", "")],
        vec![task("two-drinks", "eau eau")],
        vec![task("three-drinks", "eau eau eau")],
    )
}

fn answers() -> BTreeMap<String, String> {
    let answers = [
        ("drink", "water"),
        ("empty", ""),
        ("two-drinks", "water water"),
        ("three-drinks", "water water water"),
    ];
    answers.map(|(task, answer)| (task.to_owned(), answer.to_owned())).into()
}

async fn run(journal: &Arc<LineJournal>) -> Result<RunReport> {
    let mut engine = Engine::builder(Phrasebook::default())
        .model(Parrot::default())
        .sandbox(Desk::default())
        .verifier(Proofreader(answers()))
        .benchmark(benchmark()?)
        .miner(Critic)
        .proposer(Editor)
        .validator(Judge)
        .journal(Arc::clone(journal))
        .config(EngineConfig { rounds: 2, ..EngineConfig::default() })
        .build()
        .await?;
    engine.run().await
}

#[test]
fn parts_from_outside_run_to_a_promotion() {
    let journal = Arc::new(LineJournal::default());
    let report = block_on(run(&journal)).unwrap();

    let verdicts: Vec<Verdict> =
        report.rounds[0].judged.iter().map(|judged| judged.decision.verdict).collect();
    assert_eq!(verdicts, [Verdict::Promote, Verdict::Reject, Verdict::Reject]);
    let learnt = Phrasebook::default()
        .apply(&downstream::Change::Learn { word: "eau".into(), translation: "water".into() })
        .unwrap();
    assert_eq!(report.last, learnt.fingerprint().unwrap());
    let claim = report.claim.clone().unwrap();
    assert_eq!((claim.before.passed, claim.after.passed), (0, claim.after.scored));
    assert!(report.spent.usd().is_none(), "the parrot has no price: its cost is unknown, not 0");

    let again = block_on(run(&journal)).unwrap();
    assert_eq!(
        (again.first, again.last, &again.rounds),
        (report.first, report.last, &report.rounds)
    );
    assert_eq!(again.claim, report.claim);
    assert_eq!(
        again.trials.reused, again.trials.scored,
        "every trial was recorded, so none is run again"
    );
}

#[test]
fn what_is_not_a_surface_cannot_be_edited() {
    let refused = Phrasebook::default().apply(&downstream::Change::SwapModel("bigger".into()));
    assert_eq!(refused.unwrap_err().kind(), harness_core::ErrorKind::InvalidEdit);
}
