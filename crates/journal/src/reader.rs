//! Reading back: every record, whole and in order, each checked against the chain before it is shown.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use futures::channel::{mpsc, oneshot};
use futures::stream::{self, BoxStream};
use futures::{SinkExt, StreamExt};
use harness_core::{Error, ErrorKind, Record, Result, Trial, TrialId};
use rusqlite::{Connection, OptionalExtension};

use crate::chain::Link;
use crate::row::{Entry, Place, Row};
use crate::steps::Packed;
use crate::tip::Tip;
use crate::{fault, schema};

/// Records that are handed over together, and how many such batches are read ahead of whoever consumes them.
const BATCH: usize = 64;
const READ_AHEAD: usize = 2;

/// How much of a record is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// All of it.
    Whole,
    /// Trials without their steps.
    Outline,
}

type Batch = Vec<Result<Record>>;

/// The records that are in the file when this returns. A thread reads them; it ends with the stream.
pub(crate) async fn scan(
    file: PathBuf,
    depth: Depth,
) -> Result<BoxStream<'static, Result<Record>>> {
    let (opened, ready) = oneshot::channel();
    let (batches, stream) = mpsc::channel(READ_AHEAD);
    let name = file.clone();
    thread::Builder::new()
        .name("journal-scan".to_owned())
        .spawn(move || read(&file, depth, opened, batches))
        .map_err(|source| fault::failed(&name, "starting to read", source))?;
    ready.await.map_err(|_| Error::new(ErrorKind::Journal, "the journal's reader has ended"))??;
    Ok(stream.flat_map(stream::iter::<Batch>).boxed())
}

fn read(
    file: &Path,
    depth: Depth,
    opened: oneshot::Sender<Result<()>>,
    mut batches: mpsc::Sender<Batch>,
) {
    let connection = match open_snapshot(file) {
        Ok(connection) => connection,
        Err(error) => {
            // Nobody waits any more when the scan was dropped.
            let _ = opened.send(Err(error));
            return;
        }
    };
    if opened.send(Ok(())).is_err() {
        return;
    }
    let mut batch = Batch::with_capacity(BATCH);
    let mut show = |record| {
        batch.push(Ok(record));
        batch.len() < BATCH || hand_over(&mut batches, &mut batch)
    };
    let walked = walk(file, &connection, depth, &mut show);
    batch.extend(walked.err().map(Err));
    hand_over(&mut batches, &mut batch);
}

/// `false` when nobody wants more.
fn hand_over(batches: &mut mpsc::Sender<Batch>, batch: &mut Batch) -> bool {
    let full = std::mem::replace(batch, Batch::with_capacity(BATCH));
    futures::executor::block_on(batches.send(full)).is_ok()
}

/// A connection that sees the file as it is now, whatever is appended meanwhile.
fn open_snapshot(file: &Path) -> Result<Connection> {
    let failed = |source| fault::failed(file, "reading", source);
    let connection = schema::open_reading(file)?;
    schema::check(file, &connection)?;
    connection.execute_batch("BEGIN").map_err(failed)?;
    // The first read fixes the snapshot, and finds out whether the end that was acknowledged is there.
    schema::tip(file, &connection)?;
    Ok(connection)
}

const OUTLINE_1: &str =
    "SELECT seq, at, kind, round, subject, body, NULL, chain, NULL, NULL, NULL FROM record";
const OUTLINE: &str =
    "SELECT seq, at, kind, round, subject, body, steps, chain, NULL, NULL, NULL FROM record";
const WHOLE: &str = "SELECT record.seq, at, kind, round, subject, body, record.steps, chain, count, size, packed \
                     FROM record LEFT JOIN steps ON steps.seq = record.seq";

fn select(version: i64, depth: Depth) -> &'static str {
    match (version, depth) {
        (..=1, _) => OUTLINE_1,
        (_, Depth::Outline) => OUTLINE,
        (_, Depth::Whole) => WHOLE,
    }
}

