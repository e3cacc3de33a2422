//! Whole rounds through a real engine, in worlds whose truth is known.

#![allow(clippy::expect_used, reason = "helpers of tests")]

use std::collections::HashMap;
use std::sync::Arc;

use futures::executor::block_on;
use futures::{FutureExt, StreamExt};
use harness_core::testing::{ScriptedProposer, World, WorldEdit, WorldHarness, WorldTask};
use harness_core::{
    Decision, Engine, Journal, MemoryJournal, Phase, Prior, Record, RoundReport, SplitName,
    TrialId, Validator, Verdict,
};
use harness_validator::{GateKind, RegressionValidator};

const GATES: [GateKind; 2] = [GateKind::Paper, GateKind::Sequential];

/// Proposes these edits in every round, whether or not they make sense: the guards must see them.
fn proposing(edits: Vec<WorldEdit>) -> ScriptedProposer<WorldHarness> {
    ScriptedProposer::new(move |brief, _| {
        let proposals =
            edits.iter().filter_map(|edit| ScriptedProposer::proposal(brief, edit.clone()));
        let proposals = Ok(proposals.collect());
        async move { proposals }.boxed()
    })
}

fn engine(world: &World, kind: GateKind, edits: &[WorldEdit]) -> Engine<WorldHarness> {
    let builder = world
        .engine(WorldHarness::default())
        .expect("a world")
        .proposer(proposing(edits.to_vec()))
        .validator(RegressionValidator::from(kind));
    block_on(builder.build()).expect("an engine")
}

fn round(world: &World, kind: GateKind, edits: &[WorldEdit]) -> RoundReport {
    block_on(engine(world, kind, edits).round()).expect("a round")
}

fn decisions(report: &RoundReport) -> Vec<&Decision> {
    report.judged.iter().map(|judged| &judged.decision).collect()
}

fn up(lever: &str) -> WorldEdit {
    WorldEdit::new(lever, 1.0)
}

/// Ten tasks a split: three need `a`, two need `b`, the others always pass.
fn two_weaknesses() -> World {
    World::uniform(10, |_, index| match index {
        0..3 => WorldTask::new("", 0.0).moved_by("a", 1.0),
        3..5 => WorldTask::new("", 0.0).moved_by("b", 1.0),
        _ => WorldTask::new("", 1.0),
    })
}

#[test]
fn a_mend_is_promoted_with_the_counts_that_decided() {
    for kind in GATES {
        let report = round(&two_weaknesses(), kind, &[up("a")]);
        let [decision] = decisions(&report)[..] else { panic!("one proposal") };
        assert_eq!(decision.verdict, Verdict::Promote, "{kind}: {}", decision.reason);
        let evidence = decision.evidence.as_ref().expect("trials were run");
        match kind {
            // It stops as soon as more is not worth its price.
            GateKind::Sequential => {
                assert!(evidence.held_in.change() >= 3, "{:?}", evidence.held_in);
                assert!(evidence.mended.len() >= 3);
            }
            _ => {
                assert_eq!(evidence.held_in.change(), 6);
                assert_eq!(evidence.held_in.candidate.scored, 20);
                assert_eq!(evidence.mended.len(), 6);
            }
        }
        assert!(evidence.broken.is_empty() && !evidence.trials.is_empty());
        assert_eq!(report.composition.as_ref(), Some(decision), "one edit decides for itself");
        assert_ne!(report.tip, report.incumbent);
    }
}

/// What the gate expected of each round's candidates, as the rounds keep it.
fn priors(engine: &Engine<WorldHarness>) -> Vec<Arc<Prior>> {
    let of = |round: &RoundReport| {
        let findings = decisions(round).into_iter().filter_map(|d| d.finding.as_ref());
        let all: Vec<_> = findings.filter_map(|finding| finding.prior.clone()).collect();
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "heard together: {all:?}");
        all.into_iter().next()
    };
    engine.rounds().iter().filter_map(of).collect()
}

