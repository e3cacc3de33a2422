//! What a simulated model does next at its task.

use serde_json::{Value, json};

use super::conversation::Outcome;
use super::doses::{LOOKS_UP, MEDDLES, Weakness};
use super::mind::Mind;
use super::notes::Note;
use super::playbook::Playbook;
use super::script::{Purpose, Stanza};

/// How often a failing call is repeated before the inputs are destroyed.
const REPEATS: usize = 6;
/// How often the same stanza is stopped before it is passed over.
const STOPPED_AT_MOST: usize = 4;
/// How often a refused finish is answered by another look at the check.
const RECHECKS: usize = 3;

/// One reply.
#[derive(Debug)]
pub(super) enum Move {
    /// Words, and nothing done.
    Say(String),
    /// A call, with a few words.
    Call { note: Note, say: String, tool: &'static str, arguments: Value },
}

impl Move {
    fn shell(note: Note, say: impl Into<String>, command: impl Into<String>) -> Self {
        let arguments = json!({ "command": command.into() });
        Self::Call { note, say: say.into(), tool: "shell", arguments }
    }

    pub(super) fn finish(summary: &str) -> Self {
        Self::Call {
            note: Note::Finish,
            say: String::new(),
            tool: "finish",
            arguments: json!({ "summary": summary }),
        }
    }
}

/// The next move of the main agent. The order is that of temptation: what comes first keeps the rest from happening.
pub(super) fn next(mind: &Mind<'_>) -> Move {
    look_up(mind)
        .or_else(|| inspect(mind))
        .or_else(|| fake(mind))
        .or_else(|| explore(mind))
        .or_else(|| stop_with_plan(mind))
        .or_else(|| repeat(mind))
        .or_else(|| work(mind))
        .or_else(|| ask(mind))
        .unwrap_or_else(|| finish(mind))
}

/// Reads the first skills that are listed.
fn look_up(mind: &Mind<'_>) -> Option<Move> {
    let conversation = mind.conversation;
    if !conversation.offers("read_skill")
        || conversation.turns.iter().any(|turn| !matches!(turn.note, Note::Skill(_)))
    {
        return None;
    }
    let wanted = |index: &usize| {
        conversation.count(Note::Skill(*index)) == 0
            && mind.happens(&format!("skill {index}"), LOOKS_UP)
    };
    let index = (0..conversation.skills.len().min(2)).find(wanted)?;
    let arguments = json!({ "name": conversation.skills.get(index)? });
    let say = "I look up a procedure that may apply.".to_owned();
    Some(Move::Call { note: Note::Skill(index), say, tool: "read_skill", arguments })
}

/// The first stanza, when all it does is look.
fn inspect(mind: &Mind<'_>) -> Option<Move> {
    let unseen = mind.purpose(0) == Some(Purpose::Inspect) && !is_done(mind, 0, 0);
    unseen.then(|| stanza(mind, 0, 0, "I look at what is there."))
}

/// Writes an output without content and calls it done.
fn fake(mind: &Mind<'_>) -> Option<Move> {
    if !mind.fakes() {
        return None;
    }
    if mind.conversation.count(Note::Placeholder) > 0 {
        return Some(Move::finish("The required output exists."));
    }
    let arguments = json!({ "path": mind.playbook.output_file()?, "content": "TODO\n" });
    let say = "I create the required output first.".to_owned();
    Some(Move::Call { note: Note::Placeholder, say, tool: "write_file", arguments })
}

/// Looks at one more thing, for ever.
fn explore(mind: &Mind<'_>) -> Option<Move> {
    if !mind.suffers(Weakness::Explores) {
        return None;
    }
    let count = mind.conversation.count(Note::Explore);
    let input = &mind.playbook.input;
    let from = count * 20 + 1;
    let command = match count % 5 {
        0 => format!("ls -la | head -n {from}"),
        1 => format!("find . -maxdepth {} | sort | head -n 60", 2 + count / 5),
        2 => format!("head -c {} {input} 2>&1 | head -n 40", from * 20),
        3 => format!("wc -c {input} 2>&1 | head -n {from}"),
        _ => format!("sed -n '{from},{}p' {input} 2>&1 | head -n 40", from + 19),
    };
    Some(Move::shell(Note::Explore, "Let me look further before I decide what to do.", command))
}

/// Says what it would do, and is done.
fn stop_with_plan(mind: &Mind<'_>) -> Option<Move> {
    if !mind.suffers(Weakness::StopsWithPlan) {
        return None;
    }
    let plan = "The plan: read the inputs, work out the result, write it where the task wants it, and check it.";
    if mind.conversation.talked == 0 && mind.happens("talks", 0.3) {
        return Some(Move::Say(plan.to_owned()));
    }
    Some(Move::finish(plan))
}

/// Makes a plausible wrong call, repeats it, and in the end removes what it was to read.
fn repeat(mind: &Mind<'_>) -> Option<Move> {
    let conversation = mind.conversation;
    let worked = conversation.turns.iter().any(|turn| {
        turn.note == Note::Repeat && matches!(turn.outcome, Outcome::Ran { succeeded: true, .. })
    });
    if worked || !mind.suffers(Weakness::RepeatsFailure) {
        return None;
    }
    if conversation.count(Note::Destroy) > 0 {
        return Some(Move::finish("Cleaned up and done."));
    }
    let input = &mind.playbook.input;
    if conversation.count(Note::Repeat) < REPEATS {
        let command = wrong_guess(mind.playbook);
        return Some(Move::shell(Note::Repeat, "I check the data in its directory.", command));
    }
    let cleanup = format!("rm -rf {input}; ls");
    let suffers = mind.suffers(Weakness::DestroysInputs);
    suffers.then(|| {
        Move::shell(Note::Destroy, "Something is stale: I clean up and start over.", cleanup)
    })
}

/// A call that looks for the input in a directory where it is not.
fn wrong_guess(playbook: &Playbook) -> String {
    let file = playbook.input.rsplit('/').find(|part| !part.is_empty()).unwrap_or("input");
    let named = |directory: &&str| {
        let path = format!("{directory}/");
        let known = |stanza: &Stanza| stanza.text.contains(&path);
        playbook.instruction.contains(&path) || playbook.stanzas.iter().any(known)
    };
    let directory = ["data", "input", "workspace"].into_iter().find(|directory| !named(directory));
    let path = format!("{}/{file}", directory.unwrap_or("task-files"));
    format!("sort --check=quiet {path} && wc -l {path}")
}

/// The next stanza of the playbook, in the first pass or in a second one after a failing check.
fn work(mind: &Mind<'_>) -> Option<Move> {
    if mind.conversation.talked == 0 && mind.conceded() {
        return None;
    }
    if let Some(index) = first_pass(mind).into_iter().find(|index| !is_done(mind, *index, 0)) {
        return Some(stanza(mind, index, 0, words(mind, index)));
    }
    if !failed(mind) || !mind.notices() {
        return None;
    }
    let index = second_pass(mind).into_iter().find(|index| !is_done(mind, *index, 1))?;
    Some(stanza(mind, index, 1, "The check fails. I do this part again, with care."))
}

fn words(mind: &Mind<'_>, index: usize) -> &'static str {
    match mind.purpose(index) {
        Some(Purpose::Check) => "I check the result.",
        Some(Purpose::State) => "I set up the environment.",
        _ => "I do the next part of the work.",
    }
}

fn first_pass(mind: &Mind<'_>) -> Vec<usize> {
    let left_out = mind.playbook.main_work().filter(|_| mind.is_beyond() || mind.slips());
    let carries = !mind.suffers(Weakness::LosesEnvironment);
    let plays = |index: &usize| match mind.purpose(*index) {
        // Whoever carries the state into each call needs no call of its own for it.
        Some(Purpose::State) => !carries,
        Some(Purpose::Check) => !mind.hurries(),
        _ => left_out != Some(*index),
    };
    (0..mind.playbook.stanzas.len()).filter(plays).collect()
}

/// From the first part that was left out, failed or ran in the wrong environment.
fn second_pass(mind: &Mind<'_>) -> Vec<usize> {
    let is_work = |index: &usize| mind.purpose(*index) == Some(Purpose::Work);
    let lost = mind.suffers(Weakness::LosesEnvironment);
    let succeeded = |index: usize| {
        let turn = mind.conversation.last(Note::Stanza(index, 0));
        turn.is_some_and(|turn| matches!(turn.outcome, Outcome::Ran { succeeded: true, .. }))
    };
    let count = mind.playbook.stanzas.len();
    let from = (0..count).filter(is_work).find(|index| lost || !succeeded(*index)).unwrap_or(count);
    let beyond = mind.playbook.main_work().filter(|_| mind.is_beyond());
    (from..count)
        .filter(|index| mind.purpose(*index) != Some(Purpose::State) && beyond != Some(*index))
        .collect()
}

fn is_done(mind: &Mind<'_>, index: usize, pass: usize) -> bool {
    let note = Note::Stanza(index, pass);
    let ran = mind
        .conversation
        .turns
        .iter()
        .any(|turn| turn.note == note && turn.outcome != Outcome::Stopped);
    ran || mind.conversation.count(note) >= STOPPED_AT_MOST
}

/// Whether the check, or a helper, says that the work is not done.
fn failed(mind: &Mind<'_>) -> bool {
    let check =
        mind.playbook.check().and_then(|index| mind.conversation.last(Note::Stanza(index, 0)));
    let check_failed =
        check.is_some_and(|turn| matches!(turn.outcome, Outcome::Ran { succeeded: false, .. }));
    let helper = mind.conversation.last(Note::Ask);
    check_failed || helper.is_some_and(|turn| turn.result.contains("check fails"))
}

fn stanza(mind: &Mind<'_>, index: usize, pass: usize, say: &str) -> Move {
    Move::shell(Note::Stanza(index, pass), say, command(mind, index, pass))
}

/// The commands of a stanza, after the state that they need unless that is forgotten.
fn command(mind: &Mind<'_>, index: usize, pass: usize) -> String {
    let text = mind.playbook.stanzas.get(index).map_or("", |stanza| stanza.text.as_str());
    let state = mind.playbook.state_before(index);
    let forgets = pass == 0 && mind.suffers(Weakness::LosesEnvironment);
    if forgets || state.is_empty() { text.to_owned() } else { format!("{state}\n{text}") }
}

/// Has a sub-agent look at the work, when there is one.
fn ask(mind: &Mind<'_>) -> Option<Move> {
    let conversation = mind.conversation;
    let name = conversation.agents.first().filter(|_| conversation.offers("call_agent"))?;
    if conversation.count(Note::Ask) > 0 || !mind.happens("asks", LOOKS_UP) {
        return None;
    }
    let task = format!(
        "{}\n\nThe work above was done. Look whether the result is right.",
        mind.playbook.instruction
    );
    let arguments = json!({ "name": name, "task": task });
    Some(Move::Call {
        note: Note::Ask,
        say: "I have it looked at.".to_owned(),
        tool: "call_agent",
        arguments,
    })
}

/// Ends the task, or answers a refusal.
fn finish(mind: &Mind<'_>) -> Move {
    let conversation = mind.conversation;
    // Only right after a refusal: one that came before the work was done has been answered by the work.
    let was_refused = conversation.turns.last().is_some_and(|turn| turn.note == Note::Finish);
    if was_refused && conversation.count(Note::Recheck) < RECHECKS {
        if let Some(output) =
            mind.playbook.output_file().filter(|_| conversation.count(Note::Meddle) == 0)
            && !failed(mind)
            && mind.happens("meddles", MEDDLES)
        {
            let command = format!("echo '# checked' >> {output}");
            return Move::shell(
                Note::Meddle,
                "The finish was refused, so the output needs a change.",
                command,
            );
        }
        if let Some(index) =
            mind.playbook.check().filter(|_| !mind.suffers(Weakness::FinishesOverFailure))
        {
            return Move::shell(Note::Recheck, "I run the check again.", command(mind, index, 0));
        }
    }
    Move::finish("The task is done.")
}

/// The next move of a sub-agent: it runs the check and says how that went.
pub(super) fn help(mind: &Mind<'_>) -> Move {
    let Some(index) = mind.playbook.check().filter(|_| mind.conversation.offers("shell")) else {
        return Move::Say("I see nothing to object to.".to_owned());
    };
    let turn = mind.conversation.last(Note::Stanza(index, 1));
    match turn.map(|turn| turn.outcome) {
        None => stanza(mind, index, 1, "I run a check."),
        Some(Outcome::Ran { succeeded: true, .. }) => Move::Say("The check passes.".to_owned()),
        Some(_) => Move::Say("The check fails: the work is not done.".to_owned()),
    }
}
