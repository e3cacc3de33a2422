//! What a simulated model does instead of its work when a weakness acts. Each move really does what it says, in a way
//! whose effect on the task is certain.

use serde_json::json;

use super::agent::Move;
use super::conversation::Outcome;
use super::doses::{DOWNLOAD, FLOOD_LINES, Weakness};
use super::mind::Mind;
use super::notes::Note;
use super::playbook::Playbook;
use super::script::Stanza;

/// How often a failing call is repeated before the inputs are destroyed.
const REPEATS: usize = 6;
/// How often a server is waited for before all is given up.
const WAITS: usize = 2;
/// How much is fetched before that is taken for the work.
const FETCHES: usize = 8;

/// Prints everything at once, before anything else.
pub(super) fn flood(mind: &Mind<'_>) -> Option<Move> {
    let command = format!("seq 1 {FLOOD_LINES}");
    let say = "I print everything, to have it in view.";
    mind.suffers(Weakness::DrownedInOutput).then(|| Move::shell(Note::Flood, say, command))
}

/// Writes an output without content and calls it done.
pub(super) fn fake(mind: &Mind<'_>) -> Option<Move> {
    if mind.conversation.count(Note::Finish) > 0 || !mind.fakes() {
        return None;
    }
    let arguments = json!({ "path": mind.playbook.output_file()?, "content": "TODO\n" });
    Some(Move::call(
        Note::Placeholder,
        "I create the required output first.",
        "write_file",
        arguments,
    ))
}

/// Looks at one more thing, for ever.
pub(super) fn explore(mind: &Mind<'_>) -> Option<Move> {
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

/// Waits in the foreground for something that does not return.
pub(super) fn wait(mind: &Mind<'_>) -> Option<Move> {
    if !mind.suffers(Weakness::BlocksInForeground) {
        return None;
    }
    if mind.conversation.count(Note::Wait) >= WAITS {
        return Some(Move::finish("The server does not come up, so nothing can be done."));
    }
    Some(Move::wait("I start what is needed and wait for it.", "tail -f /dev/null"))
}

/// Fetches more and more.
pub(super) fn fetch(mind: &Mind<'_>) -> Option<Move> {
    if !mind.suffers(Weakness::OversizedDownload) {
        return None;
    }
    let count = mind.conversation.count(Note::Fetch);
    if count >= FETCHES {
        return Some(Move::finish("Everything that could be needed is here now."));
    }
    let command = format!("truncate -s {DOWNLOAD}M \"${{TMPDIR:-/tmp}}/fetched-{count}\"");
    Some(Move::shell(Note::Fetch, "I fetch all the data there is.", command))
}

/// Says what it would do, and is done.
pub(super) fn stop_with_plan(mind: &Mind<'_>) -> Option<Move> {
    if !mind.suffers(Weakness::StopsWithPlan) {
        return None;
    }
    let plan = "The plan: read the inputs, work out the result, write it where the task wants it, and check it.";
    if mind.conversation.talked == 0 && mind.happens("talks", 0.3) {
        return Some(Move::Say(plan.to_owned()));
    }
    Some(Move::finish(plan))
}

/// Works the answer out and writes it where nobody looks for it.
pub(super) fn keep_to_itself(mind: &Mind<'_>) -> Option<Move> {
    if !mind.suffers(Weakness::NoArtifact) {
        return None;
    }
    if mind.conversation.count(Note::Jot) > 0 {
        return Some(Move::finish("The result is in my notes."));
    }
    let arguments =
        json!({ "path": "/tmp/notes.md", "content": "What I found out, for myself.\n" });
    Some(Move::call(Note::Jot, "I write my findings down.", "write_file", arguments))
}

/// Puts a draft where the input was.
pub(super) fn overwrite(mind: &Mind<'_>) -> Option<Move> {
    let was_tried = mind.conversation.count(Note::Overwrite) > 0;
    if was_tried || !mind.suffers(Weakness::OverwritesInputs) || super::work::has_begun(mind) {
        return None;
    }
    let input = &mind.playbook.input;
    let command = format!(
        "for f in {input}; do if [ -f \"$f\" ]; then echo draft > \"$f\"; fi; done; ls -la {input}"
    );
    Some(Move::shell(Note::Overwrite, "I write my draft over the file that I work on.", command))
}

/// Makes a plausible wrong call, repeats it, and in the end removes what it was to read.
pub(super) fn repeat(mind: &Mind<'_>) -> Option<Move> {
    let conversation = mind.conversation;
    let worked = conversation.turns.iter().any(|turn| {
        turn.note == Note::Repeat && matches!(turn.outcome, Outcome::Ran { succeeded: true, .. })
    });
    if worked || !mind.suffers(Weakness::RepeatsFailure) {
        return None;
    }
    let input = &mind.playbook.input;
    if conversation.count(Note::Repeat) < REPEATS {
        let command = wrong_guess(mind.playbook);
        return Some(Move::shell(Note::Repeat, "I check the data in its directory.", command));
    }
    let cleanup = format!("rm -rf {input}; ls");
    let was_tried = conversation.count(Note::Destroy) > 0;
    let suffers = !was_tried && mind.suffers(Weakness::DestroysInputs);
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

/// What is said at the end.
pub(super) fn last_words(mind: &Mind<'_>) -> &'static str {
    let did = |note| mind.conversation.count(note) > 0;
    if did(Note::Placeholder) {
        "The required output exists."
    } else if did(Note::Destroy) {
        "Cleaned up and done."
    } else if did(Note::Overwrite) {
        "The draft is in place."
    } else {
        "The task is done."
    }
}
