//! Every round's assessment also tests the incumbent against its ancestors, and a credible loss is undone.

use std::sync::Arc;

use futures::executor::block_on;
use harness_core::testing::{
    ScriptedProposer, ScriptedValidator, World, WorldEdit, WorldHarness, WorldTask,
};
use harness_core::{
    Engine, EngineConfig, Harness, Journal, Lineage, MemoryJournal, Phase, Result, RunReport,
    Verdict,
};

use crate::drops::poll;
use crate::setting::{SlowJournal, records, trials};

/// Four tasks a split that always pass until `bad` breaks them, and one that `good` would mend.
fn world() -> World {
    World::uniform(5, |_, index| match index {
        0 => WorldTask::new("", 0.0).moved_by("good", 1.0),
        _ => WorldTask::new("", 1.0).moved_by("bad", -1.0),
    })
}

fn up(lever: &str) -> WorldEdit {
    WorldEdit::new(lever, 1.0)
}

/// An engine that promotes whatever is proposed: first what harms, then what helps.
async fn credulous(journal: &Arc<MemoryJournal>) -> Result<Engine<WorldHarness>> {
    let world = world();
    let config =
        EngineConfig { rounds: 4, width: 1, attempts: 1, claim_attempts: 1, ..world.config() };
    world
        .engine(WorldHarness::default())?
        .config(config)
        .journal(SlowJournal(Arc::clone(journal)))
        .proposer(ScriptedProposer::cycling(["bad", "idle", "good"].map(up).to_vec()))
        .validator(ScriptedValidator::measuring(|_| Verdict::Promote))
        .build()
        .await
}

fn run(journal: &Arc<MemoryJournal>) -> (RunReport, Lineage<WorldHarness>) {
    block_on(async {
        let mut engine = credulous(journal).await.unwrap();
        (engine.run().await.unwrap(), engine.lineage().clone())
    })
}

#[test]
fn a_credible_loss_is_reported_stops_promotion_and_is_undone() {
    let (report, lineage) = run(&Arc::default());
    let seed = lineage.seed().fingerprint().unwrap();
    let [harmed, undone, mended, after] = &report.rounds[..] else { panic!("four rounds") };
    assert_eq!((harmed.promoted.len(), harmed.drift.len()), (1, 0), "the seed has no ancestor");
    assert_eq!(undone.reverted_to(), Some(seed));
    assert!(undone.drift[0].is_loss() && undone.drift[0].pairs.worse == 8);
    assert!(undone.judged.is_empty() && undone.weaknesses.is_empty() && !undone.is_dry());
    assert_eq!(mended.promoted.len(), 1, "the run goes on from where it went back to");
    assert!(!after.drift.iter().any(harness_core::Drift::is_loss), "{:?}", after.drift);
    assert_eq!(after.drift.len(), 2, "the seed, and the version that was given up");
    let edits = lineage.retained().unwrap();
    assert_eq!(edits.iter().map(|edit| &edit.proposal).collect::<Vec<_>>(), [&mended.promoted[0]]);
    assert_eq!(report.last, lineage.tip().fingerprint().unwrap());
}

#[test]
fn it_costs_no_trial_of_its_own() {
    let journal = Arc::default();
    let (_, _) = run(&journal);
    let phases: Vec<_> = trials(&records(&*journal))
        .iter()
        .filter(|trial| trial.key.replicate.round == 2)
        .map(|trial| trial.key.replicate.phase)
        .collect();
    assert_eq!(phases, vec![Phase::Assess; 10], "the round's own assessment, and nothing else");
}

#[test]
fn what_was_given_up_stays_in_the_lineage() {
    let (_, lineage) = run(&Arc::default());
    let steps = lineage.promotions();
    assert_eq!(steps.len(), 3);
    assert_eq!((steps[1].base, steps[1].edits.len()), (Some(steps[0].parent), 0));
    let replayed = Lineage::replay(WorldHarness::default(), steps.to_vec()).unwrap();
    assert_eq!(replayed.tip(), lineage.tip());
    let mut strange = steps.to_vec();
    strange[1].base = Some(steps[2].child);
    let refused = Lineage::replay(WorldHarness::default(), strange).unwrap_err();
    assert!(refused.message().contains("no version"), "{refused}");
}

/// The journal of a run that has promoted what harms.
fn harmed() -> Arc<MemoryJournal> {
    let journal = Arc::default();
    block_on(async { credulous(&journal).await.unwrap().round().await.unwrap() });
    journal
}

#[test]
fn dropped_after_any_number_of_polls_it_is_undone_all_the_same() {
    let harmed = harmed();
    let goes_back = |journal: Arc<MemoryJournal>| async move {
        let mut engine = credulous(&journal).await.unwrap();
        let report = engine.round().await.unwrap();
        (report, engine.lineage().tip().clone())
    };
    let whole = block_on(goes_back(copy(&harmed)));
    for polls in 1.. {
        let journal = copy(&harmed);
        let finished = poll(polls, goes_back(Arc::clone(&journal))).is_some();
        let mut engine = block_on(credulous(&journal)).unwrap();
        if engine.rounds().len() < 2 {
            block_on(engine.round()).unwrap();
        }
        assert_eq!((engine.rounds()[1].clone(), engine.lineage().tip().clone()), whole);
        if finished {
            break;
        }
    }
}

pub(crate) fn copy(journal: &Arc<MemoryJournal>) -> Arc<MemoryJournal> {
    let copied = MemoryJournal::default();
    for record in records(&**journal) {
        block_on(copied.append(&record)).unwrap();
    }
    Arc::new(copied)
}