#[test]
fn every_round_shows_what_was_expected_from_a_safe_start_and_what_the_run_taught() {
    let mut engine = engine(&two_weaknesses(), GateKind::Sequential, &[up("a"), up("idle")]);
    for _ in 0..2 {
        block_on(engine.round()).expect("a round");
    }
    let [first, second] = &priors(&engine)[..] else { panic!("two rounds with trials") };
    let Prior { start, learnt, tasks, .. } = first.as_ref();
    assert_eq!(first.edits, 0);
    assert_eq!((learnt.target, learnt.side_effect), (start.target, start.side_effect));
    assert_ne!(learnt.pass_rates, start.pass_rates, "the assessment has taught it of tasks");
    assert_eq!(tasks.len(), 20, "every gating task");
    let rate = |name: &str| tasks.iter().find(|rate| rate.task.as_str() == name).expect(name).mean;
    assert!(rate("held-in-0") < 0.3 && rate("held-in-9") > 0.7, "{tasks:?}");
    assert_eq!(second.edits, 2);
    assert_eq!(second.start, *start, "the safe start stays");
    assert_ne!(second.learnt.target, start.target, "one of two edits did what it was aimed at");
}

#[test]
fn a_gate_without_a_prior_shows_none() {
    let mut engine = engine(&two_weaknesses(), GateKind::Paper, &[up("a")]);
    block_on(engine.round()).expect("a round");
    assert!(priors(&engine).is_empty());
}

#[test]
fn guards_refuse_without_a_trial_and_say_why() {
    let world = two_weaknesses();
    for kind in GATES {
        let edits = [WorldEdit::new("a", 0.0), up("a"), up("a"), WorldEdit::new("", 1.0)];
        let report = round(&world, kind, &edits);
        let decisions = decisions(&report);
        let reasons = ["changes nothing", "", "same effect as that of r1-p2", "does not apply"];
        for (decision, reason) in decisions.iter().zip(reasons) {
            assert_eq!(decision.evidence.is_none(), !reason.is_empty());
            assert_eq!(decision.verdict == Verdict::Reject, !reason.is_empty());
            assert!(decision.reason.contains(reason), "{}", decision.reason);
        }
        assert_eq!(report.promoted, ["r1-p2".into()]);
    }
}

#[test]
fn refused_proposals_cost_nothing() {
    let mut engine = engine(&two_weaknesses(), GateKind::Paper, &[WorldEdit::new("a", 0.0)]);
    block_on(engine.round()).expect("a round");
    let report = engine.report(Some(harness_core::StopReason::Rounds));
    assert_eq!(report.trials.scored, 2 * 20, "only the assessment ran");
}

#[test]
fn edits_that_get_along_are_promoted_together() {
    for kind in GATES {
        // The second edit targets another weakness than its proposal says, so only the paper's gate, which does not
        // screen, takes it in the same round.
        let report = round(&two_weaknesses(), kind, &[up("b"), up("a")]);
        match kind {
            GateKind::Paper => {
                assert_eq!(report.promoted, ["r1-p2".into(), "r1-p1".into()], "larger gain first");
                let together = report.composition.expect("a decision of its own");
                assert_eq!(together.evidence.expect("trials").held_in.change(), 10);
            }
            GateKind::Sequential | GateKind::Strict => {
                assert_eq!(report.promoted, ["r1-p2".into()]);
            }
        }
    }
}

/// As [`two_weaknesses`], where both edits together break what always passed.
fn jointly_harmful() -> World {
    World::uniform(12, |_, index| match index {
        0..3 => WorldTask::new("", 0.0).moved_by("a", 1.0),
        3..5 => WorldTask::new("", 0.0).moved_by("b", 1.0),
        5 => WorldTask::new("", 0.0).moved_by("c", 1.0),
        _ => WorldTask::new("", 1.0).moved_by("a*b", -1.0),
    })
}

