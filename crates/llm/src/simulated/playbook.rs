//! What a simulated model knows about a task: how it is done.

use harness_core::Fingerprint;

use super::script::{self, Purpose, Stanza};
use super::solution::SolutionFiles;

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
    /// The playbook of the task `name` from a shell script that solves it and needs nothing beside it.
    pub fn from_script(
        name: impl Into<String>,
        instruction: &str,
        script: &str,
        outputs: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self::from_solution(name, instruction, &SolutionFiles::new(script), outputs)
    }

    /// The playbook of the task `name` from its solution, such as what lies in its `solution/`.
    ///
    /// Stanzas are divided by blank lines, here-documents and everything else that nests kept whole; comments between commands are
    /// dropped. A first stanza that only looks is the inspection, a last one that only looks is the check. However many
    /// calls that makes, they end as one run of the script by bash does: what a shell remembers is taken along from call to call, nothing is
    /// done after a call in which the script ended, and what cannot be divided (background jobs, traps) is one call. Files
    /// beside the script are brought to a directory of their own outside of the workspace, which also stands for `/solution`.
    /// Where the author marked stanzas by a comment `# setup:`, only those set state, and they are repeated in each call after them.
    ///
    /// `outputs` are the files that the task asks for, for a model that is tempted to fake one.
    pub fn from_solution(
        name: impl Into<String>,
        instruction: &str,
        solution: &SolutionFiles,
        outputs: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let task = name.into();
        let outputs: Vec<String> = outputs.into_iter().map(Into::into).collect();
        let home = Fingerprint::of_bytes(task.as_bytes()).short();
        let stanzas = script::stanzas(&home, solution);
        let input = input(&stanzas, &outputs);
        Self { task, instruction: instruction.trim().to_owned(), stanzas, outputs, input }
    }

    /// The task's name.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// What is typed to play each stanza, in order. A set-up line that the calls after it repeat is not typed for itself.
    pub fn calls(&self) -> impl Iterator<Item = &str> {
        let is_typed = |stanza: &&Stanza| stanza.purpose != Purpose::State;
        self.stanzas.iter().filter(is_typed).map(|stanza| stanza.call.as_str())
    }

    /// The commands of each stanza, in order.
    pub fn stanzas(&self) -> impl Iterator<Item = &str> {
        self.stanzas.iter().map(|stanza| stanza.text.as_str())
    }

    /// What is typed to play a stanza.
    pub(super) fn call(&self, index: usize) -> &str {
        self.stanzas.get(index).map_or("", |stanza| stanza.call.as_str())
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
