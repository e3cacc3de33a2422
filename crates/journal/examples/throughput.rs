//! Records per second with many appenders at once, beside one sync for each record.
//!
//! `cargo run --release -p harness-journal --example throughput -- DIRECTORY`
//!
//! The directory should be on the disk that the state directory will be on: in memory, a sync costs nothing.

use std::io;
use std::path::Path;
use std::time::Instant;

use futures::StreamExt;
use futures::executor::{ThreadPool, block_on};
use futures::future::join_all;
use futures::task::SpawnExt;
use harness_core::{Fingerprint, Journal, Record};
use harness_journal::SqliteJournal;

const RECORDS: usize = 4096;
/// About the size of a trial of twenty steps.
const BYTES: usize = 20_000;

fn main() -> io::Result<()> {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    for appenders in [1, 8, 64] {
        report(&format!("{appenders:3} appenders, shared syncs"), || {
            journal(Path::new(&parent), appenders)
        })?;
    }
    report("  1 appender, plain file, fdatasync after each", || floor(Path::new(&parent)))?;
    let opened = tempfile::tempdir_in(&parent)?;
    block_on(fill(&SqliteJournal::open(opened.path()).map_err(io::Error::other)?, RECORDS))
        .map_err(io::Error::other)?;
    report("  scan", || {
        let read = SqliteJournal::read(opened.path()).map_err(io::Error::other)?;
        let count = block_on(async { read.scan().await.map(StreamExt::count) });
        let count = block_on(count.map_err(io::Error::other)?);
        (count == RECORDS).then_some(()).ok_or_else(|| io::Error::other("records are missing"))
    })
}

fn report(name: &str, work: impl Fn() -> io::Result<()>) -> io::Result<()> {
    let started = Instant::now();
    work()?;
    let seconds = started.elapsed().as_secs_f64();
    println!("{name}: {:.0} records/s", RECORDS as f64 / seconds);
    Ok(())
}

fn record() -> Record {
    let document = serde_json::Value::String("x".repeat(BYTES));
    Record::Harness { fingerprint: Fingerprint::of_bytes(b"x"), document }
}

async fn fill(journal: &SqliteJournal, records: usize) -> harness_core::Result<()> {
    let record = record();
    for _ in 0..records {
        journal.append(&record).await?;
    }
    Ok(())
}

fn journal(parent: &Path, appenders: usize) -> io::Result<()> {
    let directory = tempfile::tempdir_in(parent)?;
    let journal =
        std::sync::Arc::new(SqliteJournal::open(directory.path()).map_err(io::Error::other)?);
    let pool = ThreadPool::builder().pool_size(2).create()?;
    let work = (0..appenders).map(|_| {
        let journal = std::sync::Arc::clone(&journal);
        pool.spawn_with_handle(async move { fill(&journal, RECORDS / appenders).await })
    });
    let handles = work.collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
    for outcome in block_on(join_all(handles)) {
        outcome.map_err(io::Error::other)?;
    }
    Ok(())
}

/// What a journal that syncs each line by itself would give.
fn floor(parent: &Path) -> io::Result<()> {
    use std::io::Write as _;
    let mut file = tempfile::tempfile_in(parent)?;
    let line = vec![b'x'; BYTES];
    for _ in 0..RECORDS {
        file.write_all(&line)?;
        file.sync_data()?;
    }
    Ok(())
}
