//! The wiring that the small examples share, and what they print. Everything here is scripted: no model, no process, no
//! network, so what comes out says nothing about any model.

use std::sync::Arc;

use harness_core::testing::{
    ScriptedLlm, ScriptedMiner, ScriptedProposer, ScriptedSandbox, ScriptedVerifier,
};
use harness_core::{
    Arguments, Benchmark, Completion, Engine, EngineBuilder, EngineConfig, Harness, Request,
    Result, Role, RunReport, SandboxPath, Task, ToolCall, Usage,
};
use harness_validator::{GateKind, RegressionValidator};
use serde_json::{Value, json};

/// An engine with every part in its seat: `seed` and the edits that its proposer will try, over six tasks of which each asks
/// for a file. Swap any part by calling the builder again.
pub(crate) fn scripted<H: Harness>(seed: H, edits: Vec<H::Edit>) -> Result<EngineBuilder<H>> {
    Ok(Engine::builder(seed)
        .model(forgetful_model())
        .sandbox(ScriptedSandbox::new(|_, _| Ok(ScriptedSandbox::output(1, "no commands here"))))
        .verifier(ScriptedVerifier::expecting(SandboxPath::new("answer.txt")?, "42"))
        .benchmark(benchmark()?)
        .miner(ScriptedMiner::by_evidence())
        .proposer(ScriptedProposer::cycling(edits))
        .validator(RegressionValidator::new(GateKind::Paper.gate()))
        .config(EngineConfig { rounds: 2, ..EngineConfig::default() }))
}

/// Finishes at once and forgets the file, unless something tells it otherwise: an instruction that says "answer.txt first", or
/// a finish that is refused.
fn forgetful_model() -> ScriptedLlm {
    ScriptedLlm::new(|request| {
        let heard =
            |text: &str| request.messages.iter().any(|message| message.content.contains(text));
        let wrote = request
            .messages
            .iter()
            .flat_map(|message| &message.tool_calls)
            .any(|call| call.name == "write_file");
        let refused = request.messages.iter().any(|message| message.role == Role::Tool);
        Ok(match !wrote && (heard("answer.txt first") || refused) {
            true => call(request, "write_file", json!({ "path": "answer.txt", "content": "42" })),
            false => call(request, "finish", json!({ "summary": "done" })),
        })
    })
}

fn call(request: &Request, name: &str, arguments: Value) -> Completion {
    let id = format!("call-{}", request.messages.len());
    let call = ToolCall { id, name: name.to_owned(), arguments: Arguments::Parsed(arguments) };
    let usage = Usage { prompt_tokens: 50, completion_tokens: 10, ..Usage::default() };
    Completion::calls("", vec![call]).with_usage(usage)
}

fn benchmark() -> Result<Benchmark> {
    let task = |name: &str| {
        let mut task = Task::new(name, "Write the answer, 42, to answer.txt.");
        task.outputs = SandboxPath::new("/app/answer.txt").into_iter().collect();
        Arc::new(task)
    };
    let [a, b, c, d, e, f] = ["a", "b", "c", "d", "e", "f"].map(task);
    Benchmark::new(vec![a, b, c], vec![d, e], vec![f])
}

/// What happened, for a person.
pub(crate) fn print(report: &RunReport) {
    println!("model: {} (simulated: this says nothing of a real one)", report.model);
    for round in &report.rounds {
        println!("round {}: {} weaknesses", round.round, round.weaknesses.len());
        for judged in &round.judged {
            let (proposal, decision) = (&judged.proposal, &judged.decision);
            println!(
                "  {} on {}: {}, {}",
                proposal.id,
                proposal.surface,
                decision.verdict.as_str(),
                decision.reason
            );
        }
    }
    if let Some(claim) = &report.claim {
        let (before, after) = (claim.before, claim.after);
        println!(
            "sealed: {}/{} before, {}/{} after",
            before.passed, before.scored, after.passed, after.scored
        );
    }
}
