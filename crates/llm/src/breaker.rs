//! A model whose outages pause a run instead of voiding its trials.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use harness_core::{
    Completion, Delta, Error, ErrorKind, LlmBackend, ModelId, Price, Request, Result,
};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// When a [`Breaker`] opens, and how it looks for the end of an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Failures in a row, over all callers, that mean an outage; at least 1.
    pub failures: u32,
    /// From the last failure to the first probe.
    pub first_gap: Duration,
    /// Gaps double up to this.
    pub longest_gap: Duration,
    /// An outage beyond this ends the run, which can be resumed.
    pub patience: Duration,
}

impl Default for Outage {
    /// Five failures; probes after 1, 2, 4, … 60 seconds; an hour.
    fn default() -> Self {
        Self {
            failures: 5,
            first_gap: Duration::from_secs(1),
            longest_gap: Duration::from_secs(60),
            patience: Duration::from_secs(3600),
        }
    }
}

/// Holds calls back while the model's server is down. After some failures in a row nobody asks but one probe at a time, a call that
/// was waiting, with growing gaps; the first that succeeds lets everybody go on.
///
/// A call that failed in an outage without costing anything ([`Error::is_uncharged`]) waits like the rest and is made again; what may have been
/// paid for is told as it is. Waiting is no time of the attempt's own ([`Standstill`](harness_core::Standstill)). After
/// [`Outage::patience`] the error is [`ErrorKind::Infrastructure`]: it stops the run instead of spoiling its record. Needs a tokio runtime with
/// time. Wrap it in [`Retried`](crate::Retried), so that it sees each attempt.
#[derive(Debug)]
pub struct Breaker<L> {
    inner: L,
    outage: Outage,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    phase: Mutex<Phase>,
    closed: Notify,
}

/// Pure but for the moments handed in.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// All goes well but for so many failures in a row.
    Closed { failures: u32 },
    /// An outage since `since`; the next probe may begin at `next`, `gap` after the last one.
    Open { since: Instant, next: Instant, gap: Duration, probing: bool },
}

impl Default for Phase {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

/// What a call may do.
enum Admission {
    Go { probe: bool },
    Wait(Instant),
    GiveUp(Duration),
}

impl Phase {
    fn admit(&mut self, now: Instant, outage: &Outage) -> Admission {
        match self {
            Self::Closed { .. } => Admission::Go { probe: false },
            Self::Open { since, .. } if now - *since >= outage.patience => {
                Admission::GiveUp(now - *since)
            }
            Self::Open { next, probing, .. } if !*probing && now >= *next => {
                *probing = true;
                Admission::Go { probe: true }
            }
            // A probe that is under way ends, or is dropped, and wakes everybody; this is only for its patience.
            Self::Open { since, probing: true, .. } => Admission::Wait(*since + outage.patience),
            Self::Open { next, since, .. } => {
                Admission::Wait((*next).min(*since + outage.patience))
            }
        }
    }

    fn fail(&mut self, now: Instant, probe: bool, outage: &Outage) {
        match self {
            Self::Closed { failures } => {
                *failures += 1;
                if *failures >= outage.failures {
                    let gap = outage.first_gap;
                    *self = Self::Open { since: now, next: now + gap, gap, probing: false };
                }
            }
            Self::Open { next, gap, probing, .. } if probe => {
                *gap = gap.saturating_mul(2).min(outage.longest_gap);
                (*next, *probing) = (now + *gap, false);
            }
            // One of those that were under way when it began: nothing new.
            Self::Open { .. } => {}
        }
    }

    fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }
}

impl State {
    fn phase(&self) -> MutexGuard<'_, Phase> {
        // Every update is a few assignments: a panic elsewhere cannot leave half of one.
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        *self.phase() = Phase::default();
        self.closed.notify_waiters();
    }
}

/// What becomes of a call that came back.
enum Noted<T> {
    Ended(Result<T>),
    /// It failed for nothing, and waits for the end of the outage.
    Held(Error),
}

