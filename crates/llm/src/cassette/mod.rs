//! Replies on file: recorded once, played ever after.

mod recorded;
mod replayed;

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use harness_core::{Completion, Error, ErrorKind, Fingerprint, ModelId, Redactor, Request, Result};
use serde::{Deserialize, Serialize};

pub use self::recorded::Recorded;
pub use self::replayed::Replayed;

/// The newest form of a line.
const VERSION: u32 = 1;

/// A file of replies, one JSON object a line, in the order in which they came.
///
/// A reply belongs to its model, to the request in canonical form, to the replicate that asked
/// ([`Origin::replicate`](harness_core::Origin::replicate)), and to how often that replicate had asked the same before. So a
/// replicate is never answered by another's luck, and an agent that asks twice hears what it heard twice.
#[derive(Debug)]
pub struct Cassette {
    path: PathBuf,
    redactor: Redactor,
    tape: Mutex<Tape>,
}

#[derive(Debug, Default)]
struct Tape {
    replies: HashMap<Key, Vec<Completion>>,
    /// How often each was asked for.
    asked: HashMap<Key, usize>,
    file: Option<File>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    request: Fingerprint,
    replicate: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    version: u32,
    /// For readers: which model answered. The digest holds it as well.
    model: String,
    request: Fingerprint,
    replicate: Option<u64>,
    completion: Completion,
}

impl Cassette {
    /// Opens `path` to record and to play; a new file where there is none.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] naming the file, and the line that cannot be read.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(|source| unusable(&path, "opening it to record", source))?;
        let replies = read(&path)?;
        let tape = Tape { replies, file: Some(file), ..Tape::default() };
        Ok(Self { path, redactor: Redactor::default(), tape: Mutex::new(tape) })
    }

    /// Opens `path` to play only.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] naming the file, and the line that cannot be read.
    pub fn load(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let tape = Tape { replies: read(&path)?, ..Tape::default() };
        Ok(Self { path, redactor: Redactor::default(), tape: Mutex::new(tape) })
    }

    /// Takes secrets out of what is recorded.
    #[must_use]
    pub fn with_redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// How many replies there are.
    pub fn len(&self) -> usize {
        self.tape().replies.values().map(Vec::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next reply to this request of this replicate.
    ///
    /// # Errors
    /// [`ErrorKind::ModelRejected`] naming the file and the digest when there is none: no other will do.
    fn play(&self, model: &ModelId, request: &Request) -> Result<Completion> {
        let key = key(model, request)?;
        let mut tape = self.tape();
        let asked = tape.asked.entry(key).or_default();
        let nth = *asked;
        *asked += 1;
        let reply = tape.replies.get(&key).and_then(|replies| replies.get(nth)).cloned();
        reply.ok_or_else(|| {
            let message = format!(
                "{} holds no reply number {} of model {model} to request {} of replicate {}: record it anew",
                self.path.display(),
                nth + 1,
                key.request,
                key.replicate.map_or("none".to_owned(), |replicate| replicate.to_string()),
            );
            Error::new(ErrorKind::ModelRejected, message)
        })
    }

    fn record(&self, model: &ModelId, request: &Request, completion: &Completion) -> Result<()> {
        let key = key(model, request)?;
        let line = Line {
            version: VERSION,
            model: model.to_string(),
            request: key.request,
            replicate: key.replicate,
            completion: completion.clone(),
        };
        let text = serde_json::to_value(&line).map(|mut value| {
            self.redactor.json(&mut value);
            format!("{value}\n")
        });
        let text = text.map_err(|source| {
            Error::new(ErrorKind::Contract, "a reply has no JSON form").with_source(source)
        })?;
        let mut tape = self.tape();
        let file = tape.file.as_mut().ok_or_else(|| {
            let message = format!("{} was opened to play only", self.path.display());
            Error::new(ErrorKind::Contract, message)
        })?;
        // One write: a line is there whole or not at all, but for a crash in the middle of it.
        file.write_all(text.as_bytes()).map_err(|source| {
            Error::new(ErrorKind::Journal, failed(&self.path, "recording")).with_source(source)
        })?;
        tape.replies.entry(key).or_default().push(completion.clone());
        Ok(())
    }

    fn tape(&self) -> MutexGuard<'_, Tape> {
        // A panic elsewhere leaves counts that are at most one ahead: that reply is then not played twice.
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(model: &ModelId, request: &Request) -> Result<Key> {
    let digest = Fingerprint::of(&(model, request))?;
    Ok(Key { request: digest, replicate: request.origin.replicate })
}

fn read(path: &Path) -> Result<HashMap<Key, Vec<Completion>>> {
    let file = File::open(path).map_err(|source| unusable(path, "opening it to play", source))?;
    let mut replies: HashMap<Key, Vec<Completion>> = HashMap::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let text = line.map_err(|source| unusable(path, "reading it", source))?;
        if text.trim().is_empty() {
            continue;
        }
        let line: Line = serde_json::from_str(&text).map_err(|source| {
            let why = failed(path, &format!("line {} is no recorded reply", number + 1));
            Error::new(ErrorKind::InvalidInput, why).with_source(source)
        })?;
        if line.version > VERSION {
            let why = format!(
                "line {} is of version {}, newer than this program",
                number + 1,
                line.version
            );
            return Err(Error::new(ErrorKind::InvalidInput, failed(path, &why)));
        }
        let key = Key { request: line.request, replicate: line.replicate };
        replies.entry(key).or_default().push(line.completion);
    }
    Ok(replies)
}

fn failed(path: &Path, what: &str) -> String {
    format!("the cassette {}: {what}", path.display())
}

fn unusable(path: &Path, what: &str, source: io::Error) -> Error {
    Error::new(ErrorKind::InvalidInput, failed(path, what)).with_source(source)
}
