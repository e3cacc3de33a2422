//! What makes a run this run, and what does not: settings that cannot change a trial's result re-run nothing, the others are refused
//! with the difference shown, or begin a fork.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;

use crate::cli::{command, finished, stderr};
use crate::wire;

/// The smallest run that has a weakness, a proposal, a verdict and a claim. Everything that decides its result is said.
const RUN: &str = "--limit 4 --rounds 1 --width 1 --attempts 1 --claim-attempts 1 --steps 5 --gate paper --seed 1 \
                   --model simulated:explorer --json";
/// How far the first session comes.
const FIRST: &str = "--max-trials 3";
const TASKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tasks");

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// The options of [`RUN`] with some of them replaced, and others added.
pub(crate) fn with(changed: &str) -> Vec<&str> {
    let (mut options, changed) = (words(RUN), words(changed));
    let mut rest = changed.as_slice();
    while let [name, after @ ..] = rest {
        let value = after.first().filter(|word| !word.starts_with("--"));
        let place = options.iter().position(|known| known == name);
        match (place, value) {
            (Some(at), Some(value)) => options[at + 1] = value,
            (Some(_), None) => {}
            (None, value) => options.extend([name].into_iter().chain(value)),
        }
        rest = &after[usize::from(value.is_some())..];
    }
    options
}

/// A run that was stopped after three trials, and what the whole of it comes to.
struct Begun {
    home: TempDir,
    whole: Value,
    trials: usize,
}

impl Begun {
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        let whole = done(&command(&home, &with("--state whole")).output().unwrap());
        let trials = finished(&home.path().join("whole"));
        let first = command(&home, &with(&format!("--state first {FIRST}"))).output().unwrap();
        assert_eq!(first.status.code(), Some(3), "{}", stderr(&first));
        assert_eq!(finished(&home.path().join("first")), 3);
        Self { home, whole, trials }
    }

    /// A copy of the interrupted run's state, in a directory of its own.
    fn copy(&self, name: &str) -> PathBuf {
        let (from, to) = (self.home.path().join("first"), self.home.path().join(name));
        fs::create_dir(&to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
        to
    }

    /// The run goes on in `state` as if nothing had changed: nothing is run twice, and it comes to the same.
    fn check(&self, state: &Path, output: &Output, what: &str) {
        assert_eq!(output.status.code(), Some(0), "{what}: {}", stderr(output));
        let summary = fs::read(state.join("summary.json")).unwrap();
        let summary: Value = serde_json::from_slice(&summary).unwrap();
        assert_eq!(summary["trials"]["reused"], 3, "{what}");
        assert_eq!(finished(state), self.trials, "{what}: a trial was run again");
        assert_eq!(result(&summary), result(&self.whole), "{what}");
    }
}

