//! What a simulated model knows about a task: how it is done.

use super::script::{self, Purpose, Stanza};

/// The way through one task, as commands that are run one stanza a call.
///
/// A simulated model has no knowledge of its own: it is given this, and what is simulated is how well it
/// uses it. It recognises the task by its instruction, verbatim in a message of the user.
#[derive(Clone, Debug)]
pub struct Playbook {
    pub(super) task: String,
    pub(super) instruction: String,
    pub(super) stanzas: Vec<Stanza>,
    pub(super) outputs: Vec<String>,
    pub(super) input: String,
}

impl Playbook {
    /// The playbook of the task `name` from a shell script that solves it, such as its `solution/solve.sh`.
    ///
    /// Stanzas are divided by blank lines, here-documents and everything else that nests kept whole; comments between commands are
    /// dropped. A first stanza that only looks is the inspection, a last one that only looks is the check. A stanza after a
    /// comment `# setup:` sets shell state that the later ones need; in a script without such marks, exports,
    /// assignments, `cd`, `source`, `set`, `alias` and functions are taken for such state.
    /// `outputs` are the files that the task asks for, for a model that is tempted to fake one.
    pub fn from_script(
        name: impl Into<String>,
        instruction: &str,
        script: &str,
        outputs: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let outputs: Vec<String> = outputs.into_iter().map(Into::into).collect();
        let stanzas = script::stanzas(script);
        let input = input(&stanzas, &outputs);
        Self {
            task: name.into(),
            instruction: instruction.trim().to_owned(),
            stanzas,
            outputs,
            input,
        }
    }

    /// The task's name.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// The commands of each stanza, in order.
    pub fn stanzas(&self) -> impl Iterator<Item = &str> {
        self.stanzas.iter().map(|stanza| stanza.text.as_str())
    }

    /// The commands of a stanza with the state that they need, in a shell of their own where there is such state, so that
    /// nothing of it is left behind.
    pub(super) fn call(&self, index: usize) -> String {
        let text = self.stanzas.get(index).map_or("", |stanza| stanza.text.as_str());
        let state = self.state_before(index);
        if state.is_empty() { text.to_owned() } else { format!("(\n{state}\n{text}\n)") }
    }

    /// What later stanzas need from those before `index`.
    fn state_before(&self, index: usize) -> String {
        let states = self.stanzas.iter().take(index).map(|stanza| stanza.state.as_str());
        states.filter(|state| !state.is_empty()).collect::<Vec<_>>().join("\n")
    }

    pub(super) fn check(&self) -> Option<usize> {
        self.stanzas.iter().position(|stanza| stanza.purpose == Purpose::Check)
    }

    /// An output that is a file, as far as its name tells.
    pub(super) fn output_file(&self) -> Option<&str> {
        let is_file = |path: &&str| path.rsplit('/').next().is_some_and(|name| name.contains('.'));
        self.outputs.iter().map(String::as_str).find(is_file)
    }
}

/// A file or directory that the task starts from: the first path that the inspection names.
fn input(stanzas: &[Stanza], outputs: &[String]) -> String {
    let inspection = stanzas.iter().find(|stanza| stanza.purpose == Purpose::Inspect);
    let words = inspection.map_or("", |stanza| &stanza.text).split_whitespace();
    let is_path = |word: &&str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-/*".contains(c);
        word.chars().all(plain) && !word.starts_with('-') && word.contains(['.', '/'])
    };
    let is_output = |word: &str| outputs.iter().any(|output| output.ends_with(word));
    words.filter(is_path).find(|word| !is_output(word) && *word != ".").unwrap_or("*").to_owned()
}
