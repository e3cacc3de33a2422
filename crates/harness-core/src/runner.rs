//! Buys trials: open a session, prepare it, run the harness, verify, close, record.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{self, AbortHandle, Either, abortable};
use futures::{FutureExt, StreamExt, stream};
use tracing::Instrument;

use crate::call::Purpose;
use crate::clock::{Clock, Executor};
use crate::context::{RunContext, TrialLimits, TrialLog};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::harness::Harness;
use crate::id::Fingerprint;
use crate::journal::Record;
use crate::llm::LlmBackend;
use crate::meter::{Ledger, Meter};
use crate::origin::Standstill;
use crate::outage::Breaker;
use crate::paid::PaidTrials;
use crate::sandbox::{Isolation, Sandbox, Session};
use crate::task::Task;
use crate::trial::{Finish, Outcome, Replicate, SplitName, Trial, TrialId, TrialKey};
use crate::verifier::Verifier;

/// How often an attempt whose time is over, but which stands still, is looked at again.
const STANDSTILL_LOOK: Duration = Duration::from_millis(500);

/// How much longer than its own time-out a verifier may take to say so: it knows more than "it took too long".
const VERIFIER_GRACE: Duration = Duration::from_secs(10);

/// The parts a trial needs, and the trials already paid for.
#[derive(Debug)]
pub(crate) struct Runner {
    pub(crate) model: Arc<dyn LlmBackend>,
    pub(crate) sandbox: Arc<dyn Sandbox>,
    pub(crate) verifier: Arc<dyn Verifier>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) breaker: Arc<Breaker>,
    pub(crate) executor: Option<Arc<dyn Executor>>,
    pub(crate) limits: TrialLimits,
    /// Trials at once.
    pub(crate) concurrency: usize,
    /// How often a void trial is tried again before it is recorded as void.
    pub(crate) void_retries: u32,
    pub(crate) paid: PaidTrials,
}

/// One trial to run.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) task: Arc<Task>,
    pub(crate) split: SplitName,
    pub(crate) replicate: Replicate,
}

impl Runner {
    /// The trials of `orders`, in their order. Known ones are taken from the record; the others run, at most
    /// `concurrency` at once, each recorded before it is returned.
    pub(crate) async fn run<H: Harness>(
        self: &Arc<Self>,
        harness: &H,
        orders: Vec<Order>,
        purpose: &str,
    ) -> Result<Vec<Arc<Trial>>> {
        let orders = orders.into_iter().map(|order| (0, order)).collect();
        self.run_block(&[harness], orders, purpose).await
    }

    /// The same for several harnesses in one block: each order says by index whose it is.
    pub(crate) async fn run_block<H: Harness>(
        self: &Arc<Self>,
        harnesses: &[&H],
        orders: Vec<(usize, Order)>,
        purpose: &str,
    ) -> Result<Vec<Arc<Trial>>> {
        self.observer.observe(&Event::TrialsPlanned { count: orders.len(), purpose });
        let mut fingerprints = Vec::with_capacity(harnesses.len());
        for harness in harnesses {
            fingerprints.push(self.introduce(*harness).await?);
        }
        // Collected first: a closure over `harness` inside `stream::iter(..).map(..)` is not general enough
        // for the `Send` bound of async_trait's futures.
        let mut pending = Vec::with_capacity(orders.len());
        let brake = Arc::new(Brake::default());
        for (owner, order) in orders {
            pending.push(self.clone().place(
                harnesses[owner].clone(),
                fingerprints[owner],
                order,
                Arc::clone(&brake),
            ));
        }
        let results: Vec<Result<Arc<Trial>>> =
            stream::iter(pending).buffered(self.concurrency.max(1)).collect().await;
        results.into_iter().collect()
    }

    /// Records a harness the first time that trials name it.
    async fn introduce<H: Harness>(&self, harness: &H) -> Result<Fingerprint> {
        let fingerprint = harness.fingerprint()?;
        let document = serde_json::to_value(harness).map_err(|source| {
            Error::new(ErrorKind::Contract, "the harness has no JSON form").with_source(source)
        })?;
        if !self.paid.knows_harness(fingerprint) {
            self.ledger.journal.append(&Record::Harness { fingerprint, document }).await?;
            self.paid.introduced(fingerprint);
        }
        Ok(fingerprint)
    }

