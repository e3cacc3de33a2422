//! Calls that are repeated when they may succeed later.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use harness_core::{Completion, Delta, Error, LlmBackend, ModelId, Price, Request, Result};
use tokio::time::{Instant, sleep};

use crate::backoff::Backoff;

/// Repeats what [`Error::is_retryable`] says may succeed later, as [`Backoff`] allows; every other error, and the last one,
/// is returned as it came, with the number of attempts in front. Needs a tokio runtime with time.
///
/// A stream is repeated only until it begins. Dropping the future stops waiting.
#[derive(Debug)]
pub struct Retried<L> {
    inner: L,
    backoff: Backoff,
    random: AtomicU64,
}

impl<L: LlmBackend> Retried<L> {
    /// Wraps `inner` with the default [`Backoff`].
    pub fn new(inner: L) -> Self {
        // The hasher's keys are the standard library's own randomness, different in every instance.
        let seed = RandomState::new().hash_one("jitter");
        Self { inner, backoff: Backoff::default(), random: AtomicU64::new(seed) }
    }

    /// The same with another policy.
    #[must_use]
    pub fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Waits, and says that the request is about to be sent again: the attempt that failed may be charged, and so may the next.
    async fn wait_after(
        &self,
        request: &Request,
        error: Error,
        attempt: u32,
        began: Instant,
    ) -> Result<()> {
        if !error.is_retryable() {
            return Err(error);
        }
        match self.backoff.wait(attempt, began.elapsed(), error.retry_after(), self.chance()) {
            Some(wait) => {
                tracing::warn!(model = %self.inner.model(), attempt, ?wait, error = %error, "trying again");
                sleep(wait).await;
                request.sent_again(&error).await
            }
            None if attempt > 1 => Err(error.while_doing(format!("after {attempt} attempts"))),
            None => Err(error),
        }
    }

    /// The next number in [0, 1).
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    fn chance(&self) -> f64 {
        // Splitmix64: enough to keep callers apart, which is all that jitter is for.
        let step = 0x9e37_79b9_7f4a_7c15;
        let mut bits = self.random.fetch_add(step, Ordering::Relaxed);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[async_trait]
impl<L: LlmBackend> LlmBackend for Retried<L> {
    fn model(&self) -> &ModelId {
        self.inner.model()
    }

    fn price(&self) -> Option<Price> {
        self.inner.price()
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        let began = Instant::now();
        let mut attempt = 1;
        loop {
            match self.inner.complete(request.clone()).await {
                Ok(completion) => return Ok(completion),
                Err(error) => self.wait_after(&request, error, attempt, began).await?,
            }
            attempt += 1;
        }
    }

    async fn stream(&self, request: Request) -> Result<BoxStream<'static, Result<Delta>>> {
        let began = Instant::now();
        let mut attempt = 1;
        loop {
            match self.inner.stream(request.clone()).await {
                Ok(stream) => return Ok(stream),
                Err(error) => self.wait_after(&request, error, attempt, began).await?,
            }
            attempt += 1;
        }
    }
}
