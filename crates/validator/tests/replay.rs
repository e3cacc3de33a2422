//! Recorded runs judged again by the gates of this crate.

#![allow(clippy::expect_used, reason = "helpers of tests")]

use std::sync::Arc;

use futures::executor::block_on;
use harness_core::testing::{
    EvidenceReader, ScriptedProposer, World, WorldEdit, WorldHarness, WorldTask,
};
use harness_core::{EngineConfig, MemoryJournal, Pruning, Replay, Replayed, ReplayedRound};
use harness_validator::{GateKind, RegressionValidator};

/// Flaky tasks, a lever that helps some, and one that does nothing.
fn world() -> World {
    World::uniform(12, |_, index| {
        let base = [0.1, 0.4, 0.7, 1.0][index % 4];
        WorldTask::new("", base).moved_by("good", if index % 2 == 0 { 0.5 } else { 0.0 })
    })
}

/// Runs three rounds under one gate, and judges them again under another.
fn rejudged(ran: GateKind, asked: GateKind, seed: u64) -> Vec<ReplayedRound> {
    let [ran, asked] = [ran, asked].map(RegressionValidator::from);
    judged_again(ran, &asked, seed, None)
}

fn judged_again(
    ran: RegressionValidator,
    asked: &RegressionValidator,
    seed: u64,
    pruning: Option<Pruning>,
) -> Vec<ReplayedRound> {
    let (world, journal) = (world(), Arc::new(MemoryJournal::default()));
    let config = EngineConfig { seed, rounds: 3, width: 2, dry_rounds: 0, ..world.config() };
    let edits = ["idle", "good", "still"].map(|lever| WorldEdit::new(lever, 1.0)).to_vec();
    let builder = world
        .engine(WorldHarness::default())
        .expect("a world")
        .config(config)
        .journal(Arc::clone(&journal))
        .proposer(ScriptedProposer::cycling(edits))
        .validator(ran);
    let builder = match pruning {
        Some(pruning) => builder.pruning(pruning),
        None => builder,
    };
    block_on(async {
        builder.build().await.expect("an engine").run().await.expect("a run");
        let replay = Replay::<WorldHarness>::read(&*journal).await.expect("a journal");
        let replay = replay.with_benchmark(world.benchmark().expect("tasks"));
        replay.judge(asked).await.expect("a replay")
    })
}

#[test]
fn every_verdict_of_a_run_follows_from_its_stored_trials() {
    for kind in [GateKind::Paper, GateKind::Sequential] {
        for seed in 0..4 {
            let rounds = rejudged(kind, kind, seed);
            assert_eq!(rounds.len(), 3);
            for round in rounds {
                assert!(round.agrees(), "{kind}, seed {seed}: {round:#?}");
                for judged in &round.judged {
                    assert_eq!(judged.replayed, Replayed::Decided(judged.recorded.clone()));
                }
            }
        }
    }
}

#[test]
fn a_run_whose_validator_read_held_out_failures_and_that_was_pruned_is_judged_alike() {
    let validator = || RegressionValidator::from(GateKind::Sequential).with_reader(EvidenceReader);
    for seed in 0..4 {
        for round in judged_again(validator(), &validator(), seed, Some(Pruning::default())) {
            assert!(round.agrees(), "seed {seed}: {round:#?}");
        }
    }
}

#[test]
fn what_the_papers_gate_would_have_done_is_told_or_what_it_lacks() {
    let (mut decided, mut short) = (0, 0);
    for seed in 0..4 {
        for round in rejudged(GateKind::Sequential, GateKind::Paper, seed) {
            for judged in round.judged {
                match judged.replayed {
                    Replayed::Decided(_) => decided += 1,
                    Replayed::Short(missing) => {
                        // The paper's gate asks for two attempts of the candidate at all 24 tasks.
                        let trials: u64 = missing.iter().map(|missing| missing.trials).sum();
                        assert!((1..=48).contains(&trials), "{missing:?}");
                        assert!(missing.iter().all(|missing| !missing.of_incumbent));
                        short += 1;
                    }
                }
            }
        }
    }
    assert!(decided > 0 && short > 0, "{decided} decided, {short} short");
}
