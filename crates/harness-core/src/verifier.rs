//! What a verifier is: the frozen judge.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Result;
use crate::id::Fingerprint;
use crate::sandbox::Session;
use crate::task::Task;
use crate::trial::Outcome;

/// Judges what a trial left behind. It sees neither the harness nor the edit.
///
/// # Contract
/// - `Ok(Outcome::Scored)` only with a reward that the verifier itself produced, after the agent has ended.
/// - Where it cannot judge (its own machinery fails, no reward is left), the outcome is void, never 0.
/// - It places its tests only now: nothing of them is in the session while the agent runs.
#[async_trait]
pub trait Verifier: fmt::Debug + Send + Sync {
    /// The digest of all that decides the verdict on `task`: part of a trial's identity.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for a task this verifier does not know.
    fn fingerprint(&self, task: &Task) -> Result<Fingerprint>;

    /// Judges. The runner bounds it by the task's verifier time-out.
    ///
    /// # Errors
    /// Broken machinery; the trial is void then.
    async fn verify(&self, task: &Task, session: &dyn Session) -> Result<Outcome>;
}

#[async_trait]
impl<V: Verifier + ?Sized> Verifier for Arc<V> {
    fn fingerprint(&self, task: &Task) -> Result<Fingerprint> {
        (**self).fingerprint(task)
    }
    async fn verify(&self, task: &Task, session: &dyn Session) -> Result<Outcome> {
        (**self).verify(task, session).await
    }
}
