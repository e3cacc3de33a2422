//! Held-out trials reach neither miner nor proposer: what the validator reads of them stays with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{FutureExt, StreamExt};
use harness_core::testing::{
    ScriptedLlm, ScriptedProposer, World, WorldEdit, WorldHarness, WorldTask,
};
use harness_core::{
    Brief, Completion, Fingerprint, Journal, MemoryJournal, Proposal, Proposer, Record, Replay,
    Result, StageContext,
};
use harness_miner::SignatureMiner;
use harness_proposer::LlmProposer;
use harness_validator::{GateKind, RegressionValidator};

/// Stands in every name of a held-out task, so in whatever shows one of its trials.
const CANARY: &str = "held-out-";

/// An edit that the script knows, but only after the real proposer has asked all that it asks.
async fn proposed(
    brief: &Brief<'_, WorldHarness>,
    cx: &StageContext,
) -> Result<Vec<Proposal<WorldEdit>>> {
    let _: Result<Vec<Proposal<WorldEdit>>> = LlmProposer::new().propose(brief, cx).await;
    let edit = WorldEdit::new(format!("a{}", brief.round), 1.0);
    Ok(ScriptedProposer::proposal(brief, edit).into_iter().collect())
}

/// What was asked in each stage of two rounds.
async fn asked() -> BTreeMap<String, Vec<String>> {
    let world = World::uniform(8, |_, index| match index {
        0..3 => WorldTask::new("", 0.0).moved_by("a1", 1.0),
        3..6 => WorldTask::new("", 0.0).moved_by("a2", 1.0),
        _ => WorldTask::new("", 1.0),
    });
    let model = ScriptedLlm::new(|_| {
        Ok(Completion::text(
            r#"{"status": "root_cause", "mechanism": "never_checks", "steps": [], "description": "it stops early", "addressability": 0.5}"#,
        ))
    });
    let journal = Arc::new(MemoryJournal::default());
    let engine = world.engine(WorldHarness::default()).unwrap();
    let engine = engine
        .model(model.clone())
        .miner(SignatureMiner::new())
        .proposer(ScriptedProposer::new(|brief, cx| proposed(brief, cx).boxed()))
        .validator(
            RegressionValidator::from(GateKind::Sequential).with_reader(SignatureMiner::new()),
        )
        .journal(journal.clone());
    let mut engine = engine.build().await.unwrap();
    let first = engine.round().await.unwrap();
    assert!(!first.judged.is_empty(), "the validator had something to judge");
    engine.round().await.unwrap();
    // Judged again from the journal alone: the readings are on record, and nobody is asked.
    let requests = model.requests();
    let replay = Replay::<WorldHarness>::read(&*journal).await.unwrap();
    let validator =
        RegressionValidator::from(GateKind::Sequential).with_reader(SignatureMiner::new());
    let rounds = replay.with_benchmark(world.benchmark().unwrap()).judge(&validator).await.unwrap();
    assert!(
        rounds.len() == 2 && rounds.iter().all(harness_core::ReplayedRound::agrees),
        "{rounds:#?}"
    );
    assert_eq!(model.requests().len(), requests.len());
    let mut stages = BTreeMap::new();
    let mut records = journal.scan().await.unwrap();
    while let Some(record) = records.next().await {
        if let Record::Consulted { consultation } = record.unwrap() {
            stages.insert(consultation.request, consultation.stage);
        }
    }
    let mut asked: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for request in requests {
        let text = serde_json::to_string(&request.messages).unwrap();
        asked.entry(stages[&Fingerprint::of(&request).unwrap()].clone()).or_default().push(text);
    }
    asked
}

#[tokio::test]
async fn a_canary_in_held_out_trials_is_seen_by_the_validator_alone() {
    let asked = asked().await;
    let sees = |stage: &str| asked[stage].iter().any(|request| request.contains(CANARY));
    assert!(sees("judge"), "the reading shows held-out trials to the model");
    assert!(!sees("mine") && !sees("propose"), "neither miner nor proposer does");
    assert!(
        asked["mine"].iter().any(|request| request.contains("held-in-")),
        "the canary would show"
    );
}