    /// One trial, on the executor where there is one.
    async fn place<H: Harness>(
        self: Arc<Self>,
        harness: H,
        fingerprint: Fingerprint,
        order: Order,
        brake: Arc<Brake>,
    ) -> Result<Arc<Trial>> {
        brake.check()?;
        let result = self.spawned(harness, fingerprint, order).await;
        brake.note(result)
    }

    async fn spawned<H: Harness>(
        self: Arc<Self>,
        harness: H,
        fingerprint: Fingerprint,
        order: Order,
    ) -> Result<Arc<Trial>> {
        let Some(executor) = self.executor.clone() else {
            return self.trial(harness, fingerprint, order).await;
        };
        let (done, result) = oneshot::channel();
        let (task, abort) = abortable(self.trial(harness, fingerprint, order));
        let _abort_on_drop = AbortOnDrop(abort);
        executor.spawn(task.map(|finished| drop(finished.map(|trial| done.send(trial)))).boxed());
        result.await.unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Contract,
                "the executor dropped a trial without running it to its end",
            ))
        })
    }

    async fn trial<H: Harness>(
        self: Arc<Self>,
        harness: H,
        fingerprint: Fingerprint,
        order: Order,
    ) -> Result<Arc<Trial>> {
        let key = self.key(fingerprint, &order)?;
        let id = key.id()?;
        if let Some(trial) = self.recalled(id).await? {
            return Ok(trial);
        }
        let _turn = self.paid.turn(id).await;
        // Another one may have run it while this one waited for its turn.
        if let Some(trial) = self.recalled(id).await? {
            return Ok(trial);
        }
        let trial = match self.paid.unrecorded(id) {
            Some(trial) => trial,
            None => self.bought(&harness, key, id, &order).await?,
        };
        self.ledger.journal.append(&Record::TrialFinished { trial: Arc::clone(&trial) }).await?;
        self.paid.acknowledged(id);
        self.observer.observe(&Event::TrialFinished { trial: &trial, reused: false });
        Ok(trial)
    }

    /// A trial that is paid for: of this session, or read back from an earlier one's record.
    async fn recalled(&self, id: TrialId) -> Result<Option<Arc<Trial>>> {
        let mut known = self.paid.recall(id);
        if known.is_none() && self.paid.may_be_stored(id) {
            known = self.ledger.journal.trial(id).await?;
            known.iter().for_each(|trial| self.paid.read_back(id, trial));
        }
        if let Some(trial) = &known {
            self.observer.observe(&Event::TrialFinished { trial, reused: true });
        }
        Ok(known)
    }

    /// One trial that nobody has paid for yet.
    async fn bought<H: Harness>(
        &self,
        harness: &H,
        key: TrialKey,
        id: TrialId,
        order: &Order,
    ) -> Result<Arc<Trial>> {
        let elapsed = self.ledger.elapsed();
        self.ledger.budget.note_elapsed(elapsed);
        self.ledger.budget.admit_trial()?;
        let started = Record::TrialStarted { id, key: key.clone(), elapsed };
        self.ledger.journal.append(&started).await?;
        let span = tracing::info_span!(
            "trial",
            gen_ai.operation.name = "invoke_agent",
            task = %order.task.name,
            split = %order.split,
            harness = %key.harness.short(),
            attempt = order.replicate.attempt,
        );
        let trial =
            Arc::new(self.attempt_until_scored(harness, key, order).instrument(span).await?);
        self.paid.ended(id, &trial);
        Ok(trial)
    }

    /// Tries a void trial again, a bounded number of times: infrastructure failure is never a task failure.
    async fn attempt_until_scored<H: Harness>(
        &self,
        harness: &H,
        key: TrialKey,
        order: &Order,
    ) -> Result<Trial> {
        let mut void_attempts = 0;
        let purpose = Purpose::Trial(key.id()?);
        // One account for all attempts: what void ones cost was paid as well.
        let meter = Meter::new(Arc::clone(&self.model), Arc::clone(&self.ledger), purpose)
            .sheltered_by(&self.breaker);
        loop {
            let started = self.clock.now();
            let attempt = self.attempt(harness, &meter, &key, &order.task).await?;
            if let (Outcome::Void { reason }, true) =
                (&attempt.outcome, void_attempts < self.void_retries)
            {
                let (task, split) = (&order.task.name, order.split);
                self.observer.observe(&Event::TrialVoid { task, split, reason });
                void_attempts += 1;
                self.clock.sleep(Duration::from_millis(100) * void_attempts).await;
                continue;
            }
            return Ok(Trial {
                key,
                split: order.split,
                outcome: attempt.outcome,
                finish: attempt.finish,
                trajectory: attempt.log.trajectory,
                activations: attempt.log.activations,
                spent: meter.account().spent(),
                elapsed: self.clock.now().saturating_sub(started),
                isolation: self.sandbox.isolation().clone(),
                void_attempts,
            });
        }
    }

    /// One attempt in one fresh session. Only what must stop the whole run is an `Err`.
    async fn attempt<H: Harness>(
        &self,
        harness: &H,
        meter: &Meter,
        key: &TrialKey,
        task: &Task,
    ) -> Result<Attempt> {
        let session = match self
            .within(task.environment.limits.setup_timeout, self.prepare(task))
            .await
        {
            Ok(session) => session,
            Err(error) => {
                return void_or_stop(error.while_doing("opening the session"), TrialLog::default());
            }
        };
        let attempt = self.attempt_in(harness, meter, key, task, session.as_ref()).await;
        // What the attempt left is known by now; a session that will not close is the sandbox's problem and
        // must not change the verdict. Dropping it kills what is left of it.
        if let Err(error) = session.close().await {
            tracing::warn!(error = %error.report(), task = %task.name, "closing the session failed");
        }
        attempt
    }

    async fn prepare(&self, task: &Task) -> Result<Box<dyn Session>> {
        let session = self.sandbox.open(&task.environment).await?;
        task.environment.prepare(session.as_ref()).await?;
        Ok(session)
    }

    async fn attempt_in<H: Harness>(
        &self,
        harness: &H,
        meter: &Meter,
        key: &TrialKey,
        task: &Task,
        session: &dyn Session,
    ) -> Result<Attempt> {
        let mut limits = self.limits;
        limits.time = limits.time.min(task.agent_timeout.unwrap_or(limits.time));
        let seed = key.id()?.0.seed();
        let cx = RunContext::new(meter.clone(), session, limits, Arc::clone(&self.clock), seed);
        let log = cx.share_log();
        let take = || log.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Dropping the harness's future kills the command it was waiting for, so nothing of the agent's own tree
        // runs while the verifier works; daemons it left live on, because some tasks check a live server.
        let (ended, waited) = {
            let mut work = std::pin::pin!(harness.run(task, &cx));
            let ended = self.race_but_for(&cx.standstill(), limits.time, work.as_mut()).await;
            (ended, cx.unanswered_for())
        };
        let ended = match (ended, waited) {
            (None, Some(waited)) if waited > limits.time / 2 => {
                return Ok(Attempt::void(&unanswered(waited), take()));
            }
            (None, _) => Ok(Finish::OutOfTime),
            (Some(ended), _) => ended,
        };
        drop(cx);
        let finish = match ended {
            Ok(finish) => finish,
            Err(error) => match error.kind() {
                ErrorKind::TrialLimit => take().limit_hit.unwrap_or(Finish::OutOfSteps),
                ErrorKind::ContextOverflow => Finish::OutOfContext,
                // A path or argument that the model chose is no fault of the operator's: it must not stop the run.
                ErrorKind::InvalidInput => return Ok(Attempt::void(&error, take())),
                _ => return void_or_stop(error, take()),
            },
        };
        let limit = task.verifier_timeout + VERIFIER_GRACE;
        let outcome = match self.within(limit, self.verifier.verify(task, session)).await {
            Ok(outcome) => outcome,
            Err(error) => return void_or_stop(error.while_doing("verifying"), take()),
        };
        Ok(Attempt { outcome: checked(outcome), finish, log: take() })
    }

    /// `None` when `work` took longer than `limit`; `work` is dropped then.
    async fn race<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        futures::pin_mut!(work);
        match future::select(work, self.clock.sleep(limit)).await {
            Either::Left((result, _)) => Some(result),
            Either::Right(((), _)) => None,
        }
    }

    /// The same, where time on `standstill`'s account does not count.
    async fn race_but_for<T>(
        &self,
        standstill: &Standstill,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        futures::pin_mut!(work);
        let (mut slept, mut more) = (Duration::ZERO, limit);
        loop {
            match future::select(&mut work, self.clock.sleep(more)).await {
                Either::Left((result, _)) => return Some(result),
                Either::Right(((), _)) => slept += more,
            }
            more = match standstill.is_on() {
                true => STANDSTILL_LOOK,
                false => (limit + standstill.total()).saturating_sub(slept),
            };
            if more.is_zero() {
                return None;
            }
        }
    }

    async fn within<T>(&self, limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.race(limit, work).await.unwrap_or_else(|| {
            let message = format!("it took longer than {:.0} s", limit.as_secs_f64());
            Err(Error::new(ErrorKind::Sandbox, message))
        })
    }

    fn key(&self, harness: Fingerprint, order: &Order) -> Result<TrialKey> {
        Ok(TrialKey {
            harness,
            task: order.task.name.clone(),
            task_fingerprint: order.task.fingerprint()?,
            model: self.model.model().clone(),
            limits: Fingerprint::of(&self.limits)?,
            verifier: self.verifier.fingerprint(&order.task)?,
            isolation: isolation_print(self.sandbox.isolation())?,
            replicate: order.replicate,
        })
    }
}

