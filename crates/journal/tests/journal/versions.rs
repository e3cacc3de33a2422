//! Files of every version that was ever released are read, resumed and brought up to date, for ever.

use std::fs;
use std::path::{Path, PathBuf};

use futures::TryStreamExt;
use futures::executor::block_on;
use harness_core::testing::ManualClock;
use harness_core::{Journal, Record};
use harness_journal::SqliteJournal;
use rusqlite::Connection;

use crate::records::{numbered, read};
use crate::toy;

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut found: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert!(found.len() >= 2);
    found
}

/// A copy that a test may change, and the records that were written.
fn copied(fixture: &Path) -> (tempfile::TempDir, Vec<Record>) {
    let directory = tempfile::tempdir().unwrap();
    for name in [SqliteJournal::FILE, "journal.tip"] {
        fs::copy(fixture.join(name), directory.path().join(name)).unwrap();
    }
    let lines = fs::read_to_string(fixture.join("records.jsonl")).unwrap();
    let records = lines.lines().map(|line| serde_json::from_str(line).unwrap());
    let records = records.collect();
    (directory, records)
}

fn version(directory: &Path) -> i64 {
    let connection = Connection::open(directory.join(SqliteJournal::FILE)).unwrap();
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

#[test]
fn every_version_has_a_fixture() {
    let fresh = tempfile::tempdir().unwrap();
    drop(SqliteJournal::open(fresh.path()).unwrap());
    let versions: Vec<i64> =
        fixtures().iter().map(|fixture| version(copied(fixture).0.path())).collect();
    assert!(versions.into_iter().eq(1..=version(fresh.path())));
}

#[test]
fn old_files_are_read_as_they_were_written_and_left_as_they_are() {
    for fixture in fixtures() {
        let (directory, records) = copied(&fixture);
        let before = fs::read(directory.path().join(SqliteJournal::FILE)).unwrap();
        assert_eq!(read(directory.path()).unwrap(), records, "{}", fixture.display());
        let journal = SqliteJournal::read(directory.path()).unwrap();
        let outlines: Vec<Record> =
            block_on(async { journal.outline().await.unwrap().try_collect().await.unwrap() });
        assert_eq!(outlines, records.iter().cloned().map(Record::outline).collect::<Vec<_>>());
        for record in &records {
            if let Record::TrialFinished { trial } = record {
                let found = block_on(journal.trial(trial.id().unwrap())).unwrap();
                assert_eq!(found.as_ref(), Some(trial));
            }
        }
        assert_eq!(fs::read(directory.path().join(SqliteJournal::FILE)).unwrap(), before);
    }
}

#[test]
fn opening_for_writing_brings_a_file_up_to_date_and_keeps_every_record() {
    for fixture in fixtures() {
        let (directory, mut records) = copied(&fixture);
        let journal = SqliteJournal::open(directory.path()).unwrap();
        assert_eq!(version(directory.path()), 2);
        block_on(journal.append(&numbered(1))).unwrap();
        records.push(numbered(1));
        assert_eq!(read(directory.path()).unwrap(), records, "{}", fixture.display());
        let connection = Connection::open(directory.path().join(SqliteJournal::FILE)).unwrap();
        let count = |table: &str| -> i64 {
            let sql = format!("SELECT count(*) FROM {table}");
            connection.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        let finished =
            records.iter().filter(|record| matches!(record, Record::TrialFinished { .. })).count();
        assert_eq!(count("outcome"), i64::try_from(finished).unwrap());
        assert_eq!((count("round"), count("promotion"), count("session")), (2, 1, 3));
    }
}

#[test]
fn a_run_of_any_version_is_resumed_and_runs_nothing_again() {
    for fixture in fixtures() {
        let (directory, records) = copied(&fixture);
        let clock = ManualClock::new();
        let report = clock.block_on(async {
            toy::engine(directory.path(), clock.clone()).await.unwrap().run().await.unwrap()
        });
        let trials = |records: &[Record]| {
            records.iter().filter(|record| matches!(record, Record::TrialStarted { .. })).count()
        };
        assert_eq!(trials(&read(directory.path()).unwrap()), trials(&records));
        assert_eq!(report.rounds.len(), 2);
        assert_eq!(report.trials.scored as usize, trials(&records));
        assert!(report.spent.calls >= trials(&records) as u64, "{:?}", report.spent);
    }
}
