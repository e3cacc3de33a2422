//! A session without a shell: it knows what a simulated model's calls do to a task, and that is all it knows.
//!
//! It stands in for a real session when every course of an attempt is to be seen. The harness that acts in it is the real
//! one, with every control at work; so is the model. Only the commands are not run.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use harness_core::{
    Captured, Command, ExecOutput, Exit, File, Fingerprint, Result, SandboxPath, Session,
};

use super::doses::{CACHE, DOWNLOAD, FLOOD_LINES, STUDY};
use super::facts::{Facts, StanzaFacts};
use super::playbook::Playbook;
use super::script::{Purpose, Stanza};

/// The one output and input of an outlined task.
const OUTPUT: &str = "result.out";
const INPUT: &str = "given.in";
/// Ends a stanza's name, so that no name is the beginning of another.
const STANZA: &str = "outlined-stanza-";

/// A playbook of which only the structure is left: tasks that are alike have the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Outline {
    /// Each stanza's purpose. State is carried into the calls that need it, so it has no part here.
    stanzas: Vec<Purpose>,
    has_outputs: bool,
    has_output_file: bool,
    facts: Facts,
}

impl Outline {
    pub(super) fn of(playbook: &Playbook, facts: &Facts) -> Self {
        let is_played = |(stanza, _): &(&Stanza, &StanzaFacts)| stanza.purpose != Purpose::State;
        let played = playbook.stanzas.iter().zip(&facts.stanzas).filter(is_played);
        let (stanzas, known) =
            played.map(|(stanza, facts)| (stanza.purpose, rounded(*facts))).unzip();
        Self {
            stanzas,
            has_outputs: !playbook.outputs.is_empty(),
            has_output_file: playbook.output_file().is_some(),
            facts: Facts {
                stanzas: known,
                check_at_start: rounded(facts.check_at_start),
                outputs_at_start: facts.outputs_at_start,
            },
        }
    }

    /// The outline as a playbook, whose commands are names.
    pub(super) fn playbook(&self) -> Playbook {
        let stanza = |(index, purpose): (usize, &Purpose)| Stanza {
            purpose: *purpose,
            text: format!("{STANZA}{index}."),
            call: format!("{STANZA}{index}."),
        };
        let output = if self.has_output_file { OUTPUT } else { "result" };
        Playbook {
            task: "outlined".to_owned(),
            instruction: "Do what the outline says.".to_owned(),
            stanzas: self.stanzas.iter().enumerate().map(stanza).collect(),
            outputs: if self.has_outputs { vec![output.to_owned()] } else { Vec::new() },
            input: INPUT.to_owned(),
        }
    }

    fn is(&self, index: usize, purpose: Purpose) -> bool {
        self.stanzas.get(index) == Some(&purpose)
    }
}

/// Lengths of outputs matter in the rough: so that tasks that are alike are recognised, they are rounded up to a power of four, and to
/// what no harness can cut at least.
/// An output between a harness's cut and its rounded length is then cut here and not in a real session.
fn rounded(facts: StanzaFacts) -> StanzaFacts {
    let mut bytes = 256;
    while bytes < facts.bytes {
        bytes *= 4;
    }
    StanzaFacts { bytes, ..facts }
}

/// How far the task has come.
#[derive(Debug, Default)]
struct Progress {
    done: BTreeSet<usize>,
    has_placeholder: bool,
    is_spoilt: bool,
    is_input_gone: bool,
    keeps_root: bool,
    /// Whether calls that look for it find that they are to have no effect.
    is_dry: bool,
    was_busy: bool,
    /// Counts changes of the workspace.
    changes: u64,
}

/// How a rehearsed attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Passed,
    InputAltered,
    OutputMissing,
    OutputWrong,
}

/// A session that plays an outline.
#[derive(Debug)]
pub(super) struct Rehearsal<'a> {
    outline: &'a Outline,
    progress: Mutex<Progress>,
}

impl<'a> Rehearsal<'a> {
    pub(super) fn new(outline: &'a Outline) -> Self {
        Self { outline, progress: Mutex::default() }
    }

