//! The questions of `docs/journal.md`, asked as a person would: with the `sqlite3` program.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use harness_core::{Outcome, Record, Spent};

use crate::records::{key, trial, write};

/// The SQL of each block of the document.
fn questions() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/journal.md");
    let text = std::fs::read_to_string(path).unwrap();
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
