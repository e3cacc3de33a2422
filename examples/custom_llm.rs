//! `offline.rs` with a model client of your own: the types of your framework on one side, the trait on the other.

mod common;

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use harness_core::minimal::ArtifactGuard;
use harness_core::{
    Arguments, Completion, DocumentEdit, Error, ErrorKind, LlmBackend, MinimalHarness, ModelId,
    Operation, Request, Result, Role, ToolCall, Usage,
};
use harness_llm::Retried;
use serde_json::json;

/// Your framework's own client, as it is.
#[derive(Debug, Default)]
struct TheirClient {
    calls: AtomicU64,
}

struct TheirReply {
    function: &'static str,
    arguments: String,
    billed_tokens: u64,
}

impl TheirClient {
    /// Speaks in pairs of role and text. Every fiftieth call finds the server busy.
    async fn chat(&self, turns: &[(&str, String)]) -> std::result::Result<TheirReply, String> {
        if self.calls.fetch_add(1, Ordering::Relaxed) % 50 == 49 {
            return Err("503 busy".into());
        }
        let refusals =
            turns.iter().filter(|(role, text)| *role == "tool" && text.contains("missing")).count();
        let written = turns.iter().any(|(role, text)| *role == "tool" && text.contains("wrote"));
        let (function, arguments) = match refusals > 0 && !written {
            true => ("write_file", r#"{"path": "answer.txt", "content": "42"}"#.to_owned()),
            false => ("finish", r#"{"summary": "done"}"#.to_owned()),
        };
        Ok(TheirReply { function, arguments, billed_tokens: 60 })
    }
}

/// The client in our seat.
#[derive(Debug)]
struct MyBackend {
    client: TheirClient,
    model: ModelId,
}

#[async_trait]
impl LlmBackend for MyBackend {
    fn model(&self) -> &ModelId {
        &self.model
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        let turns: Vec<(&str, String)> = request
            .messages
            .iter()
            .map(|message| {
                let role = match message.role {
                    Role::System => "system",
                    Role::User => "user",
                    Role::Assistant => "assistant",
                    Role::Tool => "tool",
                };
                (role, message.content.clone())
            })
            .collect();
        // Classified, so that a busy server is asked again instead of failing the task.
        let reply = self.client.chat(&turns).await.map_err(|why| {
            Error::new(ErrorKind::ModelUnavailable, format!("asking {}: {why}", self.model))
        })?;
        let call = ToolCall {
            id: format!("call-{}", turns.len()),
            name: reply.function.to_owned(),
            arguments: Arguments::parse(&reply.arguments),
        };
        let usage = Usage { prompt_tokens: reply.billed_tokens, ..Usage::default() };
        Ok(Completion::calls("", vec![call]).with_usage(usage))
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let guard = ArtifactGuard { message: "It is missing: write it.".into(), max_refusals: 3 };
    let edit = Operation::Replace { at: "/controls/artifact_guard".into(), value: json!(guard) };
    let model = MyBackend {
        client: TheirClient::default(),
        model: ModelId::new(ModelId::SIMULATED, "theirs"),
    };

    let mut engine = common::scripted(MinimalHarness::default(), vec![DocumentEdit::one(edit)])?
        .model(Retried::new(model)) // the one line that differs; our wrappers fit around any backend
        .build()
        .await?;
    let report = engine.run().await?;
    common::print(&report);
    assert_eq!(
        report.trials.void, 0,
        "a busy server is tried again, and never counts as a failure"
    );
    assert_eq!(engine.lineage().promotions().len(), 1);
    Ok(())
}
