//! Writes a small whole run into a directory, in the present version of the schema: what `tests/fixtures` keeps of every
//! version for ever.
//!
//! `cargo run -p harness-journal --example fixture -- DIRECTORY`
//!
//! `records.jsonl` beside the journal holds the records as they were appended.

#[path = "../tests/journal/toy.rs"]
mod toy;

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use futures::TryStreamExt;
use harness_core::testing::ManualClock;
use harness_core::{Journal, Result};
use harness_journal::SqliteJournal;

fn main() -> io::Result<()> {
    let directory = std::env::args().nth(1).ok_or_else(|| io::Error::other("name a directory"))?;
    let directory = Path::new(&directory);
    let clock = ManualClock::new();
    clock.block_on(run(directory, clock.clone())).map_err(io::Error::other)?;
    let mut lines = fs::File::create(directory.join("records.jsonl"))?;
    let records = clock.block_on(async {
        SqliteJournal::read(directory)?.scan().await?.try_collect::<Vec<_>>().await
    });
    for record in records.map_err(io::Error::other)? {
        writeln!(lines, "{}", serde_json::to_string(&record)?)?;
    }
    Ok(())
}

/// Two rounds and the claim, the first session left in the middle.
async fn run(directory: &Path, clock: ManualClock) -> Result<()> {
    let mut first = toy::engine(directory, clock.clone()).await?;
    first.round().await?;
    drop(first);
    toy::engine(directory, clock).await?.run().await.map(drop)
}
