//! One error type at every seam.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// What every fallible function of this workspace returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn StdError + Send + Sync + 'static>;

/// Broken machinery, or a request that makes no sense.
///
/// A failed task, a non-zero exit or a rejected edit is *data* and never an `Error`.
/// The message says what was being done and, where the reader can act, names the file or address,
/// the key, and the remedy. [`Error::source`](StdError::source) keeps an implementation's own error.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    retry_after: Option<Duration>,
    uncharged: bool,
    source: Option<Source>,
}

/// The categories a caller can act on.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// An edit names an unknown surface, leaves its bounds, or does not fit the document.
    InvalidEdit,
    /// A file, option or argument of the user's is wrong; the message says which, and the remedy.
    InvalidInput,
    /// A path inside a session does not exist.
    NotFound,
    /// A path inside a session exists but is not a readable, writable or small enough file.
    NotAFile,
    /// The sandbox itself failed (not the command in it).
    Sandbox,
    /// The model's server could not be reached, was overloaded or answered nonsense. Retryable.
    ModelUnavailable,
    /// The model's server refused the request for good: bad request, key, model name.
    ModelRejected,
    /// The conversation no longer fits the model's context. The harness may shorten it and go on.
    ContextOverflow,
    /// A cap on tokens, money, trials or time stopped the run; it can be resumed with a higher cap.
    Budget,
    /// One attempt used up its steps or tokens; the runner turns it into the attempt's finish.
    TrialLimit,
    /// The verifier could not judge (its own machinery failed, or it left no reward).
    Verifier,
    /// Too many trials could not be scored for anything to be learnt: an outage. Nothing is lost; the run can be resumed.
    Infrastructure,
    /// The journal could not be read or written.
    Journal,
    /// Another run holds the state directory.
    Locked,
    /// The state directory belongs to another configuration.
    Mismatch,
    /// A part broke its contract (a bug in an implementation of a trait).
    Contract,
}

impl Error {
    /// An error of `kind`; `message` says what was being done and the remedy.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None, uncharged: false, source: None }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error with the server's own word on when to try again.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The same error, of a call that certainly cost nothing: it never reached the model's server, or was turned away
    /// before any work.
    #[must_use]
    pub fn uncharged(mut self) -> Self {
        self.uncharged = true;
        self
    }

    /// The same error with what was being done put in front of its message.
    #[must_use]
    pub fn while_doing(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// Its category.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was being done and what went wrong, without the causes.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the same call may succeed later, unchanged.
    pub fn is_retryable(&self) -> bool {
        self.kind == ErrorKind::ModelUnavailable
    }

    /// How long the server asked to wait before another try.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether the call certainly cost nothing. Such a call may be repeated without anybody paying twice.
    pub fn is_uncharged(&self) -> bool {
        self.uncharged || matches!(self.kind, ErrorKind::ModelRejected | ErrorKind::ContextOverflow)
    }

    /// Whether every further trial would meet the same end, so that the run must stop at once
    /// instead of voiding trial after trial.
    pub fn stops_run(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Budget
                | ErrorKind::Journal
                | ErrorKind::Locked
                | ErrorKind::Mismatch
                | ErrorKind::ModelRejected
                | ErrorKind::InvalidInput
                | ErrorKind::Infrastructure
        )
    }

    /// The message and the whole chain of causes on one line.
    pub fn report(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = StdError::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
