//! Who may open what.

use std::fs;
use std::path::Path;

use futures::executor::block_on;
use harness_core::{ErrorKind, Journal};
use harness_journal::SqliteJournal;

use crate::records::{numbered, read, write};

fn alter(directory: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(directory.join(SqliteJournal::FILE)).unwrap();
    connection.execute_batch(sql).unwrap();
}

fn state(directory: &Path) -> Vec<(String, Vec<u8>, std::time::SystemTime)> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none_or(|kind| kind != "lock"))
        .map(|path| {
            let modified = path.metadata().unwrap().modified().unwrap();
            (path.display().to_string(), fs::read(&path).unwrap(), modified)
        })
        .collect();
    files.sort();
    files
}

#[test]
fn the_second_writer_is_refused_and_told_of_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let first = SqliteJournal::open(directory.path()).unwrap();
    let refused = SqliteJournal::open(directory.path()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Locked);
    assert!(refused.message().contains(&format!("process {}", std::process::id())), "{refused}");
    assert!(refused.message().contains(&directory.path().display().to_string()), "{refused}");
    block_on(first.append(&numbered(1))).unwrap();
    drop(first);
    SqliteJournal::open(directory.path()).unwrap();
}

#[test]
fn of_many_that_open_at_once_exactly_one_wins() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let journals: Vec<_> = std::thread::scope(|scope| {
        let opening: Vec<_> =
            (0..8).map(|_| scope.spawn(move || SqliteJournal::open(path))).collect();
        opening.into_iter().map(|opening| opening.join().unwrap()).collect()
    });
    assert_eq!(journals.iter().filter(|journal| journal.is_ok()).count(), 1);
    let losers = journals.iter().filter_map(|journal| journal.as_ref().err());
    assert!(losers.into_iter().all(|error| error.kind() == ErrorKind::Locked));
}

#[test]
fn readers_need_no_lock_and_cannot_append() {
    let directory = tempfile::tempdir().unwrap();
    let writer = SqliteJournal::open(directory.path()).unwrap();
    block_on(writer.append(&numbered(1))).unwrap();
    let reader = SqliteJournal::read(directory.path()).unwrap();
    assert_eq!(read(directory.path()).unwrap(), [numbered(1)]);
    let refused = block_on(reader.append(&numbered(2))).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Journal);
    assert!(refused.message().contains("reading only"), "{refused}");
    block_on(writer.append(&numbered(3))).unwrap();
}

#[test]
fn reading_where_no_journal_is_makes_none() {
    let directory = tempfile::tempdir().unwrap();
    let refused = SqliteJournal::read(directory.path()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert!(refused.message().contains(SqliteJournal::FILE));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_later_version_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &[numbered(1)]);
    alter(directory.path(), "PRAGMA user_version = 99");
    let before = state(directory.path());
    for refused in [SqliteJournal::open(directory.path()), SqliteJournal::read(directory.path())] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Journal);
        assert!(refused.message().contains("version 99"), "{refused}");
    }
    assert_eq!(state(directory.path()), before);
}

#[test]
fn another_program_s_file_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    alter(directory.path(), "CREATE TABLE diary (entry TEXT); INSERT INTO diary VALUES ('dear');");
    let before = state(directory.path());
    let refused = SqliteJournal::open(directory.path()).unwrap_err();
    assert!(refused.message().contains("not a journal"), "{refused}");
    assert_eq!(state(directory.path()), before);

    fs::write(directory.path().join(SqliteJournal::FILE), "not a database at all, but long enough")
        .unwrap();
    let refused = SqliteJournal::open(directory.path()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Journal);
    assert!(refused.message().contains(SqliteJournal::FILE), "{refused}");
}

#[test]
fn an_empty_file_is_a_journal_that_was_never_begun() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(SqliteJournal::FILE), "").unwrap();
    write(directory.path(), &[numbered(1)]);
    assert_eq!(read(directory.path()).unwrap(), [numbered(1)]);
}

#[test]
fn directories_are_made_and_odd_names_are_fine() {
    let directory = tempfile::tempdir().unwrap();
    let odd = directory.path().join("a b/ü%20?x=1#y/state");
    write(&odd, &[numbered(1)]);
    assert_eq!(read(&odd).unwrap(), [numbered(1)]);
}
