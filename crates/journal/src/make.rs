//! Making the file: under another name, and under its own only once all of it is on disk.
//!
//! Whatever ends the making, a crash or a disk that fails, there is no journal or a whole one. SQLite itself syncs nothing
//! here, so that nothing is synced again after a sync that failed: one sync of our own, of the closed file, says that it is whole.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use harness_core::Result;
use rusqlite::Connection;

use crate::{fault, schema};

/// What SQLite puts beside a file while it writes it.
const BESIDE: [&str; 4] = ["", "-journal", "-wal", "-shm"];

/// Makes the journal `file` where there is none, or an empty file that was never begun; removes what a making that was cut short
/// left. The caller holds the lock of its directory.
///
/// # Errors
/// [`ErrorKind::Journal`](harness_core::ErrorKind::Journal) when it cannot be made; then there is none.
pub(crate) fn unless_there(file: &Path) -> Result<()> {
    let failed = |source: io::Error| fault::failed(file, "making", source);
    let unfinished = unfinished(file);
    remove(&unfinished).map_err(failed)?;
    if is_begun(file).map_err(failed)? {
        return Ok(());
    }
    fill(&unfinished).map_err(|source| fault::failed(file, "making", source))?;
    put_in_place(&unfinished, file).map_err(failed)
}

/// Where it is made.
fn unfinished(file: &Path) -> PathBuf {
    with_suffix(file, ".new")
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(file.as_os_str());
    name.push(suffix);
    PathBuf::from(name)
}

/// An empty file counts as one that was never begun, unless a log beside it says otherwise.
fn is_begun(file: &Path) -> io::Result<bool> {
    match fs::metadata(file) {
        Ok(found) => Ok(found.len() > 0 || schema::log_beside(file).exists()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove(unfinished: &Path) -> io::Result<()> {
    for suffix in BESIDE {
        match fs::remove_file(with_suffix(unfinished, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn fill(unfinished: &Path) -> rusqlite::Result<()> {
    let mut connection = Connection::open(unfinished)?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    schema::lay_out(&mut connection)?;
    connection.close().map_err(|(_, source)| source)
}

fn put_in_place(unfinished: &Path, file: &Path) -> io::Result<()> {
    File::open(unfinished)?.sync_all()?;
    fs::rename(unfinished, file)?;
    file.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn what_is_made_is_one_whole_file_that_writes_ahead() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("journal.sqlite");
        unless_there(&file).unwrap();
        assert_eq!(names(directory.path()), ["journal.sqlite"]);
        let connection = Connection::open(&file).unwrap();
        schema::check(&file, &connection).unwrap();
        assert_eq!(schema::version(&file, &connection).unwrap(), schema::VERSION);
        let mode: String =
            connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }

    #[test]
    fn a_making_that_was_cut_short_anywhere_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("journal.sqlite");
        unless_there(&file).unwrap();
        let whole = fs::read(&file).unwrap();
        // Cut at a page, in a page, before the first byte; and with each of the files that SQLite keeps meanwhile.
        for length in [0, 1, 100, 4096, 5000, whole.len()] {
            for suffix in BESIDE {
                fs::remove_file(&file).unwrap();
                fs::write(unfinished(&file), &whole[..length]).unwrap();
                fs::write(with_suffix(&unfinished(&file), suffix), &whole[..length]).unwrap();
                unless_there(&file).unwrap();
                assert_eq!(names(directory.path()), ["journal.sqlite"]);
                let made = fs::read(&file).unwrap();
                assert_eq!(made.len(), whole.len());
            }
        }
    }

    #[test]
    fn a_journal_that_is_there_is_left_alone_and_what_was_left_beside_it_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("journal.sqlite");
        for content in ["not ours", "x"] {
            fs::write(&file, content).unwrap();
            fs::write(unfinished(&file), "left").unwrap();
            unless_there(&file).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), content);
            assert_eq!(names(directory.path()), ["journal.sqlite"]);
        }
    }
}