/// Gives the right to probe back when the probing call is dropped.
struct Probing(Option<Arc<State>>);

impl Probing {
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Probing {
    fn drop(&mut self) {
        if let Some(state) = self.0.take() {
            if let Phase::Open { probing, .. } = &mut *state.phase() {
                *probing = false;
            }
            state.closed.notify_waiters();
        }
    }
}

impl<L: LlmBackend> Breaker<L> {
    /// Wraps `inner` with the default [`Outage`].
    pub fn new(inner: L) -> Self {
        Self { inner, outage: Outage::default(), state: Arc::default() }
    }

    /// The same with other thresholds.
    #[must_use]
    pub fn with_outage(mut self, outage: Outage) -> Self {
        self.outage = outage;
        self
    }

    /// Waits until a call may be made.
    async fn admitted(&self, request: &Request) -> Result<Probing> {
        let began = Instant::now();
        let mut standing = None;
        loop {
            // Enlisted before looking, so that no end of the outage is missed in between.
            let closed = self.state.closed.notified();
            let now = Instant::now();
            let admission = self.state.phase().admit(now, &self.outage);
            match admission {
                Admission::Go { probe } => {
                    if let Some(standing) = standing.take() {
                        let standing: harness_core::StandingStill = standing;
                        standing.end(began.elapsed());
                    }
                    return Ok(Probing(probe.then(|| Arc::clone(&self.state))));
                }
                Admission::GiveUp(lasted) => return Err(self.too_long(lasted)),
                Admission::Wait(until) => {
                    standing.get_or_insert_with(|| request.origin.standstill.begin());
                    let _ = timeout(until.saturating_duration_since(now), closed).await;
                }
            }
        }
    }

    /// Notes how a call ended.
    fn note<T>(&self, result: Result<T>, probing: Probing) -> Noted<T> {
        let error = match result {
            Err(error) if error.is_retryable() => error,
            // Any other answer, a refusal too, shows that the server is there.
            result => {
                probing.done();
                self.state.close();
                return Noted::Ended(result);
            }
        };
        let probe = probing.0.is_some();
        let mut phase = self.state.phase();
        let was_open = phase.is_open();
        phase.fail(Instant::now(), probe, &self.outage);
        let open = phase.is_open();
        drop(phase);
        probing.done();
        if open && !was_open {
            tracing::warn!(model = %self.inner.model(), "the model's server is down: the run is paused until it answers again");
        }
        self.state.closed.notify_waiters();
        if open && error.is_uncharged() { Noted::Held(error) } else { Noted::Ended(Err(error)) }
    }

    fn too_long(&self, lasted: Duration) -> Error {
        let message = format!(
            "model {} has been out of reach for {:.0} s; the run can be resumed when it is back",
            self.inner.model(),
            lasted.as_secs_f64()
        );
        Error::new(ErrorKind::Infrastructure, message)
    }
}

#[async_trait]
impl<L: LlmBackend> LlmBackend for Breaker<L> {
    fn model(&self) -> &ModelId {
        self.inner.model()
    }

    fn price(&self) -> Option<Price> {
        self.inner.price()
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        loop {
            let probing = self.admitted(&request).await?;
            let result = self.inner.complete(request.clone()).await;
            match self.note(result, probing) {
                Noted::Ended(result) => return result,
                Noted::Held(error) => request.sent_again(&error).await?,
            }
        }
    }

    /// What happens to a stream after its beginning is between it and its reader.
    async fn stream(&self, request: Request) -> Result<BoxStream<'static, Result<Delta>>> {
        loop {
            let probing = self.admitted(&request).await?;
            let result = self.inner.stream(request.clone()).await;
            match self.note(result, probing) {
                Noted::Ended(result) => return result,
                Noted::Held(error) => request.sent_again(&error).await?,
            }
        }
    }
}
