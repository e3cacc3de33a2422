//! The one door to the model: every attempt of every call is reserved, on record before it is sent, traced and settled.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tracing::{Instrument, field};

use crate::budget::{Budget, Reservation};
use crate::call::{AttemptLedger, Attempts, CallId, CallIntent, Purpose, Reserved, Settlement};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};
use crate::id::{Fingerprint, ModelId};
use crate::journal::{Journal, MemoryJournal, Record};
use crate::llm::{Completion, LlmBackend, Message, Request};
use crate::origin::Standstill;
use crate::outage::{Breaker, Turn};
use crate::trial::Spent;

/// Where calls are reserved and recorded.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) budget: Arc<Budget>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) clock: Arc<dyn Clock>,
    /// When this session began, by the clock.
    pub(crate) started: Duration,
    /// The last call of earlier sessions, then of this one.
    last: AtomicU64,
    /// Whether anybody reads the journal: where nobody does, requests need no digest.
    is_read: bool,
}

impl Ledger {
    pub(crate) fn new(
        budget: Arc<Budget>,
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
        last: CallId,
    ) -> Self {
        let started = clock.now();
        Self { budget, journal, clock, started, last: AtomicU64::new(last.0), is_read: true }
    }

    /// Unlimited, recorded nowhere.
    pub(crate) fn unlimited() -> Self {
        let journal = Arc::new(MemoryJournal::default());
        let clock = Arc::new(SystemClock::default());
        Self { is_read: false, ..Self::new(Arc::default(), journal, clock, CallId::default()) }
    }

    /// How long this session has lasted.
    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.now().saturating_sub(self.started)
    }

    fn next(&self) -> CallId {
        CallId(self.last.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// A model behind the run's ledger, for one purpose.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    model: Arc<dyn LlmBackend>,
    ledger: Arc<Ledger>,
    purpose: Purpose,
    account: Account,
    /// What holds calls while the server is down; outside any run nothing does.
    breaker: Option<Arc<Breaker>>,
}

/// What the calls of one purpose cost so far. Calls in flight are in it at their worst case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account(Arc<Mutex<Spent>>);

impl Account {
    pub(crate) fn spent(&self) -> Spent {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, spent: Spent) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += spent;
    }
}

impl Meter {
    pub(crate) fn new(model: Arc<dyn LlmBackend>, ledger: Arc<Ledger>, purpose: Purpose) -> Self {
        Self { model, ledger, purpose, account: Account::default(), breaker: None }
    }

    /// The same, where calls are held while the server is down.
    pub(crate) fn sheltered_by(self, breaker: &Arc<Breaker>) -> Self {
        Self { breaker: Some(Arc::clone(breaker)), ..self }
    }

    /// The same model for another purpose, with an account of its own.
    pub(crate) fn for_purpose(&self, purpose: Purpose) -> Self {
        Self { purpose, account: Account::default(), ..self.clone() }
    }

