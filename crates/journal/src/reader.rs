//! Reading back: every record, whole and in order, each checked against the chain before it is shown.

use std::path::{Path, PathBuf};
use std::thread;

use futures::channel::{mpsc, oneshot};
use futures::stream::BoxStream;
use futures::{SinkExt, StreamExt};
use harness_core::{Error, ErrorKind, Record, Result};
use rusqlite::Connection;

use crate::chain::Link;
use crate::fault;
use crate::row::{Entry, Row};
use crate::schema;
use crate::tip::Tip;

/// Records read ahead of whoever consumes them.
const READ_AHEAD: usize = 64;

/// The records that are in the file when this returns. A thread reads them; it ends with the stream.
pub(crate) async fn scan(file: PathBuf) -> Result<BoxStream<'static, Result<Record>>> {
    let (opened, ready) = oneshot::channel();
    let (records, stream) = mpsc::channel(READ_AHEAD);
    let name = file.clone();
    thread::Builder::new()
        .name("journal-scan".to_owned())
        .spawn(move || read(&file, opened, records))
        .map_err(|source| fault::failed(&name, "starting to read", source))?;
    ready.await.map_err(|_| Error::new(ErrorKind::Journal, "the journal's reader has ended"))??;
    Ok(stream.boxed())
}

fn read(
    file: &Path,
    opened: oneshot::Sender<Result<()>>,
    mut records: mpsc::Sender<Result<Record>>,
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
    let mut show = |item| futures::executor::block_on(records.send(item)).is_ok();
    if let Err(error) = walk(file, &connection, &mut show) {
        show(Err(error));
    }
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

/// Shows every record until there are no more, `show` has seen enough, or one cannot be trusted.
fn walk(
    file: &Path,
    connection: &Connection,
    show: &mut impl FnMut(Result<Record>) -> bool,
) -> Result<()> {
    let failed = |source| fault::failed(file, "reading", source);
    let mut select = connection
        .prepare("SELECT seq, at, kind, round, subject, body, chain FROM record ORDER BY seq")
        .map_err(failed)?;
    let mut rows = select.query([]).map_err(failed)?;
    let mut tip = Tip::start();
    loop {
        let unreadable = |source: rusqlite::Error| {
            fault::damaged(file, tip.seq + 1, "cannot be read").with_source(source)
        };
        let Some(row) = rows.next().map_err(unreadable)? else { return Ok(()) };
        let (row, link) = decode(row).map_err(unreadable)?;
        tip = follow(file, tip, &row, &link)?;
        let record = row.entry.record().map_err(|why| fault::damaged(file, row.seq, &why))?;
        if !show(Ok(record)) {
            return Ok(());
        }
    }
}

/// The tip after `row`, if the row is the one that was appended there.
fn follow(file: &Path, tip: Tip, row: &Row, link: &[u8]) -> Result<Tip> {
    if row.seq != tip.seq + 1 {
        return Err(fault::damaged(file, tip.seq + 1, "is missing"));
    }
    let expected = tip.link.next(row);
    if Link::from_bytes(link) != Some(expected) {
        return Err(fault::damaged(file, row.seq, "does not fit its hash"));
    }
    Ok(Tip { seq: row.seq, link: expected })
}

fn decode(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Row, Vec<u8>)> {
    let entry =
        Entry { kind: row.get(2)?, round: row.get(3)?, subject: row.get(4)?, body: row.get(5)? };
    Ok((Row { seq: row.get(0)?, at: row.get(1)?, entry }, row.get(6)?))
}
