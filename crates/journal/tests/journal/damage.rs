//! Damage is an error that names the record and the file; it is never skipped.

use std::fs;
use std::path::Path;

use futures::executor::block_on;
use harness_core::{ErrorKind, Journal, Record};
use harness_journal::SqliteJournal;

use crate::records::{numbered, read, read_each, write};

/// The place of `needle` in the closed file; it occurs once.
fn find(directory: &Path, needle: &[u8]) -> usize {
    let bytes = fs::read(directory.join(SqliteJournal::FILE)).unwrap();
    let places: Vec<usize> =
        (0..bytes.len() - needle.len()).filter(|at| bytes[*at..].starts_with(needle)).collect();
    assert_eq!(places.len(), 1, "{places:?}");
    places[0]
}

fn flip(directory: &Path, at: usize, mask: u8) {
    let file = directory.join(SqliteJournal::FILE);
    let mut bytes = fs::read(&file).unwrap();
    bytes[at] ^= mask;
    fs::write(&file, bytes).unwrap();
}

fn marked(mark: &str) -> Record {
    let Record::Opened { identity } = numbered(2) else { unreachable!() };
    Record::Opened { identity: identity.with("mark", mark) }
}

#[test]
fn every_flipped_bit_of_a_record_is_found_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let record = marked("do not touch");
    write(directory.path(), &[numbered(1), record.clone(), numbered(3)]);
    let body = serde_json::to_string(&record).unwrap();
    let start = find(directory.path(), body.as_bytes());
    for at in start..start + body.len() {
        let mask = 1 << (at % 8);
        flip(directory.path(), at, mask);
        let shown = read_each(directory.path());
        assert_eq!(shown.len(), 2, "the scan ends at the damage");
        assert_eq!(shown[0].as_ref().unwrap(), &numbered(1));
        let error = shown[1].as_ref().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Journal);
        assert!(error.message().contains("record 2 "), "{error}");
        assert!(error.message().contains(SqliteJournal::FILE), "{error}");
        flip(directory.path(), at, mask);
    }
    assert_eq!(read(directory.path()).unwrap().len(), 3);
}

#[test]
fn flipped_bits_anywhere_never_give_another_record() {
    let directory = tempfile::tempdir().unwrap();
    let records: Vec<Record> = (0..40).map(numbered).collect();
    write(directory.path(), &records);
    let size = fs::read(directory.path().join(SqliteJournal::FILE)).unwrap().len();
    for step in 0..400 {
        let (at, mask) = (step * 7919 % size, 1 << (step % 8));
        flip(directory.path(), at, mask);
        let shown = read_each(directory.path());
        let whole = shown.iter().all(Result::is_ok);
        // Either everything is there, or an error ends what is.
        assert!(!whole || shown.len() == records.len(), "lost silently by byte {at}");
        for (found, expected) in shown.iter().filter_map(|item| item.as_ref().ok()).zip(&records) {
            assert_eq!(found, expected, "byte {at}");
        }
        flip(directory.path(), at, mask);
    }
}

#[test]
fn a_record_changed_by_hand_is_found() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &[numbered(1), marked("failed"), numbered(3)]);
    let file = directory.path().join(SqliteJournal::FILE);
    let connection = rusqlite::Connection::open(file).unwrap();
    let change = "UPDATE record SET body = replace(body, 'failed', 'passed') WHERE seq = 2";
    assert!(connection.execute(change, []).unwrap_err().to_string().contains("append-only"));
    connection.execute_batch(&format!("DROP TRIGGER record_keeps; {change}")).unwrap();
    drop(connection);
    let error = read(directory.path()).unwrap_err();
    assert!(error.message().contains("record 2 "), "{error}");
}

#[test]
fn a_record_that_was_removed_is_missed() {
    for (gone, named) in [(1, "record 1 "), (2, "record 2 "), (3, "record 3 ")] {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), &[numbered(1), numbered(2), numbered(3)]);
        let file = directory.path().join(SqliteJournal::FILE);
        let connection = rusqlite::Connection::open(file).unwrap();
        let remove = format!("DROP TRIGGER record_stays; DELETE FROM record WHERE seq = {gone}");
        connection.execute_batch(&remove).unwrap();
        drop(connection);
        let error = read(directory.path()).unwrap_err();
        assert!(error.message().contains(named), "{error}");
    }
}

#[test]
fn a_log_cut_anywhere_gives_every_acknowledged_record_or_an_error() {
    let source = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(source.path()).unwrap();
    let records: Vec<Record> = (0..6).map(numbered).collect();
    for record in &records {
        block_on(journal.append(record)).unwrap();
    }
    // The journal stays open, so that the records are still in the log and not in the file.
    let log = fs::read(source.path().join("journal.sqlite-wal")).unwrap();
    assert!(!log.is_empty());
    for cut in (0..log.len()).step_by(1013) {
        let copy = tempfile::tempdir().unwrap();
        for name in ["journal.sqlite", "journal.tip"] {
            fs::copy(source.path().join(name), copy.path().join(name)).unwrap();
        }
        fs::write(copy.path().join("journal.sqlite-wal"), &log[..cut]).unwrap();
        // Records were acknowledged, so an end that is missing must not pass for the whole.
        let error = SqliteJournal::open(copy.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Journal, "cut at {cut}: {error}");
        // Somebody who accepts the loss says so by removing the tip; what is left is a prefix.
        fs::remove_file(copy.path().join("journal.tip")).unwrap();
        drop(SqliteJournal::open(copy.path()).unwrap());
        let left = read(copy.path()).unwrap();
        assert_eq!(left, records[..left.len()]);
    }
}
