//! A full disk, a sync that fails, and an end that was torn off.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::TryStreamExt;
use futures::executor::block_on;
use harness_core::{ErrorKind, Fingerprint, Journal, Record};
use harness_journal::SqliteJournal;
use tempfile::TempDir;

use crate::records::{check_nothing_was_done_twice, records};
use crate::rig::{Meddling, Outcome, amount, finish, meddle, meddled, met, said, until_untouched};

/// What became of a run whose disk was meddled with.
#[derive(Clone, Copy, PartialEq)]
enum Ending {
    /// It was over before operation n.
    Untouched,
    /// It came to its end, because nothing of the journal was at stake: SQLite ignores a failed sync of the directory, which is synced once
    /// more by ourselves, and the seal of a closed journal is one that can be missing.
    Finished,
    /// With one clear error.
    Stopped,
}

/// However a run ends on a bad disk, when the disk is well again it ends like the undisturbed one.
fn meddled_and_resumed(home: &Path, how: Meddling, n: usize) -> Ending {
    let output = meddled(home, how, n).output().unwrap();
    let met = met(home);
    assert!(!met.contains("again"), "{how:?} {n}: a failed sync is final for its file: {met}");
    let ending = match output.status.code() {
        Some(0) if met.is_empty() => Ending::Untouched,
        Some(0) => Ending::Finished,
        Some(1) if !met.is_empty() => Ending::Stopped,
        other => panic!("{how:?} {n}: status {other:?}, {}", said(&output)),
    };
    let names_it = said(&output).contains("journal");
    assert!(ending != Ending::Stopped || names_it, "{how:?} {n}: {}", said(&output));
    assert!(!said(&output).contains("panicked"), "{}", said(&output));
    finish(home);
    assert_eq!(&Outcome::of(home), Outcome::undisturbed(), "{how:?} {n}");
    check_nothing_was_done_twice(home);
    ending
}

/// Tries every n until one is beyond the end; returns how many there were, and how many of them stopped the run.
fn at_every(how: Meddling) -> (usize, usize) {
    Outcome::undisturbed();
    let stopped = AtomicUsize::new(0);
    let tried = until_untouched(amount(1, 23), |n| {
        let home = TempDir::new().unwrap();
        let ending = meddled_and_resumed(home.path(), how, n);
        stopped.fetch_add(usize::from(ending == Ending::Stopped), Ordering::SeqCst);
        ending == Ending::Untouched
    });
    (tried, stopped.into_inner())
}

/// What may fail and stop nothing: the last things that a run does with its files.
const TIDYING: usize = 12;

#[test]
fn a_disk_that_fills_up_at_any_write_stops_the_run_and_loses_nothing() {
    let (tried, stopped) = at_every(Meddling::Full);
    assert!(tried >= amount(60, 3), "only {tried} operations were met");
    assert!(
        stopped + TIDYING.div_ceil(amount(1, 23)) >= tried,
        "{stopped} of {tried} stopped the run"
    );
}

#[test]
fn a_sync_that_fails_is_final_for_its_file() {
    let (tried, stopped) = at_every(Meddling::Sync);
    assert!(tried >= amount(20, 2), "only {tried} syncs were met");
    assert!(
        stopped + TIDYING.div_ceil(amount(1, 23)) >= tried,
        "{stopped} of {tried} stopped the run"
    );
}

const LONG_HOME: &str = "DURABILITY_LONG_HOME";

/// Not a test of its own: the process whose disk is meddled with. It writes so much that the log goes into the file several times.
#[test]
#[ignore = "run as a child process by the test below"]
fn writes_more_than_the_log_takes() {
    let Some(home) = std::env::var_os(LONG_HOME) else { return };
    let journal = SqliteJournal::open(Path::new(&home).join("s")).unwrap();
    for number in 0..10_u8 {
        block_on(journal.append(&bulky(number))).unwrap();
    }
}

fn bulky(number: u8) -> Record {
    let document = serde_json::Value::String("x".repeat(1_500_000));
    Record::Harness { fingerprint: Fingerprint::of_bytes(&[number]), document }
}

#[test]
fn a_sync_that_fails_while_the_log_goes_into_the_file_is_final() {
    let stopped = AtomicUsize::new(0);
    let tried = until_untouched(amount(1, 3), |n| {
        let home = TempDir::new().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["disk::writes_more_than_the_log_takes", "--exact", "--ignored"]);
        child.env(LONG_HOME, home.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        meddle(&mut child, home.path(), Meddling::Sync, n);
        let output = child.output().unwrap();
        let met = met(home.path());
        assert!(!met.contains("again"), "{n}: a failed sync is final for its file: {met}");
        assert!(output.status.success() || !met.is_empty(), "{n}: {}", said(&output));
        stopped.fetch_add(usize::from(!output.status.success()), Ordering::SeqCst);
        // What was acknowledged before is there, in its order.
        let left = SqliteJournal::open(home.path().join("s"))
            .map(drop)
            .and_then(|()| records(home.path()));
        for (number, record) in (0..).zip(left.unwrap()) {
            assert_eq!(record, bulky(number), "{n}");
        }
        met.is_empty()
    });
    assert!(tried >= amount(15, 5), "only {tried} syncs were met");
    assert!(stopped.into_inner() + TIDYING.div_ceil(amount(1, 3)) >= tried);
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
