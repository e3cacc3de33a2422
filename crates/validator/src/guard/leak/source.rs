//! Where a text of a task stands, and what was found of it.

use std::fmt;

use harness_core::TaskName;
use serde::{Deserialize, Serialize};

/// The part of a task that a text belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// What the agent reads, and the files that it works on.
    Task,
    /// What the verifier runs and expects.
    Tests,
    /// How the task can be solved.
    Solution,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Task => "text",
            Self::Tests => "tests",
            Self::Solution => "solution",
        })
    }
}

/// What an edit carries of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeakKind {
    /// Its name.
    Name,
    /// A literal: a value, a file name, an identifier, a quoted string, a line of data.
    Literal(Source),
    /// Words in a row.
    Passage(Source),
}

impl fmt::Display for LeakKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.pad("the name"),
            Self::Literal(source) => write!(f, "a literal from the {source}"),
            Self::Passage(source) => write!(f, "words in a row from the {source}"),
        }
    }
}

/// A finding. It tells where the text is from, never the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Leak {
    /// The task.
    pub task: TaskName,
    /// What of it.
    pub kind: LeakKind,
    /// The code it was hidden in, such as `base64`; `None` when it stands there as it is.
    pub hidden: Option<String>,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the task '{}'", self.kind, self.task)?;
        self.hidden.as_ref().map_or(Ok(()), |code| write!(f, " ({code})"))
    }
}
