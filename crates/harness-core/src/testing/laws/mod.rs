//! The laws: for every sentence of a trait's contract a check that an implementation can be put through.
//!
//! Each law is one `pub async fn`. Each trait has a table of its laws and a macro that expands every law to a `#[test]`
//! of its own, so that a broken law has a name:
//!
//! ```
//! # fn main() {}
//! # mod tests {
//! use harness_core::testing::{Fixture, ScriptedLlm, laws::Scene};
//! // `ScriptedLlm` cannot be rate limited and so on: the laws that ask for such a scene are skipped, aloud.
//! harness_core::llm_laws!(scripted, futures::executor::block_on, || Fixture::new(|scene: Scene| match scene {
//!     Scene::Reply(text) => Fixture::new(ScriptedLlm::always(text).into()),
//!     other => Fixture::unavailable(format!("no {other:?} here")),
//! }));
//! # }
//! ```
//!
//! A factory gives a [`Fixture`]: the part to check with whatever must live as long as it, or the reason why this machine
//! cannot build it. A law that could not be checked prints why, straight to standard error; where the environment variable
//! `HARNESS_TEST_REQUIRE` is `all` it fails instead. A law that is known not to be kept is listed, with the reason, as the
//! macro's last argument: `except &[("law", "why")]`.

mod expand;
mod fixture;
pub mod harness;
pub mod journal;
pub mod llm;
pub mod miner;
pub mod proposer;
mod samples;
pub mod sandbox;
mod scene;
pub mod validator;
pub mod verifier;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Either};

pub use self::fixture::Fixture;
pub use self::harness::{HarnessSeat, Inverse, RunSeat};
pub use self::journal::{Damage, JournalPlace};

pub use self::miner::MinerSeat;
pub use self::proposer::{ProposerSeat, sample_weaknesses};
pub use self::scene::{LlmPlace, LlmSeat, Scene};
pub use self::validator::ValidatorSeat;
pub use self::verifier::{Act, VerifierSeat, act};

use crate::error::{Error, Result};

/// What a law says: kept, or [`Unkept`].
pub type LawResult = Result<(), Unkept>;

/// Why a law was not found kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unkept {
    /// It is broken: what was expected and what was seen.
    Broken(String),
    /// It could not be checked here, and why.
    Skipped(String),
}

impl fmt::Display for Unkept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(why) => write!(f, "broken: {why}"),
            Self::Skipped(why) => write!(f, "skipped: {why}"),
        }
    }
}

/// An error where the contract promises none.
impl From<Error> for Unkept {
    fn from(error: Error) -> Self {
        Self::Broken(format!("unexpected {:?} error: {}", error.kind(), error.report()))
    }
}

/// A law by name, for whoever wants to go through a table of them.
pub struct Law<T: ?Sized> {
    /// Its name: that of the function, and of the test that the macro makes.
    pub name: &'static str,
    /// The function.
    pub check: for<'a> fn(&'a T) -> BoxFuture<'a, LawResult>,
}

impl<T: ?Sized> fmt::Debug for Law<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Law").field(&self.name).finish()
    }
}

/// Turns what a law said into what its test does: `Ok(None)` passes, `Ok(Some(text))` passes and prints the text, `Err` fails.
///
/// `required` turns a skip into a failure. `exceptions` are laws known not to be kept, each with its reason; one that is kept after
/// all fails, so that the list stays true.
///
/// # Errors
/// The text to fail with.
pub fn settle(
    law: &str,
    result: LawResult,
    required: bool,
    exceptions: &[(&str, &str)],
) -> Result<Option<String>, String> {
    let name = law.rsplit("::").next().unwrap_or(law);
    let excepted = exceptions.iter().find(|(excepted, _)| *excepted == name);
    match (result, excepted) {
        (Ok(()), None) => Ok(None),
        (Ok(()), Some(_)) => Err(format!("{law} is kept: take it off the list of exceptions")),
        (Err(_), Some((_, reason))) => Ok(Some(format!("EXCEPTED {law}: {reason}"))),
        (Err(Unkept::Broken(why)), None) => Err(format!("{law} is broken: {why}")),
        (Err(Unkept::Skipped(why)), None) if required => {
            Err(format!("{law} was not checked, and HARNESS_TEST_REQUIRE=all: {why}"))
        }
        (Err(Unkept::Skipped(why)), None) => Ok(Some(format!("SKIPPED {law}: {why}"))),
    }
}

/// How long a law waits for what must happen "at once" before it calls it stuck. Generous: a slow machine is no breach.
const PATIENCE: Duration = Duration::from_secs(10);

/// Broken with this text.
fn broken<T>(why: impl Into<String>) -> Result<T, Unkept> {
    Err(Unkept::Broken(why.into()))
}

/// Skipped with this text.
fn skipped<T>(why: impl Into<String>) -> Result<T, Unkept> {
    Err(Unkept::Skipped(why.into()))
}

/// What `work` gives, or broken when it is still stuck after [`PATIENCE`].
async fn promptly<T>(doing: &str, work: impl Future<Output = T>) -> Result<T, Unkept> {
    futures::pin_mut!(work);
    match futures::future::select(work, futures_timer::Delay::new(PATIENCE)).await {
        Either::Left((done, _)) => Ok(done),
        Either::Right(_) => broken(format!("{doing} is still stuck after {PATIENCE:?}")),
    }
}

/// Polls `work` up to `times` times, letting it sleep in between, then drops it. What it gave if it ended.
async fn dropped_after<T>(times: usize, work: impl Future<Output = T>) -> Option<T> {
    futures::pin_mut!(work);
    for _ in 0..times {
        if let Some(done) = work.as_mut().now_or_never() {
            return Some(done);
        }
        futures_timer::Delay::new(Duration::from_millis(1)).await;
    }
    None
}

/// A text no other call gives: to tell one's own files and processes from others'.
fn unique(prefix: &str) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{SystemTime, UNIX_EPOCH};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    format!("{prefix}-{process}-{nanos}-{count}")
}

/// Returns [`Unkept::Broken`] unless the condition holds.
macro_rules! ensure {
    ($cond:expr, $($why:tt)+) => {
        if !$cond {
            return $crate::testing::laws::broken(format!($($why)+));
        }
    };
}
use ensure;
use expand::laws_of;
