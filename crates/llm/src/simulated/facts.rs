//! What is known of how a task's own commands behave, without playing them again: what a rehearsal stands on.

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
    /// Bytes that it prints.
    pub bytes: usize,
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
        let stanza =
            |purpose| StanzaFacts { succeeds: true, changes: purpose == Purpose::Work, bytes: 200 };
        Self {
            stanzas: playbook.stanzas.iter().map(|part| stanza(part.purpose)).collect(),
            check_at_start: StanzaFacts { succeeds: false, changes: false, bytes: 60 },
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
        let check_at_start = match playbook.check() {
            Some(check) => play(playbook, check, untouched.as_ref()).await?,
            None => Self::assumed(playbook).check_at_start,
        };
        untouched.close().await?;
        let session = open(task, sandbox).await?;
        let mut stanzas = Vec::new();
        for (index, stanza) in playbook.stanzas.iter().enumerate() {
            // State is carried into the calls that need it, and never a call of its own.
            let is_state = stanza.purpose == Purpose::State;
            let nothing = StanzaFacts { succeeds: true, changes: false, bytes: 0 };
            stanzas.push(if is_state {
                nothing
            } else {
                play(playbook, index, session.as_ref()).await?
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

async fn play(playbook: &Playbook, index: usize, session: &dyn Session) -> Result<StanzaFacts> {
    let before = session.stamp().await?;
    let output = session.exec(&Command::shell(playbook.call(index))).await?;
    let changes = session.stamp().await? != before;
    let bytes = output.stdout.bytes().len() + output.stderr.bytes().len();
    Ok(StanzaFacts { succeeds: output.exit.is_success(), changes, bytes })
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
