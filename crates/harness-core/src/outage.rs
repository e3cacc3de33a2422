//! What a run does when the model's server is down: it waits, asks now and then whether the server is back, and goes on.
//!
//! A backend has tried again by itself before it says [`ErrorKind::ModelUnavailable`]. What it says then is no verdict on the
//! harness, so the call is held here, with the clock of its trial stopped, until it is answered, turns out to be the
//! one request that this server cannot answer, or the run's patience ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::channel::oneshot;
use futures::future;

use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::origin::{StandingStill, Standstill};

/// Failures in a row, of any calls, that mean an outage and not bad luck.
const TRIP: u32 = 3;
/// So many failures of one call, each with somebody else answered before the next, are its own fault.
const CONTRADICTIONS: u32 = 3;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A circuit breaker over all calls of a run.
#[derive(Debug)]
pub(crate) struct Breaker {
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    patience: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the latest call began that was answered.
    latest_answered: Option<Duration>,
    failed_in_a_row: u32,
    down: Option<Down>,
}

/// The server is down, as far as anybody knows.
#[derive(Debug)]
struct Down {
    since: Duration,
    noticed: Duration,
    why: String,
    probes: u32,
    /// When the next probe may go.
    next: Duration,
    probing: bool,
    waiting: Vec<oneshot::Sender<()>>,
}

/// What a call may do now.
enum Pass {
    Go,
    Probe,
    /// Until the next probe is due (`None` while one is under way), or until something changes.
    Wait(Option<Duration>, oneshot::Receiver<()>),
}

impl Breaker {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
        patience: Duration,
    ) -> Self {
        Self { clock, observer, patience, state: Mutex::default() }
    }

    /// Whether calls are being held.
    pub(crate) fn is_down(&self) -> bool {
        self.state().down.is_some()
    }

    /// One call's way through. Its attempt stands still from the first failure to the beginning of the try that is answered.
    pub(crate) fn vigil(self: &Arc<Self>, standstill: &Standstill) -> Vigil {
        Vigil {
            breaker: Arc::clone(self),
            standstill: standstill.clone(),
            tries: 0,
            contradicted: 0,
            failed_at: Duration::ZERO,
            began: Duration::ZERO,
            on_account: standstill.total(),
            held: None,
            probing: false,
        }
    }

    fn pass(&self) -> Result<Pass> {
        let now = self.clock.now();
        let mut state = self.state();
        let Some(down) = &mut state.down else { return Ok(Pass::Go) };
        if now.saturating_sub(down.since) > self.patience {
            return Err(down.hopeless(self.patience));
        }
        if !down.probing && now >= down.next {
            down.probing = true;
            return Ok(Pass::Probe);
        }
        let (bell, rung) = oneshot::channel();
        down.waiting.push(bell);
        let next = (!down.probing).then(|| down.next.saturating_sub(now));
        Ok(Pass::Wait(next, rung))
    }

    /// Notes an answer to a try that began at `began`.
    fn answered(&self, began: Duration) {
        let mut state = self.state();
        state.latest_answered = state.latest_answered.max(Some(began));
        state.failed_in_a_row = 0;
        // An answer that was under way before the server went down does not mean that it is back.
        if state.down.as_ref().is_some_and(|down| began < down.noticed) {
            return;
        }
        let Some(down) = state.down.take() else { return };
        drop(state);
        let lasted = self.clock.now().saturating_sub(down.since);
        self.observer.observe(&Event::ModelBack { lasted });
        down.wake();
    }

    /// Notes a failure. `since` is when the failed try began.
    fn failed(&self, error: &Error, since: Duration, probe: bool) {
        let now = self.clock.now();
        let mut state = self.state();
        state.failed_in_a_row += 1;
        if let Some(down) = &mut state.down {
            if probe {
                down.probed(now);
            }
        } else if state.failed_in_a_row >= TRIP {
            state.down = Some(Down::new(since, now, error));
            drop(state);
            self.observer.observe(&Event::ModelDown { reason: &error.report() });
        }
    }

    /// The one who should have probed is gone: another may.
    fn abandoned(&self) {
        if let Some(down) = &mut self.state().down {
            down.probing = false;
            down.wake_all();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every update is a few assignments: a panic elsewhere cannot leave half of one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Down {
    fn new(since: Duration, now: Duration, error: &Error) -> Self {
        let next = now + pause(1);
        let why = error.report();
        Self { since, noticed: now, why, probes: 0, next, probing: false, waiting: Vec::new() }
    }

    fn probed(&mut self, now: Duration) {
        self.probes += 1;
        self.probing = false;
        self.next = now + pause(self.probes + 1);
        self.wake_all();
    }

    fn wake_all(&mut self) {
        for bell in self.waiting.drain(..) {
            // Whoever was dropped meanwhile needs no waking.
            let _gone = bell.send(());
        }
    }

    fn wake(mut self) {
        self.wake_all();
    }

    fn hopeless(&self, patience: Duration) -> Error {
        let message = format!(
            "the model's server has been down for more than {:.0} s ({}): nothing is lost, the run can be resumed",
            patience.as_secs_f64(),
            self.why
        );
        Error::new(ErrorKind::Infrastructure, message)
    }
}

/// How long to wait after so many failures: 1 s, 2 s, 4 s, … 30 s.
fn pause(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.saturating_sub(1).min(5)).min(LONGEST_PAUSE)
}

/// One call, from its first try to its last.
#[derive(Debug)]
pub(crate) struct Vigil {
    breaker: Arc<Breaker>,
    standstill: Standstill,
    tries: u32,
    /// Failures after which somebody else was answered before this call failed again.
    contradicted: u32,
    failed_at: Duration,
    /// When the present try began.
    began: Duration,
    /// What the attempt's account held then.
    on_account: Duration,
    held: Option<Held>,
    probing: bool,
}

/// A standstill of this call's attempt, and since when.
#[derive(Debug)]
struct Held {
    since: Duration,
    /// What the attempt's account held then.
    on_account: Duration,
    still: StandingStill,
}

/// What a call may do when its turn has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Be sent.
    Send,
    /// Ask something small first, to see whether the server is back.
    Probe,
}

