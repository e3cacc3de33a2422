//! Calls that may take only so long.

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use harness_core::{
    Completion, Delta, Error, ErrorKind, LlmBackend, ModelId, Price, Request, Result,
};
use tokio::time::{Instant, timeout};

/// Bounds for any backend, by what it delivers: the wires bound their own connections and bytes by
/// [`Timeouts`](crate::Timeouts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until a stream's first piece.
    pub first_piece: Duration,
    /// Between two pieces of a stream.
    pub between_pieces: Duration,
    /// For the whole reply.
    pub total: Duration,
}

impl Default for Patience {
    /// Ten minutes, two minutes, ten minutes.
    fn default() -> Self {
        Self {
            first_piece: Duration::from_secs(600),
            between_pieces: Duration::from_secs(120),
            total: Duration::from_secs(600),
        }
    }
}

/// Gives up a call that takes too long: [`ErrorKind::ModelUnavailable`], and possibly charged. Needs a tokio runtime with time.
#[derive(Debug)]
pub struct Timed<L> {
    inner: L,
    patience: Patience,
}

impl<L: LlmBackend> Timed<L> {
    /// Wraps `inner`.
    pub fn new(inner: L, patience: Patience) -> Self {
        Self { inner, patience }
    }
}

fn too_slow(model: &ModelId, what: &str, limit: Duration) -> Error {
    let message = format!("model {model} {what} within {} s", limit.as_secs_f64());
    Error::new(ErrorKind::ModelUnavailable, message)
}

#[async_trait]
impl<L: LlmBackend> LlmBackend for Timed<L> {
    fn model(&self) -> &ModelId {
        self.inner.model()
    }

    fn price(&self) -> Option<Price> {
        self.inner.price()
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        let total = self.patience.total;
        match timeout(total, self.inner.complete(request)).await {
            Ok(result) => result,
            Err(_) => Err(too_slow(self.model(), "did not answer", total)),
        }
    }

    async fn stream(&self, request: Request) -> Result<BoxStream<'static, Result<Delta>>> {
        let (model, patience) = (self.model().clone(), self.patience);
        let began = Instant::now();
        let first = patience.first_piece.min(patience.total);
        let deltas = match timeout(first, self.inner.stream(request)).await {
            Ok(deltas) => deltas?,
            Err(_) => return Err(too_slow(&model, "did not begin its answer", first)),
        };
        let reading = Some((deltas, first.saturating_sub(began.elapsed())));
        let timed = stream::unfold(reading, move |reading| {
            let model = model.clone();
            async move {
                let (mut deltas, limit) = reading?;
                let limit = limit.min(patience.total.saturating_sub(began.elapsed()));
                match timeout(limit, deltas.next()).await {
                    Ok(None) => None,
                    Ok(Some(delta)) => Some((delta, Some((deltas, patience.between_pieces)))),
                    Err(_) => {
                        Some((Err(too_slow(&model, "did not go on with its answer", limit)), None))
                    }
                }
            }
        });
        Ok(timed.boxed())
    }
}