/// Stops a batch whose further trials would meet the same end: after an error that stops the run, or when trial after
/// trial is void. Trials already under way go on to their end, because they are paid for.
#[derive(Debug, Default)]
struct Brake {
    stopped: AtomicBool,
    void_in_a_row: AtomicUsize,
}

impl Brake {
    /// Void trials in a row, each already tried several times, that mean an outage and not bad luck.
    const OUTAGE: usize = 8;

    fn check(&self) -> Result<()> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Infrastructure, "not started: the run is stopping"));
        }
        Ok(())
    }

    fn note(&self, result: Result<Arc<Trial>>) -> Result<Arc<Trial>> {
        let result = result.and_then(|trial| self.outage(&trial).map_or(Ok(trial), Err));
        if result.is_err() {
            self.stopped.store(true, Ordering::Relaxed);
        }
        result
    }

    fn outage(&self, trial: &Trial) -> Option<Error> {
        let Outcome::Void { reason } = &trial.outcome else {
            self.void_in_a_row.store(0, Ordering::Relaxed);
            return None;
        };
        let streak = self.void_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        (streak >= Self::OUTAGE).then(|| {
            let message =
                format!("{streak} trials in a row could not be scored, the last because: {reason}");
            Error::new(ErrorKind::Infrastructure, message)
        })
    }
}

