//! Miner and proposer never learn anything of the held-out or sealed split.

use std::sync::Arc;

use futures::FutureExt;
use harness_core::testing::{
    InMemorySandbox, ScriptedLlm, ScriptedMiner, ScriptedProposer, ScriptedValidator,
    ScriptedVerifier, ToyHarness, toy_task,
};
use harness_core::{
    Benchmark, Completion, Engine, EngineConfig, Message, Miner, Outcome, Proposer, Request,
    Result, StageContext, Task,
};

use crate::setting::{learn, skills, verifier};

/// A stage that tells the model everything that it can see, in the form that shows the most.
async fn confide(seen: String, cx: &StageContext) -> Result<()> {
    let request = Request { messages: vec![Message::user(seen)], ..Request::default() };
    cx.ask(request).await.map(drop)
}

fn indiscreet_miner() -> ScriptedMiner {
    ScriptedMiner::new(|trials, cx| {
        async move {
            confide(format!("MINER {trials:?} {:?}", trials.score()), cx).await?;
            ScriptedMiner::by_evidence().mine(trials, cx).await
        }
        .boxed()
    })
}

fn indiscreet_proposer() -> ScriptedProposer<ToyHarness> {
    let honest = ScriptedProposer::cycling(["juggle", "sort", "grep"].map(learn).to_vec());
    ScriptedProposer::new(move |brief, cx| {
        let honest = honest.clone();
        async move {
            confide(format!("PROPOSER {brief:?}"), cx).await?;
            honest.propose(brief, cx).await
        }
        .boxed()
    })
}

/// Tasks that carry the word in everything a trial of them can show.
fn marked(word: &str) -> Vec<Arc<Task>> {
    let task = |skill: &str| toy_task(&format!("{word}-{skill}"), skill);
    ["read", "sort", "grep"].map(|skill| Arc::new(task(skill))).to_vec()
}

#[test]
fn no_stage_ever_sees_a_word_of_held_out_or_sealed_trials() {
    let model = ScriptedLlm::new(|_| Ok(Completion::text("ok")));
    let seed = ToyHarness { skills: skills(&["read"]), calls: 1 };
    let revealing = ScriptedVerifier::new("reveals the task's name", |task, session| {
        async move {
            let outcome = harness_core::Verifier::verify(&verifier(), task, session).await?;
            let Outcome::Scored { reward, mut evidence } = outcome else { return Ok(outcome) };
            evidence.push(format!("evidence of {}", task.name));
            Ok(Outcome::Scored { reward, evidence })
        }
        .boxed()
    });
    let builder = Engine::builder(seed)
        .model(model.clone())
        .sandbox(InMemorySandbox::default())
        .verifier(revealing)
        .benchmark(
            Benchmark::new(marked("open"), marked("canary-out"), marked("canary-sealed")).unwrap(),
        )
        .miner(indiscreet_miner())
        .proposer(indiscreet_proposer())
        .validator(ScriptedValidator::counting())
        .config(EngineConfig { rounds: 4, width: 1, dry_rounds: 0, ..EngineConfig::default() });
    let report = futures::executor::block_on(async { builder.build().await?.run().await }).unwrap();
    assert!(report.rounds.iter().any(|round| !round.promoted.is_empty()), "history holds verdicts");
    let told: Vec<String> = model
        .requests()
        .iter()
        .map(|request| format!("{request:?}"))
        .filter(|text| text.contains("MINER") || text.contains("PROPOSER"))
        .collect();
    assert!(
        told.len() >= 6 && told.iter().any(|text| text.contains("open-sort")),
        "the stages did talk"
    );
    assert!(
        told.iter().any(|text| text.contains("held_in_change")),
        "the proposer did see history"
    );
    for text in told {
        assert!(!text.contains("canary"), "a held-out or sealed trial leaked: {text}");
        assert!(
            !text.contains("held_out") && !text.contains("HeldOut"),
            "a held-out score leaked: {text}"
        );
    }
}
