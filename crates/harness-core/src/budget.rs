//! Caps over everything a run spends: trials, mining, proposing and judging alike.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::llm::{Request, Usage};
use crate::trial::Spent;

/// What a run may spend in all. `None` is no cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Caps {
    /// US dollars. Refused as soon as a call's price turns out to be unknown.
    pub usd: Option<f64>,
    /// Tokens, sent and received.
    pub tokens: Option<u64>,
    /// Trials.
    pub trials: Option<u64>,
    /// Time, counted over the sessions of a resumed run each on its own.
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
    spent: Spent,
    reserved_tokens: u64,
    unknown_tokens: u64,
    trials: u64,
    elapsed: Duration,
}

/// A call that was admitted and not yet settled. Dropped unsettled (cancelled, failed in an unknown way), its
/// worst case stays spent.
#[derive(Debug)]
#[must_use = "settle it, or its worst case stays spent"]
pub struct Reservation {
    tokens: u64,
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

    /// What was spent so far, unsettled calls apart.
    pub fn spent(&self) -> Spent {
        self.state().spent
    }

    /// Trials admitted so far.
    pub fn trials(&self) -> u64 {
        self.state().trials
    }

    /// Takes over what an earlier session of the same run spent.
    pub fn carry(&self, spent: Spent, trials: u64) {
        let mut state = self.state();
        state.spent += spent;
        state.trials += trials;
    }

    /// Notes how long the run has lasted.
    pub fn note_elapsed(&self, elapsed: Duration) {
        self.state().elapsed = elapsed;
    }

    /// Admits one more trial.
    ///
    /// # Errors
    /// [`ErrorKind::Budget`] naming the cap that is reached.
    pub fn admit_trial(&self) -> Result<()> {
        let mut state = self.state();
        self.check(&state, 0)?;
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
    pub fn reserve(&self, request: &Request) -> Result<Reservation> {
        let mut state = self.state();
        let tokens = worst_case_tokens(request);
        self.check(&state, tokens)?;
        state.reserved_tokens += tokens;
        Ok(Reservation { tokens })
    }

    /// Replaces a reservation by what the server told. Without usage, the worst case stays counted against
    /// the cap on tokens and the call is counted as one of unknown cost.
    pub fn settle(&self, reservation: &Reservation, usage: Option<&Usage>) {
        let mut state = self.state();
        state.reserved_tokens -= reservation.tokens;
        if usage.is_none() {
            state.unknown_tokens += reservation.tokens;
        }
        state.spent += Spent::call(usage);
    }

    /// Gives a reservation back: the call certainly cost nothing (it was refused before any work).
    pub fn release(&self, reservation: &Reservation) {
        self.state().reserved_tokens -= reservation.tokens;
    }

    fn check(&self, state: &State, more_tokens: u64) -> Result<()> {
        let tokens = state.spent.tokens() + state.reserved_tokens + state.unknown_tokens;
        if self.caps.tokens.is_some_and(|cap| tokens + more_tokens > cap) {
            return Err(reached("tokens", state.spent.tokens()));
        }
        if let Some(cap) = self.caps.usd {
            match state.spent.usd() {
                None => {
                    let message = "a cap on dollars is set, but the price of this model is not known: \
                                   give its price, or cap tokens instead";
                    return Err(Error::new(ErrorKind::Budget, message));
                }
                Some(usd) if usd >= cap => return Err(reached("dollars", usd)),
                Some(_) => {}
            }
        }
        if self.caps.time.is_some_and(|cap| state.elapsed >= cap) {
            return Err(reached("time", format!("{:.0} s", state.elapsed.as_secs_f64())));
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every update is a few additions: a panic elsewhere cannot leave half of one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Three bytes a token and a reply of the full length: an upper estimate for text in every language.
fn worst_case_tokens(request: &Request) -> u64 {
    let bytes: usize = request
        .messages
        .iter()
        .map(|message| {
            let calls: usize =
                message.tool_calls.iter().map(|call| call.arguments.to_text().len()).sum();
            message.content.len() + calls
        })
        .sum();
    (bytes as u64).div_ceil(3) + u64::from(request.max_tokens.unwrap_or(4096))
}

fn reached(cap: &str, spent: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Budget, format!("the cap on {cap} is reached (spent: {spent})"))
}
