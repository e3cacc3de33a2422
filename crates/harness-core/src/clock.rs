//! Time and threads, as the engine needs them: one trait each, so that no async runtime is required
//! and a test can bring its own.

use std::fmt;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;

/// Monotonic time. Every limit is measured by it; wall-clock time is never used to decide anything.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Time since some fixed moment in the past.
    fn now(&self) -> Duration;
    /// Completes after `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// The machine's own monotonic clock, with a timer thread that works under every runtime.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        futures_timer::Delay::new(duration).boxed()
    }
}

/// Runs trials on other threads. Without one, all trials are polled where the engine is: right for a model
/// that is waited for, too slow for a thousand trials that start processes.
pub trait Executor: fmt::Debug + Send + Sync {
    /// Starts `task` and returns at once.
    fn spawn(&self, task: BoxFuture<'static, ()>);
}