#[test]
fn of_two_edits_that_harm_each_other_the_better_one_stays() {
    let report = round(&jointly_harmful(), GateKind::Paper, &[up("b"), up("a")]);
    assert_eq!(report.promoted, ["r1-p2".into()]);
    let dropped = &report.judged[0].decision;
    assert_eq!(dropped.verdict, Verdict::Reject);
    let told = "accepted alone, dropped in composition: ";
    assert!(dropped.reason.starts_with(told), "{}", dropped.reason);
    assert!(dropped.evidence.is_some(), "what accepted it alone is still shown");
}

#[test]
fn a_pair_that_gains_less_than_its_better_half_gives_way_to_it() {
    // Together they pass any gate against the incumbent: ten tasks better, none worse. The first alone has twelve.
    let world = World::uniform(14, |_, index| match index {
        0..3 => WorldTask::new("", 0.0).moved_by("a", 1.0),
        3..6 => WorldTask::new("", 0.0).moved_by("a", 1.0).moved_by("a*b", -1.0),
        6..8 => WorldTask::new("", 0.0).moved_by("b", 1.0),
        _ => WorldTask::new("", 1.0),
    });
    let report = round(&world, GateKind::Paper, &[up("b"), up("a")]);
    assert_eq!(report.promoted, ["r1-p2".into()]);
    let dropped = &report.judged[0].decision;
    assert!(dropped.reason.contains("less than the better one alone"), "{}", dropped.reason);
}

#[test]
fn an_edit_whose_failures_vanish_does_not_profit() {
    // It mends one task of twenty and makes two that always passed impossible to score.
    let world = World::uniform(20, |_, index| {
        let task = match index {
            0 => WorldTask::new("", 0.0).moved_by("a", 1.0),
            _ => WorldTask::new("", 1.0),
        };
        let void = if matches!(index, 1 | 2) {
            [("a".to_owned(), 1.0)].into()
        } else {
            Default::default()
        };
        WorldTask { void, ..task }
    });
    let report = round(&world, GateKind::Paper, &[up("a")]);
    let decision = &report.judged[0].decision;
    assert_eq!(decision.verdict, Verdict::Inconclusive, "{}", decision.reason);
    assert!(decision.reason.contains("could not be scored"), "{}", decision.reason);
    // One that makes nothing vanish is promoted in the same world.
    let honest = World::uniform(20, |_, index| match index {
        0 => WorldTask::new("", 0.0).moved_by("a", 1.0),
        _ => WorldTask::new("", 1.0),
    });
    assert_eq!(round(&honest, GateKind::Paper, &[up("a")]).promoted.len(), 1);
}

#[test]
fn forward_selection_keeps_what_gets_along_with_the_best() {
    let report = round(&jointly_harmful(), GateKind::Paper, &[up("c"), up("b"), up("a")]);
    assert_eq!(report.promoted, ["r1-p3".into(), "r1-p1".into()]);
    assert_eq!(report.judged[1].decision.verdict, Verdict::Reject);
    let together = report.composition.expect("it was judged together");
    assert_eq!(together.evidence.expect("trials").held_in.change(), 8);
}

#[test]
fn a_composition_is_judged_by_trials_of_its_own() {
    for kind in GATES {
        // One weakness for both edits, so that either gate takes both.
        let world = World::uniform(10, |_, index| match index {
            0..6 => {
                WorldTask::new("", 0.0).moved_by("a", 0.5).moved_by("b", 0.5).moved_by("c", 1.0)
            }
            _ => WorldTask::new("", 1.0),
        });
        let journal = Arc::new(MemoryJournal::default());
        let builder = world
            .engine(WorldHarness::default())
            .expect("a world")
            .proposer(proposing(vec![up("a"), up("b")]))
            .validator(RegressionValidator::from(kind))
            .journal(Arc::clone(&journal));
        let mut engine = block_on(builder.build()).expect("an engine");
        let report = block_on(engine.round()).expect("a round");
        assert_eq!(report.promoted.len(), 2, "{kind}");

        let phases: HashMap<TrialId, Phase> = block_on(async {
            let records = journal.scan().await.expect("readable");
            let phase = |record: harness_core::Result<Record>| async {
                let Ok(Record::TrialFinished { trial }) = record else { return None };
                Some((trial.id().expect("an id"), trial.key.replicate.phase))
            };
            records.filter_map(phase).collect().await
        });
        let trials = report.composition.and_then(|d| d.evidence).expect("evidence").trials;
        assert!(trials.iter().any(|trial| phases[trial] == Phase::Compose));
        assert!(trials.iter().all(|trial| phases[trial] != Phase::Judge), "{kind}");
    }
}

