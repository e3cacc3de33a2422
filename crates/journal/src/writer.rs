//! The one thread that writes. What is queued while it waits for the disk goes into the next transaction together,
//! so that many trials share one sync.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};

use futures::channel::oneshot;
use harness_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, TransactionBehavior, params};

use crate::row::{Entry, Place};
use crate::steps::Packed;
use crate::tip::{Tip, TipFile};
use crate::{fault, schema, seal};

/// At most this much in one transaction: what is acknowledged together is also lost together when it fails.
const MOST_RECORDS: usize = 1024;
const MOST_BYTES: usize = 16 << 20;

/// The queue to the writing thread. Dropping it writes what is queued and closes the file.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Job {
    entry: Entry,
    /// Who waits for it to be on disk; nobody for what is queued.
    done: Option<oneshot::Sender<Result<()>>>,
}

impl Writer {
    pub(crate) fn start(file: &Path, connection: Connection, tip: Tip) -> Result<Self> {
        let (queue, jobs) = channel();
        let file = file.to_owned();
        let tip_file = TipFile::open(&file)?;
        let pen = Pen { file: file.clone(), connection, tip, tip_file, broken: None };
        let thread = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || pen.serve(&jobs))
            .map_err(|source| fault::failed(&file, "starting the writer of", source))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Queues the entry and waits until it is on disk. Dropped before that, the entry is written whole or not at all.
    pub(crate) async fn append(&self, entry: Entry) -> Result<()> {
        let (done, outcome) = oneshot::channel();
        self.send(Job { entry, done: Some(done) })?;
        outcome.await.map_err(|_| gone())?
    }

    /// Queues the entry, and waits for nothing. It is on disk when a later [`Writer::append`] returns.
    pub(crate) fn queue(&self, entry: Entry) -> Result<()> {
        self.send(Job { entry, done: None })
    }

    fn send(&self, job: Job) -> Result<()> {
        self.queue.as_ref().ok_or_else(gone)?.send(job).map_err(|_| gone())
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Journal, "the journal's writer has ended")
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has told every waiter already: their channels closed.
            let _ = thread.join();
        }
    }
}

struct Pen {
    file: PathBuf,
    connection: Connection,
    tip: Tip,
    tip_file: TipFile,
    /// After a failed commit nobody knows what is on disk: no second try with this handle.
    broken: Option<String>,
}

impl Pen {
    fn serve(mut self, jobs: &Receiver<Job>) {
        while let Some(batch) = next_batch(jobs) {
            let outcome = self.commit(&batch);
            for done in batch.into_iter().filter_map(|job| job.done) {
                // Nobody waits any more when the append was dropped; the record is kept all the same.
                let _ = done.send(match &outcome {
                    Ok(()) => Ok(()),
                    Err(why) => Err(Error::new(ErrorKind::Journal, why.clone())),
                });
            }
        }
        self.close();
    }

    /// In good order: the log goes into the file, and the file under its seal.
    fn close(self) {
        let Self { file, connection, broken, .. } = self;
        let closed = connection.close();
        // What could not be written leaves nothing that could be vouched for.
        if broken.is_some() || closed.is_err() {
            return;
        }
        if let Err(error) = seal::put(&file) {
            tracing::warn!(%error, file = %file.display(), "the closed journal was not sealed");
        }
    }

    fn commit(&mut self, batch: &[Job]) -> Result<(), String> {
        if let Some(why) = &self.broken {
            return Err(format!("nothing more is written after an earlier failure ({why})"));
        }
        let written = self.write(batch).map_err(|source| {
            let why = fault::failed(&self.file, "writing to", source).report();
            self.broken = Some(why.clone());
            schema::leave_the_log(&self.file, &self.connection);
            why + "; nothing that was acknowledged is lost: make room or mend the disk, and resume the run"
        })?;
        self.tip = written;
        if let Err(error) = self.tip_file.write(written) {
            // The records are safe; only the check against a lost end is weaker now.
            tracing::warn!(%error, file = %self.file.display(), "the journal's tip was not written");
        }
        Ok(())
    }

    /// One transaction; returns the new tip once it is on disk.
    fn write(&mut self, batch: &[Job]) -> rusqlite::Result<Tip> {
        let mut tip = self.tip;
        let at = now();
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO record (seq, at, kind, round, subject, body, steps, chain) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?;
            let mut insert_steps = transaction.prepare_cached(
                "INSERT INTO steps (seq, count, size, packed) VALUES (?1, ?2, ?3, ?4)",
            )?;
            for job in batch {
                let steps = job.entry.steps.as_ref().map(Packed::digest);
                let place = Place { seq: tip.seq + 1, at, steps };
                tip = Tip { seq: place.seq, link: tip.link.next(&place, &job.entry) };
                let Entry { kind, round, subject, body, steps } = &job.entry;
                let (link, digest) = (tip.link.as_bytes(), place.steps);
                insert.execute(params![tip.seq, at, kind, round, subject, body, digest, link])?;
                if let Some(Packed { count, size, bytes }) = steps {
                    insert_steps.execute(params![tip.seq, count, size, bytes])?;
                }
            }
        }
        transaction.commit()?;
        Ok(tip)
    }
}

/// Waits for a job, and takes along what else is queued by then; `None` when nobody can queue any more.
fn next_batch(jobs: &Receiver<Job>) -> Option<Vec<Job>> {
    let first = jobs.recv().ok()?;
    let mut bytes = first.entry.size();
    let mut batch = vec![first];
    while batch.len() < MOST_RECORDS && bytes < MOST_BYTES {
        let Ok(job) = jobs.try_recv() else { break };
        bytes += job.entry.size();
        batch.push(job);
    }
    Some(batch)
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
