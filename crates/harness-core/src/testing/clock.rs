//! Time that a test moves.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake};
use std::time::Duration;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::BoxFuture;

use crate::clock::Clock;

/// A clock that stands still until it is moved. Clones show the same time.
///
/// Either the test moves it with [`ManualClock::advance`], or [`ManualClock::block_on`] does: whenever nothing else can happen,
/// it jumps to the next moment that somebody sleeps for, so hours pass in no time and always in the same order.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<Mutex<Moments>>);

#[derive(Debug, Default)]
struct Moments {
    now: Duration,
    count: u64,
    /// Who sleeps until when; the number keeps those of one moment in the order in which they came.
    sleepers: BTreeMap<(Duration, u64), oneshot::Sender<()>>,
}

impl ManualClock {
    /// A clock at 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves on by `duration`, waking who sleeps until then, earliest first.
    pub fn advance(&self, duration: Duration) {
        let until = self.lock().now + duration;
        while self.wake_first(until) {}
        self.lock().now = until;
    }

    /// Jumps to the next moment that somebody still sleeps for; `false` when nobody does.
    pub fn advance_to_next(&self) -> bool {
        self.wake_first(Duration::MAX)
    }

    /// Runs `work` to its end on this thread, jumping ahead whenever it waits for nothing but this clock.
    ///
    /// Work that also waits for other threads must not sleep on this clock at the same time: their answer and the jump
    /// would race.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let bell = Arc::new(Bell::default());
        let waker = Arc::clone(&bell).into();
        loop {
            bell.rung.store(false, Ordering::SeqCst);
            if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
                return done;
            }
            if !bell.rung.load(Ordering::SeqCst) && !self.advance_to_next() {
                bell.wait();
            }
        }
    }

    fn wake_first(&self, until: Duration) -> bool {
        let mut moments = self.lock();
        while let Some(first) = moments.sleepers.first_entry() {
            let (moment, _) = *first.key();
            if moment > until {
                return false;
            }
            let sleeper = first.remove();
            // Somebody who no longer waits moves no clock.
            if sleeper.is_canceled() {
                continue;
            }
            moments.now = moments.now.max(moment);
            drop(moments);
            return sleeper.send(()).is_ok() || self.wake_first(until);
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, Moments> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        self.lock().now
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (bell, rung) = oneshot::channel();
        let mut moments = self.lock();
        moments.count += 1;
        let moment = (moments.now.saturating_add(duration), moments.count);
        moments.sleepers.insert(moment, bell);
        // Trials that end early leave their sleepers behind: thousands of them, if nobody swept.
        if moments.count.is_multiple_of(1024) {
            moments.sleepers.retain(|_, sleeper| !sleeper.is_canceled());
        }
        rung.map(drop).boxed()
    }
}

/// A waker that can be asked and waited for.
#[derive(Default)]
struct Bell {
    rung: AtomicBool,
    lock: Mutex<()>,
    rings: Condvar,
}

impl Bell {
    fn wait(&self) {
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.rung.load(Ordering::SeqCst) {
            guard = self.rings.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.rung.store(true, Ordering::SeqCst);
        self.rings.notify_all();
    }
}