#[test]
fn a_loss_on_either_split_is_never_promoted() {
    for kind in GATES {
        for hurt in [SplitName::HeldIn, SplitName::HeldOut] {
            let world = World::uniform(8, |split, index| match index {
                0..4 => WorldTask::new("", 0.0).moved_by("a", 1.0),
                4 if split == hurt => WorldTask::new("", 1.0).moved_by("a", -1.0),
                _ => WorldTask::new("", 1.0),
            });
            let report = round(&world, kind, &[up("a")]);
            // One task lost among four mended is no drop of the count: only a look at single tasks sees it.
            let expected = match kind {
                GateKind::Paper | GateKind::Strict => Verdict::Promote,
                GateKind::Sequential => Verdict::Reject,
            };
            assert_eq!(report.judged[0].decision.verdict, expected, "{kind}, {hurt}");

            let world = World::uniform(8, |split, index| match index {
                0..2 if split != hurt => WorldTask::new("", 0.0).moved_by("a", 1.0),
                0 if hurt == SplitName::HeldIn => WorldTask::new("", 0.0),
                2..4 if split == hurt => WorldTask::new("", 1.0).moved_by("a", -1.0),
                _ => WorldTask::new("", 1.0),
            });
            let report = round(&world, kind, &[up("a")]);
            assert_eq!(report.judged[0].decision.verdict, Verdict::Reject, "{kind}, {hurt}");
        }
    }
}

#[test]
fn a_candidate_whose_trials_are_void_is_left_open() {
    for kind in GATES {
        let world = World::uniform(6, |_, index| match index {
            0..3 => WorldTask::new("", 0.0).moved_by("a", 1.0).voided_by("a", 1.0),
            _ => WorldTask::new("", 1.0),
        });
        let report = round(&world, kind, &[up("a")]);
        let decision = &report.judged[0].decision;
        assert_eq!(decision.verdict, Verdict::Inconclusive, "{kind}: {}", decision.reason);
        assert!(report.promoted.is_empty());
    }
}

#[test]
fn the_same_run_gives_the_same_verdicts() {
    let world = World::uniform(9, |_, index| match index {
        0..4 => WorldTask::new("", 0.2).moved_by("a", 0.6).moved_by("b", 0.3),
        _ => WorldTask::new("", 0.7),
    });
    for kind in GATES {
        let run = || round(&world, kind, &[up("a"), up("b"), up("c")]);
        assert_eq!(run(), run());
    }
}

#[test]
fn rounds_go_on_until_the_weaknesses_are_mended() {
    for kind in GATES {
        let world = two_weaknesses();
        let mut engine = engine(&world, kind, &[up("a"), up("b")]);
        let report = block_on(engine.run()).expect("a run");
        let tip = engine.lineage().tip();
        assert!(world.improves(&WorldHarness::default(), tip));
        assert!((world.pass_rate(tip, SplitName::Sealed) - 1.0).abs() < 1e-9, "{kind}");
        assert_eq!(report.claim.expect("a sealed split").after.pass_rate(), Some(1.0));
    }
}

#[test]
fn a_validator_is_one_for_every_harness() {
    fn serves<H: harness_core::Harness>(_: &impl Validator<H>) {}
    let validator = RegressionValidator::default();
    serves::<WorldHarness>(&validator);
    serves::<harness_core::testing::ToyHarness>(&validator);
}
