//! What a simulated model finds in a request: the task, what it did so far and what came of it, and what its harness said.

use harness_core::{Message, Request, Role};

use super::doses::{Advice, Deed, LEAST_ATTENTION, READ_WELL, Source, WAIT};
use super::notes::{self, Note};
use super::playbook::Playbook;
use super::reading::{advice, listed};

/// What a call brought, read from its result's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was run. `shown` is how many characters of its output were seen, `cut` whether some were left out; `ended` whether
    /// a control ended it.
    Ran { succeeded: bool, shown: usize, cut: bool, ended: bool },
    /// The harness answered in its place; for a finish: it was refused.
    Stopped,
}

/// One call of the model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn<'a> {
    pub(super) note: Note,
    pub(super) outcome: Outcome,
    pub(super) result: &'a str,
}

/// A conversation, understood.
#[derive(Debug)]
pub(super) struct Conversation<'a> {
    pub(super) playbook: Option<&'a Playbook>,
    /// The name that the first call gave this attempt.
    pub(super) attempt: Option<&'a str>,
    pub(super) turns: Vec<Turn<'a>>,
    /// Replies so far, with calls and without.
    pub(super) replies: usize,
    /// How often it spoke without calling anything.
    pub(super) talked: usize,
    pub(super) heard: Vec<(Advice, Source)>,
    /// What it was doing when a control stepped in.
    pub(super) stopped_at: Vec<Deed>,
    pub(super) skills: Vec<&'a str>,
    pub(super) agents: Vec<&'a str>,
    tools: Vec<&'a str>,
    harness_characters: usize,
}

impl<'a> Conversation<'a> {
    pub(super) fn read(request: &'a Request, playbooks: &'a [Playbook]) -> Self {
        let playbook = recognised(request, playbooks);
        let mut conversation = Self {
            playbook,
            attempt: None,
            turns: Vec::new(),
            replies: 0,
            talked: 0,
            heard: Vec::new(),
            stopped_at: Vec::new(),
            skills: Vec::new(),
            agents: Vec::new(),
            tools: request.tools.iter().map(|tool| tool.name.as_str()).collect(),
            harness_characters: 0,
        };
        for tool in &request.tools {
            conversation.hear(&tool.description, Source::Tool);
        }
        let instruction = playbook.map_or("", |playbook| &playbook.instruction);
        for message in &request.messages {
            conversation.take_in(message, instruction);
        }
        conversation
    }

    pub(super) fn offers(&self, tool: &str) -> bool {
        self.tools.contains(&tool)
    }

    /// How much of what the harness says gets through: long texts are read badly.
    pub(super) fn attention(&self) -> f64 {
        (thousands(READ_WELL) / thousands(self.harness_characters.max(READ_WELL)))
            .max(LEAST_ATTENTION)
    }

    /// Characters of the harness beyond those that are read well, in thousands.
    pub(super) fn excess(&self) -> f64 {
        thousands(self.harness_characters.saturating_sub(READ_WELL))
    }

    pub(super) fn count(&self, note: Note) -> usize {
        self.turns.iter().filter(|turn| turn.note == note).count()
    }

    pub(super) fn last(&self, note: Note) -> Option<&Turn<'a>> {
        self.turns.iter().rev().find(|turn| turn.note == note)
    }

    pub(super) fn heard(&self, wanted: Advice) -> bool {
        self.heard.iter().any(|(advice, _)| *advice == wanted)
    }

    fn take_in(&mut self, message: &'a Message, instruction: &str) {
        match message.role {
            Role::System => {
                self.skills.extend(listed(&message.content, "read_skill"));
                self.agents.extend(listed(&message.content, "call_agent"));
                self.say(&message.content, Source::Standing);
            }
            Role::User if !instruction.is_empty() && message.content.contains(instruction) => {
                self.say(&message.content.replacen(instruction, "", 1), Source::Start);
            }
            Role::User => self.hear(&message.content, Source::Reminder),
            Role::Assistant => self.reply(message),
            Role::Tool => self.result(message),
        }
    }

    /// Something that stands at the beginning, and is read again with every call.
    fn say(&mut self, text: &str, source: Source) {
        self.harness_characters += text.chars().count();
        self.hear(text, source);
    }

    fn hear(&mut self, text: &str, source: Source) {
        self.heard.extend(advice(text).iter().map(|advice| (*advice, source)));
    }

    fn reply(&mut self, message: &'a Message) {
        self.replies += 1;
        self.talked += usize::from(message.tool_calls.is_empty());
        for call in &message.tool_calls {
            if let Some((attempt, note)) = notes::read(&call.id) {
                self.attempt.get_or_insert(attempt);
                let outcome = Outcome::Stopped;
                self.turns.push(Turn { note, outcome, result: "" });
            }
        }
    }

    fn result(&mut self, message: &'a Message) {
        let id = message.tool_call_id.as_deref().unwrap_or_default();
        let Some((_, note)) = notes::read(id) else { return };
        let (outcome, beside) = understand(note, &message.content);
        match (outcome, note) {
            // A call that could not be read was not stopped by anyone.
            (Outcome::Stopped, Note::Garbled(_)) => self.hear(&message.content, Source::Beside),
            (Outcome::Ran { ended: true, .. }, _) => {
                self.hear(beside, Source::Interception);
                self.stopped_at.extend(deed(note, beside));
            }
            (Outcome::Stopped, _) => {
                self.hear(&message.content, Source::Interception);
                self.stopped_at.extend(deed(note, &message.content));
            }
            (_, Note::Skill(_)) => self.hear(&message.content, Source::Skill),
            _ => self.hear(beside, Source::Beside),
        }
        if let Some(turn) = self.turns.iter_mut().rev().find(|turn| turn.note == note) {
            turn.outcome = outcome;
            turn.result = &message.content;
        }
    }
}

