//! Bits that flip in what was written: found, or without effect, and never accepted as something else.

use std::fs;
use std::path::Path;

use futures::TryStreamExt;
use futures::executor::block_on;
use harness_core::testing::Chance;
use harness_core::{ErrorKind, Journal, Result};
use harness_journal::SqliteJournal;
use tempfile::TempDir;

use crate::records::records;
use crate::rig::finish;

/// The log is checked by its hash chain; tables that are derived from it, by the audit, which derives them anew.
#[test]
fn a_thousand_flipped_bits_are_found_or_without_effect() {
    let home = TempDir::new().unwrap();
    finish(home.path());
    let whole = records(home.path()).unwrap();
    let state = home.path().join("s");
    let sound = audited(&state).unwrap();
    let file = state.join("journal.sqlite");
    let bytes = fs::read(&file).unwrap();
    let (mut chance, mut found) = (Chance::new(6), [0, 0]);
    for _ in 0..1000 {
        let mut altered = bytes.clone();
        let at = usize::try_from(chance.below(bytes.len() as u64)).unwrap();
        altered[at] ^= 1 << chance.below(8);
        fs::write(&file, &altered).unwrap();
        let read = block_on(async {
            SqliteJournal::read(&state)?.scan().await?.try_collect::<Vec<_>>().await
        });
        match read {
            Ok(records) => {
                assert_eq!(records, whole, "byte {at} was accepted");
                match audited(&state) {
                    // In a page that holds nothing, or in a number of SQLite's own.
                    Ok(told) if told == sound => found[1] += 1,
                    Ok(told) => {
                        assert!(told.0 > 0, "byte {at} changed what the audit tells: {told:?}");
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Journal, "byte {at}: {error}");
                    }
                }
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Journal, "byte {at}: {error}");
                found[0] += 1;
            }
        }
    }
    let [by_the_log, without_effect] = found;
    assert!(by_the_log > 250, "only {by_the_log} of 1000 flips met the log");
    // Much of a small file is room that no page uses.
    assert!(without_effect < 750, "{without_effect} of 1000 flips met nothing");
}

/// Discrepancies, and what the journal comes to.
fn audited(state: &Path) -> Result<(usize, u64, String, u64, usize)> {
    let audit = block_on(harness_journal::audit(state))?;
    let lineage = audit.lineage.len();
    Ok((audit.discrepancies.len(), audit.records, audit.chain, audit.scored, lineage))
}
