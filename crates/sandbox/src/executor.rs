//! Trials on tokio's threads.

use futures::future::BoxFuture;
use harness_core::Executor;
use tokio::runtime::Handle;

/// Runs trials on a multi-threaded tokio runtime: a thousand trials that start processes need more than the one thread
/// that the engine is polled on.
#[derive(Clone, Debug)]
pub struct TokioExecutor(Handle);

impl TokioExecutor {
    /// Spawns on `runtime`.
    pub fn new(runtime: Handle) -> Self {
        Self(runtime)
    }

    /// Spawns on the runtime that this is called in; `None` outside of one.
    pub fn current() -> Option<Self> {
        Handle::try_current().ok().map(Self)
    }
}

impl Executor for TokioExecutor {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(self.0.spawn(task));
    }
}
