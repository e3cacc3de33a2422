//! Why a task is not loaded: its files are wrong, or it asks for what cannot be given here.

use std::fmt::Display;
use std::path::Path;

use harness_core::{Error, ErrorKind};

/// What stands between a task directory and a task.
#[derive(Debug)]
pub(crate) enum Obstacle {
    /// The files are wrong: loading stops, and the author is told.
    Wrong(Error),
    /// They are fine, but this machine or this version cannot give what they ask for: the task is skipped.
    Unavailable(String),
}

pub(crate) type Step<T> = std::result::Result<T, Obstacle>;

impl From<Error> for Obstacle {
    fn from(error: Error) -> Self {
        Self::Wrong(error)
    }
}

/// The task is fine, but cannot be had here.
pub(crate) fn unavailable<T>(reason: impl Into<String>) -> Step<T> {
    Err(Obstacle::Unavailable(reason.into()))
}

/// The line of `text` that a parser's complaint is about, from 1.
pub(crate) fn line_of(text: &str, span: Option<std::ops::Range<usize>>) -> usize {
    let before = span.and_then(|span| text.get(..span.start));
    before.map_or(1, |before| before.matches('\n').count() + 1)
}

/// A file of the user's is wrong: which, where in it, how, and what to do.
pub(crate) fn wrong(
    file: &Path,
    key: impl Display,
    problem: impl Display,
    remedy: impl Display,
) -> Error {
    let message = format!("{}: {key}: {problem}; {remedy}", file.display());
    Error::new(ErrorKind::InvalidInput, message)
}
