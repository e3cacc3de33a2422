//! Caps over everything a run spends: trials, mining, proposing and judging alike.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::call::{Reserved, Settlement};
use crate::error::{Error, ErrorKind, Result};
use crate::trial::Spent;

/// What a run may spend in all, its resumed sessions together. `None` is no cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Caps {
    /// US dollars. A model without a price is refused then.
    pub usd: Option<f64>,
    /// Tokens, sent and received.
    pub tokens: Option<u64>,
    /// Trials.
    pub trials: Option<u64>,
    /// Time.
    pub time: Option<Duration>,
}

/// The ledger of a run. A call is reserved at its worst case before it is made and settled after, so that
/// no number of concurrent calls can overrun a cap.
#[derive(Debug, Default)]
pub struct Budget {
    caps: Caps,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What is settled, and what never will be, at its worst case.
    spent: Spent,
    reserved_tokens: u64,
    reserved_usd: f64,
    trials: u64,
    /// Of earlier sessions.
    earlier: Duration,
    /// Of this one.
    elapsed: Duration,
}

/// A call that was admitted and not yet settled. Dropped unsettled (cancelled, failed in an unknown way), it stays spent at
/// its worst case.
#[derive(Debug)]
#[must_use = "settle it, or its worst case stays spent"]
pub struct Reservation {
    budget: Arc<Budget>,
    reserved: Reserved,
    settled: bool,
}

impl Reservation {
    /// What was set aside.
    pub fn reserved(&self) -> &Reserved {
        &self.reserved
    }

    /// Replaces the worst case by what became of the call, and says what that counts as.
    pub fn settle(mut self, settlement: &Settlement) -> Spent {
        self.settled = true;
        self.budget.replace(&self.reserved, settlement)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.settled {
            let unknown = Settlement::Unknown { reason: String::new() };
            self.budget.replace(&self.reserved, &unknown);
        }
    }
}

impl Budget {
    /// A ledger with these caps.
    pub fn new(caps: Caps) -> Self {
        Self { caps, state: Mutex::default() }
    }

    /// The caps.
    pub fn caps(&self) -> &Caps {
        &self.caps
    }

    /// What was spent so far, calls in flight apart. What is unknown is in it at its worst case, told apart.
    pub fn spent(&self) -> Spent {
        self.state().spent
    }

    /// Trials admitted so far.
    pub fn trials(&self) -> u64 {
        self.state().trials
    }

    /// Takes over what earlier sessions of the same run spent.
    pub fn carry(&self, spent: Spent, trials: u64, time: Duration) {
        let mut state = self.state();
        state.spent += spent;
        state.trials += trials;
        state.earlier += time;
    }

    /// Notes how long this session has lasted.
    pub fn note_elapsed(&self, elapsed: Duration) {
        let mut state = self.state();
        state.elapsed = state.elapsed.max(elapsed);
    }

    /// How long all sessions have lasted, as far as was noted.
    pub fn elapsed(&self) -> Duration {
        let state = self.state();
        state.earlier + state.elapsed
    }

    /// Admits one more trial.
    ///
    /// # Errors
    /// [`ErrorKind::Budget`] naming the cap that is reached.
    pub fn admit_trial(&self) -> Result<()> {
        let mut state = self.state();
        self.check(&state, &Reserved { tokens: 0, usd: Some(0.0) })?;
        if self.caps.trials.is_some_and(|cap| state.trials >= cap) {
            return Err(reached("trials", state.trials));
        }
        state.trials += 1;
        Ok(())
    }

    /// Admits a call at its worst case.
    ///
    /// # Errors
    /// [`ErrorKind::Budget`] naming the cap that the call could overrun.
    pub fn reserve(self: &Arc<Self>, worst: Reserved) -> Result<Reservation> {
        let mut state = self.state();
        self.check(&state, &worst)?;
        state.reserved_tokens += worst.tokens;
        state.reserved_usd += worst.usd.unwrap_or(0.0);
        Ok(Reservation { budget: Arc::clone(self), reserved: worst, settled: false })
    }

    fn replace(&self, reserved: &Reserved, settlement: &Settlement) -> Spent {
        let spent = settlement.spent(reserved);
        let mut state = self.state();
        state.reserved_tokens -= reserved.tokens;
        state.reserved_usd -= reserved.usd.unwrap_or(0.0);
        state.spent += spent;
        spent
    }

    fn check(&self, state: &State, more: &Reserved) -> Result<()> {
        let tokens = state.spent.tokens_at_most() + state.reserved_tokens;
        if self.caps.tokens.is_some_and(|cap| tokens >= cap || tokens + more.tokens > cap) {
            return Err(reached("tokens", state.spent.tokens_at_most()));
        }
        if let Some(cap) = self.caps.usd {
            let (Some(spent), Some(more)) = (state.spent.usd_at_most(), more.usd) else {
                return Err(unpriced());
            };
            let usd = spent + state.reserved_usd;
            if usd >= cap || usd + more > cap {
                return Err(reached("dollars", format!("{spent:.4}")));
            }
        }
        let time = state.earlier + state.elapsed;
        if self.caps.time.is_some_and(|cap| time >= cap) {
            return Err(reached("time", format!("{:.0} s", time.as_secs_f64())));
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every update is a few additions: a panic elsewhere cannot leave half of one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reached(cap: &str, spent: impl std::fmt::Display) -> Error {
    let message = format!(
        "the cap on {cap} is reached (spent: {spent}; what more was asked for could overrun it)"
    );
    Error::new(ErrorKind::Budget, message)
}

fn unpriced() -> Error {
    let message = "a cap on dollars is set, but what earlier calls of this run cost is not known: cap tokens instead";
    Error::new(ErrorKind::Budget, message)
}
