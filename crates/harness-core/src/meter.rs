//! The one door to the model: every call is reserved, traced and settled.

use std::sync::Arc;

use tracing::{Instrument, field};

use crate::budget::Budget;
use crate::error::Result;
use crate::id::ModelId;
use crate::llm::{Completion, LlmBackend, Request};

/// A model behind the run's budget.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    model: Arc<dyn LlmBackend>,
    budget: Arc<Budget>,
}

impl Meter {
    pub(crate) fn new(model: Arc<dyn LlmBackend>, budget: Arc<Budget>) -> Self {
        Self { model, budget }
    }

    pub(crate) fn model(&self) -> &ModelId {
        self.model.model()
    }

    /// One call. Dropped or failed in mid-flight, its worst case stays reserved: the server may have charged it.
    pub(crate) async fn complete(&self, request: Request) -> Result<Completion> {
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
