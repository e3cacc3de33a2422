//! Opening the file: its version, its tables, its durability.

use std::ffi::{OsString, c_int};
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness_core::Result;
use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::chain::Link;
use crate::tip::Tip;
use crate::{fault, make, seal};

/// What the file holds now; a program refuses what is above the version it was built for.
pub(crate) const VERSION: i64 = 2;
/// Marks the file as a journal: `SHJL`.
const APPLICATION: i64 = 0x5348_4a4c;
pub(crate) const TABLES: &str = include_str!("schema.sql");
/// What makes room for them in a file of version 1.
const FROM_VERSION_1: &str = include_str!("migrate.sql");
/// The triggers of the new table fill all others.
const COPY_VERSION_1: &str = "INSERT INTO record SELECT seq, at, kind, round, subject, body, NULL, chain FROM record_1 ORDER BY seq; \
     DROP TABLE record_1;";

/// Opens for writing, makes the file where there is none, and brings one of an earlier version up to date.
pub(crate) fn open_writing(file: &Path) -> Result<Connection> {
    let failed = |source| fault::failed(file, "opening", source);
    make::unless_there(file)?;
    // Before anything is opened for writing: what is refused must stay as it is.
    check_untouched(file)?;
    seal::lift(file)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(file, flags).map_err(failed)?;
    match settle(&mut connection) {
        Ok(()) => Ok(connection),
        Err(source) => {
            leave_the_log(file, &connection);
            Err(failed(source))
        }
    }
}

/// Closing the file would sync its log once more, and the system may then call safe what it has already given up. The next to
/// open it reads what is really there.
pub(crate) fn leave_the_log(file: &Path, connection: &Connection) {
    if let Err(error) = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true) {
        tracing::warn!(%error, file = %file.display(), "the journal's log will be synced again");
    }
}

/// Opens for reading only; needs no lock and disturbs no writer.
pub(crate) fn open_reading(file: &Path) -> Result<Connection> {
    let beside = connect(file, Reading::BesideAWriter);
    // Where SQLite may not make its own files (a read-only directory), a file without a log is complete by itself.
    match beside {
        Err(_) if !log_beside(file).exists() => connect(file, Reading::Alone),
        beside => beside,
    }
    .map_err(|source| fault::failed(file, "opening", source))
}

/// Refuses a file of a later version, or of another program, without leaving a trace beside it.
pub(crate) fn check_untouched(file: &Path) -> Result<()> {
    let reading = match log_beside(file).exists() {
        true => Reading::BesideAWriter,
        false => Reading::Alone,
    };
    let connection =
        connect(file, reading).map_err(|source| fault::failed(file, "opening", source))?;
    check(file, &connection)
}

/// Who else may have the file open.
#[derive(Clone, Copy)]
enum Reading {
    BesideAWriter,
    Alone,
}

fn connect(file: &Path, reading: Reading) -> rusqlite::Result<Connection> {
    let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match reading {
        Reading::BesideAWriter => Connection::open_with_flags(file, read_only),
        Reading::Alone => Connection::open_with_flags(
            immutable_address(file),
            read_only | OpenFlags::SQLITE_OPEN_URI,
        ),
    }?;
    connection.busy_timeout(Duration::from_secs(10))?;
    // Opening alone reads nothing yet.
    connection.pragma_query_value(None, "schema_version", |_| Ok(()))?;
    Ok(connection)
}

/// Refuses a file of a later version, or of another program.
pub(crate) fn check(file: &Path, connection: &Connection) -> Result<()> {
    let number = |pragma: &str| -> Result<i64> {
        connection
            .pragma_query_value(None, pragma, |row| row.get(0))
            .map_err(|source| fault::failed(file, "reading", source))
    };
    let (application, version) = (number("application_id")?, number("user_version")?);
    let empty = application == 0 && version == 0 && number("schema_version")? == 0;
    if !empty && application != APPLICATION {
        return Err(fault::foreign(file));
    }
    if version > VERSION {
        return Err(fault::newer(file, version, VERSION));
    }
    Ok(())
}

