//! What a harness may use while it attempts a task.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::call::Purpose;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Fingerprint, ModelId};
use crate::llm::{Completion, LlmBackend, Request};
use crate::meter::{Ledger, Meter};
use crate::origin::{Origin, Standstill};
use crate::sandbox::Session;
use crate::trajectory::{Observation, Step, Trajectory};
use crate::trial::{Finish, TrialId};

/// What one attempt may use. Not a surface: no edit changes it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialLimits {
    /// Calls to the model.
    pub steps: u32,
    /// Tokens, sent and received, where the server tells them.
    pub tokens: u64,
    /// Time for the agent; the task's own time-out when that is shorter.
    pub time: Duration,
    /// Tokens in one reply.
    pub reply_tokens: u32,
    /// Sampling temperature; the backend's default when `None`.
    pub temperature: Option<f64>,
}

impl Default for TrialLimits {
    /// 100 steps, two million tokens, 20 minutes, replies of 4096 tokens.
    fn default() -> Self {
        Self {
            steps: 100,
            tokens: 2_000_000,
            time: Duration::from_secs(1200),
            reply_tokens: 4096,
            temperature: None,
        }
    }
}

/// The door of one attempt to the world: the model, the session, the record.
pub struct RunContext<'a> {
    meter: Meter,
    session: &'a dyn Session,
    limits: TrialLimits,
    clock: Arc<dyn Clock>,
    started: Duration,
    seed: u64,
    standstill: Standstill,
    /// When the calls began that are under way.
    asked: Mutex<BTreeMap<u64, Duration>>,
    log: Arc<Mutex<TrialLog>>,
}

impl fmt::Debug for RunContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunContext")
            .field("model", self.model())
            .field("limits", &self.limits)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// What an attempt leaves, also when it is dropped in the middle.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrialLog {
    pub(crate) trajectory: Trajectory,
    pub(crate) activations: BTreeMap<String, u64>,
    /// Calls that were answered: those that count against the limit on steps.
    pub(crate) answered: u32,
    pub(crate) limit_hit: Option<Finish>,
}

/// One call under way, until this is dropped.
struct Waiting<'a> {
    asked: &'a Mutex<BTreeMap<u64, Duration>>,
    key: u64,
}

impl<'a> Waiting<'a> {
    fn begin(asked: &'a Mutex<BTreeMap<u64, Duration>>, now: Duration) -> Self {
        let mut under_way = asked.lock().unwrap_or_else(PoisonError::into_inner);
        let key = under_way.last_key_value().map_or(0, |(last, _)| last + 1);
        under_way.insert(key, now);
        Self { asked, key }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl<'a> RunContext<'a> {
    /// A context outside any run: unlimited budget, recorded nowhere. For tests and for a harness used alone.
    pub fn alone(
        model: Arc<dyn LlmBackend>,
        session: &'a dyn Session,
        limits: TrialLimits,
    ) -> Self {
        let nobody = Purpose::Trial(TrialId(Fingerprint::of_bytes(&[])));
        let meter = Meter::new(model, Arc::new(Ledger::unlimited()), nobody);
        let clock = Arc::clone(&meter.ledger().clock);
        Self::new(meter, session, limits, clock, 0)
    }

    pub(crate) fn new(
        meter: Meter,
        session: &'a dyn Session,
        limits: TrialLimits,
        clock: Arc<dyn Clock>,
        seed: u64,
    ) -> Self {
        let started = clock.now();
        let standstill = Standstill::default();
        let (asked, log) = (Mutex::default(), Arc::default());
        Self { meter, session, limits, clock, started, seed, standstill, asked, log }
    }

    /// Who thinks.
    pub fn model(&self) -> &ModelId {
        self.meter.model()
    }

    /// Where to act.
    pub fn session(&self) -> &'a dyn Session {
        self.session
    }

    /// What this attempt may use.
    pub fn limits(&self) -> &TrialLimits {
        &self.limits
    }

    /// Whatever is random in the attempt comes from here; the same for the same trial, 0 outside a run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Time since the attempt began, less what it stood still for its infrastructure's sake.
    pub fn elapsed(&self) -> Duration {
        self.clock.now().saturating_sub(self.started).saturating_sub(self.standstill.total())
    }

    /// Time left.
    pub fn remaining(&self) -> Duration {
        self.limits.time.saturating_sub(self.elapsed())
    }

    /// Calls to the model left.
    pub fn steps_left(&self) -> u32 {
        self.limits.steps.saturating_sub(self.log().answered)
    }

    /// Asks the model. Reply length, temperature and seed are set from the limits where the request leaves them open.
    ///
    /// # Errors
    /// [`ErrorKind::TrialLimit`] when steps or tokens are used up: let it through, the runner turns it into
    /// the attempt's [`Finish`]. Others are the model's.
    pub async fn complete(&self, mut request: Request) -> Result<Completion> {
        let call = self.admit_call()?;
        request.max_tokens.get_or_insert(self.limits.reply_tokens);
        request.temperature = request.temperature.or(self.limits.temperature);
        request.seed.get_or_insert(self.seed.wrapping_add(u64::from(call)));
        request.origin = Origin {
            replicate: Some(self.seed),
            time_left: Some(self.remaining()),
            standstill: self.standstill.clone(),
            ..Origin::default()
        };
        let waiting = Waiting::begin(&self.asked, self.elapsed());
        let answer = self.meter.complete(request).await;
        drop(waiting);
        self.log().answered += u32::from(answer.is_ok());
        answer
    }

    /// How long the attempt has waited for the answer that it has waited for longest, if it waits for any. A call that the
    /// harness gave up is none.
    pub(crate) fn unanswered_for(&self) -> Option<Duration> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.values().min().map(|begun| self.elapsed().saturating_sub(*begun))
    }