/// Shows every record until there are no more, `show` has seen enough, or one cannot be trusted.
fn walk(
    file: &Path,
    connection: &Connection,
    depth: Depth,
    show: &mut impl FnMut(Record) -> bool,
) -> Result<()> {
    let failed = |source| fault::failed(file, "reading", source);
    let version = schema::version(file, connection)?;
    let sql = format!("{} ORDER BY record.seq", select(version, depth));
    let mut select = connection.prepare(&sql).map_err(failed)?;
    let mut rows = select.query([]).map_err(failed)?;
    let mut tip = Tip::start();
    loop {
        let unreadable = |source: rusqlite::Error| {
            fault::damaged(file, tip.seq + 1, "cannot be read").with_source(source)
        };
        let Some(row) = rows.next().map_err(unreadable)? else { return Ok(()) };
        let (row, link) = decode(row).map_err(unreadable)?;
        tip = follow(file, tip, &row, &link)?;
        if !show(record(file, &row, depth)?) {
            return Ok(());
        }
    }
}

/// The record of a row that is in its place.
fn record(file: &Path, row: &Row, depth: Depth) -> Result<Record> {
    let damaged = |why: &str| fault::damaged(file, row.place.seq, why);
    let record = match depth {
        Depth::Outline => {
            return row.entry.record().map(Record::outline).map_err(|why| damaged(&why));
        }
        Depth::Whole => row.entry.record().map_err(|why| damaged(&why))?,
    };
    if row.entry.steps.as_ref().map(Packed::digest) != row.place.steps {
        return Err(damaged("has other steps than were appended, or none"));
    }
    Ok(record)
}

/// The tip after `row`, if the row is the one that was appended there.
fn follow(file: &Path, tip: Tip, row: &Row, link: &[u8]) -> Result<Tip> {
    if row.place.seq != tip.seq + 1 {
        return Err(fault::damaged(file, tip.seq + 1, "is missing"));
    }
    let expected = tip.link.next(&row.place, &row.entry);
    if Link::from_bytes(link) != Some(expected) {
        return Err(fault::damaged(file, row.place.seq, "does not fit its hash"));
    }
    Ok(Tip { seq: row.place.seq, link: expected })
}

/// The scored trial under this identity, from a connection of the present version. Its own link is checked.
pub(crate) fn trial(
    file: &Path,
    connection: &Connection,
    id: TrialId,
) -> Result<Option<Arc<Trial>>> {
    let failed = |source| fault::failed(file, "reading", source);
    let seq: Option<i64> = connection
        .prepare_cached("SELECT max(seq) FROM outcome WHERE trial = ?1 AND outcome <> 'void'")
        .and_then(|mut select| select.query_row([id.0.to_string()], |row| row.get(0)))
        .map_err(failed)?;
    let Some(seq) = seq else { return Ok(None) };
    let damaged = || fault::damaged(file, seq, "is not the trial that it should be");
    let before = connection
        .prepare_cached("SELECT chain FROM record WHERE seq = ?1")
        .and_then(|mut select| {
            select.query_row([seq - 1], |row| row.get::<_, Vec<u8>>(0)).optional()
        })
        .map_err(failed)?;
    let before = match before {
        Some(chain) => Tip { seq: seq - 1, link: Link::from_bytes(&chain).ok_or_else(damaged)? },
        None => Tip { seq: seq - 1, link: Link::genesis() },
    };
    let (row, link) = connection
        .prepare_cached(&format!("{WHOLE} WHERE record.seq = ?1"))
        .and_then(|mut select| select.query_row([seq], decode))
        .map_err(failed)?;
    follow(file, before, &row, &link)?;
    match record(file, &row, Depth::Whole)? {
        Record::TrialFinished { trial } if trial.id()? == id => Ok(Some(trial)),
        _ => Err(damaged()),
    }
}

fn decode(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Row, Vec<u8>)> {
    let packed = match row.get::<_, Option<Vec<u8>>>(10)? {
        Some(bytes) => Some(Packed { count: row.get(8)?, size: row.get(9)?, bytes }),
        None => None,
    };
    let entry = Entry {
        kind: row.get(2)?,
        round: row.get(3)?,
        subject: row.get(4)?,
        body: row.get(5)?,
        steps: packed,
    };
    let place = Place { seq: row.get(0)?, at: row.get(1)?, steps: row.get(6)? };
    Ok((Row { place, entry }, row.get(7)?))
}