fn settle(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(10))?;
    // FULL: with less, a committed transaction may vanish when the power fails.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", "ON")?;
    connection.pragma_update(None, "cell_size_check", "ON")?;
    connection.wal_hook(Some(move_the_log));
    lay_out(connection)
}

/// Pages in the log from which on they are moved into the file.
const LONG_LOG: c_int = 1000;

/// SQLite does the same by itself; but where a sync fails at it, it says nothing and syncs the same file again after a later commit. Here
/// the commit fails, and with it everything that follows.
fn move_the_log(log: &Wal, pages: c_int) -> rusqlite::Result<()> {
    if pages < LONG_LOG {
        return Ok(());
    }
    match log.checkpoint() {
        // Somebody else is at it: it will be done.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(()),
        moved => moved,
    }
}

/// Write-ahead logging and the tables, where they are not there yet.
pub(crate) fn lay_out(connection: &mut Connection) -> rusqlite::Result<()> {
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    writes_ahead(&mode)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != VERSION {
        make_tables(connection, version)?;
    }
    // Asked once more: where a sync of the change fails, SQLite may say that it writes ahead and not do so.
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    writes_ahead(&mode)
}

/// SQLite answers with the mode that it is in, and no error, where it could not change it.
fn writes_ahead(mode: &str) -> rusqlite::Result<()> {
    if mode == "wal" {
        return Ok(());
    }
    let why = format!("it stays in mode {mode} and will not write ahead");
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
    Err(rusqlite::Error::SqliteFailure(code, Some(why)))
}

fn make_tables(connection: &mut Connection, version: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    if version == 1 {
        transaction.execute_batch(FROM_VERSION_1)?;
    }
    transaction.execute_batch(TABLES)?;
    if version == 1 {
        transaction.execute_batch(COPY_VERSION_1)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// The version of a file that [`check`] let pass.
pub(crate) fn version(file: &Path, connection: &Connection) -> Result<i64> {
    connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|source| fault::failed(file, "reading", source))
}

/// The last record, after a check against what was acknowledged.
pub(crate) fn tip(file: &Path, connection: &Connection) -> Result<Tip> {
    let failed = |source| fault::failed(file, "reading", source);
    let at = |seq: Option<i64>| -> Result<Option<Tip>> {
        let mut last = connection
            .prepare("SELECT seq, chain FROM record WHERE ?1 IS NULL OR seq = ?1 ORDER BY seq DESC LIMIT 1")
            .map_err(failed)?;
        let mut rows = last.query([seq]).map_err(failed)?;
        let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
        let seq = row.get(0).map_err(failed)?;
        let chain: Vec<u8> = row.get(1).map_err(failed)?;
        let link = Link::from_bytes(&chain)
            .ok_or_else(|| fault::damaged(file, seq, "has a hash of the wrong length"))?;
        Ok(Some(Tip { seq, link }))
    };
    let last = at(None)?.unwrap_or_else(Tip::start);
    if let Some(acknowledged) = Tip::read(file).filter(|tip| tip.seq > 0) {
        match at(Some(acknowledged.seq))? {
            None => return Err(fault::lost(file, last.seq, acknowledged.seq)),
            Some(found) if found != acknowledged => {
                return Err(fault::damaged(
                    file,
                    found.seq,
                    "is not the one that was acknowledged",
                ));
            }
            Some(_) => {}
        }
    }
    Ok(last)
}

pub(crate) fn log_beside(file: &Path) -> PathBuf {
    let mut name = OsString::from(file.as_os_str());
    name.push("-wal");
    PathBuf::from(name)
}

/// SQLite's name for a file that nobody writes while it is read.
fn immutable_address(file: &Path) -> String {
    address(file, "immutable=1")
}

/// SQLite's name for a file that is only read.
pub(crate) fn read_only_address(file: &Path) -> String {
    address(file, "mode=ro")
}

fn address(file: &Path, query: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(byte);
    let path: String = file
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .map(|byte| match plain(byte) {
            true => char::from(*byte).to_string(),
            false => format!("%{byte:02x}"),
        })
        .collect();
    format!("file:{path}?{query}")
}