impl Vigil {
    /// Waits until this call may do something.
    ///
    /// # Errors
    /// [`ErrorKind::Infrastructure`] when the server is down for longer than the run's patience.
    pub(crate) async fn turn(&mut self) -> Result<Turn> {
        let clock = Arc::clone(&self.breaker.clock);
        if self.tries > 0 && !self.breaker.is_down() {
            clock.sleep(pause(self.tries)).await;
        }
        let turn = loop {
            match self.breaker.pass()? {
                Pass::Go => break Turn::Send,
                Pass::Probe => break Turn::Probe,
                Pass::Wait(due, changed) => {
                    self.hold(clock.now());
                    match due {
                        None => drop(changed.await),
                        Some(due) => drop(future::select(changed, clock.sleep(due)).await),
                    }
                }
            }
        };
        self.probing = turn == Turn::Probe;
        self.began = clock.now();
        self.on_account = self.standstill.total();
        Ok(turn)
    }

    /// Takes note of what a probe came to.
    ///
    /// # Errors
    /// What stops the run.
    pub(crate) fn probed<T>(&mut self, result: Result<T>) -> Result<()> {
        match result {
            Err(error) if error.kind() == ErrorKind::ModelUnavailable => {
                self.probing = false;
                self.breaker.failed(&error, self.began, true);
                Ok(())
            }
            Err(error) if says_nothing_of_the_server(&error) => Err(error),
            // An answer, if only a refusal.
            _ => {
                self.probing = false;
                self.breaker.answered(self.began);
                Ok(())
            }
        }
    }

    /// Takes note of what a try came to; whether there should be another.
    pub(crate) fn again<T>(&mut self, result: &Result<T>) -> bool {
        match result {
            Err(error) if error.kind() == ErrorKind::ModelUnavailable => {
                self.hold(self.began);
                self.failed(error);
                self.contradicted < CONTRADICTIONS
            }
            Err(error) if says_nothing_of_the_server(error) => false,
            _ => {
                self.breaker.answered(self.began);
                self.release();
                false
            }
        }
    }

    fn failed(&mut self, error: &Error) {
        let answered = self.breaker.state().latest_answered;
        if self.tries > 0 && answered.is_some_and(|began| began > self.failed_at) {
            self.contradicted += 1;
        }
        self.tries += 1;
        self.failed_at = self.breaker.clock.now();
        self.breaker.failed(error, self.began, false);
    }

    fn hold(&mut self, since: Duration) {
        let (standstill, on_account) = (&self.standstill, self.on_account);
        self.held.get_or_insert_with(|| Held { since, on_account, still: standstill.begin() });
    }

    /// The try that began at `began` was answered: what came before it was no time of the attempt's own. What the backend has
    /// put on the account meanwhile is not put there twice.
    fn release(&mut self) {
        let Some(Held { since, on_account, still }) = self.held.take() else { return };
        let known = self.on_account.saturating_sub(on_account);
        still.end(self.began.saturating_sub(since).saturating_sub(known));
    }
}

/// A spent budget or a broken journal.
fn says_nothing_of_the_server(error: &Error) -> bool {
    error.stops_run() && error.kind() != ErrorKind::ModelRejected
}

impl Drop for Vigil {
    fn drop(&mut self) {
        if self.probing {
            self.breaker.abandoned();
        }
    }
}
