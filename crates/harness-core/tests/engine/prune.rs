//! At the end every retained edit is taken out once: what nobody misses goes, and what stays has its worth beside it.

use std::sync::Arc;

use futures::executor::block_on;
use harness_core::testing::{
    ScriptedProposer, ScriptedValidator, World, WorldEdit, WorldHarness, WorldTask,
};
use harness_core::{
    AblationOutcome, Engine, EngineConfig, ErrorKind, MemoryJournal, Pruning, Result, RunReport,
    Verdict,
};

use crate::drift::copy;
use crate::drops::poll;
use crate::setting::{SlowJournal, finished, records};

/// Twenty tasks a split: `good` mends five of them, `better` five others; no other lever does anything.
fn world() -> World {
    World::uniform(20, |_, index| match index {
        0..5 => WorldTask::new("", 0.0).moved_by("good", 1.0),
        5..10 => WorldTask::new("", 0.0).moved_by("better", 1.0),
        _ => WorldTask::new("", 1.0),
    })
}

/// An engine that promotes whatever is proposed.
async fn credulous(journal: &Arc<MemoryJournal>) -> Result<Engine<WorldHarness>> {
    let world = world();
    let config =
        EngineConfig { rounds: 4, width: 1, attempts: 1, claim_attempts: 1, ..world.config() };
    let pool = ["idle", "good", "vain", "better"].map(|lever| WorldEdit::new(lever, 1.0));
    world
        .engine(WorldHarness::default())?
        .config(config)
        .journal(SlowJournal(Arc::clone(journal)))
        .proposer(ScriptedProposer::cycling(pool.to_vec()))
        .validator(ScriptedValidator::measuring(|_| Verdict::Promote))
        .pruning(Pruning::default())
        .build()
        .await
}

fn run(journal: &Arc<MemoryJournal>) -> (RunReport, WorldHarness) {
    block_on(async {
        let mut engine = credulous(journal).await.unwrap();
        let report = engine.run().await.unwrap();
        (report, engine.lineage().tip().clone())
    })
}

#[test]
fn edits_that_nobody_misses_go_and_the_others_have_a_worth() {
    let (report, tip) = run(&Arc::default());
    let last = report.rounds.last().unwrap();
    let outcomes: Vec<_> = last.ablations.iter().map(|ablation| ablation.outcome).collect();
    let (removed, needed) = (AblationOutcome::Removed, AblationOutcome::Needed);
    assert_eq!(outcomes, [removed, needed, removed, needed]);
    let levers: Vec<_> = tip.levels.keys().map(String::as_str).collect();
    assert_eq!(levers, ["better", "good"]);
    for ablation in last.ablations.iter().filter(|ablation| ablation.outcome == needed) {
        let worth = ablation.worth.unwrap();
        assert!(worth.low > 0.0 && worth.low <= 0.25 && worth.high >= 0.25, "{worth:?}");
    }
    assert!(last.is_pruning() && last.reverted_to().is_none() && last.judged.is_empty());
    assert_eq!(report.claim.unwrap().last, report.last, "the claim is made of the pruned harness");
    assert_eq!(report.rounds.len(), 5, "four rounds and the pruning");
}

#[test]
fn the_pruned_harness_s_own_trials_say_how_it_does() {
    let (report, _) = run(&Arc::default());
    let last = report.rounds.last().unwrap();
    let removed =
        last.ablations.iter().rfind(|ablation| ablation.outcome == AblationOutcome::Removed);
    let removed = removed.unwrap();
    assert_eq!(removed.without, Some(report.last), "what is left is the last harness");
    let left = removed.left.unwrap();
    assert!(left.held_in.scored > 0 && left.held_out.scored > 0);
    assert_eq!(left.held_in.passed, left.held_in.scored, "it passes every task of this world");
    assert_eq!(left.held_in.scored + left.held_out.scored, removed.pairs.scored());
}

#[test]
fn a_run_with_another_pruning_is_another_run() {
    let journal: Arc<MemoryJournal> = Arc::default();
    let build = |pruning: Option<Pruning>| {
        let world = world();
        let mut builder = world
            .engine(WorldHarness::default())
            .unwrap()
            .config(world.config())
            .journal(SlowJournal(Arc::clone(&journal)))
            .proposer(ScriptedProposer::cycling(vec![WorldEdit::new("good", 1.0)]))
            .validator(ScriptedValidator::measuring(|_| Verdict::Promote));
        if let Some(pruning) = pruning {
            builder = builder.pruning(pruning);
        }
        block_on(builder.build()).map(drop)
    };
    build(None).unwrap();
    build(None).unwrap();
    for other in [Pruning::default(), Pruning { margin: 0.1, ..Pruning::default() }] {
        let refused = build(Some(other)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Mismatch);
        assert!(refused.report().contains("pruning: nothing, now margin"), "{}", refused.report());
    }
}

#[test]
fn a_finished_run_is_not_pruned_again() {
    let journal = Arc::default();
    let (first, _) = run(&journal);
    let (again, _) = run(&journal);
    assert_eq!(first.rounds, again.rounds);
    assert_eq!(first.trials.scored, again.trials.scored);
}

#[test]
fn an_interrupted_pruning_pays_nothing_twice() {
    let before = Arc::new(MemoryJournal::default());
    block_on(async {
        let mut engine = credulous(&before).await.unwrap();
        for _ in 0..4 {
            engine.round().await.unwrap();
        }
    });
    let prune = |journal: Arc<MemoryJournal>| async move {
        let mut engine = credulous(&journal).await.unwrap();
        engine.prune(Pruning::default()).await.unwrap().unwrap()
    };
    let whole = copy(&before);
    let uninterrupted = block_on(prune(Arc::clone(&whole)));
    let trials = finished(&records(&*whole)).len();
    let mut in_the_middle = 0;
    for polls in (1..).step_by(501) {
        let journal = copy(&before);
        let ended = poll(polls, prune(Arc::clone(&journal))).is_some();
        if ended {
            break;
        }
        let paid = finished(&records(&*journal));
        in_the_middle += usize::from(paid.len() < trials && paid.len() > trials - 300);
        assert_eq!(block_on(prune(Arc::clone(&journal))), uninterrupted);
        let counts = finished(&records(&*journal));
        assert_eq!(counts.len(), trials);
        // Recorded once more where whoever waited was dropped before the record was acknowledged: paid once all the same.
        assert!(paid.keys().all(|trial| counts[trial] <= 2));
        let again = paid.keys().filter(|trial| counts[trial] > paid[trial]).count();
        assert!(again <= 8, "{again} recorded trials ran again");
    }
    assert!(in_the_middle > 0, "one was dropped in the middle of the pruning");
}
