//! A model whose replies are recorded.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use harness_core::{Completion, Delta, LlmBackend, ModelId, Price, Request, Result};

use super::Cassette;

/// Passes calls on and records the replies. Failures are not recorded: they are the day's, not the model's.
#[derive(Debug)]
pub struct Recorded<L> {
    inner: L,
    cassette: Arc<Cassette>,
}

impl<L: LlmBackend> Recorded<L> {
    /// Records `inner` on `cassette`, which must have been opened to record.
    pub fn new(inner: L, cassette: Arc<Cassette>) -> Self {
        Self { inner, cassette }
    }
}

#[async_trait]
impl<L: LlmBackend> LlmBackend for Recorded<L> {
    fn model(&self) -> &ModelId {
        self.inner.model()
    }

    fn price(&self) -> Option<Price> {
        self.inner.price()
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        let completion = self.inner.complete(request.clone()).await?;
        self.cassette.record(self.model(), &request, &completion)?;
        Ok(completion)
    }

    async fn stream(&self, request: Request) -> Result<BoxStream<'static, Result<Delta>>> {
        let deltas = self.inner.stream(request.clone()).await?;
        let (model, cassette) = (self.model().clone(), Arc::clone(&self.cassette));
        let recorded = deltas.map(move |delta| {
            if let Ok(Delta::Done(completion)) = &delta {
                cassette.record(&model, &request, completion)?;
            }
            delta
        });
        Ok(recorded.boxed())
    }
}