    pub(crate) fn model(&self) -> &ModelId {
        self.model.model()
    }

    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    pub(crate) fn account(&self) -> Account {
        self.account.clone()
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

    /// One try. Dropped or failed in mid-flight, its worst case stays spent: the server may have charged it.
    async fn attempt(&self, mut request: Request) -> Result<Completion> {
        // A reply without a bound has no worst case.
        request.max_tokens.get_or_insert(Reserved::REPLY_TOKENS);
        let call = Arc::new(self.admit(&request).await?);
        request.origin.attempts = Attempts::told_to(Arc::clone(&call) as Arc<dyn AttemptLedger>);
        let span = self.span();
        let result = self.model.complete(request).instrument(span.clone()).await;
        let settlement = match &result {
            Ok(completion) => {
                if let Some(usage) = &completion.usage {
                    span.record("gen_ai.usage.input_tokens", usage.prompt_tokens);
                    span.record("gen_ai.usage.output_tokens", usage.completion_tokens);
                }
                Settlement::Answered { usage: completion.usage }
            }
            Err(error) => Settlement::of_failure(error),
        };
        call.settle(settlement).await?;
        result
    }

    async fn admit(&self, request: &Request) -> Result<Call> {
        let worst = Reserved::worst_case(request, self.model.price().as_ref());
        let call = Call {
            ledger: Arc::clone(&self.ledger),
            purpose: self.purpose.clone(),
            request: match self.ledger.is_read {
                true => Fingerprint::of_json(request)?,
                false => Fingerprint::of_bytes(&[]),
            },
            worst,
            account: self.account(),
            standstill: request.origin.standstill.clone(),
            open: Mutex::default(),
        };
        call.start().await?;
        Ok(call)
    }

    fn span(&self) -> tracing::Span {
        let id = self.model.model();
        // Field names of OpenTelemetry's conventions for generative AI.
        tracing::info_span!(
            "call",
            gen_ai.operation.name = "chat",
            gen_ai.provider.name = %id.provider,
            gen_ai.request.model = %id.name,
            gen_ai.usage.input_tokens = field::Empty,
            gen_ai.usage.output_tokens = field::Empty,
        )
    }
}

/// A request on its way: at any moment at most one attempt of it is open.
#[derive(Debug)]
struct Call {
    ledger: Arc<Ledger>,
    purpose: Purpose,
    request: Fingerprint,
    worst: Reserved,
    account: Account,
    /// Waiting for the disk is no time of the attempt's own.
    standstill: Standstill,
    open: Mutex<Option<Open>>,
}

/// An attempt that may be on the wire. Dropped, its outcome is unknown: the journal has no settlement of it, and the budget
/// and the account count its worst case.
#[derive(Debug)]
struct Open {
    id: CallId,
    reservation: Option<Reservation>,
    account: Account,
}

impl Open {
    fn close(mut self, settlement: &Settlement) -> CallId {
        if let Some(reservation) = self.reservation.take() {
            self.account.add(reservation.settle(settlement));
        }
        self.id
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            let unknown = Settlement::Unknown { reason: String::new() };
            self.account.add(reservation.settle(&unknown));
        }
    }
}

impl Call {
    /// Reserves and records one more attempt.
    async fn start(&self) -> Result<()> {
        self.ledger.budget.note_elapsed(self.ledger.elapsed());
        let reservation = self.ledger.budget.reserve(self.worst)?;
        let id = self.ledger.next();
        let intent = CallIntent {
            id,
            purpose: self.purpose.clone(),
            request: self.request,
            reserved: self.worst,
            elapsed: self.ledger.elapsed(),
        };
        // Dropped while it is being written, the intent may be on record: the attempt then counts as unknown there too.
        let open = Open { id, reservation: Some(reservation), account: self.account.clone() };
        let (began, pause) = (self.ledger.clock.now(), self.standstill.begin());
        let appended = self.ledger.journal.append(&Record::CallStarted { intent }).await;
        pause.end(self.ledger.clock.now().saturating_sub(began));
        if let Err(error) = appended {
            // It was never sent.
            open.close(&Settlement::Free { reason: error.message().to_owned() });
            return Err(error);
        }
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(open);
        Ok(())
    }

    /// Notes what became of the open attempt. Needs no sync: a settlement that is lost leaves the call unknown, which costs
    /// more and never less; whatever uses the answer is recorded behind it.
    async fn settle(&self, settlement: Settlement) -> Result<()> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(open) = open else { return Ok(()) };
        let call = open.close(&settlement);
        let elapsed = self.ledger.elapsed();
        self.ledger.journal.queue(&Record::CallSettled { call, settlement, elapsed }).await
    }
}

#[async_trait]
impl AttemptLedger for Call {
    async fn another(&self, error: &Error) -> Result<()> {
        self.settle(Settlement::of_failure(error)).await?;
        self.start().await
    }
}

/// Something small, to see whether the server is back: if it is down for one request only, that shows as well.
fn probe() -> Request {
    let messages = vec![Message::user("Say yes.")];
    Request { messages, max_tokens: Some(16), ..Request::default() }
}
