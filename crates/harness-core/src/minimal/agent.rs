//! The agent loop: ask, act, write down, until the work is finished or nothing is left to do it with.

use serde_json::Value;
use tracing::Instrument;

use super::guards::{FinishGuard, Guards, Interception};
use super::inputs::Inputs;
use super::prompt;
use super::repair::{self, Call};
use super::shell::Shell;
use super::surfaces::{MinimalHarness, ReminderTrigger, SubAgent};
use super::tools::{self, Action, Effect};
use crate::context::RunContext;
use crate::error::{Error, ErrorKind, Result};
use crate::id::Fingerprint;
use crate::llm::{Completion, Message, Request, ToolCall, ToolSpec};
use crate::task::Task;
use crate::trajectory::{Observation, ObservationStatus, Step, StepSource};
use crate::trial::Finish;

/// A conversation at work: the main agent of a task, or a sub-agent that it called.
pub(super) struct Agent<'a> {
    harness: &'a MinimalHarness,
    task: &'a Task,
    cx: &'a RunContext<'a>,
    sub_agent: Option<&'a SubAgent>,
    conversation: Vec<Message>,
    tools: Vec<ToolSpec>,
    guards: Guards<'a>,
    shell: Shell<'a>,
    inputs: Inputs<'a>,
    /// The workspace as it was after the last call.
    stamp: Option<Fingerprint>,
    idle_replies: u32,
    last_words: String,
}

impl<'a> Agent<'a> {
    pub(super) fn for_task(
        harness: &'a MinimalHarness,
        task: &'a Task,
        cx: &'a RunContext<'a>,
    ) -> Self {
        let conversation = prompt::opening(harness, task);
        for message in &conversation {
            cx.record(Step::said(prompt::source(message), message.content.clone()));
        }
        prompt::note_shown(harness, cx);
        Self::new(harness, task, cx, None, conversation)
    }

    fn for_sub_agent(caller: &Self, sub_agent: &'a SubAgent, request: &str) -> Self {
        let conversation = vec![Message::system(sub_agent.prompt.clone()), Message::user(request)];
        Self::new(caller.harness, caller.task, caller.cx, Some(sub_agent), conversation)
    }

    fn new(
        harness: &'a MinimalHarness,
        task: &'a Task,
        cx: &'a RunContext<'a>,
        sub_agent: Option<&'a SubAgent>,
        conversation: Vec<Message>,
    ) -> Self {
        Self {
            harness,
            task,
            cx,
            sub_agent,
            conversation,
            tools: tools::offered(harness, sub_agent),
            guards: Guards::new(&harness.controls, cx),
            shell: Shell::new(&harness.controls, cx),
            inputs: Inputs::new(&harness.controls, task, cx),
            stamp: None,
            idle_replies: 0,
            last_words: String::new(),
        }
    }

    pub(super) async fn run(mut self) -> Result<Finish> {
        self.inputs.remember().await?;
        self.stamp = Some(self.cx.session().stamp().await?);
        loop {
            if let Some(finish) = self.step().instrument(tracing::info_span!("step")).await? {
                return Ok(finish);
            }
        }
    }

    /// One call to the model, and everything that its reply asks for.
    async fn step(&mut self) -> Result<Option<Finish>> {
        self.remind_of_deadline();
        let completion = self.cx.complete(self.request()).await?;
        if completion.finish.is_withheld() {
            self.cx.record(Step::reply(&completion));
            return Ok(Some(Finish::Refused));
        }
        self.turn(completion).await
    }

    /// One reply of the model.
    async fn turn(&mut self, completion: Completion) -> Result<Option<Finish>> {
        // Written down before it is acted on: an attempt that ends in a long command still shows the command.
        let step = self.cx.record(Step::reply(&completion));
        self.last_words.clone_from(&completion.message.content);
        let calls = completion.message.tool_calls.clone();
        self.conversation.push(completion.message);
        if calls.is_empty() {
            return Ok(self.reply_without_calls());
        }
        self.idle_replies = 0;
        let mut finish = None;
        for call in calls {
            let span = tracing::info_span!("tool", gen_ai.operation.name = "execute_tool", gen_ai.tool.name = %call.name);
            let observation = self.observe(&call, &mut finish).instrument(span).await?;
            self.conversation.push(Message::tool(&call.id, &observation.content));
            self.cx.observe(step, observation);
        }
        self.remind_after_calls();
        Ok(finish)
    }

    /// A sub-agent's reply without calls is its answer; the main agent is asked once to go on or finish.
    fn reply_without_calls(&mut self) -> Option<Finish> {
        self.idle_replies += 1;
        if self.sub_agent.is_some() || self.idle_replies > 1 {
            return Some(Finish::Stopped);
        }
        self.say(prompt::CONTINUE);
        None
    }

