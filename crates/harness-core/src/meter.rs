//! The one door to the model: every call is reserved, traced and settled.

use std::sync::Arc;

use tracing::{Instrument, field};

use crate::budget::Budget;
use crate::error::Result;
use crate::id::ModelId;
use crate::llm::{Completion, LlmBackend, Message, Request};
use crate::outage::{Breaker, Turn};

/// A model behind the run's budget.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    model: Arc<dyn LlmBackend>,
    budget: Arc<Budget>,
    /// What holds calls while the server is down; outside any run nothing does.
    breaker: Option<Arc<Breaker>>,
}

impl Meter {
    pub(crate) fn new(model: Arc<dyn LlmBackend>, budget: Arc<Budget>) -> Self {
        Self { model, budget, breaker: None }
    }

    /// The same, where calls are held while the server is down.
    pub(crate) fn sheltered_by(self, breaker: &Arc<Breaker>) -> Self {
        Self { breaker: Some(Arc::clone(breaker)), ..self }
    }

    pub(crate) fn model(&self) -> &ModelId {
        self.model.model()
    }

    /// One call, held and tried again while the server is down.
    pub(crate) async fn complete(&self, request: Request) -> Result<Completion> {
        let Some(breaker) = &self.breaker else { return self.attempt(request).await };
        let mut vigil = breaker.vigil(&request.origin.standstill);
        loop {
            if vigil.turn().await? == Turn::Probe {
                vigil.probed(self.attempt(probe()).await)?;
                continue;
            }
            let result = self.attempt(request.clone()).await;
            if !vigil.again(&result) {
                return result;
            }
        }
    }

    /// One try. Dropped or failed in mid-flight, its worst case stays reserved: the server may have charged it.
    async fn attempt(&self, request: Request) -> Result<Completion> {
        let reservation = self.budget.reserve(&request)?;
        let id = self.model.model();
        // Field names of OpenTelemetry's conventions for generative AI.
        let span = tracing::info_span!(
            "call",
            gen_ai.operation.name = "chat",
            gen_ai.provider.name = %id.provider,
            gen_ai.request.model = %id.name,
            gen_ai.usage.input_tokens = field::Empty,
            gen_ai.usage.output_tokens = field::Empty,
        );
        let result = self.model.complete(request).instrument(span.clone()).await;
        match &result {
            Ok(completion) => {
                if let Some(usage) = &completion.usage {
                    span.record("gen_ai.usage.input_tokens", usage.prompt_tokens);
                    span.record("gen_ai.usage.output_tokens", usage.completion_tokens);
                }
                self.budget.settle(&reservation, completion.usage.as_ref());
            }
            // Refused before any work: certainly free.
            Err(error) if error.is_uncharged() => self.budget.release(&reservation),
            Err(_) => {}
        }
        result
    }
}

/// Something small, to see whether the server is back: if it is down for one request only, that shows as well.
fn probe() -> Request {
    let messages = vec![Message::user("Say yes.")];
    Request { messages, max_tokens: Some(16), ..Request::default() }
}
