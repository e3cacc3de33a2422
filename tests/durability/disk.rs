//! A full disk, a sync that fails, and an end that was torn off.

use std::fs;
use std::path::Path;

use futures::TryStreamExt;
use futures::executor::block_on;
use harness_core::{ErrorKind, Journal, Record};
use harness_journal::SqliteJournal;
use tempfile::TempDir;

use crate::records::{check_nothing_was_done_twice, records};
use crate::rig::{Meddling, Outcome, amount, finish, meddled, said, until_untouched};

/// The run stops with one clear error, and when the disk is well again it ends like the undisturbed one. Returns whether it was disturbed.
fn stopped_and_resumed(home: &Path, how: Meddling, n: usize) -> bool {
    let output = meddled(home, how, n).output().unwrap();
    check_no_sync_after_a_failed_one(home);
    let disturbed = match output.status.code() {
        Some(0) => false,
        Some(1) => true,
        other => panic!("{how:?} {n}: status {other:?}, {}", said(&output)),
    };
    assert!(!disturbed || said(&output).contains("journal"), "{}", said(&output));
    assert!(!said(&output).contains("panicked"), "{}", said(&output));
    finish(home);
    assert_eq!(&Outcome::of(home), Outcome::undisturbed(), "{how:?} {n}");
    check_nothing_was_done_twice(home);
    disturbed
}

/// While the file is being made SQLite may take its attempt back, with syncs of its own: there is nothing to lose yet.
fn check_no_sync_after_a_failed_one(home: &Path) {
    if records(home).is_ok_and(|records| !records.is_empty()) {
        let again = fs::read_to_string(home.join("meddle.log")).unwrap_or_default();
        assert_eq!(again, "", "a failed sync is final for its file");
    }
}

#[test]
fn a_disk_that_fills_up_at_any_write_stops_the_run_and_loses_nothing() {
    Outcome::undisturbed();
    let tried = until_untouched(amount(1, 23), |n| {
        let home = TempDir::new().unwrap();
        !stopped_and_resumed(home.path(), Meddling::Full, n)
    });
    assert!(tried >= amount(60, 3), "only {tried} operations were met");
}

#[test]
fn a_sync_that_fails_is_final_for_its_file() {
    Outcome::undisturbed();
    let tried = until_untouched(amount(1, 23), |n| {
        let home = TempDir::new().unwrap();
        let stopped = stopped_and_resumed(home.path(), Meddling::Sync, n);
        // While the file is being made, SQLite tries some of its syncs again by itself.
        !stopped && n > 6
    });
    assert!(tried >= amount(20, 2), "only {tried} syncs were met");
}

/// A journal whose last records are still in its write-ahead log, as a killed run leaves it.
fn with_a_log() -> TempDir {
    for n in (20..).step_by(7) {
        let home = TempDir::new().unwrap();
        meddled(home.path(), Meddling::Tear, n).output().unwrap();
        let log = home.path().join("s/journal.sqlite-wal");
        if fs::metadata(&log).is_ok_and(|log| log.len() > 4 * 4120) {
            return home;
        }
    }
    unreachable!("a killed run leaves a log")
}

#[test]
fn an_end_torn_at_any_byte_is_a_prefix_or_an_error() {
    let home = with_a_log();
    let whole = records(home.path()).unwrap();
    let log = fs::read(home.path().join("s/journal.sqlite-wal")).unwrap();
    let tip = fs::read_to_string(home.path().join("s/journal.tip")).unwrap();
    let acknowledged: usize = tip.split(' ').next().unwrap().parse().unwrap();
    // A record takes at least one frame, of a page and its head.
    let last = log.len() - 3 * 4120;
    let (mut refused, mut shorter) = (0, 0);
    let copy = TempDir::new().unwrap();
    for cut in (last..=log.len()).step_by(amount(1, 211)) {
        match reopened(home.path(), copy.path(), &log[..cut]) {
            Ok(left) => {
                assert_eq!(left, whole[..left.len()], "cut at {cut}");
                assert!(left.len() >= acknowledged, "cut at {cut}: {} left", left.len());
                shorter += usize::from(left.len() < whole.len());
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Journal, "{error}");
                assert!(error.message().contains("was acknowledged"), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused + shorter > 0, "no cut met a record");
}

fn reopened(home: &Path, copy: &Path, log: &[u8]) -> harness_core::Result<Vec<Record>> {
    let state = copy.join("s");
    let _absent_at_first = fs::remove_dir_all(&state);
    fs::create_dir(&state).unwrap();
    for name in ["journal.sqlite", "journal.tip"] {
        fs::copy(home.join("s").join(name), state.join(name)).unwrap();
    }
    fs::write(state.join("journal.sqlite-wal"), log).unwrap();
    block_on(async { SqliteJournal::open(&state)?.scan().await?.try_collect().await })
}
