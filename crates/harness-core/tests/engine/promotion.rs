//! Rounds to a promotion, and rounds without one.

use futures::executor::block_on;
use harness_core::testing::{Noted, ScriptedLlm, ToyHarness};
use harness_core::{ErrorKind, Harness, Lineage, Phase, StopReason, Verdict};

use crate::setting::{Setting, forget, learn, skills};

#[test]
fn a_run_promotes_what_helps_and_rejects_the_rest() {
    let setting = Setting::default();
    let mut engine = setting.engine().unwrap();
    let report = setting.clock.block_on(engine.run()).unwrap();
    assert_eq!(engine.lineage().tip().skills, skills(&["read", "sort", "grep"]));
    let verdicts: Vec<Vec<Verdict>> = report
        .rounds
        .iter()
        .map(|round| round.judged.iter().map(|judged| judged.decision.verdict).collect())
        .collect();
    // A tie and a harm; two that help; nothing left to mend.
    let (reject, promote) = (Verdict::Reject, Verdict::Promote);
    assert_eq!(verdicts, [vec![reject, reject], vec![promote, promote], vec![]]);
    assert_eq!(report.first, setting.seed.fingerprint().unwrap());
    assert_eq!(report.last, engine.lineage().tip().fingerprint().unwrap());
    let claim = report.claim.unwrap();
    assert_eq!((claim.before.passed, claim.after.passed, claim.after.scored), (2, 6, 6));
}

#[test]
fn edits_promoted_together_were_judged_together() {
    let setting = Setting::default();
    let report = setting.run().unwrap();
    let round = &report.rounds[1];
    assert_eq!(round.promoted.len(), 2);
    let composition = round.composition.as_ref().unwrap().evidence.as_ref().unwrap();
    let trials = setting.observer.trials();
    let of_composition = trials.iter().filter(|(trial, _)| {
        trial.key.replicate.phase == Phase::Compose
            && composition.trials.contains(&trial.id().unwrap())
    });
    assert_eq!(of_composition.count(), 12);
}

#[test]
fn a_tie_is_no_promotion_and_dry_rounds_end_the_run() {
    let setting = Setting { pool: vec![learn("juggle"), learn("dance")], ..Setting::default() };
    let report = setting.run().unwrap();
    assert_eq!(report.first, report.last);
    assert_eq!(report.rounds.len(), 2, "two dry rounds are the default");
    assert!(report.rounds.iter().all(|round| round.promoted.is_empty() && round.judged.len() == 2));
}

#[test]
fn where_nothing_fails_the_run_stops_and_proposes_nothing() {
    let seed = ToyHarness { skills: skills(&["read", "sort", "grep"]), calls: 1 };
    let setting = Setting { seed, ..Setting::default() };
    let mut engine = setting.engine().unwrap();
    setting.clock.block_on(engine.run()).unwrap();
    assert_eq!(engine.rounds().len(), 1);
    assert!(engine.rounds()[0].judged.is_empty() && engine.rounds()[0].weaknesses.is_empty());
    let resumed = setting.engine().unwrap();
    assert_eq!(resumed.stop_reason(), Some(StopReason::NothingFailed), "it keeps its own reason");
}

#[test]
fn whoever_reads_the_sealed_split_early_has_ended_the_run() {
    let setting = Setting::default();
    let mut engine = setting.engine().unwrap();
    setting.clock.block_on(engine.round()).unwrap();
    assert_eq!(engine.stop_reason(), None);
    setting.clock.block_on(engine.claim()).unwrap();
    assert_eq!(engine.stop_reason(), Some(StopReason::Claimed));
    assert_eq!(setting.engine().unwrap().stop_reason(), Some(StopReason::Claimed));
}

#[test]
fn every_round_measures_the_incumbent_anew() {
    let setting = Setting::default();
    setting.run().unwrap();
    let assessed: Vec<_> = setting
        .observer
        .trials()
        .into_iter()
        .filter(|(trial, _)| trial.key.replicate.phase == Phase::Assess)
        .collect();
    // Three rounds, two splits, three tasks, two attempts.
    assert_eq!(assessed.len(), 36);
    assert!(assessed.iter().all(|(_, reused)| !reused), "a baseline may not be what accepted it");
}

#[test]
fn events_tell_the_story_in_order() {
    let setting = Setting::default();
    setting.run().unwrap();
    let story: Vec<&str> = setting
        .observer
        .events()
        .iter()
        .filter_map(|event| match event {
            Noted::RunStarted(_) => Some("run"),
            Noted::RoundStarted(_) => Some("round"),
            Noted::Mined(_) => Some("mined"),
            Noted::Proposed(_) => Some("proposed"),
            Noted::Judged(..) => Some("judged"),
            Noted::RoundFinished(_) => Some("finished"),
            Noted::Claimed(_) => Some("claimed"),
            _ => None,
        })
        .collect();
    let round = ["round", "mined", "proposed", "proposed", "judged", "judged", "finished"];
    let wanted =
        [&["run"][..], &round, &round, &["round", "mined", "finished"], &["claimed"]].concat();
    assert_eq!(story, wanted);
}

#[test]
fn replaying_the_lineage_gives_the_tip_and_refuses_another() {
    let setting = Setting::default();
    let mut engine = setting.engine().unwrap();
    setting.clock.block_on(engine.run()).unwrap();
    let lineage = engine.lineage();
    let replayed = Lineage::replay(setting.seed.clone(), lineage.promotions().to_vec()).unwrap();
    assert_eq!(replayed.tip().fingerprint().unwrap(), lineage.tip().fingerprint().unwrap());
    let other = ToyHarness::default();
    let refused = Lineage::replay(other, lineage.promotions().to_vec()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Mismatch);
    let mut altered = lineage.promotions().to_vec();
    altered[0].edits[0].edit = forget("read");
    let refused = Lineage::replay(setting.seed, altered).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Mismatch);
}

#[test]
fn an_engine_without_a_part_says_which() {
    let error = block_on(harness_core::Engine::builder(ToyHarness::default()).build()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.message().contains("benchmark"), "{error}");
    let mut setting = Setting::default();
    setting.config.width = 0;
    assert!(setting.engine().unwrap_err().message().contains("width"));
}

#[test]
fn measuring_gives_every_task_as_often_as_asked() {
    let setting = Setting::default();
    let measured = block_on(setting.builder().measure(crate::setting::tasks("in"))).unwrap();
    let names: Vec<&str> = measured.trials.iter().map(|trial| trial.key.task.as_str()).collect();
    assert_eq!(names, ["in-read", "in-read", "in-sort", "in-sort", "in-grep", "in-grep"]);
    assert_eq!((measured.counts.scored, measured.spent.calls), (6, 6));
}

#[test]
fn a_model_that_refuses_for_good_ends_the_run_at_once() {
    let model = ScriptedLlm::queue([]);
    let mut setting = Setting { model, ..Setting::default() };
    setting.config.concurrency = 1;
    let error = setting.run().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ModelRejected);
    assert_eq!(setting.model.requests().len(), 1, "no further trial was tried");
    assert_eq!(setting.sandbox.open_sessions(), 0);
}
