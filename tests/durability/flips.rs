//! Bits that flip in what was written: found, or without effect, and never accepted as something else.

use std::fs;

use futures::TryStreamExt;
use futures::executor::block_on;
use harness_core::testing::Chance;
use harness_core::{ErrorKind, Journal};
use harness_journal::SqliteJournal;
use tempfile::TempDir;

use crate::records::records;
use crate::rig::finish;

#[test]
fn a_thousand_flipped_bits_are_found_or_without_effect() {
    let home = TempDir::new().unwrap();
    finish(home.path());
    let whole = records(home.path()).unwrap();
    let file = home.path().join("s/journal.sqlite");
    let bytes = fs::read(&file).unwrap();
    let (mut chance, mut found) = (Chance::new(6), 0);
    for _ in 0..1000 {
        let mut altered = bytes.clone();
        let at = usize::try_from(chance.below(bytes.len() as u64)).unwrap();
        altered[at] ^= 1 << chance.below(8);
        fs::write(&file, &altered).unwrap();
        let state = home.path().join("s");
        let read = block_on(async {
            SqliteJournal::read(&state)?.scan().await?.try_collect::<Vec<_>>().await
        });
        match read {
            // In a page that holds nothing, or in a number of SQLite's own.
            Ok(records) => assert_eq!(records, whole, "byte {at} was accepted"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Journal, "byte {at}: {error}");
                found += 1;
            }
        }
    }
    assert!(found > 500, "only {found} of 1000 flips met anything");
}
