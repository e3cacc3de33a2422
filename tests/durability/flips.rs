//! Bits that flip in what was written and closed: found, every one.

use std::fs;
use std::path::Path;

use futures::TryStreamExt;
use futures::executor::block_on;
use harness_core::testing::Chance;
use harness_core::{ErrorKind, Journal, Record, Result};
use harness_journal::{SqliteJournal, audit};
use tempfile::TempDir;

use crate::records::records;
use crate::rig::finish;

/// Each of a thousand is found: in a record by its hash chain, in a table by the audit, which derives it anew, and in what is
/// SQLite's own by the seal over the closed file. None ever shows another record.
#[test]
fn a_thousand_flipped_bits_are_all_found() {
    let home = TempDir::new().unwrap();
    finish(home.path());
    let whole = records(home.path()).unwrap();
    let state = home.path().join("s");
    let sound = block_on(audit(&state)).unwrap();
    assert!(sound.sealed && sound.discrepancies.is_empty(), "{:?}", sound.discrepancies);
    let file = state.join("journal.sqlite");
    let bytes = fs::read(&file).unwrap();
    let (mut chance, mut by_the_log) = (Chance::new(6), 0);
    for _ in 0..1000 {
        let mut altered = bytes.clone();
        let at = usize::try_from(chance.below(bytes.len() as u64)).unwrap();
        altered[at] ^= 1 << chance.below(8);
        fs::write(&file, &altered).unwrap();
        match block_on(read(&state)) {
            Ok(records) => assert_eq!(records, whole, "byte {at} was accepted"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Journal, "byte {at}: {error}");
                by_the_log += 1;
            }
        }
        match block_on(audit(&state)) {
            Ok(found) => assert!(!found.discrepancies.is_empty(), "byte {at} was not found"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Journal, "byte {at}: {error}"),
        }
        let error = SqliteJournal::open(&state).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Journal, "byte {at}: {error}");
    }
    assert!(by_the_log > 250, "only {by_the_log} of 1000 flips met the log");
    fs::write(&file, &bytes).unwrap();
    check_what_lies_beside_it(&state);
}

/// The same for every bit of the tip and of the seal.
fn check_what_lies_beside_it(state: &Path) {
    for name in ["journal.tip", "journal.seal"] {
        let file = state.join(name);
        let bytes = fs::read(&file).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            fs::write(&file, &altered).unwrap();
            let error = SqliteJournal::open(state).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Journal, "bit {bit} of {name}: {error}");
        }
        fs::write(&file, &bytes).unwrap();
    }
    drop(SqliteJournal::open(state).unwrap());
}

async fn read(state: &Path) -> Result<Vec<Record>> {
    SqliteJournal::read(state)?.scan().await?.try_collect().await
}
