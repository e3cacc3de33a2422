//! How a simulated model plays its playbook: the work, the check, and the work again where the check says so.

use serde_json::json;

use super::agent::Move;
use super::conversation::{Outcome, Turn};
use super::doses::Weakness;
use super::mind::Mind;
use super::notes::Note;
use super::script::Purpose;

/// How often the same stanza is stopped before it is passed over.
const STOPPED_AT_MOST: usize = 4;
/// How many calls that could not be read make it give up.
const UNREAD_AT_MOST: usize = 5;

/// Whether nothing that it could still do would bring it to its goal, as it sees things.
pub(super) fn is_lost(mind: &Mind<'_>) -> bool {
    let conversation = mind.conversation;
    let took_effect =
        |outcome| !matches!(outcome, Outcome::Stopped | Outcome::Ran { ended: true, .. });
    let ran =
        |note| conversation.turns.iter().any(|turn| turn.note == note && took_effect(turn.outcome));
    let spoilt =
        [Note::Placeholder, Note::Destroy, Note::Overwrite, Note::Meddle].into_iter().any(ran);
    let unread = conversation.turns.iter().filter(|turn| is_unread(turn)).count();
    let drowned = mind.is_drowned() && mind.suffers(Weakness::DrownedInOutput);
    spoilt || unread >= UNREAD_AT_MOST || drowned || mind.conceded()
}

fn is_unread(turn: &Turn<'_>) -> bool {
    matches!(turn.note, Note::Garbled(_)) && turn.outcome == Outcome::Stopped
}

/// Whether any of the work was tried.
pub(super) fn has_begun(mind: &Mind<'_>) -> bool {
    mind.conversation.turns.iter().any(|turn| match turn.note {
        Note::Stanza(index, _) | Note::Garbled(index) => {
            mind.purpose(index) != Some(Purpose::Inspect)
        }
        note => note == Note::SetUp || note == Note::Sketch,
    })
}

/// The next stanza of the playbook, in the first pass or in a second one after a failing check.
pub(super) fn next(mind: &Mind<'_>) -> Option<Move> {
    let leaves_out = leaves_work_out(mind);
    if leaves_out && mind.conversation.count(Note::Sketch) == 0 {
        // It fails, so that nobody can take it for a check that passed.
        let command = "echo draft > \"${TMPDIR:-/tmp}/sketch.txt\"; grep -c finished \"${TMPDIR:-/tmp}/sketch.txt\"";
        return Some(Move::shell(Note::Sketch, "I do the work in one go.", command));
    }
    if !leaves_out && is_about_to_lose(mind) {
        let command = "export TASK_ROOT=\"$PWD\"";
        return Some(Move::shell(Note::SetUp, "I set up the environment.", command));
    }
    if let Some(index) =
        first_pass(mind, leaves_out).into_iter().find(|index| !is_done(mind, *index, 0))
    {
        return Some(stanza(mind, index, 0, words(mind, index)));
    }
    if !failed(mind) || mind.is_beyond() || !mind.notices() {
        return None;
    }
    let index = second_pass(mind).into_iter().find(|index| !is_done(mind, *index, 1))?;
    Some(stanza(mind, index, 1, "The check fails. I do this part again, with care."))
}

fn leaves_work_out(mind: &Mind<'_>) -> bool {
    mind.is_beyond() || mind.slips()
}

fn is_about_to_lose(mind: &Mind<'_>) -> bool {
    !has_begun(mind) && mind.suffers(Weakness::LosesEnvironment)
}

