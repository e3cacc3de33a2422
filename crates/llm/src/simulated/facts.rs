//! What is known of how a task's own commands behave, without playing them again: what a rehearsal stands on.

use std::collections::BTreeMap;

use harness_core::{Command, Error, ErrorKind, Result, Sandbox, Session, Task};

use super::playbook::Playbook;
use super::script::Purpose;

/// How one stanza behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StanzaFacts {
    /// Whether it ends with status 0.
    pub succeeds: bool,
    /// Whether it changes the workspace.
    pub changes: bool,
    /// Whether it changes or removes a file that was there from the beginning and is no declared output: work that an input guard
    /// undoes.
    pub alters_inputs: bool,
    /// Bytes that it prints.
    pub bytes: usize,
}

impl StanzaFacts {
    /// A stanza that changes nothing, succeeds and prints so many bytes.
    pub(super) fn looking(bytes: usize) -> Self {
        Self { succeeds: true, changes: false, alters_inputs: false, bytes }
    }
}

/// How a playbook's commands behave on the way through its task, and where nothing of the work was done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Facts {
    /// Each stanza in its turn.
    pub stanzas: Vec<StanzaFacts>,
    /// The check where nothing was done, for a playbook that has one.
    pub check_at_start: StanzaFacts,
    /// Whether every declared output exists, and holds something, before anything was done.
    pub outputs_at_start: bool,
}

impl Facts {
    /// What is mostly so: work succeeds and changes something, looking does not; the check fails as long as nothing was done; no
    /// output is there from the beginning.
    pub fn assumed(playbook: &Playbook) -> Self {
        let stanza = |purpose| StanzaFacts {
            changes: purpose == Purpose::Work,
            ..StanzaFacts::looking(200)
        };
        Self {
            stanzas: playbook.stanzas.iter().map(|part| stanza(part.purpose)).collect(),
            check_at_start: StanzaFacts { succeeds: false, ..StanzaFacts::looking(60) },
            outputs_at_start: false,
        }
    }

    /// What is so: `playbook` is played in sessions of `sandbox`, once from beginning to end, and its check once more where nothing
    /// was done.
    ///
    /// # Errors
    /// Those of the sandbox.
    pub async fn measure(playbook: &Playbook, task: &Task, sandbox: &dyn Sandbox) -> Result<Self> {
        let untouched = open(task, sandbox).await?;
        let outputs_at_start = has_outputs(task, untouched.as_ref()).await?;
        // Whoever leaves the work out has looked all the same, and what a shell remembers of that is taken along to the check.
        if playbook.stanzas.first().is_some_and(|first| first.purpose == Purpose::Inspect) {
            play(playbook, 0, &Given::default(), untouched.as_ref()).await?;
        }
        let check_at_start = match playbook.check() {
            Some(check) => play(playbook, check, &Given::default(), untouched.as_ref()).await?,
            None => Self::assumed(playbook).check_at_start,
        };
        untouched.close().await?;
        let session = open(task, sandbox).await?;
        let given = Given::of(task, session.as_ref()).await?;
        let mut stanzas = Vec::new();
        for (index, stanza) in playbook.stanzas.iter().enumerate() {
            // State is carried into the calls that need it, and never a call of its own.
            let is_state = stanza.purpose == Purpose::State;
            let nothing = StanzaFacts::looking(0);
            stanzas.push(if is_state {
                nothing
            } else {
                play(playbook, index, &given, session.as_ref()).await?
            });
        }
        session.close().await?;
        Ok(Self { stanzas, check_at_start, outputs_at_start })
    }
}

async fn open(task: &Task, sandbox: &dyn Sandbox) -> Result<Box<dyn Session>> {
    let session = sandbox.open(&task.environment).await?;
    task.environment.prepare(session.as_ref()).await?;
    Ok(session)
}

/// The digests of the files that a task came with, by name, its declared outputs apart.
#[derive(Debug, Default, PartialEq, Eq)]
struct Given(BTreeMap<String, String>);

impl Given {
    async fn of(task: &Task, session: &dyn Session) -> Result<Self> {
        let mut given = Self(digests(session).await?);
        for output in &task.outputs {
            given.0.remove(&format!("./{}", output.relative_to(&task.environment.workdir)));
        }
        Ok(given)
    }

    /// Whether one of them is no longer as it was.
    async fn is_altered(&self, session: &dyn Session) -> Result<bool> {
        if self.0.is_empty() {
            return Ok(false);
        }
        let now = digests(session).await?;
        Ok(self.0.iter().any(|(name, digest)| now.get(name) != Some(digest)))
    }
}

/// What the working directory holds, a repository's own files apart.
async fn digests(session: &dyn Session) -> Result<BTreeMap<String, String>> {
    let script = "find . -type f -not -path './.git/*' -print0 | xargs -0 -r cksum --";
    let listed = session.exec(&Command::shell(script)).await?.stdout.text();
    let of_line = |line: &str| {
        let (digest, name) = line.split_at(line.match_indices(' ').nth(1)?.0);
        Some((name.trim_start().to_owned(), digest.to_owned()))
    };
    Ok(listed.lines().filter_map(of_line).collect())
}

async fn play(
    playbook: &Playbook,
    index: usize,
    given: &Given,
    session: &dyn Session,
) -> Result<StanzaFacts> {
    let before = session.stamp().await?;
    let output = session.exec(&Command::shell(playbook.call(index))).await?;
    let changes = session.stamp().await? != before;
    let bytes = output.stdout.bytes().len() + output.stderr.bytes().len();
    let alters_inputs = changes && given.is_altered(session).await?;
    Ok(StanzaFacts { succeeds: output.exit.is_success(), changes, alters_inputs, bytes })
}

async fn has_outputs(task: &Task, session: &dyn Session) -> Result<bool> {
    for output in &task.outputs {
        let place = session.locate(output);
        let output = session.exec(&Command::program(["test", "-s", &place])).await?;
        if !output.exit.is_success() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A playbook and facts of another do not fit together.
pub(super) fn check(facts: &Facts, playbook: &Playbook) -> Result<()> {
    if facts.stanzas.len() == playbook.stanzas.len() {
        return Ok(());
    }
    let (given, wanted) = (facts.stanzas.len(), playbook.stanzas.len());
    let why = format!("{}: facts of {given} stanzas for a playbook of {wanted}", playbook.task);
    Err(Error::new(ErrorKind::InvalidInput, why))
}
