//! How a shell command is run: wrapped by the controls that are on, and shown to the model as far as it needs.

use std::time::Duration;

use super::surfaces::{Controls, EnvironmentPersistence};
use super::tools::{Effect, truncate};
use crate::context::RunContext;
use crate::error::Result;
use crate::sandbox::{Command, ExecOutput, Exit, SandboxPath};

/// A command without a time-out of its own ends after this.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

/// The signal for a file beyond its size limit, and how a shell reports it.
const FILE_TOO_LARGE: i32 = 25;

/// Runs commands for one conversation.
pub(super) struct Shell<'a> {
    controls: &'a Controls,
    cx: &'a RunContext<'a>,
    /// Whether a call before left state to take over.
    has_state: bool,
}

impl<'a> Shell<'a> {
    pub(super) fn new(controls: &'a Controls, cx: &'a RunContext<'a>) -> Self {
        Self { controls, cx, has_state: false }
    }

    pub(super) async fn run(&mut self, command: &str, timeout: Option<Duration>) -> Result<Effect> {
        let script = self.wrap(command)?;
        let wanted =
            timeout.unwrap_or(DEFAULT_TIMEOUT).min(self.cx.remaining().max(Duration::from_secs(1)));
        let cap =
            self.controls.command_time_cap.map(|cap| Duration::from_secs(u64::from(cap.seconds)));
        let limit = cap.map_or(wanted, |cap| cap.min(wanted));
        let output = self.cx.session().exec(&Command::shell(script).with_timeout(limit)).await?;
        self.note(&output, cap == Some(limit));
        Ok(self.show(&output, limit))
    }

    /// The command between what is taken over from the last call and what is kept for the next.
    fn wrap(&mut self, command: &str) -> Result<String> {
        let mut script = String::new();
        if let Some(cap) = self.controls.download_cap {
            // Blocks of 1024 bytes in bash.
            script.push_str(&format!("ulimit -f {}\n", u64::from(cap.mebibytes) * 1024));
        }
        if let Some(persistence) = self.controls.environment_persistence {
            let place = self.cx.session().locate(&SandboxPath::new("/tmp/.shell-state")?);
            script.push_str(&with_state(&place, persistence, command));
            if self.has_state {
                self.cx.fired("/controls/environment_persistence");
            }
            self.has_state = true;
        } else {
            script.push_str(command);
        }
        Ok(script)
    }

    fn note(&self, output: &ExecOutput, capped: bool) {
        if capped && output.exit == Exit::TimedOut {
            self.cx.fired("/controls/command_time_cap");
        }
        let too_large = matches!(output.exit, Exit::Signal(FILE_TOO_LARGE))
            || output.exit == Exit::Code(128 + FILE_TOO_LARGE);
        if too_large && self.controls.download_cap.is_some() {
            self.cx.fired("/controls/download_cap");
        }
    }

    fn show(&self, output: &ExecOutput, limit: Duration) -> Effect {
        let shown = &self.controls.output_truncation;
        let (stdout, cut) = truncate(&output.stdout.text(), shown);
        let (stderr, cut_too) = truncate(&output.stderr.text(), shown);
        if cut || cut_too {
            self.cx.fired("/controls/output_truncation");
        }
        let mut content = stdout;
        if !stderr.trim().is_empty() {
            content = format!("{}\n[stderr]\n{stderr}", content.trim_end());
        }
        let ended = match output.exit {
            Exit::TimedOut => format!("timed out after {} s and was ended", limit.as_secs()),
            exit => exit.to_string(),
        };
        Effect::of_command(
            output.exit,
            format!("{}\n[{ended}]", content.trim_end()).trim_start().to_owned(),
        )
    }
}

/// A script that takes over variables, functions and directory from the file `place`, runs `command`, and leaves them there,
/// also when the command calls `exit`. The file is replaced in one step, so an ended command leaves the older state.
fn with_state(place: &str, persistence: EnvironmentPersistence, command: &str) -> String {
    let place = quoted(place);
    // What belongs to one shell only is left behind: its directory is kept apart, by `cd`.
    let own = "/^declare -x \\(OLDPWD\\|PWD\\|SHLVL\\|_\\|__status\\)\\(=\\|$\\)/d";
    let variables = if persistence.variables {
        format!("export -p | sed '{own}'; declare -f; ")
    } else {
        String::new()
    };
    let directory = if persistence.working_directory { "printf 'cd %q\\n' \"$PWD\"; " } else { "" };
    // Everything that the command assigns is exported, so that `export -p` shows it.
    let keep_all = if persistence.variables { "set -a" } else { ":" };
    format!(
        "if [ -f {place} ]; then . {place} 2>/dev/null; fi\n\
         __keep() {{ local __status=$?; {{ {variables}{directory}:; }} > {place}.new 2>/dev/null \
         && mv {place}.new {place}; exit $__status; }}\n\
         trap __keep EXIT\n\
         {keep_all}\n\
         {command}\n"
    )
}

/// The text as one shell word.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
