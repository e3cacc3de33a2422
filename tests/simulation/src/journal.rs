//! A journal on the simulated disk: a log of frames, each checked and chained, written by one task that serves a queue.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::channel::{mpsc, oneshot};
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use harness_core::testing::ManualClock;
use harness_core::{Clock, Error, ErrorKind, Executor, Journal, Record, Result, Trial, TrialId};

use crate::disk::{Disk, DiskFault};
use crate::scheduler::Scheduler;
use crate::witness::Witness;

const LENGTH: usize = 4;
const CHECK: usize = 16;

type Job = (Arc<str>, Record, oneshot::Sender<Result<()>>);

/// The journal of one session.
pub struct LogJournal {
    disk: Disk,
    /// Scored trials of earlier sessions.
    earlier: HashMap<TrialId, Arc<Trial>>,
    queue: mpsc::UnboundedSender<Job>,
}

impl LogJournal {
    /// Opens the log and cuts off what does not check out: the torn end of a write that nobody was told of. That nothing else was
    /// lost is for the [`Witness`] to see. The writing task runs on `scheduler` and takes `latency` for each sync.
    pub fn open(
        disk: Disk,
        scheduler: &Scheduler,
        clock: &ManualClock,
        latency: Duration,
        witness: &Witness,
    ) -> Self {
        let bytes = disk.read();
        let (frames, whole) = frames(&bytes);
        let earlier = scored_trials(&frames);
        disk.truncate(whole);
        let last = frames.last().map_or([0; CHECK], |(check, _)| *check);
        let (queue, jobs) = mpsc::unbounded();
        let pen = Pen {
            disk: disk.clone(),
            clock: clock.clone(),
            latency,
            last,
            broken: None,
            witness: witness.clone(),
        };
        scheduler.spawn(pen.serve(jobs).boxed());
        Self { disk, earlier, queue }
    }
}

struct Pen {
    disk: Disk,
    clock: ManualClock,
    latency: Duration,
    last: [u8; CHECK],
    /// A failure is final for this session: nobody knows what is on the disk.
    broken: Option<DiskFault>,
    witness: Witness,
}

impl Pen {
    async fn serve(mut self, jobs: mpsc::UnboundedReceiver<Job>) {
        let mut batches = jobs.ready_chunks(16);
        while let Some(batch) = batches.next().await {
            let outcome = self.commit(&batch).await;
            for (body, record, done) in batch {
                if outcome.is_ok() {
                    self.witness.acknowledged(&record, &body);
                }
                // Nobody waits any more when the append was dropped; the record is kept all the same.
                let _unheard = done.send(outcome.map_err(|fault| {
                    Error::new(ErrorKind::Journal, format!("the disk failed: {fault:?}"))
                }));
            }
        }
    }

    async fn commit(&mut self, batch: &[Job]) -> Result<(), DiskFault> {
        if let Some(fault) = self.broken {
            return Err(fault);
        }
        let outcome = self.write(batch).await;
        self.broken = outcome.err();
        outcome
    }

    async fn write(&mut self, batch: &[Job]) -> Result<(), DiskFault> {
        for (body, ..) in batch {
            self.last = check(&self.last, body.as_bytes());
            let mut frame = Vec::with_capacity(LENGTH + CHECK + body.len());
            frame.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
            frame.extend_from_slice(&self.last);
            frame.extend_from_slice(body.as_bytes());
            self.disk.write(&frame)?;
        }
        self.clock.sleep(self.latency).await;
        self.disk.sync()
    }
}

fn check(last: &[u8; CHECK], body: &[u8]) -> [u8; CHECK] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(last).update(&(body.len() as u64).to_le_bytes()).update(body);
    let mut check = [0; CHECK];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..CHECK]);
    check
}

type Frames<'a> = Vec<([u8; CHECK], &'a [u8])>;

/// The frames that check out, and where they end.
fn frames(bytes: &[u8]) -> (Frames<'_>, usize) {
    let (mut found, mut at, mut last) = (Vec::new(), 0, [0; CHECK]);
    while let Some((length, rest)) = bytes[at..].split_first_chunk::<LENGTH>() {
        let length = u32::from_le_bytes(*length) as usize;
        let Some((expected, rest)) = rest.split_first_chunk::<CHECK>() else { break };
        let Some(body) = rest.get(..length) else { break };
        if check(&last, body) != *expected {
            break;
        }
        last = *expected;
        found.push((last, body));
        at += LENGTH + CHECK + length;
    }
    (found, at)
}

fn gone() -> Error {
    Error::new(ErrorKind::Journal, "the journal's writer has ended")
}

impl LogJournal {
    fn enqueue(&self, record: &Record) -> Result<oneshot::Receiver<Result<()>>> {
        let body = serde_json::to_string(record).map_err(|source| {
            Error::new(ErrorKind::Journal, "a record has no JSON form").with_source(source)
        })?;
        let (done, outcome) = oneshot::channel();
        self.queue.unbounded_send((body.into(), record.clone(), done)).map_err(|_| gone())?;
        Ok(outcome)
    }
}

/// The text of every record that a reader finds on `disk` now.
pub(crate) fn texts(disk: &Disk) -> Vec<String> {
    let bytes = disk.read();
    let text = |(_, body): &([u8; CHECK], &[u8])| String::from_utf8_lossy(body).into_owned();
    frames(&bytes).0.iter().map(text).collect()
}

/// How the text of a trial begins: all others need not be read to find the trials.
const TRIAL: &[u8] = br#"{"record":"trial_finished""#;

/// The scored trials among `frames`.
fn scored_trials(frames: &Frames<'_>) -> HashMap<TrialId, Arc<Trial>> {
    let trial = |body: &[u8]| match serde_json::from_slice(body).ok()? {
        Record::TrialFinished { trial } if trial.passed().is_some() => {
            Some((trial.id().ok()?, trial))
        }
        _ => None,
    };
    let trials = frames.iter().filter(|(_, body)| body.starts_with(TRIAL));
    trials.filter_map(|(_, body)| trial(body)).collect()
}

#[async_trait]
impl Journal for LogJournal {
    async fn append(&self, record: &Record) -> Result<()> {
        self.enqueue(record)?.await.map_err(|_| gone())?
    }

    async fn queue(&self, record: &Record) -> Result<()> {
        // Nobody waits: what a crash takes along may be lost.
        self.enqueue(record).map(drop)
    }

    async fn trial(&self, id: TrialId) -> Result<Option<Arc<Trial>>> {
        Ok(self.earlier.get(&id).cloned())
    }

    async fn scan(&self) -> Result<BoxStream<'static, Result<Record>>> {
        let bytes = self.disk.read();
        let records: Vec<Result<Record>> = frames(&bytes)
            .0
            .iter()
            .map(|(_, body)| {
                serde_json::from_slice(body).map_err(|source| {
                    Error::new(ErrorKind::Journal, "a record cannot be read").with_source(source)
                })
            })
            .collect();
        Ok(stream::iter(records).boxed())
    }
}

impl fmt::Debug for LogJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogJournal")
    }
}
