//! What a person sees with `sqlite3`.

use std::sync::Arc;

use harness_core::{Outcome, Record, Spent, Verdict};
use harness_journal::SqliteJournal;
use rusqlite::Connection;

use crate::records::{judged, key, numbered, round, trial, weakness, write};

fn rows(connection: &Connection, sql: &str) -> Vec<String> {
    let mut select = connection.prepare(sql).unwrap();
    let columns = select.column_count();
    let rows = select.query_map([], |row| {
        let cells = (0..columns).map(|column| {
            Ok(match row.get::<_, rusqlite::types::Value>(column)? {
                rusqlite::types::Value::Null => "null".to_owned(),
                rusqlite::types::Value::Integer(number) => number.to_string(),
                rusqlite::types::Value::Real(number) => format!("{number:?}"),
                rusqlite::types::Value::Text(text) => text,
                rusqlite::types::Value::Blob(bytes) => format!("{} bytes", bytes.len()),
            })
        });
        Ok(cells.collect::<rusqlite::Result<Vec<_>>>()?.join(" "))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn example() -> (tempfile::TempDir, Connection) {
    let directory = tempfile::tempdir().unwrap();
    let scored = |reward| Outcome::Scored { reward, evidence: Vec::new() };
    let void = Outcome::Void { reason: "no reward".to_owned() };
    let paid = Spent {
        calls: 3,
        prompt_tokens: 100,
        completion_tokens: 20,
        known_usd: 0.25,
        ..Spent::default()
    };
    let unpriced = Spent { calls: 1, calls_without_price: 1, ..paid };
    let finished = |task, outcome, spent| Record::TrialFinished {
        trial: Arc::new(trial(key(task, 0), outcome, spent)),
    };
    let started = |task| Record::TrialStarted {
        id: key(task, 0).id().unwrap(),
        key: key(task, 0),
        elapsed: std::time::Duration::ZERO,
    };
    let records = [
        numbered(1),
        started("one"),
        started("two"),
        started("three"),
        started("four"),
        finished("one", scored(1.0), paid),
        finished("two", scored(0.5), unpriced),
        finished("three", void, Spent::default()),
        Record::Mined { round: 1, weaknesses: vec![weakness(1.0)] },
        round(1, vec![judged("r1-p1", Verdict::Promote), judged("r1-p2", Verdict::Reject)]),
    ];
    write(directory.path(), &records);
    let connection = Connection::open(directory.path().join(SqliteJournal::FILE)).unwrap();
    (directory, connection)
}

#[test]
fn trials_can_be_queried() {
    let (_directory, connection) = example();
    let sql = "SELECT task, split, model, phase, outcome, reward, steps, calls, prompt_tokens, usd, seconds FROM result WHERE state <> 'in flight' ORDER BY seconds, task";
    assert_eq!(
        rows(&connection, sql),
        [
            "one held-in simulated:hasty assess passed 1.0 1 3 100 0.25 2.5",
            "three held-in simulated:hasty assess void null 1 0 0 0.0 2.5",
            "two held-in simulated:hasty assess failed 0.5 1 1 100 null 2.5",
        ]
    );
    assert_eq!(
        rows(&connection, "SELECT state, task FROM result WHERE state <> 'finished' ORDER BY task"),
        ["in flight four", "unscored three"]
    );
}

#[test]
fn rounds_and_verdicts_can_be_queried() {
    let (_directory, connection) = example();
    assert_eq!(
        rows(&connection, "SELECT round, proposal, surface, verdict FROM verdict"),
        ["1 r1-p1 /verification promote", "1 r1-p2 /verification reject"]
    );
    assert_eq!(
        rows(&connection, "SELECT round, held_in_passed, held_in_scored, proposals FROM round"),
        ["1 3 5 2"]
    );
    let id = weakness(1.0).id;
    assert_eq!(rows(&connection, "SELECT round, rank, id FROM weakness"), [format!("1 0 {id}")]);
}

#[test]
fn every_view_answers() {
    let (_directory, connection) = example();
    let views = rows(&connection, "SELECT name FROM sqlite_schema WHERE type = 'view'");
    assert_eq!(views.len(), 5);
    for view in views {
        rows(&connection, &format!("SELECT * FROM {view}"));
    }
}
