//! What a simulated model does for good reason before it works: a control that gets in the way of it makes the work worse.

use super::agent::Move;
use super::conversation::Outcome;
use super::doses::{CACHE, STUDY};
use super::mind::Mind;
use super::notes::Note;
use super::profiles::Habit;
use super::work;

/// Where the call before said that calls are to have no effect, none is had.
pub(super) const NO_DRY_RUN: &str =
    "if [ -n \"${DRY_RUN:-}\" ]; then echo 'dry run: nothing was done' >&2; exit 3; fi";

/// How often an answer of "not yet" is asked for.
const POLLS: usize = 2;

/// The next call of a habit, before the work is begun.
pub(super) fn next(mind: &Mind<'_>) -> Option<Move> {
    if work::has_begun(mind) {
        return None;
    }
    let habits = mind.doses.habits.iter();
    habits.fold(look(mind), |chosen, habit| chosen.or_else(|| follow(mind, *habit)))
}

fn follow(mind: &Mind<'_>, habit: Habit) -> Option<Move> {
    let count = |note| mind.conversation.count(note);
    match habit {
        Habit::Studies if count(Note::Study) == 0 => {
            let command = format!("yes 'a line of what it has to know' | head -c {STUDY}");
            Some(Move::shell(Note::Study, "I read up on this.", command))
        }
        Habit::Polls => poll(mind),
        Habit::Caches if count(Note::Cache) == 0 => {
            let command = format!("truncate -s {CACHE}M \"${{TMPDIR:-/tmp}}/cache\"");
            Some(Move::shell(Note::Cache, "I make room for what lies in between.", command))
        }
        Habit::DryRuns if count(Note::DryRun) == 0 => {
            let command = ": \"rehearse first\"; export DRY_RUN=1; echo rehearsed";
            Some(Move::shell(Note::DryRun, "I go through it without effect first.", command))
        }
        _ => None,
    }
}

/// Asks until the answer is yes: the first is always no.
fn poll(mind: &Mind<'_>) -> Option<Move> {
    let last = mind.conversation.last(Note::Poll).map(|turn| turn.outcome);
    let again = match last {
        None => true,
        Some(Outcome::Stopped) => false,
        Some(Outcome::Ran { succeeded, .. }) => !succeeded,
    };
    let command = "seen=\"${TMPDIR:-/tmp}/was-busy\"; if [ -e \"$seen\" ]; then echo free; else touch \"$seen\"; echo busy; false; fi";
    let is_due = again && mind.conversation.count(Note::Poll) < POLLS;
    is_due.then(|| Move::shell(Note::Poll, "I see whether it is free by now.", command))
}

/// Looks again before it works, unless it is told to begin or a control steps in.
fn look(mind: &Mind<'_>) -> Option<Move> {
    let count = mind.conversation.count(Note::Look);
    let was_stopped =
        mind.conversation.last(Note::Look).is_some_and(|turn| turn.outcome == Outcome::Stopped);
    if count >= mind.doses.looks || was_stopped || mind.is_urged() {
        return None;
    }
    let command = format!("ls -la . | head -n {}", 20 + count);
    Some(Move::shell(Note::Look, "I make sure that I have seen what matters.", command))
}
