//! Limits that all trials share: calls at once, calls and tokens a minute.

use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use harness_core::{
    Completion, Delta, Error, ErrorKind, LlmBackend, ModelId, Price, Request, Result,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// What a server lets one account do. Clones share one account; so do all who call one [`Limited`].
#[derive(Clone, Debug)]
pub struct Limiter {
    slots: Option<Arc<Semaphore>>,
    calls: Option<Arc<DefaultDirectRateLimiter>>,
    tokens: Option<(Arc<DefaultDirectRateLimiter>, NonZeroU32)>,
}

impl Limiter {
    /// No limit yet.
    pub fn new() -> Self {
        Self { slots: None, calls: None, tokens: None }
    }

    /// At most so many calls at once.
    #[must_use]
    pub fn with_concurrency(mut self, calls: NonZeroU32) -> Self {
        self.slots = Some(Arc::new(Semaphore::new(calls.get() as usize)));
        self
    }

    /// At most so many calls a minute, evenly: a minute's worth may not come at once.
    #[must_use]
    pub fn with_calls_per_minute(mut self, calls: NonZeroU32) -> Self {
        self.calls = Some(Arc::new(RateLimiter::direct(evenly(calls))));
        self
    }

    /// At most so many tokens a minute, counted before the call: the conversation's length at three bytes a token, and the
    /// reply at its bound. A call beyond a whole minute's worth counts as one.
    #[must_use]
    pub fn with_tokens_per_minute(mut self, tokens: NonZeroU32) -> Self {
        let limiter = RateLimiter::direct(Quota::per_minute(tokens));
        self.tokens = Some((Arc::new(limiter), tokens));
        self
    }

    async fn admitted(&self, request: &Request) -> Result<Option<OwnedSemaphorePermit>> {
        let began = Instant::now();
        let standing = request.origin.standstill.begin();
        if let Some(calls) = &self.calls {
            calls.until_ready().await;
        }
        if let Some((tokens, most)) = &self.tokens {
            let wanted = worst_case(request).min(*most);
            // Never more than a minute's worth, so never refused.
            let _ = tokens.until_n_ready(wanted).await;
        }
        let permit = match &self.slots {
            None => None,
            Some(slots) => Some(Arc::clone(slots).acquire_owned().await.map_err(|source| {
                Error::new(ErrorKind::Contract, "a limiter was closed").with_source(source)
            })?),
        };
        standing.end(began.elapsed());
        Ok(permit)
    }
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new()
    }
}

/// A tenth of a minute's worth at once, at least one.
fn evenly(calls: NonZeroU32) -> Quota {
    let burst = NonZeroU32::new(calls.get() / 10).unwrap_or(NonZeroU32::MIN);
    Quota::per_minute(calls).allow_burst(burst)
}

fn worst_case(request: &Request) -> NonZeroU32 {
    let bytes: usize = request.messages.iter().map(|message| message.content.len()).sum();
    let tokens = u32::try_from(bytes.div_ceil(3)).unwrap_or(u32::MAX);
    let tokens = tokens.saturating_add(request.max_tokens.unwrap_or(4096));
    NonZeroU32::new(tokens).unwrap_or(NonZeroU32::MIN)
}

/// Keeps a [`Limiter`]. A call that waits for its turn is no time of the attempt's own; dropped, it leaves the queue. A stream holds its
/// place until it is read to its end or dropped.
#[derive(Debug)]
pub struct Limited<L> {
    inner: L,
    limiter: Limiter,
}

impl<L: LlmBackend> Limited<L> {
    /// Wraps `inner`. Hand clones of one limiter to all backends that share an account.
    pub fn new(inner: L, limiter: Limiter) -> Self {
        Self { inner, limiter }
    }
}

#[async_trait]
impl<L: LlmBackend> LlmBackend for Limited<L> {
    fn model(&self) -> &ModelId {
        self.inner.model()
    }

    fn price(&self) -> Option<Price> {
        self.inner.price()
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        let _permit = self.limiter.admitted(&request).await?;
        self.inner.complete(request).await
    }

    async fn stream(&self, request: Request) -> Result<BoxStream<'static, Result<Delta>>> {
        let permit = self.limiter.admitted(&request).await?;
        let deltas = self.inner.stream(request).await?;
        let held = deltas.map(move |delta| {
            // Moved into the stream, and given back with it.
            let _ = &permit;
            delta
        });
        Ok(held.boxed())
    }
}
