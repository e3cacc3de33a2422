//! Who asks a model, as far as those between the two need to know.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::call::Attempts;

/// Where a request comes from. Set by the engine; never sent to a server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origin {
    /// Tells apart samples that are asked for in the same words: differs between the attempts at a task. A recording made
    /// for one is never another's answer.
    pub replicate: Option<u64>,
    /// How long whoever asks can still use an answer; `None` is for ever.
    pub time_left: Option<Duration>,
    /// The asking attempt's account of time that was not its own.
    pub standstill: Standstill,
    /// Who is told when the request is sent more than once.
    pub attempts: Attempts,
}

/// Time during which an attempt stood still for its infrastructure's sake: queued behind a rate limit, paused by a circuit
/// breaker, between two tries of one call. It does not count against the attempt's own time, so that an outage never
/// turns into a failed task. Clones share one account.
#[derive(Clone, Debug, Default)]
pub struct Standstill(Arc<Account>);

#[derive(Debug, Default)]
struct Account {
    nanos: AtomicU64,
    waiting: AtomicUsize,
}

/// An account is no part of what a request says: any two are equal.
impl PartialEq for Standstill {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Standstill {
    /// Begins to stand still. The caller measures, and ends it with [`StandingStill::end`].
    pub fn begin(&self) -> StandingStill {
        self.0.waiting.fetch_add(1, Ordering::AcqRel);
        StandingStill(self.clone())
    }

    /// Adds time that turned out to have been lost.
    pub fn add(&self, lost: Duration) {
        let nanos = u64::try_from(lost.as_nanos()).unwrap_or(u64::MAX);
        self.0.nanos.fetch_add(nanos, Ordering::AcqRel);
    }

    /// The time on the account, what is going on now apart.
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.0.nanos.load(Ordering::Acquire))
    }

    /// Whether the attempt stands still now.
    pub fn is_on(&self) -> bool {
        self.0.waiting.load(Ordering::Acquire) > 0
    }
}

/// A standstill that is going on. Dropped without an end (the call was cancelled) it leaves nothing on the account.
#[derive(Debug)]
#[must_use = "dropped at once, it is no standstill"]
pub struct StandingStill(Standstill);

impl StandingStill {
    /// It is over, and lasted so long.
    pub fn end(self, lasted: Duration) {
        // Before the drop below, so that nobody sees neither the wait nor its time.
        self.0.add(lasted);
    }
}

impl Drop for StandingStill {
    fn drop(&mut self) {
        self.0.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_adds_up_and_a_cancelled_wait_leaves_nothing() {
        let account = Standstill::default();
        let (first, cancelled) = (account.begin(), account.clone().begin());
        assert!(account.is_on());
        first.end(Duration::from_secs(3));
        assert!(account.is_on());
        drop(cancelled);
        assert!(!account.is_on());
        account.add(Duration::from_secs(1));
        assert_eq!(account.total(), Duration::from_secs(4));
    }
}
