//! Why an attempt failed, from the steps that a request shows.

use serde_json::{Value, json};

use super::super::dice::Dice;
use super::super::profile::Profile;

/// One call with what it brought.
#[derive(Debug)]
struct Shown<'a> {
    step: u64,
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
pub(super) fn answer(data: &Value, profile: Profile, dice: &Dice) -> Value {
    let shown = shown(&data["steps"]);
    let (mut mechanism, steps, words, mut addressability) = find(data, &shown);
    if !dice.happens("right", profile.0.diagnoses_right) {
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

fn shown(steps: &Value) -> Vec<Shown<'_>> {
    let mut found = Vec::new();
    for step in steps.as_array().into_iter().flatten() {
        let calls = step["tool_calls"].as_array().into_iter().flatten();
        for (index, call) in calls.enumerate() {
            let brought = &step["observations"][index];
            found.push(Shown {
                step: step["step_id"].as_u64().unwrap_or(0),
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
    if acts.iter().all(|call| !call.changed) && acts.len() <= 4 {
        let steps = if finish.is_empty() { steps_of(acts.iter()) } else { finish };
        return (
            "stops_with_a_plan",
            steps,
            "It says what it would do and ends without having done it.",
            0.8,
        );
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
    if missing {
        return ("no_artifact", finish, "It ends without the file that is asked for.", 0.6);
    }
    ("wrong_method", finish, "It ends content with a result that is not right.", 0.2)
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
