//! An instant model, an instant sandbox and a verifier that is always content: what is left is our own overhead.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use harness_core::testing::{ScriptedSandbox, ScriptedVerifier};
use harness_core::{
    Arguments, Completion, LlmBackend, ModelId, Outcome, Request, Result, Role, Task, ToolCall,
    Usage,
};
use serde_json::json;

/// Calls `shell` with the same command until it has done so `steps` times, then finishes. Answers after `latency`.
#[derive(Debug)]
pub(crate) struct Stepper {
    pub(crate) model: ModelId,
    pub(crate) steps: usize,
    pub(crate) latency: Duration,
}

impl Stepper {
    pub(crate) fn new(steps: usize, latency: Duration) -> Self {
        Self { model: ModelId::new(ModelId::SIMULATED, "stepper"), steps, latency }
    }
}

#[async_trait]
impl LlmBackend for Stepper {
    fn model(&self) -> &ModelId {
        &self.model
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
        let done = request.messages.iter().filter(|message| message.role == Role::Tool).count();
        let (name, arguments) = match done < self.steps {
            true => ("shell", json!({ "command": "true" })),
            false => ("finish", json!({ "summary": "done" })),
        };
        let call = ToolCall {
            id: format!("call-{done}"),
            name: name.into(),
            arguments: Arguments::Parsed(arguments),
        };
        let usage = Usage { prompt_tokens: 100, completion_tokens: 10, ..Usage::default() };
        Ok(Completion::calls("", vec![call]).with_usage(usage))
    }
}

/// Every command succeeds at once.
pub(crate) fn instant_sandbox() -> ScriptedSandbox {
    ScriptedSandbox::new(|_, _| Ok(ScriptedSandbox::output(0, "")))
}

pub(crate) fn content_verifier() -> ScriptedVerifier {
    ScriptedVerifier::new("content", |_, _| {
        Box::pin(async { Ok(Outcome::Scored { reward: 1.0, evidence: Vec::new() }) })
    })
}

pub(crate) fn tasks(count: usize) -> Vec<Arc<Task>> {
    (0..count)
        .map(|index| Arc::new(Task::new(format!("task-{index}").as_str(), "Do it.")))
        .collect()
}
