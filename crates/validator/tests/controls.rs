//! Candidates that are known to be nothing, before the gates of this crate.

#![allow(clippy::expect_used, reason = "helpers of tests")]

use futures::executor::block_on;
use harness_core::testing::{ScriptedProposer, World, WorldEdit, WorldHarness, WorldTask};
use harness_core::{ControlGroup, ControlKind, EngineConfig, RunReport, Verdict};
use harness_validator::{GateKind, RegressionValidator};

/// One round in a world of coin tosses, with controls.
fn controlled(kind: GateKind, seed: u64) -> RunReport {
    let world = World::uniform(10, |_, _| WorldTask::new("", 0.5).moved_by("good", 0.2));
    let config = EngineConfig { seed, rounds: 1, width: 1, claim_attempts: 1, ..world.config() };
    let builder = world
        .engine(WorldHarness::default())
        .expect("a world")
        .config(config)
        .proposer(ScriptedProposer::cycling(vec![WorldEdit::new("idle", 1.0)]))
        .validator(RegressionValidator::from(kind))
        .controls(ControlGroup::judged_by(RegressionValidator::from(kind)));
    block_on(async { builder.build().await.expect("an engine").run().await.expect("a run") })
}

#[test]
fn no_guard_stands_between_a_byte_identical_candidate_and_the_gate() {
    for kind in [GateKind::Paper, GateKind::Sequential] {
        let controls = controlled(kind, 1).controls.expect("controls");
        let same = controls.arms.iter().find(|arm| arm.kind == ControlKind::Same).expect("A/A");
        let decision = same.decision.as_ref().expect("a decision");
        assert!(decision.evidence.is_some(), "{kind}: {}", decision.reason);
        let floor = same.floor.expect("a floor");
        // Coin tosses vary by 0.25 each; two times twenty tasks of one another by 1.645 √(0.5 / 40).
        assert!((floor.within_task - 0.25).abs() < 0.12, "{floor:?}");
        assert!((floor.change() - 0.18).abs() < 0.06, "{}", floor.change());
    }
}

#[test]
fn the_papers_gate_promotes_a_copy_often_and_the_sequential_one_hardly_ever() {
    let promoted = |kind| {
        let promotes = |seed: &u64| {
            let controls = controlled(kind, *seed).controls.expect("controls");
            let same = controls.arms[0].decision.as_ref().expect("a decision");
            same.verdict == Verdict::Promote
        };
        (0..24).filter(promotes).count()
    };
    let (paper, sequential) = (promoted(GateKind::Paper), promoted(GateKind::Sequential));
    assert!(paper >= 3 && sequential <= 3 && sequential < paper, "{paper} and {sequential} of 24");
}
