//! What every verifier keeps.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::{LawResult, Unkept, ensure, laws_of, skipped};
use crate::error::{ErrorKind, Result};
use crate::sandbox::{Sandbox, SandboxPath, Session};
use crate::task::Task;
use crate::trial::Outcome;
use crate::verifier::Verifier;

laws_of! { $
    /// Expands every law of [`Verifier`](crate::Verifier) to a test of its own, in a module of the given name: `verifier_laws!(name, block_on,
    /// factory)`, where `factory` gives a [`Fixture`](crate::testing::Fixture) of a [`VerifierSeat`](crate::testing::laws::VerifierSeat).
    verifier_laws => verifier [VerifierSeat];
    fingerprint_is_stable fingerprint_tells_tasks_apart unknown_task_is_refused solved_task_passes
    unsolved_task_fails reward_is_a_share same_state_same_outcome forged_reward_is_ignored broken_machinery_is_void
    tests_are_placed_only_now
}

/// Something that is done in a session.
pub type Act = Arc<dyn for<'a> Fn(&'a dyn Session) -> BoxFuture<'a, Result<()>> + Send + Sync>;

/// An [`Act`] of a closure.
pub fn act(
    act: impl for<'a> Fn(&'a dyn Session) -> BoxFuture<'a, Result<()>> + Send + Sync + 'static,
) -> Act {
    Arc::new(act)
}

/// A verifier with a task that it knows, a place to try it in, and what can be done there.
pub struct VerifierSeat {
    /// The verifier.
    pub verifier: Box<dyn Verifier>,
    /// Where the task is tried.
    pub sandbox: Box<dyn Sandbox>,
    /// A task that it knows.
    pub task: Task,
    /// Another one that it knows.
    pub other: Option<Task>,
    /// One that it does not know.
    pub unknown: Option<Task>,
    /// Solves the task.
    pub solve: Act,
    /// Leaves what the verifier itself leaves for a solved task, without solving it.
    pub forge: Option<Act>,
    /// Makes it impossible to judge, such as by taking away what the verifier runs.
    pub sabotage: Option<Act>,
    /// Where the verifier will place its tests.
    pub tests: Vec<SandboxPath>,
}

impl fmt::Debug for VerifierSeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierSeat").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

impl VerifierSeat {
    /// A verifier, a task and its solution; the other fields say nothing, and the laws about them are skipped.
    pub fn new(
        verifier: impl Verifier + 'static,
        sandbox: impl Sandbox + 'static,
        task: Task,
        solve: Act,
    ) -> Self {
        Self {
            verifier: Box::new(verifier),
            sandbox: Box::new(sandbox),
            task,
            other: None,
            unknown: None,
            solve,
            forge: None,
            sabotage: None,
            tests: Vec::new(),
        }
    }

    /// What the verifier says of a fresh session in which these things were done.
    async fn after(&self, acts: &[&Act]) -> Result<Result<Outcome>, Unkept> {
        let session = self.session().await?;
        for act in acts {
            act(&*session).await?;
        }
        let outcome = self.verifier.verify(&self.task, &*session).await;
        session.close().await?;
        Ok(outcome)
    }

    async fn session(&self) -> Result<Box<dyn Session>> {
        let session = self.sandbox.open(&self.task.environment).await?;
        self.task.environment.prepare(&*session).await?;
        Ok(session)
    }
}

/// The fingerprint of a task's verdict is the same every time.
pub async fn fingerprint_is_stable(seat: &VerifierSeat) -> LawResult {
    let before = seat.verifier.fingerprint(&seat.task)?;
    let _ = seat.after(&[]).await?;
    let after = seat.verifier.fingerprint(&seat.task)?;
    ensure!(before == after, "before a verdict it is {before}, after it {after}");
    Ok(())
}

/// Tasks that are judged in different ways have different fingerprints.
pub async fn fingerprint_tells_tasks_apart(seat: &VerifierSeat) -> LawResult {
    let Some(other) = &seat.other else { return skipped("the seat has no second task") };
    let (one, two) = (seat.verifier.fingerprint(&seat.task)?, seat.verifier.fingerprint(other)?);
    ensure!(one != two, "'{}' and '{}' have one fingerprint", seat.task.name, other.name);
    Ok(())
}

/// A task that the verifier does not know is [`ErrorKind::InvalidInput`].
pub async fn unknown_task_is_refused(seat: &VerifierSeat) -> LawResult {
    let Some(unknown) = &seat.unknown else { return skipped("the seat has no unknown task") };
    let result = seat.verifier.fingerprint(unknown);
    let refused = result.as_ref().is_err_and(|error| error.kind() == ErrorKind::InvalidInput);
    ensure!(refused, "an unknown task gave {result:?}");
    Ok(())
}

/// The solved task passes.
pub async fn solved_task_passes(seat: &VerifierSeat) -> LawResult {
    let outcome = seat.after(&[&seat.solve]).await??;
    ensure!(outcome.passed() == Some(true), "the solution gets {outcome:?}");
    Ok(())
}

/// A task that nobody touched fails: scored, and not passed.
pub async fn unsolved_task_fails(seat: &VerifierSeat) -> LawResult {
    let outcome = seat.after(&[]).await??;
    ensure!(outcome.passed() == Some(false), "doing nothing gets {outcome:?}");
    Ok(())
}

/// Every reward is a number from 0 to 1.
pub async fn reward_is_a_share(seat: &VerifierSeat) -> LawResult {
    for outcome in [seat.after(&[]).await??, seat.after(&[&seat.solve]).await??] {
        let Outcome::Scored { reward, .. } = outcome else { continue };
        ensure!((0.0..=1.0).contains(&reward), "a reward is {reward}");
    }
    Ok(())
}

/// The same state gets the same reward, in every session.
pub async fn same_state_same_outcome(seat: &VerifierSeat) -> LawResult {
    for acts in [&[][..], &[&seat.solve]] {
        let (first, second) = (seat.after(acts).await??, seat.after(acts).await??);
        let same = first.passed() == second.passed();
        ensure!(same, "first {first:?}, then {second:?}");
    }
    Ok(())
}

/// A reward that was there before the verifier came is not the verifier's.
pub async fn forged_reward_is_ignored(seat: &VerifierSeat) -> LawResult {
    let Some(forge) = &seat.forge else {
        return skipped("the seat does not say how to forge a reward");
    };
    let outcome = seat.after(&[forge]).await?;
    let fooled = outcome.as_ref().is_ok_and(|outcome| outcome.passed() == Some(true));
    ensure!(!fooled, "a forged reward passes: {outcome:?}");
    Ok(())
}

/// Where the verifier's own machinery fails, the trial is void or an error, never a score.
pub async fn broken_machinery_is_void(seat: &VerifierSeat) -> LawResult {
    let Some(sabotage) = &seat.sabotage else {
        return skipped("the seat does not say how to break the verifier");
    };
    let outcome = seat.after(&[&seat.solve, sabotage]).await?;
    let scored = outcome.as_ref().is_ok_and(|outcome| outcome.passed().is_some());
    ensure!(!scored, "with its machinery broken it says {outcome:?}");
    Ok(())
}

/// Nothing of the tests is in the session before the verifier comes.
pub async fn tests_are_placed_only_now(seat: &VerifierSeat) -> LawResult {
    if seat.tests.is_empty() {
        return skipped("the seat does not say where the tests will be");
    }
    let session = seat.session().await?;
    for path in &seat.tests {
        let early = session.read(path).await.is_ok();
        ensure!(!early, "the agent can read the test '{path}'");
    }
    session.close().await?;
    Ok(())
}