fn done(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// All but what was reused, what was paid, and where the report is.
fn result(summary: &Value) -> Value {
    let mut result = summary.clone();
    for key in ["trials", "report", "cost"] {
        result.as_object_mut().unwrap().remove(key);
    }
    result
}

/// Each with the command that goes on under it.
type Change = (&'static str, fn(&Begun, &Path) -> Command);

/// The command that goes on in `state`, with these options changed.
fn on(begun: &Begun, state: &Path, changed: &str) -> Command {
    let changed = format!("--resume --state {} {changed}", state.display());
    command(&begun.home, &with(&changed))
}

const WITHOUT_EFFECT: [Change; 18] = [
    ("one trial at a time", |run, state| on(run, state, "--concurrency 1")),
    ("seven trials at a time", |run, state| on(run, state, "--concurrency 7")),
    ("another log level", |run, state| {
        let mut command = on(run, state, "");
        command.env("RUST_LOG", "debug");
        command
    }),
    ("a table instead of JSON", |run, state| {
        let state = state.to_str().unwrap();
        let options: Vec<_> = with("--resume").into_iter().filter(|it| *it != "--json").collect();
        command(&run.home, &[&options[..], &["--state", state]].concat())
    }),
    ("a cap on tokens", |run, state| on(run, state, "--max-tokens 999999999")),
    ("a cap on trials that is higher", |run, state| on(run, state, "--max-trials 999")),
    ("a cap on time", |run, state| on(run, state, "--max-time 2h")),
    ("a table of prices", |run, state| {
        let file = run.home.path().join("prices.toml");
        fs::write(&file, "[\"openai:m\"]\nprompt = 1.0\ncompletion = 2.0\n").unwrap();
        on(run, state, &format!("--prices {}", file.display()))
    }),
    ("repeats of charged calls", |run, state| on(run, state, "--repeat-charged")),
    ("a key in the environment", |run, state| {
        let mut command = on(run, state, "");
        command.env("SELF_HARNESS_API_KEY", "sk-some-key-0123456789");
        command
    }),
    ("another working directory", |run, state| {
        let mut command = on(run, state, "");
        command.current_dir("/");
        command
    }),
    ("another place for the state", |run, state| {
        let moved = run.home.path().join("moved to another place");
        fs::rename(state, &moved).unwrap();
        std::os::unix::fs::symlink(&moved, state).unwrap();
        on(run, state, "")
    }),
    ("another place for the tasks", |run, state| {
        let tasks = run.home.path().join("copied");
        copy_tasks(&tasks);
        on(run, state, &format!("--tasks {}", tasks.display()))
    }),
    ("a pattern that matches all tasks", |run, state| on(run, state, "--include *")),
    ("a pattern that excludes none", |run, state| on(run, state, "--exclude zzz*")),
    ("another language and time zone", |run, state| {
        let mut command = on(run, state, "");
        command.envs([("LC_ALL", "C.UTF-8"), ("TZ", "Asia/Tokyo"), ("COLUMNS", "40")]);
        command
    }),
    ("another directory for what is temporary", |run, state| {
        let scratch = run.home.path().join("scratch");
        fs::create_dir(&scratch).unwrap();
        let mut command = on(run, state, "");
        command.env("TMPDIR", scratch);
        command
    }),
    ("a fork where nothing differs", |run, state| on(run, state, "--fork")),
];

fn copy_tasks(to: &Path) {
    let copied = Command::new("cp").arg("-r").arg(TASKS).arg(to).status().unwrap();
    assert!(copied.success());
}

#[test]
fn eighteen_settings_that_do_not_matter_re_run_nothing() {
    let begun = Begun::new();
    for (number, (what, change)) in WITHOUT_EFFECT.iter().enumerate() {
        let state = begun.copy(&format!("harmless-{number}"));
        let output = change(&begun, &state).output().unwrap();
        begun.check(&state, &output, what);
    }
}

/// The port of the server, and with it the address.
#[tokio::test(flavor = "multi_thread")]
async fn another_port_re_runs_nothing() {
    let home = TempDir::new().unwrap();
    let served = || Arc::new(wire::Served::new(wire::model("explorer")));
    let mut summaries = Vec::new();
    for (state, more) in [("whole", ""), ("parts", FIRST), ("parts", "--resume")] {
        // Each session has a server of its own, on a port of its own.
        let address = wire::serve(served()).await;
        let options = format!("--base-url {address} --model served --state {state} {more}");
        let mut command = command(&home, &with(&options));
        command.env("SELF_HARNESS_API_KEY", wire::KEY);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let status = if more == FIRST { 3 } else { 0 };
        assert_eq!(output.status.code(), Some(status), "{}", stderr(&output));
        summaries.push(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null));
    }
    assert_eq!(summaries[2]["trials"]["reused"], 3);
    assert_eq!(result(&summaries[0]), result(&summaries[2]));
    let [whole, parts] = ["whole", "parts"].map(|state| finished(&home.path().join(state)));
    assert_eq!(whole, parts, "a trial was run again");
}

/// What is changed, and the key of the identity that must be named.
const WITH_EFFECT: [(&str, &str); 12] = [
    ("--seed 9", "seed: 1, now 9"),
    ("--width 2", "width: 1, now 2"),
    ("--attempts 2", "attempts: 1, now 2"),
    ("--claim-attempts 2", "claim attempts: 1, now 2"),
    ("--steps 6", "limits: "),
    ("--gate sequential", "gate: paper, now sequential"),
    ("--cost-within 1.1", "gate: paper, now paper, cost within 1.1"),
    ("--time-within 1.2", "gate: paper, now paper, time within 1.2"),
    ("--model simulated:repeater", "model: simulated:explorer, now simulated:repeater"),
    ("--limit 5", "tasks: "),
    ("--prune", "pruning: nothing, now margin"),
    ("--sandbox unconfined --yes-run-unconfined", "sandbox: "),
];

/// A change to a file of the first task, and the key of the identity.
type FileChange = (&'static str, fn(String) -> String, &'static str);
const TASK_FILES: [FileChange; 4] = [
    ("instruction.md", |text| text + "\nBe quick.\n", "tasks: "),
    ("task.toml", |text| text.replacen("timeout_sec = ", "timeout_sec = 1", 1), "tasks: "),
    ("tests/test.sh", |text| text + "\n# changed\n", "verifier: "),
    ("environment/Dockerfile", |text| text + "\nENV CHANGED=1\n", "tasks: "),
];

fn refused(output: &Output, named: &str, state: &Path) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{named}: {said}");
    assert!(said.contains(named) && said.contains("fork"), "'{named}' is missing in: {said}");
    assert_eq!(finished(state), 3, "{named}: something was run");
}