struct Attempt {
    outcome: Outcome,
    finish: Finish,
    log: TrialLog,
}

/// Backend and level. What a level does not stop is told in sentences that name the machine's settings of the day.
fn isolation_print(isolation: &Isolation) -> Result<Fingerprint> {
    Fingerprint::of(&(&isolation.backend, isolation.level))
}

impl Attempt {
    fn void(error: &Error, log: TrialLog) -> Self {
        Self { outcome: Outcome::Void { reason: error.report() }, finish: Finish::Void, log }
    }
}

/// A reward that is no number in [0, 1] is the verifier's fault, not the agent's.
fn checked(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Scored { reward, .. } if !(0.0..=1.0).contains(&reward) => {
            Outcome::Void { reason: format!("the verifier gave {reward}, which is not in [0, 1]") }
        }
        outcome => outcome,
    }
}

/// One call that outlasts all the rest of an attempt is the server's doing, not the agent's.
fn unanswered(waited: Duration) -> Error {
    let message = format!(
        "the model's server had not answered one call for {:.0} s, more than half of the attempt's time, when that was over: raise the          time limit for a model that is so slow, or let a call that is not answered time out earlier",
        waited.as_secs_f64()
    );
    Error::new(ErrorKind::Infrastructure, message)
}

fn void_or_stop(error: Error, log: TrialLog) -> Result<Attempt> {
    if error.stops_run() {
        return Err(error);
    }
    Ok(Attempt::void(&error, log))
}

/// Ends a trial on the executor when whoever waits for it is gone.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
