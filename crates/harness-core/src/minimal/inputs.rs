//! The input guard at work: what a task came with is copied away before the first call, and put back after a call that changed it.

use std::time::Duration;

use super::shell::quoted;
use super::surfaces::Controls;
use super::tools::Effect;
use crate::context::RunContext;
use crate::error::Result;
use crate::sandbox::{Command, SandboxPath};
use crate::task::Task;

/// So many files are watched, each below this many blocks of 512 bytes: the guard runs after every call, so it has to stay cheap.
const FILES: usize = 200;
const BLOCKS: u32 = 4096;

/// Copying or comparing that takes longer than this is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// What an agent's line says that had inputs put back.
const MARK: &str = "[inputs put back]";

/// Watches the files that a task came with, for one attempt.
pub(super) struct Inputs<'a> {
    controls: &'a Controls,
    task: &'a Task,
    cx: &'a RunContext<'a>,
}

impl<'a> Inputs<'a> {
    pub(super) fn new(controls: &'a Controls, task: &'a Task, cx: &'a RunContext<'a>) -> Self {
        Self { controls, task, cx }
    }

    /// Copies away what is there. To be called before anything was done.
    pub(super) async fn remember(&self) -> Result<()> {
        if self.controls.input_guard.is_none() {
            return Ok(());
        }
        let place = self.place()?;
        // What the task declares as output is there to be written; a repository's own files change with every command of git.
        let mut left_out = String::from("-not -path './.git/*'");
        for output in &self.task.outputs {
            let name = output.relative_to(&self.task.environment.workdir);
            left_out.push_str(&format!(" -not -path {}", quoted(&format!("./{name}"))));
        }
        let script = format!(
            "mkdir -p {place} && find . -type f -size -{BLOCKS} {left_out} -print0 | head -z -n {FILES} \
             | xargs -0 -r cp -p --parents -t {place} --"
        );
        self.cx.session().exec(&Command::shell(script).with_timeout(PATIENCE)).await?;
        Ok(())
    }

    /// Puts back what a call changed or removed, and says so beside its result.
    pub(super) async fn put_back(&self, effect: &mut Effect) -> Result<()> {
        let Some(guard) = &self.controls.input_guard else { return Ok(()) };
        let place = self.place()?;
        let script = format!(
            "[ -d {place} ] && (cd {place} && find . -type f -print0) | while IFS= read -r -d '' name; do \
             cmp -s {place}/\"$name\" \"$name\" || {{ mkdir -p \"$(dirname \"$name\")\" \
             && cp -p {place}/\"$name\" \"$name\" && printf '%s\\n' \"$name\"; }}; done"
        );
        let output = self.cx.session().exec(&Command::shell(script).with_timeout(PATIENCE)).await?;
        let names = output.stdout.text();
        if !names.trim().is_empty() {
            self.cx.fired("/controls/input_guard");
            let names = names.lines().take(5).collect::<Vec<_>>().join(", ");
            effect.content = format!("{}\n\n{MARK} {}\n{names}", effect.content, guard.message);
        }
        Ok(())
    }

    fn place(&self) -> Result<String> {
        Ok(quoted(&self.cx.session().locate(&SandboxPath::new("/tmp/.given-inputs")?)))
    }
}
