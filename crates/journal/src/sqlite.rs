//! The journal itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use harness_core::{Error, ErrorKind, Journal, Record, Result, Trial, TrialId};
use rusqlite::Connection;

use crate::lock::Lock;
use crate::reader::Depth;
use crate::row::Entry;
use crate::writer::Writer;
use crate::{fault, reader, schema};

/// A [`Journal`] in one SQLite file.
///
/// Write-ahead logging with full synchronisation: what `append` acknowledged survives a crash of the process and of the
/// machine. Records that are queued while the disk is busy share one transaction. Needs no async runtime.
///
/// Dropping it writes what is queued, closes the file and frees the directory for another writer.
#[derive(Debug)]
pub struct SqliteJournal {
    file: PathBuf,
    /// Records when it was opened for writing.
    before: Option<i64>,
    /// Where single trials are looked up; opened when the first one is.
    lookup: Mutex<Option<Connection>>,
    // In this order: the writer must have closed the file before the lock is free.
    writer: Option<Writer>,
    _lock: Option<Lock>,
}

impl SqliteJournal {
    /// The name of the file in a state directory.
    pub const FILE: &'static str = "journal.sqlite";

    /// Opens the journal of `directory` for writing; makes both where they are missing.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] when another process (or another part of this one) has it, naming the holder;
    /// [`ErrorKind::Journal`] when it cannot be opened, belongs to a later version or another program, or lost records
    /// that were acknowledged. A file that is refused is not touched.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self> {
        let directory = directory.as_ref();
        let failed = |source| fault::failed(directory, "making the directory of", source);
        fs::create_dir_all(directory).map_err(failed)?;
        let lock = Lock::take(directory)?;
        let file = directory.join(Self::FILE);
        let connection = schema::open_writing(&file)?;
        let tip = schema::tip(&file, &connection)?;
        // So that the log's name survives a crash of the machine as its content does: SQLite does not say whether it did.
        fs::File::open(directory).and_then(|entry| entry.sync_all()).map_err(failed)?;
        let writer = Writer::start(&file, connection, tip)?;
        let before = Some(tip.seq);
        Ok(Self { file, before, lookup: Mutex::default(), writer: Some(writer), _lock: Some(lock) })
    }

    /// Opens the journal of `directory` for reading only: no lock is taken and a writer is not disturbed. A scan shows
    /// what is there when it begins; `append` is refused.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when there is none; [`ErrorKind::Journal`] as for [`SqliteJournal::open`].
    pub fn read(directory: impl AsRef<Path>) -> Result<Self> {
        let file = directory.as_ref().join(Self::FILE);
        if !file.is_file() {
            let message = format!(
                "there is no journal at {}: name the state directory of a run",
                file.display()
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        schema::check_untouched(&file)?;
        Ok(Self { file, before: None, lookup: Mutex::default(), writer: None, _lock: None })
    }

    /// Whether it was opened for writing and held no record then: a directory that was made for a run which never began.
    pub fn was_empty(&self) -> bool {
        self.before == Some(0)
    }

    fn writer(&self) -> Result<&Writer> {
        self.writer.as_ref().ok_or_else(|| {
            let message = format!("the journal {} is open for reading only", self.file.display());
            Error::new(ErrorKind::Journal, message)
        })
    }

    /// What the tables say; `None` where the file has none: one of version 1 that is only read.
    fn looked_up(&self, id: TrialId) -> Result<Option<Option<Arc<Trial>>>> {
        let mut lookup = self.lookup.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = match lookup.take() {
            Some(connection) => connection,
            None => schema::open_reading(&self.file)?,
        };
        let connection = lookup.insert(connection);
        if schema::version(&self.file, connection)? < schema::VERSION {
            return Ok(None);
        }
        reader::trial(&self.file, connection, id).map(Some)
    }

    /// A file of version 1 that is only read has no table to look in.
    async fn trial_of_an_old_version(&self, id: TrialId) -> Result<Option<Arc<Trial>>> {
        let mut found = None;
        let mut records = self.scan().await?;
        while let Some(record) = records.next().await {
            if let Record::TrialFinished { trial } = record?
                && trial.passed().is_some()
                && trial.id()? == id
            {
                found = Some(trial);
            }
        }
        Ok(found)
    }

    /// Where it is.
    pub fn file(&self) -> &Path {
        &self.file
    }
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn append(&self, record: &Record) -> Result<()> {
        self.writer()?.append(Entry::of(record)?).await
    }

    async fn queue(&self, record: &Record) -> Result<()> {
        self.writer()?.queue(Entry::of(record)?)
    }

    async fn scan(&self) -> Result<BoxStream<'static, Result<Record>>> {
        reader::scan(self.file.clone(), Depth::Whole).await
    }

    async fn outline(&self) -> Result<BoxStream<'static, Result<Record>>> {
        reader::scan(self.file.clone(), Depth::Outline).await
    }

    /// Reads a few pages where it is called: no thread is worth it.
    async fn trial(&self, id: TrialId) -> Result<Option<Arc<Trial>>> {
        match self.looked_up(id)? {
            Some(found) => Ok(found),
            None => self.trial_of_an_old_version(id).await,
        }
    }
}
