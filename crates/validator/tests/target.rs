//! Held-out tasks that show the targeted weakness: known to the validator by its own reading, and tried first.

#![allow(clippy::expect_used, reason = "helpers of tests")]

use std::collections::BTreeSet;

use futures::executor::block_on;
use futures::{FutureExt, StreamExt};
use harness_core::testing::{
    EvidenceReader, ScriptedProposer, World, WorldEdit, WorldHarness, WorldTask,
};
use harness_core::{Journal, MemoryJournal, Phase, Record, RoundReport, SplitName};
use harness_validator::{GateKind, RegressionValidator};

/// Four tasks of each split lack `a`, three lack `b`, the others pass.
fn world() -> World {
    World::uniform(14, |_, index| match index {
        0..4 => WorldTask::new("", 0.0).moved_by("a", 1.0),
        4..7 => WorldTask::new("", 0.0).moved_by("b", 1.0),
        _ => WorldTask::new("", 1.0),
    })
}

/// One round of an edit that is aimed at `a`, and the held-out tasks that its candidate attempted.
fn round(edit: WorldEdit, validator: RegressionValidator) -> (RoundReport, BTreeSet<String>) {
    let journal = std::sync::Arc::new(MemoryJournal::default());
    let proposer = ScriptedProposer::new(move |brief, _| {
        let proposals = Ok(ScriptedProposer::proposal(brief, edit.clone()).into_iter().collect());
        async move { proposals }.boxed()
    });
    let builder = world().engine(WorldHarness::default()).expect("a world");
    let builder = builder.proposer(proposer).validator(validator).journal(journal.clone());
    let report = block_on(async { builder.build().await?.round().await }).expect("a round");
    let records: Vec<_> =
        block_on(async { journal.scan().await.expect("records").collect().await });
    let attempted = records.into_iter().filter_map(|record| match record.expect("a record") {
        Record::TrialFinished { trial }
            if trial.key.replicate.phase == Phase::Judge
                && trial.split == SplitName::HeldOut
                && trial.key.harness != report.incumbent =>
        {
            Some(trial.key.task.as_str().to_owned())
        }
        _ => None,
    });
    let attempted = attempted.collect();
    (report, attempted)
}

#[test]
fn held_out_tasks_with_the_targeted_signature_are_tried_first() {
    let idle = || WorldEdit::new("nothing", 1.0);
    let gate = GateKind::Sequential;
    let with = RegressionValidator::from(gate).with_reader(EvidenceReader);
    let (report, attempted) = round(idle(), with);
    let target: BTreeSet<String> = (0..4).map(|index| format!("held-out-{index}")).collect();
    assert!(!attempted.is_empty() && attempted.is_subset(&target), "{attempted:?}");
    assert!(report.promoted.is_empty());
    // Without a reading, nothing of held-out is known to be worth a trial before the edit has shown anything.
    let (_, attempted) = round(idle(), RegressionValidator::from(gate));
    assert!(attempted.is_disjoint(&target), "{attempted:?}");
}

#[test]
fn a_mend_on_both_splits_is_seen_on_both() {
    let with = RegressionValidator::from(GateKind::Sequential).with_reader(EvidenceReader);
    let (report, _) = round(WorldEdit::new("a", 1.0), with);
    let decision = &report.judged[0].decision;
    assert_eq!(report.promoted.len(), 1, "{}", decision.reason);
    let evidence = decision.evidence.as_ref().expect("trials");
    assert!(evidence.held_out.change() > 0 && evidence.held_in.change() > 0);
}