/// What a control stepped into, when it answered the call of `note` with `words`.
fn deed(note: Note, words: &str) -> Option<Deed> {
    Some(match note {
        Note::Explore => Deed::Exploring,
        Note::Repeat => Deed::Retrying,
        Note::Destroy => Deed::Destroying,
        Note::Overwrite => Deed::Overwriting,
        Note::Wait => Deed::Waiting,
        Note::Fetch => Deed::Fetching,
        Note::Finish if words.contains(MISSING) => Deed::FinishingWithoutOutput,
        Note::Finish => Deed::FinishingUnchecked,
        _ => return None,
    })
}

/// How the harness lists outputs that are not there.
const MISSING: &str = "Missing or empty: ";
/// How the harness says that inputs were put back.
const PUT_BACK: &str = "[inputs put back]";

/// The playbook whose instruction stands in a message of the user; the longest where several do.
fn recognised<'a>(request: &Request, playbooks: &'a [Playbook]) -> Option<&'a Playbook> {
    let asked = request.messages.iter().filter(|message| message.role == Role::User);
    let asked: Vec<&str> = asked.map(|message| message.content.as_str()).collect();
    let is_asked = |playbook: &&Playbook| {
        !playbook.instruction.is_empty()
            && asked.iter().any(|text| text.contains(&playbook.instruction))
    };
    playbooks.iter().filter(is_asked).max_by_key(|playbook| playbook.instruction.len())
}

/// What a result means, and what the harness put beside it.
fn understand(note: Note, content: &str) -> (Outcome, &str) {
    match note {
        // The conversation goes on, so the finish was not taken.
        Note::Finish => (Outcome::Stopped, ""),
        Note::Skill(_) | Note::Ask | Note::Placeholder | Note::Jot => {
            (Outcome::Ran { succeeded: true, shown: 0, cut: false, ended: false }, "")
        }
        _ => command(note, content).unwrap_or((Outcome::Stopped, "")),
    }
}

/// How the harness shows that a command was run: a last line such as `[exit status 0]`, then its own words, if any.
const ENDINGS: &[&str] = &["[exit status ", "[timed out", "[killed by signal ", "[out of memory"];

fn command(note: Note, content: &str) -> Option<(Outcome, &str)> {
    let at = last_ending(content)?;
    let (output, rest) = content.split_at(at);
    let (ending, beside) = rest.split_once('\n').unwrap_or((rest, ""));
    let succeeded = ending.trim_end() == "[exit status 0]";
    let ended = match note {
        Note::Wait => seconds(ending).is_some_and(|seconds| seconds < WAIT),
        Note::Fetch => !succeeded,
        Note::Overwrite | Note::Destroy => beside.contains(PUT_BACK),
        _ => false,
    };
    let (shown, cut) = (output.chars().count(), output.contains("bytes left out"));
    Some((Outcome::Ran { succeeded, shown, cut, ended }, beside))
}

/// After how long a command was ended.
fn seconds(ending: &str) -> Option<u64> {
    ending.strip_prefix("[timed out after ")?.split(' ').next()?.parse().ok()
}

/// Where the last line of `content` begins that shows how a command ended. Looked for from the end, where it mostly is.
fn last_ending(content: &str) -> Option<usize> {
    let is_ending = |at: &usize| {
        let starts_line = *at == 0 || content.as_bytes()[*at - 1] == b'\n';
        starts_line && ENDINGS.iter().any(|ending| content[*at..].starts_with(ending))
    };
    content.rmatch_indices('[').map(|(at, _)| at).find(is_ending)
}

#[expect(clippy::cast_precision_loss, reason = "lengths of texts are far below 2^52")]
fn thousands(characters: usize) -> f64 {
    characters as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_told_apart() {
        let ran = |succeeded, shown| Outcome::Ran { succeeded, shown, cut: false, ended: false };
        let command = |content| command(Note::Explore, content);
        assert_eq!(command("[exit status 0]"), Some((ran(true, 0), "")));
        assert_eq!(
            command("a\n[exit status 0]\nb\n[exit status 2]\n\n[recovery] do"),
            Some((ran(false, 20), "\n[recovery] do"))
        );
        assert_eq!(command("x\n[timed out after 3 s and was ended]"), Some((ran(false, 2), "")));
        assert_eq!(command("You have looked [exit status 0] enough."), None);
        let cut = command("ab\n[… 9 bytes left out …]\nc\n[exit status 0]").unwrap().0;
        assert!(matches!(cut, Outcome::Ran { succeeded: true, cut: true, .. }));
        let capped = |seconds: u64| {
            let content = format!("[timed out after {seconds} s and was ended]");
            super::command(Note::Wait, &content).unwrap().0
        };
        assert!(matches!(capped(WAIT - 1), Outcome::Ran { ended: true, .. }));
        assert!(matches!(capped(WAIT), Outcome::Ran { ended: false, .. }));
    }
}
