//! Why an attempt failed, from the steps that a request shows.

use serde_json::{Value, json};

use super::super::dice::Dice;
use super::super::profiles::Doses;

/// One call with what it brought.
#[derive(Debug)]
struct Shown<'a> {
    step: u64,
    message: &'a str,
    excerpt: &'a str,
    tool: &'a str,
    arguments: &'a str,
    status: &'a str,
    changed: bool,
}

/// What it finds, before noise: mechanism, steps, words, addressability.
type Finding = (&'static str, Vec<u64>, &'static str, f64);

/// Mechanisms that a wrong diagnosis names.
const MISTAKEN: &[(&str, f64)] = &[
    ("unknown", 4.0),
    ("wrong_method", 2.0),
    ("misreads_task", 1.0),
    ("never_checks", 1.0),
    ("drowned_in_output", 1.0),
    ("explores_without_producing", 0.5),
];

/// The answer to a diagnosis request whose material is `data`.
pub(super) fn answer(data: &Value, doses: &Doses, dice: &Dice) -> Value {
    if dice.happens("invents", doses.improver.invents) {
        return invented(dice);
    }
    let shown = shown(&data["steps"]);
    let (mut mechanism, steps, words, mut addressability) = find(data, &shown);
    if !dice.happens("right", doses.improver.right) {
        mechanism = dice.pick("mistaken", MISTAKEN).copied().unwrap_or("unknown");
        addressability = 0.4;
    }
    let status = match mechanism {
        "unknown" => "unknown",
        _ if dice.happens("contributor", 0.1) => "contributor",
        _ => "root_cause",
    };
    json!({
        "status": status,
        "mechanism": mechanism,
        "steps": steps,
        "description": words,
        "addressability": addressability,
    })
}

/// A failure that is not there, at steps that do not exist.
fn invented(dice: &Dice) -> Value {
    json!({
        "status": "root_cause",
        "mechanism": dice.pick("invented", MISTAKEN).copied().unwrap_or("unknown"),
        "steps": [9_001, 9_002],
        "description": "It falls for a trap that was laid for it.",
        "addressability": 0.9,
    })
}

fn shown(steps: &Value) -> Vec<Shown<'_>> {
    let mut found = Vec::new();
    for step in steps.as_array().into_iter().flatten() {
        let calls = step["tool_calls"].as_array().into_iter().flatten();
        for (index, call) in calls.enumerate() {
            let brought = &step["observations"][index];
            found.push(Shown {
                step: step["step_id"].as_u64().unwrap_or(0),
                message: step["message"].as_str().unwrap_or_default(),
                excerpt: brought["excerpt"].as_str().unwrap_or_default(),
                tool: call["name"].as_str().unwrap_or_default(),
                arguments: call["arguments"].as_str().unwrap_or_default(),
                status: brought["status"].as_str().unwrap_or_default(),
                changed: brought["changed"].as_bool().unwrap_or(false),
            });
        }
    }
    found
}