fn words(mind: &Mind<'_>, index: usize) -> &'static str {
    match mind.purpose(index) {
        Some(Purpose::Check) => "I check the result.",
        _ => "I do the next part of the work.",
    }
}

fn first_pass(mind: &Mind<'_>, leaves_out: bool) -> Vec<usize> {
    let plays = |index: &usize| match mind.purpose(*index) {
        // The state is carried into each call that needs it.
        Some(Purpose::State) | None => false,
        Some(Purpose::Check) => mind.checks(),
        Some(Purpose::Work) => !leaves_out,
        Some(Purpose::Inspect) => true,
    };
    (0..mind.playbook.stanzas.len()).filter(plays).collect()
}

/// All of the work, from the first part that did not succeed, and the check.
fn second_pass(mind: &Mind<'_>) -> Vec<usize> {
    let is_work = |index: &usize| mind.purpose(*index) == Some(Purpose::Work);
    let count = mind.playbook.stanzas.len();
    let from = (0..count).filter(is_work).find(|index| !succeeded(mind, *index)).unwrap_or(count);
    (from..count).filter(|index| mind.purpose(*index) != Some(Purpose::State)).collect()
}

fn succeeded(mind: &Mind<'_>, index: usize) -> bool {
    let is_it = |note| note == Note::Stanza(index, 0) || note == Note::Garbled(index);
    let turn = mind.conversation.turns.iter().rev().find(|turn| is_it(turn.note));
    turn.is_some_and(|turn| matches!(turn.outcome, Outcome::Ran { succeeded: true, .. }))
}

/// Whether a stanza was run, or stopped so often that it is passed over.
pub(super) fn is_done(mind: &Mind<'_>, index: usize, pass: usize) -> bool {
    let is_it =
        |note| note == Note::Stanza(index, pass) || (pass == 0 && note == Note::Garbled(index));
    let tries: Vec<_> = mind.conversation.turns.iter().filter(|turn| is_it(turn.note)).collect();
    tries.iter().any(|turn| turn.outcome != Outcome::Stopped) || tries.len() >= STOPPED_AT_MOST
}

/// Whether every part of the work was run.
pub(super) fn is_complete(mind: &Mind<'_>) -> bool {
    let parts = 0..mind.playbook.stanzas.len();
    let mut work = parts.filter(|index| mind.purpose(*index) == Some(Purpose::Work));
    work.all(|index| is_done(mind, index, 0) || is_done(mind, index, 1))
}

/// Whether the check, or a helper, says that the work is not done.
pub(super) fn failed(mind: &Mind<'_>) -> bool {
    let check = mind.playbook.check();
    let is_check = |note| {
        check.is_some_and(|index| note == Note::Stanza(index, 0) || note == Note::Garbled(index))
    };
    let last = mind.conversation.turns.iter().rev().find(|turn| is_check(turn.note));
    let check_failed =
        last.is_some_and(|turn| matches!(turn.outcome, Outcome::Ran { succeeded: false, .. }));
    let helper = mind.conversation.last(Note::Ask);
    check_failed || helper.is_some_and(|turn| turn.result.contains("check fails"))
}

/// A call that plays a stanza, written as it should be or not.
pub(super) fn stanza(mind: &Mind<'_>, index: usize, pass: usize, say: &str) -> Move {
    let command = command(mind, index, pass);
    if pass == 0 && mind.suffers(Weakness::MalformedCalls) {
        return Move::call(Note::Garbled(index), say, "bash", json!({ "cmd": command }));
    }
    Move::shell(Note::Stanza(index, pass), say, command)
}

/// The commands of a stanza with the state that they need, in a shell of their own where there is such state. Who relies on
/// an earlier call's environment fails where that is gone.
pub(super) fn command(mind: &Mind<'_>, index: usize, pass: usize) -> String {
    let whole = mind.playbook.call(index).to_owned();
    let did = |note| pass == 0 && mind.conversation.count(note) > 0;
    if did(Note::SetUp) {
        format!(": \"${{TASK_ROOT:?was set before}}\"\n{whole}")
    } else if did(Note::DryRun) && mind.purpose(index) == Some(Purpose::Work) {
        format!("{}\n{whole}", super::habits::NO_DRY_RUN)
    } else {
        whole
    }
}
