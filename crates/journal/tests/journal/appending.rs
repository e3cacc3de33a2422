//! What is appended is what is scanned.

use std::sync::Arc;

use futures::StreamExt;
use futures::executor::block_on;
use futures::future::join_all;
use harness_core::{ErrorKind, Fingerprint, Journal, Outcome, Record, Spent};
use harness_journal::SqliteJournal;
use proptest::prelude::*;
use serde_json::Value;

use crate::records::{any_record, key, numbered, read, trial, write};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_scan_returns_what_was_appended(sessions in prop::collection::vec(prop::collection::vec(any_record(), 0..6), 1..4)) {
        let directory = tempfile::tempdir().unwrap();
        for records in &sessions {
            write(directory.path(), records);
        }
        prop_assert_eq!(read(directory.path()).unwrap(), sessions.concat());
    }
}

#[test]
fn concurrent_appends_are_all_kept_and_each_appender_s_stay_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Arc::new(SqliteJournal::open(directory.path()).unwrap());
    let threads: Vec<_> = (0..16_u64)
        .map(|thread| {
            let journal = Arc::clone(&journal);
            std::thread::spawn(move || {
                for number in 0..25 {
                    block_on(journal.append(&numbered(thread * 1000 + number))).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    drop(journal);
    let found = read(directory.path()).unwrap();
    assert_eq!(found.len(), 16 * 25);
    for thread in 0..16 {
        let own: Vec<&Record> =
            found.iter().filter(|record| number(record) / 1000 == thread).collect();
        assert!(own.iter().map(|record| number(record)).is_sorted());
        assert_eq!(own.len(), 25);
    }
}

fn number(record: &Record) -> u64 {
    let Record::Opened { identity } = record else { panic!("not one of these") };
    identity.0["number"].parse().unwrap()
}

#[test]
fn appends_that_are_polled_in_order_are_written_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(directory.path()).unwrap();
    let records: Vec<Record> = (0..64).map(numbered).collect();
    let outcomes = block_on(join_all(records.iter().map(|record| journal.append(record))));
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(read(directory.path()).unwrap(), records);
}

/// The log holds, for each transaction, every page that it changed: many records in one transaction take little of it.
#[test]
fn appends_that_wait_together_share_a_transaction_and_its_sync() {
    let written = |at_once: usize| {
        let directory = tempfile::tempdir().unwrap();
        let journal = SqliteJournal::open(directory.path()).unwrap();
        let records: Vec<Record> = (0..64).map(numbered).collect();
        for together in records.chunks(at_once) {
            block_on(futures::future::try_join_all(
                together.iter().map(|record| journal.append(record)),
            ))
            .unwrap();
        }
        std::fs::metadata(directory.path().join("journal.sqlite-wal")).unwrap().len()
    };
    let (alone, together) = (written(1), written(64));
    assert!(together * 2 < alone, "{together} bytes of log together, {alone} alone");
}

#[test]
fn an_append_that_is_dropped_leaves_its_record_whole_or_absent() {
    let directory = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(directory.path()).unwrap();
    for number in 0..50 {
        let record = numbered(number);
        let mut append = journal.append(&record);
        let _ = block_on(async { futures::poll!(&mut append).is_ready() });
        drop(append);
    }
    block_on(journal.append(&numbered(50))).unwrap();
    drop(journal);
    let found = read(directory.path()).unwrap();
    assert_eq!(found.last(), Some(&numbered(50)));
    assert!(found.iter().map(number).is_sorted());
}

#[test]
fn a_scan_shows_what_was_there_when_it_began() {
    let directory = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(directory.path()).unwrap();
    block_on(async {
        journal.append(&numbered(1)).await.unwrap();
        let scan = journal.scan().await.unwrap();
        journal.append(&numbered(2)).await.unwrap();
        assert_eq!(scan.count().await, 1);
        assert_eq!(journal.scan().await.unwrap().count().await, 2);
    });
}

#[test]
fn a_long_scan_can_be_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(directory.path()).unwrap();
    block_on(async {
        join_all((0..500).map(numbered).collect::<Vec<_>>().iter().map(|r| journal.append(r)))
            .await;
        let mut scan = journal.scan().await.unwrap();
        assert!(scan.next().await.unwrap().is_ok());
        drop(scan);
        journal.append(&numbered(500)).await.unwrap();
    });
}

#[test]
fn what_could_not_be_read_back_is_refused_before_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(directory.path()).unwrap();
    let spent = Spent { known_usd: f64::NAN, ..Spent::default() };
    let outcome = Outcome::Void { reason: String::new() };
    let unreadable = Record::TrialFinished { trial: Arc::new(trial(key("t", 0), outcome, spent)) };
    let refused = block_on(journal.append(&unreadable)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Contract);
    block_on(journal.append(&numbered(1))).unwrap();
    assert_eq!(read(directory.path()).unwrap(), [numbered(1)]);
}

#[test]
fn json_as_deep_as_a_wire_allows_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let nested = |depth| (0..depth).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    let record = |depth| Record::Harness {
        fingerprint: Fingerprint::of_bytes(b"deep"),
        document: nested(depth),
    };
    write(directory.path(), &[record(127)]);
    assert_eq!(read(directory.path()).unwrap(), [record(127)]);
    let journal = SqliteJournal::open(directory.path()).unwrap();
    let refused = block_on(journal.append(&record(600))).unwrap_err();
    assert!(refused.message().contains("nested deeper"));
}