fn find(data: &Value, calls: &[Shown<'_>]) -> Finding {
    let finishes = calls.iter().filter(|call| call.tool == "finish");
    let finish: Vec<u64> = finishes.map(|call| call.step).collect();
    let acts: Vec<&Shown<'_>> = calls.iter().filter(|call| call.tool != "finish").collect();
    let missing = data["cause"] == "missing_artifact";
    let invalid = steps_of(acts.iter().filter(|call| call.status == "invalid"));
    if let Some(finding) = habit(data, &acts, &finish) {
        return finding;
    }
    let repeats = repeated(&acts);
    if invalid.len() >= 3 {
        return ("malformed_calls", invalid, "Its calls could not be run.", 0.7);
    }
    if repeats.len() >= 3 {
        let words = "It repeats a call that failed, without changing anything, and then gives up on the inputs.";
        return ("identical_retry", repeats, words, 0.8);
    }
    let looking = trailing_looks(&acts);
    if looking.len() >= 8 && finish.is_empty() {
        let words =
            "It looks at one thing after the other and never begins to make what is asked for.";
        return ("explores_without_producing", last(looking, 6), words, 0.85);
    }
    let lost = lost_state(&acts);
    if !lost.is_empty() {
        let words = "It sets variables or the directory in one call and relies on them in later ones, where they are gone.";
        return ("loses_environment", lost, words, 0.85);
    }
    let failing = acts.last().filter(|call| call.status == "error");
    if let (Some(check), Some(end)) = (failing, finish.last()) {
        let words = "The last check it ran failed, and it finished all the same.";
        return ("finishes_over_failing_check", vec![check.step, *end], words, 0.8);
    }
    if acts.iter().all(|call| !call.changed) && acts.len() <= 4 {
        let steps = if finish.is_empty() { steps_of(acts.iter()) } else { finish };
        return (
            "stops_with_a_plan",
            steps,
            "It says what it would do and ends without having done it.",
            0.8,
        );
    }
    if missing {
        return ("no_artifact", finish, "It ends without the file that is asked for.", 0.6);
    }
    ("wrong_method", finish, "It ends content with a result that is not right.", 0.2)
}

/// A way of going wrong that single calls give away.
fn habit(data: &Value, acts: &[&Shown<'_>], finish: &[u64]) -> Option<Finding> {
    let where_ =
        |is_it: &dyn Fn(&Shown<'_>) -> bool| steps_of(acts.iter().filter(|call| is_it(call)));
    let waits = where_(&|call| call.excerpt.contains("[timed out after "));
    if !waits.is_empty() {
        let words = "It waits in the foreground for a command that does not return.";
        return Some(("blocks_in_foreground", waits, words, 0.8));
    }
    let fetches =
        where_(&|call| call.arguments.contains("truncate -s ") || call.arguments.contains("curl "));
    if fetches.len() >= 3 {
        let words = "It fetches far more than the task needs, and nothing else.";
        return Some(("oversized_download", last(fetches, 5), words, 0.8));
    }
    // Just before the end: a flood that was got over is no cause.
    let last_but_one = acts.last().filter(|call| call.message.contains("print everything"));
    if let Some(flood) = last_but_one {
        let words = "It prints so much at once that the task is lost from view.";
        return Some(("drowned_in_output", vec![flood.step], words, 0.8));
    }
    let drafts = where_(&|call| call.changed && call.message.contains("draft over"));
    if !drafts.is_empty() {
        let words = "It writes its draft over what it was given.";
        return Some(("destroys_inputs", drafts, words, 0.8));
    }
    let notes = where_(&|call| call.tool == "write_file" && call.arguments.contains("/tmp/"));
    if data["cause"] == "missing_artifact" && !notes.is_empty() {
        let words = "It keeps what it found in notes of its own and never writes the file that is asked for.";
        return Some(("no_artifact", notes, words, 0.8));
    }
    let looks_back = acts.iter().any(|call| call.message.contains("check"));
    let in_one_go = where_(&|call| call.message.contains("in one go"));
    if !in_one_go.is_empty() && !looks_back && !finish.is_empty() {
        let words = "It does the work in one go and ends without having looked at the result.";
        return Some(("never_checks", in_one_go, words, 0.8));
    }
    None
}

fn steps_of<'a>(calls: impl Iterator<Item = &'a &'a Shown<'a>>) -> Vec<u64> {
    let mut steps: Vec<u64> = calls.map(|call| call.step).collect();
    steps.dedup();
    steps
}

fn last(mut steps: Vec<u64>, count: usize) -> Vec<u64> {
    steps.drain(..steps.len().saturating_sub(count));
    steps
}

/// The longest series of the same call without success.
fn repeated(calls: &[&Shown<'_>]) -> Vec<u64> {
    let same = |a: &&Shown<'_>, b: &&Shown<'_>| {
        a.tool == b.tool && a.arguments == b.arguments && a.status != "ok" && b.status != "ok"
    };
    let series = calls.chunk_by(same).max_by_key(|series| series.len()).unwrap_or_default();
    if series.len() > 1 { steps_of(series.iter()) } else { Vec::new() }
}

/// The calls at the end that changed nothing.
fn trailing_looks(calls: &[&Shown<'_>]) -> Vec<u64> {
    let looks = calls.iter().rev().take_while(|call| !call.changed);
    let mut steps: Vec<u64> = looks.map(|call| call.step).collect();
    steps.reverse();
    steps
}

/// A call that sets state, with a later one that does not: the environment is set up once and not again.
fn lost_state(calls: &[&Shown<'_>]) -> Vec<u64> {
    let shells: Vec<&&Shown<'_>> = calls.iter().filter(|call| call.tool == "shell").collect();
    let Some(first) = shells.iter().position(|call| sets_state(call.arguments)) else {
        return Vec::new();
    };
    let later = shells[first + 1..].iter().find(|call| !sets_state(call.arguments));
    later.map(|call| vec![shells[first].step, call.step]).unwrap_or_default()
}

fn sets_state(arguments: &str) -> bool {
    let command = arguments.split_once(":\"").map_or(arguments, |(_, command)| command);
    let word = command.split([' ', '\\', '"', ';']).next().unwrap_or_default();
    let assigned = word.split_once('=').map(|(name, _)| name);
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    matches!(word, "export" | "cd" | "source" | ".") || assigned.is_some_and(is_name)
}
