//! Where a run lives on disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use harness_core::{Error, ErrorKind, Result};
use harness_journal::SqliteJournal;

use crate::options::Options;
use crate::wrong;

const HOME: &str = ".self-harness";

/// The state directory, with its journal open and locked.
#[derive(Debug)]
pub(crate) struct State {
    directory: PathBuf,
    journal: Option<SqliteJournal>,
}

impl State {
    pub(crate) fn open(options: &Options) -> Result<Self> {
        let directory = match (&options.state, options.resume) {
            (Some(directory), _) => directory.clone(),
            (None, true) => newest()?,
            (None, false) => Path::new(HOME).join(name_of_now()),
        };
        if options.resume && !directory.join(SqliteJournal::FILE).exists() {
            let directory = directory.display();
            return Err(wrong(format!(
                "--resume: there is no run in {directory}; leave --resume out to start one"
            )));
        }
        // First of all: another one may be at work there this moment, and then that is what is wrong.
        let journal = SqliteJournal::open(&directory)?;
        // A start that was refused leaves a journal without a record: that is no run yet.
        if !options.resume && !journal.was_empty() {
            let directory = directory.display();
            return Err(wrong(format!(
                "--state {directory} holds a run already: add --resume to go on with it, or name another directory"
            )));
        }
        Ok(Self { directory, journal: Some(journal) })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The journal, for the one engine that writes it.
    pub(crate) fn take_journal(&mut self) -> Result<SqliteJournal> {
        self.journal
            .take()
            .ok_or_else(|| Error::new(ErrorKind::Contract, "the journal has a writer already"))
    }
}

/// The run that was started last.
fn newest() -> Result<PathBuf> {
    let none = || wrong(format!("--resume: there is no run under {HOME}; name one with --state"));
    let entries = fs::read_dir(HOME).map_err(|source| none().with_source(source))?;
    let runs = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    runs.filter(|run| run.join(SqliteJournal::FILE).exists()).max().ok_or_else(none)
}

/// Sorts by time, and differs for two runs started in the same second.
fn name_of_now() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("run-{:010}-{:05}", now.as_secs(), std::process::id())
}
