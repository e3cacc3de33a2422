//! The questions of `docs/journal.md`, asked as a person would: with the `sqlite3` program.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use harness_core::{Outcome, Record, Spent};

use crate::records::{key, trial, write};

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/journal.md");
    std::fs::read_to_string(path).unwrap()
}

/// The SQL of each block of the document.
fn questions() -> Vec<String> {
    let text = document();
    let blocks = text.split("```sql\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// Whether the program is there; a run that requires everything fails without it.
fn sqlite3_is_here() -> bool {
    let here = Command::new("sqlite3").arg("--version").output().is_ok();
    let required = std::env::var("HARNESS_TEST_REQUIRE").is_ok_and(|all| all == "all");
    assert!(here || !required, "sqlite3 is not installed");
    if !here {
        eprintln!("skipped: sqlite3 is not installed");
    }
    here
}

/// A trial with steps, which the scripted run of the fixture has none of.
fn failed_trial() -> [Record; 2] {
    let outcome = Outcome::Scored { reward: 0.0, evidence: Vec::new() };
    let failed = trial(key("top-talkers", 0), outcome, Spent::default());
    let (id, key) = (failed.id().unwrap(), failed.key.clone());
    [
        Record::TrialStarted { id, key, elapsed: Duration::ZERO },
        Record::TrialFinished { trial: Arc::new(failed) },
    ]
}

#[test]
fn every_documented_question_has_an_answer() {
    if !sqlite3_is_here() {
        return;
    }
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v2/journal.sqlite");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("journal.sqlite");
    std::fs::copy(fixture, &file).unwrap();
    write(directory.path(), &failed_trial());
    let questions = questions();
    assert!(questions.len() >= 7);
    for question in questions {
        let asked = Command::new("sqlite3").arg("-readonly").arg(&file).arg(&question).output();
        let asked = asked.unwrap();
        let complaint = String::from_utf8_lossy(&asked.stderr).into_owned();
        assert!(asked.status.success() && complaint.is_empty(), "{question}: {complaint}");
        assert!(!asked.stdout.is_empty(), "no answer to {question}");
    }
}

/// What stands in backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The rows of the table under `head`, cell by cell.
fn rows_under(head: &str) -> Vec<Vec<String>> {
    let text = document();
    let table = text.split(head).nth(1).unwrap_or_else(|| panic!("no table '{head}'"));
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::to_owned).collect()).collect()
}

#[test]
fn the_documented_schema_is_the_schema_there_is() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &failed_trial());
    let file = directory.path().join("journal.sqlite");
    let connection = rusqlite::Connection::open(file).unwrap();
    let names = |sql: &str| -> Vec<String> {
        let mut select = connection.prepare(sql).unwrap();
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let is = names(
        "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'",
    );
    let said = rows_under("| | columns |\n");
    let mut documented: Vec<String> = said.iter().map(|row| quoted(&row[0]).concat()).collect();
    for (name, row) in documented.iter().zip(&said) {
        let columns = names(&format!("SELECT name FROM pragma_table_info('{name}')"));
        assert_eq!(quoted(&row[1]), columns, "columns of {name}");
    }
    let (mut is, explained) = (is, document().split("Their columns").next().unwrap().to_owned());
    is.sort();
    documented.sort();
    assert_eq!(documented, is);
    for name in is {
        assert!(explained.contains(&format!("`{name}`")), "{name} is not explained");
    }
}

#[test]
fn every_kind_of_record_is_documented() {
    // Asked for one that is none, serde names those that there are.
    let unknown = serde_json::from_str::<Record>(r#"{"record":"none such"}"#).unwrap_err();
    let mut kinds = quoted(&unknown.to_string());
    assert_eq!(kinds.remove(0), "none such");
    let said = rows_under("| kind | written | body |\n");
    let mut documented: Vec<String> = said.iter().flat_map(|row| quoted(&row[0])).collect();
    kinds.sort();
    documented.sort();
    assert_eq!(documented, kinds);
}
