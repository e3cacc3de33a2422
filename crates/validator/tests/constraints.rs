//! What a promotion must not cost, through a real engine.

#![allow(clippy::expect_used, reason = "helpers of tests")]

use std::sync::Arc;

use futures::FutureExt;
use futures::executor::block_on;
use harness_core::testing::{
    InMemorySandbox, ManualClock, ScriptedLlm, ScriptedMiner, ScriptedProposer, ScriptedVerifier,
    ToyEdit, ToyHarness, toy_task,
};
use harness_core::{Benchmark, Decision, Engine, EngineConfig, SandboxPath, Verdict};
use harness_validator::{Constraints, GateKind, RegressionValidator};

/// The decision on an edit that mends every task, where a trial makes so many calls to a model that tells no price.
fn decision(calls: u32, constraints: Constraints) -> Decision {
    let split = |name: &str| {
        (0..4).map(|index| Arc::new(toy_task(&format!("{name}{index}"), "a"))).collect()
    };
    let builder = Engine::builder(ToyHarness { calls, ..ToyHarness::default() })
        .model(ScriptedLlm::always("…"))
        .sandbox(InMemorySandbox::default())
        .verifier(ScriptedVerifier::expecting(SandboxPath::new("answer").expect("a path"), "done"))
        .benchmark(Benchmark::new(split("in"), split("out"), Vec::new()).expect("a benchmark"))
        .miner(ScriptedMiner::by_evidence())
        .proposer(ScriptedProposer::new(|brief, _| {
            let proposals = ScriptedProposer::proposal(brief, ToyEdit::Learn("a".to_owned()));
            let proposals = Ok(proposals.into_iter().collect());
            async move { proposals }.boxed()
        }))
        .validator(RegressionValidator::from(GateKind::Paper).with_constraints(constraints))
        .clock(ManualClock::new())
        .config(EngineConfig::default());
    let mut engine = block_on(builder.build()).expect("an engine");
    let report = block_on(engine.round()).expect("a round");
    report.judged.into_iter().next().expect("a proposal").decision
}

#[test]
fn an_unknown_cost_leaves_a_constrained_promotion_open() {
    let asked = Constraints { cost: Some(1.5), ..Constraints::default() };
    assert_eq!(decision(1, Constraints::default()).verdict, Verdict::Promote);
    let open = decision(1, asked);
    assert_eq!(open.verdict, Verdict::Inconclusive, "{}", open.reason);
    assert!(open.reason.contains("cost"), "{}", open.reason);
}

#[test]
fn a_constraint_that_is_kept_changes_nothing() {
    let asked = Constraints { cost: Some(1.0), latency: Some(1.0) };
    assert_eq!(decision(0, asked), decision(0, Constraints::default()));
}
