//! The audit as its users meet it: the program, on a run of the real example.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use futures::TryStreamExt;
use futures::executor::block_on;
use harness_core::{Journal, Record, Verdict};
use harness_journal::SqliteJournal;
use tempfile::TempDir;

use crate::cli::{command, program, stderr, stdout};
use crate::identity::with;

fn audit(home: &TempDir, arguments: &[&str]) -> Output {
    let program = program().with_file_name("audit");
    assert!(program.exists(), "build it first: cargo build --example audit");
    Command::new(program).current_dir(home.path()).args(arguments).output().unwrap()
}

/// A whole run in the state directory `s`, with a verdict after trials.
fn run(home: &TempDir) {
    let ended = command(home, &with("--state s")).output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", stderr(&ended));
}

/// The records of `from` in a journal of their own, changed before they are hashed: its chain is whole.
fn retold(from: &Path, to: &Path, change: impl Fn(&mut Record)) {
    block_on(async {
        let mut records: Vec<Record> =
            SqliteJournal::read(from).unwrap().scan().await.unwrap().try_collect().await.unwrap();
        let journal = SqliteJournal::open(to).unwrap();
        for record in &mut records {
            change(record);
            journal.append(record).await.unwrap();
        }
    });
}

#[test]
fn a_sound_run_is_judged_again_and_found_the_same() {
    let home = TempDir::new().unwrap();
    run(&home);
    let tasks = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tasks");
    let found = audit(&home, &["s", "--tasks", tasks]);
    let said = stdout(&found);
    assert_eq!(found.status.code(), Some(0), "{said}{}", stderr(&found));
    for told in ["verdicts judged again by 'paper' and found the same", "as it was closed"] {
        assert!(said.contains(told), "'{told}' is missing in: {said}");
    }
    assert!(!said.contains("judged    0") && !said.contains("give --tasks"), "{said}");
}

#[test]
fn what_the_gate_expected_is_derived_again_and_shown() {
    let home = TempDir::new().unwrap();
    let ended = command(&home, &with("--state s --gate sequential")).output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", stderr(&ended));
    let sound = audit(&home, &["s"]);
    assert_eq!(sound.status.code(), Some(0), "{}", stdout(&sound));
    let expected = "expected  round 1: 60.0 % of edits act where they are aimed";
    assert!(stdout(&sound).contains(expected), "{}", stdout(&sound));

    retold(&home.path().join("s"), &home.path().join("lies"), |record| {
        let Record::Round { report, .. } = record else { return };
        let findings =
            report.judged.iter_mut().filter_map(|judged| judged.decision.finding.as_mut());
        for prior in findings.filter_map(|finding| finding.prior.as_mut()) {
            Arc::make_mut(prior).learnt.target.share = 0.9;
        }
    });
    let found = audit(&home, &["lies"]);
    assert_eq!(found.status.code(), Some(1), "{}", stdout(&found));
    assert!(stdout(&found).contains("round 1: what the gate expected is recorded as 90.0 %"));
}

#[test]
fn a_verdict_that_does_not_follow_from_its_trials_is_found() {
    let home = TempDir::new().unwrap();
    run(&home);
    retold(&home.path().join("s"), &home.path().join("lies"), |record| {
        let Record::Round { report, .. } = record else { return };
        let decided = report.judged.iter_mut().find(|judged| judged.decision.evidence.is_some());
        let decision = &mut decided.expect("a verdict after trials").decision;
        decision.verdict = match decision.verdict {
            Verdict::Reject => Verdict::Inconclusive,
            _ => Verdict::Reject,
        };
    });
    let tasks = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tasks");
    let found = audit(&home, &["lies", "--tasks", tasks]);
    let said = stdout(&found);
    assert_eq!(found.status.code(), Some(1), "{said}{}", stderr(&found));
    assert!(said.contains("DOES NOT HOLD") && said.contains("judged again it is"), "{said}");
}

/// Only the verdicts of rounds were judged again.
#[test]
fn a_controls_verdict_that_does_not_follow_from_its_trials_is_found() {
    for gate in ["paper", "sequential"] {
        let home = TempDir::new().unwrap();
        let options = format!("--state s --controls --gate {gate}");
        let ended = command(&home, &with(&options)).output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{}", stderr(&ended));
        let tasks = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tasks");
        let found = audit(&home, &["s", "--tasks", tasks]);
        assert_eq!(found.status.code(), Some(0), "{gate}: {}{}", stdout(&found), stderr(&found));
        retold(&home.path().join("s"), &home.path().join("lies"), |record| {
            let Record::Controlled { arm } = record else { return };
            let Some(decision) = &mut arm.decision else { return };
            decision.verdict = match decision.verdict {
                Verdict::Promote => Verdict::Reject,
                _ => Verdict::Promote,
            };
        });
        let found = audit(&home, &["lies", "--tasks", tasks]);
        let said = stdout(&found);
        assert_eq!(found.status.code(), Some(1), "{gate}: {said}{}", stderr(&found));
        assert!(said.contains("the control 'A/A") && said.contains("judged again it is"), "{said}");
    }
}