#[test]
fn seventeen_settings_that_matter_are_refused_with_the_difference_shown() {
    let begun = Begun::new();
    let state = begun.copy("refusing");
    for (changed, named) in WITH_EFFECT {
        refused(&on(&begun, &state, changed).output().unwrap(), named, &state);
    }
    let split = begun.home.path().join("split.toml");
    fs::write(&split, split_with_roles_exchanged()).unwrap();
    let changed = format!("--split {}", split.display());
    refused(&on(&begun, &state, &changed).output().unwrap(), "tasks: ", &state);
    for (number, (file, change, named)) in TASK_FILES.iter().enumerate() {
        let tasks = begun.home.path().join(format!("tasks-{number}"));
        copy_tasks(&tasks);
        let file = tasks.join(first_task()).join(file);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(file, change(text)).unwrap();
        let changed = format!("--tasks {}", tasks.display());
        refused(&on(&begun, &state, &changed).output().unwrap(), named, &state);
    }
    // After all of these refusals the run is the one that it was.
    begun.check(&state, &on(&begun, &state, "").output().unwrap(), "nothing changed");
}

/// The strict gate shares its level among the decisions that the run may come to, so their number decides verdicts; under the others
/// more rounds are more of the same.
#[test]
fn another_number_of_rounds_is_another_run_under_the_strict_gate_alone() {
    let home = TempDir::new().unwrap();
    let on = |gate: &str, more: &str| {
        let options = format!("--gate {gate} --state {gate} {more}");
        command(&home, &with(&options)).output().unwrap()
    };
    for gate in ["strict", "paper"] {
        let first = on(gate, FIRST);
        assert_eq!(first.status.code(), Some(3), "{}", stderr(&first));
    }
    let state = home.path().join("strict");
    for (more, now) in [("--rounds 3", 3), ("--width 4", 4), ("--rounds 2 --width 3", 6)] {
        let named = format!("gate: strict over 1 decisions, now strict over {now} decisions");
        refused(&on("strict", &format!("--resume {more}")), &named, &state);
    }
    let same = on("strict", "--resume");
    assert_eq!(done(&same)["trials"]["reused"], 3);
    // The round that was begun is the first of two now, and nothing of it is run again.
    let longer = done(&on("paper", "--resume --rounds 2"));
    assert_eq!(longer["trials"]["reused"], 3);
    let alone = done(&command(&home, &with("--rounds 2 --state alone")).output().unwrap());
    assert_eq!(longer["rounds"], alone["rounds"]);
    let [longer, alone] = ["paper", "alone"].map(|state| finished(&home.path().join(state)));
    assert_eq!(longer, alone, "a trial was run again");
}

fn tasks_by_name() -> Vec<String> {
    let entries = fs::read_dir(TASKS).unwrap().map(|entry| entry.unwrap());
    let tasks = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> = tasks.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn first_task() -> String {
    tasks_by_name().remove(0)
}

/// The four tasks of the run, in splits that no seed gives: two of them are sealed.
fn split_with_roles_exchanged() -> String {
    let roles = ["sealed", "sealed", "held-out", "held-in"];
    let lines = tasks_by_name().into_iter().zip(roles);
    lines.map(|(task, split)| format!("{task} = \"{split}\"\n")).collect()
}

/// Another gate and a wider round leave the trials of the seed harness what they are.
#[test]
fn a_fork_takes_every_trial_that_is_the_same_from_the_record() {
    let begun = Begun::new();
    for (number, changed) in
        ["--gate sequential", "--width 2", "--cost-within 1.5"].iter().enumerate()
    {
        let state = begun.copy(&format!("fork-{number}"));
        let output = on(&begun, &state, &format!("--fork {changed}")).output().unwrap();
        let summary = done(&output);
        assert_eq!(summary["trials"]["reused"], 3, "{changed}");
        let alone = format!("alone-{number}");
        done(&command(&begun.home, &with(&format!("--state {alone} {changed}"))).output().unwrap());
        let alone = finished(&begun.home.path().join(alone));
        assert_eq!(finished(&state), alone, "{changed}: a trial was run again");
    }
}
