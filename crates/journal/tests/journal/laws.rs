//! The laws of every journal.

use std::fs;
use std::sync::Arc;

use async_trait::async_trait;
use futures::executor::block_on;
use harness_core::testing::Fixture;
use harness_core::testing::laws::{Damage, JournalPlace};
use harness_core::{Error, ErrorKind, Journal, Result};
use harness_journal::SqliteJournal;
use tempfile::TempDir;

/// A state directory. Real crashes are in `crash.rs`: here a writer is dropped.
struct Directory(TempDir);

#[async_trait]
impl JournalPlace for Directory {
    async fn open(&self) -> Result<Arc<dyn Journal>> {
        Ok(Arc::new(SqliteJournal::open(self.0.path())?))
    }

    async fn damage(&self, damage: Damage) -> Result<bool> {
        let file = self.0.path().join(SqliteJournal::FILE);
        let failed = |error| Error::new(ErrorKind::Journal, "damaging the file").with_source(error);
        let mut bytes = fs::read(&file).map_err(failed)?;
        // The laws append records that are numbered from 0 to 4.
        let number = match damage {
            Damage::TearLast => 4,
            _ => 2,
        };
        let needle = format!("\"number\":\"{number}\"");
        let Some(at) = bytes.windows(needle.len()).position(|it| it == needle.as_bytes()) else {
            return Ok(false);
        };
        match damage {
            Damage::TearLast => bytes[at + 4..at + needle.len() + 2].fill(0),
            Damage::AlterMiddle => bytes[at + needle.len() - 2] = b'9',
            _ => return Ok(false),
        }
        fs::write(&file, bytes).map_err(failed)?;
        Ok(true)
    }
}

harness_core::journal_laws!(sqlite, block_on, || Fixture::new(Directory(
    tempfile::tempdir().unwrap()
)));