    /// Writes a step down and returns its number. `step.step_id` and `step.elapsed` are filled in here.
    pub fn record(&self, mut step: Step) -> u32 {
        step.elapsed = self.elapsed();
        let mut log = self.log();
        step.step_id = u32::try_from(log.trajectory.steps.len() + 1).unwrap_or(u32::MAX);
        let id = step.step_id;
        log.trajectory.steps.push(step);
        id
    }

    /// Adds what a call brought to a step that was written down when it began, so that an attempt that ends in the middle
    /// of a long command still shows the command. Unknown steps are ignored.
    pub fn observe(&self, step: u32, observation: Observation) {
        let mut log = self.log();
        if let Some(step) = log.trajectory.steps.iter_mut().find(|known| known.step_id == step) {
            step.observations.push(observation);
        }
    }

    /// Notes that a control or surface of the harness acted.
    pub fn fired(&self, name: &str) {
        *self.log().activations.entry(name.to_owned()).or_default() += 1;
    }

    /// The steps so far.
    pub fn trajectory(&self) -> Trajectory {
        self.log().trajectory.clone()
    }

    /// How often each control acted so far.
    pub fn activations(&self) -> BTreeMap<String, u64> {
        self.log().activations.clone()
    }

    /// Takes over what an attempt would have left that was only drawn.
    #[cfg(feature = "testing")]
    pub(crate) fn take_over(
        &self,
        trajectory: &Trajectory,
        activations: &BTreeMap<String, u64>,
        spent: crate::trial::Spent,
    ) {
        self.meter.account().add(spent);
        let mut log = self.log();
        log.trajectory = trajectory.clone();
        log.activations = activations.clone();
    }

    pub(crate) fn share_log(&self) -> Arc<Mutex<TrialLog>> {
        Arc::clone(&self.log)
    }

    pub(crate) fn standstill(&self) -> Standstill {
        self.standstill.clone()
    }

    fn admit_call(&self) -> Result<u32> {
        let tokens = self.meter.account().spent().tokens();
        let mut log = self.log();
        let hit = if log.answered >= self.limits.steps {
            Finish::OutOfSteps
        } else if tokens >= self.limits.tokens {
            Finish::OutOfTokens
        } else {
            return Ok(log.answered);
        };
        let message = format!("the attempt is over: {hit:?}");
        log.limit_hit = Some(hit);
        Err(Error::new(ErrorKind::TrialLimit, message))
    }

    fn log(&self) -> MutexGuard<'_, TrialLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
