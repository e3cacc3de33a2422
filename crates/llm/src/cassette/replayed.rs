//! A model that only repeats what was recorded.

use std::sync::Arc;

use async_trait::async_trait;
use harness_core::{Completion, LlmBackend, ModelId, Request, Result};

use super::Cassette;

/// Answers from a [`Cassette`], and from nowhere else: no server is asked. What was not recorded is an error of kind
/// [`ErrorKind::ModelRejected`](harness_core::ErrorKind::ModelRejected), which stops a run.
///
/// Its replies are those of the model it was recorded from, so it bears that model's name.
#[derive(Debug)]
pub struct Replayed {
    model: ModelId,
    cassette: Arc<Cassette>,
}

impl Replayed {
    /// Plays what `model` said.
    pub fn new(model: ModelId, cassette: Arc<Cassette>) -> Self {
        Self { model, cassette }
    }
}

#[async_trait]
impl LlmBackend for Replayed {
    fn model(&self) -> &ModelId {
        &self.model
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        self.cassette.play(&self.model, &request)
    }
}
