//! Calls that are repeated when they may succeed later.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use harness_core::{Completion, Delta, Error, LlmBackend, ModelId, Origin, Price, Request, Result};
use tokio::time::{Instant, sleep};

use crate::backoff::Backoff;

/// Repeats what may succeed later, as [`Backoff`] allows; every other error, and the last one, is returned as it came, with the
/// number of attempts in front. Needs a tokio runtime with time.
///
/// What may have been paid for is not repeated ([`Error::is_uncharged`]), unless [`Retried::repeating_charged`] says so. Each attempt is reserved
/// and on record before it is sent ([`Request::sent_again`]). A stream is repeated only until it begins. Dropping the future stops
/// waiting.
///
/// No wait is longer than the caller can still use an answer ([`Origin::time_left`]), and time lost to failed attempts and waits is not the
/// attempt's own ([`Standstill`](harness_core::Standstill)).
#[derive(Debug)]
pub struct Retried<L> {
    inner: L,
    backoff: Backoff,
    charged: bool,
    random: AtomicU64,
}

impl<L: LlmBackend> Retried<L> {
    /// Wraps `inner` with the default [`Backoff`].
    pub fn new(inner: L) -> Self {
        // The hasher's keys are the standard library's own randomness, different in every instance.
        let seed = RandomState::new().hash_one("jitter");
        Self { inner, backoff: Backoff::default(), charged: false, random: AtomicU64::new(seed) }
    }

    /// The same with another policy.
    #[must_use]
    pub fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Whether calls are repeated that the server may have worked on, and charged for: a time-out, a cut answer, a 500. Right for
    /// a server of your own; elsewhere each such attempt may be charged. Off by default.
    #[must_use]
    pub fn repeating_charged(mut self, charged: bool) -> Self {
        self.charged = charged;
        self
    }

    /// Waits, and says that the request is about to be sent again: each attempt is reserved and on record before it is sent.
    async fn wait_after(
        &self,
        request: &Request,
        error: Error,
        attempt: u32,
        call: &Call,
    ) -> Result<()> {
        if !error.is_retryable() || !(self.charged || error.is_uncharged()) {
            return Err(error);
        }
        let elapsed = call.began.elapsed();
        let wait = self.backoff.wait(attempt, elapsed, error.retry_after(), self.chance());
        match wait.filter(|wait| call.may_last(elapsed + *wait)) {
            Some(wait) => {
                tracing::warn!(model = %self.inner.model(), attempt, ?wait, error = %error, "trying again");
                call.stand_still(wait).await;
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

/// One call with all its attempts.
struct Call {
    origin: Origin,
    began: Instant,
}

impl Call {
    fn of(request: &Request) -> Self {
        Self { origin: request.origin.clone(), began: Instant::now() }
    }

    fn may_last(&self, time: Duration) -> bool {
        self.origin.time_left.is_none_or(|left| time <= left)
    }

    async fn stand_still(&self, wait: Duration) {
        let (standing, began) = (self.origin.standstill.begin(), Instant::now());
        sleep(wait).await;
        standing.end(began.elapsed());
    }

    /// An attempt that failed took time that was not the caller's own either.
    fn note_lost(&self, attempt_began: Instant) {
        self.origin.standstill.add(attempt_began.elapsed());
    }
}

macro_rules! repeat {
    ($self:ident, $request:ident, $method:ident) => {{
        let call = Call::of(&$request);
        let mut attempt = 1;
        loop {
            let began = Instant::now();
            match $self.inner.$method($request.clone()).await {
                Ok(done) => return Ok(done),
                Err(error) => {
                    if error.is_retryable() {
                        call.note_lost(began);
                    }
                    $self.wait_after(&$request, error, attempt, &call).await?;
                }
            }
            attempt += 1;
        }
    }};
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
        repeat!(self, request, complete)
    }

    async fn stream(&self, request: Request) -> Result<BoxStream<'static, Result<Delta>>> {
        repeat!(self, request, stream)
    }
}
