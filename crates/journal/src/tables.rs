//! Whether the tables are what their log says.

use std::path::Path;

use harness_core::Result;
use rusqlite::Connection;

use crate::chain::Link;
use crate::{fault, schema};

/// The tables that triggers fill.
const DERIVED: [&str; 10] = [
    "session",
    "harness",
    "trial",
    "outcome",
    "call",
    "settlement",
    "proposal",
    "verdict",
    "round",
    "promotion",
];

/// The hash of the last record, and how many there are.
pub(crate) fn end(file: &Path) -> Result<(String, u64)> {
    let connection = schema::open_reading(file)?;
    let tip = schema::tip(file, &connection)?;
    Ok((Link::to_hex(tip.link), u64::try_from(tip.seq).unwrap_or_default()))
}

/// At most so many are named: one damaged page can break every row after it.
const MOST_FLAWS: usize = 20;

/// What SQLite finds wrong with the file's structure and indexes.
pub(crate) fn flaws(file: &Path) -> Result<Vec<String>> {
    let failed = |source| fault::failed(file, "checking the structure of", source);
    let connection = schema::open_reading(file)?;
    let mut check =
        connection.prepare(&format!("PRAGMA integrity_check({MOST_FLAWS})")).map_err(failed)?;
    let said = check.query_map([], |row| row.get::<_, String>(0)).map_err(failed)?;
    let said = said.collect::<rusqlite::Result<Vec<_>>>().map_err(failed)?;
    let flaws = said.into_iter().filter(|line| line != "ok");
    Ok(flaws.map(|line| format!("SQLite finds: {line}")).collect())
}

/// Fills the tables once more, from the log alone, and names those that differ. A file of version 1 has none.
pub(crate) fn differences(file: &Path) -> Result<Vec<String>> {
    let failed = |source| fault::failed(file, "deriving the tables of", source);
    if schema::version(file, &schema::open_reading(file)?)? < schema::VERSION {
        return Ok(Vec::new());
    }
    let again = Connection::open("").map_err(failed)?;
    again.execute_batch(schema::TABLES).map_err(failed)?;
    again
        .execute("ATTACH DATABASE ?1 AS file", [schema::read_only_address(file)])
        .map_err(failed)?;
    again
        .execute("INSERT INTO main.record SELECT * FROM file.record ORDER BY seq", [])
        .map_err(failed)?;
    let mut differing = Vec::new();
    for table in DERIVED {
        let sql = format!(
            "SELECT count(*) FROM (SELECT * FROM (SELECT * FROM main.{table} EXCEPT SELECT * FROM file.{table}) \
             UNION ALL SELECT * FROM (SELECT * FROM file.{table} EXCEPT SELECT * FROM main.{table}))"
        );
        let rows: i64 = again.query_row(&sql, [], |row| row.get(0)).map_err(failed)?;
        if rows > 0 {
            differing.push(format!(
                "the table {table} differs in {rows} rows from what the records say"
            ));
        }
    }
    Ok(differing)
}