    /// What a verifier would say now.
    pub(super) fn ending(&self) -> Ending {
        let progress = self.progress();
        if progress.is_input_gone {
            Ending::InputAltered
        } else if progress.is_spoilt || progress.has_placeholder {
            Ending::OutputWrong
        } else if self.is_done(&progress) {
            Ending::Passed
        } else if self.outline.facts.outputs_at_start {
            Ending::OutputWrong
        } else {
            Ending::OutputMissing
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_done(&self, progress: &Progress) -> bool {
        let mut parts = 0..self.outline.stanzas.len();
        parts.all(|index| !self.outline.is(index, Purpose::Work) || progress.done.contains(&index))
    }

    /// Whether the outputs are there, whatever they hold.
    fn has_outputs(&self, progress: &Progress) -> bool {
        self.outline.facts.outputs_at_start || progress.has_placeholder || self.is_done(progress)
    }

    fn run(&self, script: &str, timeout: Option<Duration>, progress: &mut Progress) -> ExecOutput {
        if script.contains("/.given-inputs") {
            return self.input_guard(script, progress);
        }
        if script.starts_with("[ -s ") {
            return ended(i32::from(!self.has_outputs(progress)), 0);
        }
        if script.contains("tail -f /dev/null") {
            let elapsed = timeout.unwrap_or_default();
            return ExecOutput { exit: Exit::TimedOut, elapsed, ..ended(0, 0) };
        }
        if script.contains("${TASK_ROOT:?") && !progress.keeps_root {
            return ended(127, 60);
        }
        if script.contains("${DRY_RUN:-}") && progress.is_dry {
            return ended(3, 30);
        }
        match named_stanza(script) {
            Some(index) => self.stanza(index, progress),
            None => other(script, progress),
        }
    }

    /// Copies inputs away, or puts back what was changed and names it.
    fn input_guard(&self, script: &str, progress: &mut Progress) -> ExecOutput {
        let is_undone = |index: &usize| {
            let facts = self.outline.facts.stanzas.get(*index);
            facts.is_some_and(|facts| facts.alters_inputs)
        };
        let undone: Vec<usize> = progress.done.iter().copied().filter(is_undone).collect();
        let is_whole = !progress.is_input_gone && undone.is_empty();
        if script.contains("--parents") || is_whole {
            return ended(0, 0);
        }
        progress.is_input_gone = false;
        progress.done.retain(|index| !undone.contains(index));
        ExecOutput { stdout: Captured::whole("./given.in\n"), ..ended(0, 0) }
    }

    fn stanza(&self, index: usize, progress: &mut Progress) -> ExecOutput {
        let facts = &self.outline.facts;
        let nothing = StanzaFacts::looking(0);
        let in_turn = facts.stanzas.get(index).copied().unwrap_or(nothing);
        let is_check = self.outline.is(index, Purpose::Check);
        let facts =
            if is_check && !self.is_done(progress) { facts.check_at_start } else { in_turn };
        if self.outline.is(index, Purpose::Work) {
            progress.done.insert(index);
        }
        progress.changes += u64::from(facts.changes);
        ended(i32::from(!facts.succeeds), facts.bytes)
    }
}

fn named_stanza(script: &str) -> Option<usize> {
    script.rsplit_once(STANZA)?.1.split_once('.')?.0.parse().ok()
}

/// Whatever is no part of the playbook.
fn other(script: &str, progress: &mut Progress) -> ExecOutput {
    if script.contains("export TASK_ROOT=") {
        // The harness's own words around a command whose variables are kept.
        progress.keeps_root = script.contains("export -p");
    } else if script.contains("/sketch.txt") {
        return ended(1, 2);
    } else if script.contains("export DRY_RUN=") {
        progress.is_dry = script.contains("export -p");
    } else if script.contains("/was-busy") {
        let was_busy = std::mem::replace(&mut progress.was_busy, true);
        return ended(i32::from(!was_busy), 5);
    } else if script.contains(&format!("head -c {STUDY}")) {
        return ended(0, STUDY);
    } else if script.contains("/cache\"") {
        return ended(if may_write(script, CACHE) { 0 } else { 153 }, 0);
    } else if script.contains("truncate -s ") {
        return ended(if may_write(script, DOWNLOAD) { 0 } else { 153 }, 0);
    } else if script.contains("seq 1 ") {
        return ended(0, (1..=FLOOD_LINES).map(|line| line.to_string().len() + 1).sum());
    } else if script.contains("rm -rf ") || script.contains("echo draft > \"$f\"") {
        progress.is_input_gone = true;
        progress.changes += 1;
    } else if script.contains("# to be checked") {
        progress.is_spoilt = true;
        progress.changes += 1;
    } else if script.contains("sort --check=quiet ") {
        return ended(2, 60);
    }
    ended(0, 300)
}

/// Whether a file of so many mebibytes is within the limit that the script sets.
fn may_write(script: &str, mebibytes: u64) -> bool {
    let limit =
        script.split_once("ulimit -f ").and_then(|(_, rest)| rest.split_whitespace().next());
    limit.and_then(|limit| limit.parse::<u64>().ok()).is_none_or(|kib| kib >= mebibytes * 1024)
}

fn ended(code: i32, bytes: usize) -> ExecOutput {
    const LINE: &str = "a line of what the command prints, as long as others are\n";
    let mut text = LINE.repeat(bytes / LINE.len() + 1);
    text.truncate(bytes);
    ExecOutput {
        exit: Exit::Code(code),
        stdout: Captured::whole(text),
        stderr: Captured::default(),
        elapsed: Duration::ZERO,
    }
}

#[async_trait]
impl Session for Rehearsal<'_> {
    fn locate(&self, path: &SandboxPath) -> String {
        path.as_str().to_owned()
    }

    async fn exec(&self, command: &Command) -> Result<ExecOutput> {
        let script = command.argv.last().map_or("", String::as_str);
        Ok(self.run(script, command.timeout, &mut self.progress()))
    }

    async fn read(&self, _path: &SandboxPath) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    async fn write(&self, path: &SandboxPath, _file: File<'_>) -> Result<()> {
        if path.as_str() == OUTPUT {
            let mut progress = self.progress();
            progress.has_placeholder = true;
            progress.changes += 1;
        }
        Ok(())
    }

    async fn stamp(&self) -> Result<Fingerprint> {
        Ok(Fingerprint::of_bytes(&self.progress().changes.to_le_bytes()))
    }

    async fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
