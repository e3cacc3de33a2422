//! The example as its users meet it: the real program, real tasks, a real sandbox, a simulated model.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use harness_core::{Harness, Journal, MinimalHarness, Record};
use harness_journal::SqliteJournal;
use serde_json::Value;
use tempfile::TempDir;

/// A run of a few cheap tasks. Everything that decides its result is fixed.
const SMALL: [&str; 16] = [
    "--include",
    "*-*",
    "--limit",
    "6",
    "--rounds",
    "1",
    "--width",
    "2",
    "--attempts",
    "1",
    "--claim-attempts",
    "1",
    "--steps",
    "12",
    "--gate",
    "paper",
];

/// The example, which `cargo test` builds beside the tests.
pub(crate) fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let target = tests.parent().and_then(Path::parent).unwrap();
    let program = target.join("examples/terminal_bench");
    assert!(program.exists(), "build it first: cargo build --example terminal_bench");
    program
}

/// The program in a directory and an environment of its own.
pub(crate) fn command(home: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.current_dir(home.path()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    if !arguments.contains(&"--tasks") {
        command.args(["--tasks", concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tasks")]);
    }
    command.args(arguments);
    command.stdin(Stdio::null());
    command
}

fn run(home: &TempDir, arguments: &[&str]) -> Output {
    command(home, arguments).output().unwrap()
}

fn small(home: &TempDir, more: &[&str]) -> Output {
    run(home, &[&SMALL, more].concat())
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn summary(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", stderr(output)))
}

/// What two runs that came to the same have in common: all but what was reused, and where the report is.
fn result(summary: &Value) -> Value {
    let mut result = summary.clone();
    for key in ["trials", "report", "cost"] {
        result.as_object_mut().unwrap().remove(key);
    }
    result
}

#[test]
fn the_table_is_for_people_and_the_json_for_programs() {
    let home = TempDir::new().unwrap();
    let table = small(&home, &["--state", "a"]);
    assert_eq!(table.status.code(), Some(0), "{}", stderr(&table));
    assert!(
        stdout(&table).contains("sealed") && stdout(&table).contains("simulated"),
        "{}",
        stdout(&table)
    );

    let json = small(&home, &["--state", "b", "--json"]);
    let summary = summary(&json);
    assert!(stderr(&json).contains("sealed"), "the table moves to stderr");
    assert_eq!(summary["simulated"], true);
    assert!(summary["cost"]["usd"].is_null(), "an unknown price is null, not 0");
    assert!(summary["trials"]["scored"].as_u64() > Some(0) && summary["trials"]["void"] == 0);
    for key in ["harness", "rounds", "pass_rates", "report", "verdict"] {
        assert!(!summary[key].is_null(), "{key}: {summary}");
    }
    let written: Value =
        serde_json::from_slice(&std::fs::read(home.path().join("b/summary.json")).unwrap())
            .unwrap();
    assert_eq!(written, summary);
    let tip = std::fs::read_to_string(home.path().join("b/harness.json")).unwrap();
    let tip: MinimalHarness = serde_json::from_str(&tip).unwrap();
    assert_eq!(tip.fingerprint().unwrap().to_string(), summary["harness"]["last"]);
    let first: Value =
        serde_json::from_slice(&std::fs::read(home.path().join("a/summary.json")).unwrap())
            .unwrap();
    assert_eq!(result(&first), result(&summary), "the same seed gives the same run");
}

#[test]
fn a_plan_spends_nothing_and_leaves_nothing() {
    let home = TempDir::new().unwrap();
    let output = small(&home, &["--plan"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for told in
        ["trials at most", "trials expected", "cost at most    unknown", "twice the attempts"]
    {
        assert!(stdout(&output).contains(told), "{told}: {}", stdout(&output));
    }
    let output = small(&home, &["--plan", "--plan-targets", "3", "--prune"]);
    for told in ["all of it is on 3 targeted tasks", "pruning at most", "spread evenly", "promoted"]
    {
        assert!(stdout(&output).contains(told), "{told}: {}", stdout(&output));
    }
    let extras = ["--controls", "--bar", "5", "--max-trials", "7", "--max-tokens", "100", "--json"];
    let output = small(&home, &[&["--plan"], &extras[..]].concat());
    let forecast: Value = serde_json::from_slice(&output.stdout).unwrap();
    // Once what was asked for at the end was left out, and what caps a run said nothing.
    assert_eq!(forecast["trials_at_most"], 7, "{forecast}");
    assert_eq!(forecast["tokens_at_most"], 100, "{forecast}");
    let judged = forecast["trials"]["total"].as_u64().unwrap()
        - forecast["trials"]["claim"].as_u64().unwrap();
    assert!(forecast["controls_at_most"].as_u64().unwrap() > judged, "{forecast}");
    assert!(forecast["calibration_at_most"].as_u64().unwrap() > 0, "{forecast}");
    // No number was below no noise, and so was no bar at all.
    for bar in ["nan", "0", "101", "inf", "five"] {
        let output = run(&home, &["--plan", "--bar", bar]);
        assert_eq!(output.status.code(), Some(2), "{bar}: {}", stderr(&output));
        assert!(stderr(&output).contains("points above 0"), "{bar}: {}", stderr(&output));
    }
    let output = run(&home, &["--plan", "--attempts", "2000"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let output = run(&home, &["--plan", "--rounds", "4294967295", "--prune"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = run(&home, &["--plan", "--gate", "sequential"]);
    let told = "by the safe start (worth 60 edits, 6 tasks), 0 edits and 0 tasks of this run";
    assert!(stdout(&output).contains(told), "{}", stdout(&output));
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn a_budget_stops_the_run_with_status_3_and_resume_finishes_it_as_if_undisturbed() {
    let home = TempDir::new().unwrap();
    let undisturbed = summary(&small(&home, &["--state", "whole", "--json"]));

    let stopped = small(&home, &["--state", "parts", "--json", "--max-trials", "5"]);
    assert_eq!(stopped.status.code(), Some(3), "{}", stderr(&stopped));
    assert!(stderr(&stopped).contains("--resume"), "{}", stderr(&stopped));

    let resumed = small(&home, &["--state", "parts", "--json", "--resume", "--concurrency", "1"]);
    assert_eq!(resumed.status.code(), Some(0), "{}", stderr(&resumed));
    let resumed = summary(&resumed);
    assert_eq!(result(&resumed), result(&undisturbed));
    assert_eq!(resumed["trials"]["reused"], 5, "what was finished is not run again");
    assert_eq!(finished(&home.path().join("parts")), finished(&home.path().join("whole")));
}

#[test]
fn a_killed_run_is_resumed_as_if_undisturbed() {
    let home = TempDir::new().unwrap();
    let undisturbed = summary(&small(&home, &["--state", "whole", "--json"]));
    let total = finished(&home.path().join("whole"));
    for after in [1, total / 2, total - 1] {
        let state = format!("killed-{after}");
        let mut child = spawn(&home, &["--state", &state, "--json"]);
        wait_for_trials(&home.path().join(&state), after, &mut child);
        child.kill().unwrap();
        child.wait().unwrap();
        let resumed = small(&home, &["--state", &state, "--json", "--resume"]);
        assert_eq!(resumed.status.code(), Some(0), "{}", stderr(&resumed));
        assert_eq!(result(&summary(&resumed)), result(&undisturbed), "killed after {after} trials");
        assert_eq!(finished(&home.path().join(&state)), total, "no finished trial was run again");
    }
}

#[test]
fn ctrl_c_stops_cleanly_and_says_how_to_go_on() {
    let home = TempDir::new().unwrap();
    for signal in ["INT", "TERM"] {
        // All 26 tasks: far from done when the signal comes.
        let mut long = command(&home, &["--state", signal]);
        let mut child = long.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for_trials(&home.path().join(signal), 2, &mut child);
        let kill =
            Command::new("bash").args(["-c", &format!("kill -{signal} {}", child.id())]).status();
        assert!(kill.unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130));
        assert!(stderr(&output).contains("--resume"), "{}", stderr(&output));
    }
}

#[test]
fn one_state_directory_has_one_run() {
    let home = TempDir::new().unwrap();
    assert_eq!(small(&home, &["--state", "shared", "--max-trials", "2"]).status.code(), Some(3));
    let holder = SqliteJournal::open(home.path().join("shared")).unwrap();
    let second = small(&home, &["--state", "shared", "--resume"]);
    assert_eq!(second.status.code(), Some(1));
    let said = stderr(&second);
    assert!(said.contains(&std::process::id().to_string()), "the holder is named: {said}");
    drop(holder);

    let again = small(&home, &["--state", "shared"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("--resume"), "{}", stderr(&again));
    assert_eq!(small(&home, &["--state", "shared", "--resume"]).status.code(), Some(0));
}

#[test]
fn another_configuration_is_refused_with_the_difference_and_nothing_is_lost() {
    let home = TempDir::new().unwrap();
    assert_eq!(small(&home, &["--state", "run", "--max-trials", "4"]).status.code(), Some(3));
    let before = finished(&home.path().join("run"));
    let other = small(&home, &["--state", "run", "--resume", "--seed", "9"]);
    assert_eq!(other.status.code(), Some(1));
    assert!(stderr(&other).contains("seed: 1, now 9"), "{}", stderr(&other));
    assert_eq!(finished(&home.path().join("run")), before);
    let same = small(&home, &["--state", "run", "--resume", "--json"]);
    assert_eq!(same.status.code(), Some(0), "{}", stderr(&same));
}

fn spawn(home: &TempDir, more: &[&str]) -> Child {
    let mut command = command(home, &[&SMALL, more].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the journal holds so many finished trials, or the run is over.
fn wait_for_trials(state: &Path, count: usize, child: &mut Child) {
    while child.try_wait().unwrap().is_none() && finished(state) < count {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Finished trials in a journal, also while somebody writes it; 0 before there is one.
pub(crate) fn finished(state: &Path) -> usize {
    let Ok(journal) = SqliteJournal::read(state) else { return 0 };
    futures::executor::block_on(async {
        let Ok(records) = journal.scan().await else { return 0 };
        let finished = |record: &harness_core::Result<Record>| {
            matches!(record, Ok(Record::TrialFinished { .. }))
        };
        futures::StreamExt::collect::<Vec<_>>(records)
            .await
            .iter()
            .filter(|record| finished(record))
            .count()
    })
}