    /// What one call brought. Only broken machinery is an `Err`.
    async fn observe(
        &mut self,
        call: &ToolCall,
        finish: &mut Option<Finish>,
    ) -> Result<Observation> {
        let repair = self.guards.may_repair();
        let action = match repair::read(call, &self.tools, repair) {
            Call::Valid(action) => {
                self.guards.note_valid();
                action
            }
            Call::Repaired(action) => {
                self.guards.note_repair();
                action
            }
            Call::Invalid(why) => return Ok(observation(call, Effect::invalid(why))),
        };
        if let Action::Finish = action {
            return self.observe_finish(call, finish).await;
        }
        let warning = match self.guards.before(&action) {
            Interception::Deny(message) => {
                return Ok(observation(call, Effect::intercepted(message)));
            }
            Interception::Warn(message) => Some(message),
            Interception::Allow => None,
        };
        let mut effect = self.perform(&action).await?;
        if !action.only_reads() {
            self.inputs.put_back(&mut effect).await?;
        }
        effect.changed = Some(self.look_for_change(&action).await?);
        self.guards.after(&action, &effect);
        self.annotate(&mut effect, warning);
        Ok(observation(call, effect))
    }

    async fn perform(&mut self, action: &Action) -> Result<Effect> {
        match action {
            Action::CallAgent { name, task } => self.call_agent(name, task).await,
            Action::ReadSkill { name } => Ok(tools::read_skill(self.harness, name, self.cx)),
            Action::Shell { command, timeout } => self.shell.run(command, *timeout).await,
            action => {
                tools::touch_file(action, self.cx, &self.harness.controls.output_truncation).await
            }
        }
    }

    async fn observe_finish(
        &mut self,
        call: &ToolCall,
        finish: &mut Option<Finish>,
    ) -> Result<Observation> {
        Ok(match self.guards.before_finish(self.task).await? {
            FinishGuard::Accept => {
                *finish = Some(Finish::Done);
                observation(call, Effect::ok("finished"))
            }
            FinishGuard::Refuse(message) => observation(call, Effect::intercepted(message)),
        })
    }

    /// Whether the workspace differs from before the call: by looking at it, not by the tool's name.
    async fn look_for_change(&mut self, action: &Action) -> Result<bool> {
        if action.only_reads() {
            return Ok(false);
        }
        let now = self.cx.session().stamp().await?;
        Ok(self.stamp.replace(now) != Some(now))
    }

    async fn call_agent(&mut self, name: &str, request: &str) -> Result<Effect> {
        let Some(sub_agent) = self.harness.sub_agents.iter().find(|known| known.name == name)
        else {
            return Ok(Effect::invalid(format!("there is no sub-agent '{name}'")));
        };
        if !self.guards.admit_sub_agent(sub_agent) {
            let most = sub_agent.call_policy.max_calls;
            return Ok(Effect::intercepted(format!(
                "'{name}' may be called {most} times in a task, and was"
            )));
        }
        let mut helper = Agent::for_sub_agent(self, sub_agent, request);
        helper.stamp = self.stamp;
        let answer = Box::pin(helper.answer(sub_agent.call_policy.max_steps)).await?;
        Ok(Effect::ok(answer))
    }

    /// A sub-agent's own loop: its last words are its answer, and running out of its steps is no failure.
    async fn answer(mut self, max_steps: u32) -> Result<String> {
        for _ in 0..max_steps {
            if self.step().instrument(tracing::info_span!("step")).await?.is_some() {
                return Ok(self.last_words);
            }
        }
        Ok(format!("{}\n[stopped after {max_steps} steps]", self.last_words))
    }

    fn request(&self) -> Request {
        Request {
            messages: self.conversation.clone(),
            tools: self.tools.clone(),
            ..Request::default()
        }
    }

    /// Puts what the harness has to say about a result beside it: a warning, and how to recover while it is an error.
    fn annotate(&self, effect: &mut Effect, warning: Option<String>) {
        if let Some(warning) = warning {
            effect.content = format!("{}\n\n[warning] {warning}", effect.content);
        }
        if effect.status != ObservationStatus::Error {
            return;
        }
        let recovery = &self.harness.prompts.failure_recovery;
        if !recovery.is_empty() {
            self.cx.fired("/prompts/failure_recovery");
            effect.content = format!("{}\n\n[recovery] {recovery}", effect.content);
        }
        for reminder in &self.harness.controls.reminders {
            if reminder.when == ReminderTrigger::OnToolError {
                self.cx.fired("/controls/reminders");
                effect.content = format!("{}\n\n[reminder] {}", effect.content, reminder.text);
            }
        }
    }

    fn remind_after_calls(&mut self) {
        for text in self.guards.due_reminders() {
            self.say(&text);
        }
    }

    fn remind_of_deadline(&mut self) {
        for text in self.guards.deadline_reminders() {
            self.say(&text);
        }
    }

    fn say(&mut self, text: &str) {
        self.cx.record(Step::said(StepSource::System, text));
        self.conversation.push(Message::user(text));
    }
}

fn observation(call: &ToolCall, effect: Effect) -> Observation {
    Observation {
        source_call_id: call.id.clone(),
        content: effect.content,
        status: effect.status,
        exit: effect.exit,
        changed: effect.changed,
    }
}

/// Turns what a session says about a path into a result for the model; everything else stays an error.
pub(super) fn about_path(error: Error) -> Result<Effect> {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotAFile | ErrorKind::InvalidInput => {
            Ok(Effect::error(error.message().to_owned()))
        }
        _ => Err(error),
    }
}

/// A text argument of a call.
pub(super) fn text(arguments: &Value, key: &str) -> Option<String> {
    arguments.get(key).and_then(Value::as_str).map(str::to_owned)
}
