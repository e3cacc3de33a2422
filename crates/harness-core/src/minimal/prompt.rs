//! What the model reads before it starts. The conversation only ever grows, so a server's prompt cache stays warm and a
//! step costs the same late as early.

use std::fmt::Write as _;

use super::surfaces::{MinimalHarness, ReminderTrigger};
use crate::context::RunContext;
use crate::llm::{Message, Role};
use crate::task::Task;
use crate::trajectory::StepSource;

/// Said once to a model that talks instead of acting.
pub(super) const CONTINUE: &str =
    "No tool was called. Go on with the task using the tools, or call finish if the work is done.";

/// System message and first user message.
pub(super) fn opening(harness: &MinimalHarness, task: &Task) -> Vec<Message> {
    vec![Message::system(system(harness)), Message::user(first(harness, task))]
}

fn system(harness: &MinimalHarness) -> String {
    let prompts = &harness.prompts;
    let mut text = prompts.system.clone();
    section(&mut text, "Memory", &prompts.memory);
    section(&mut text, "Execution", &prompts.execution);
    section(&mut text, "Verification", &prompts.verification);
    let skills = harness.skills.iter().map(|skill| (&skill.name, &skill.description));
    section(&mut text, "Skills (look one up with read_skill)", &list(skills));
    let agents = harness.sub_agents.iter();
    let agents = agents
        .map(|agent| (&agent.name, format!("{} {}", agent.description, agent.call_policy.when)));
    section(&mut text, "Sub-agents (call one with call_agent)", &list(agents));
    text
}

/// The task, then what to do first, then what is to be remembered at the start.
fn first(harness: &MinimalHarness, task: &Task) -> String {
    let mut text = task.instruction.trim_end().to_owned();
    if !harness.prompts.bootstrap.is_empty() {
        text.push_str("\n\n");
        text.push_str(&harness.prompts.bootstrap);
    }
    for reminder in &harness.controls.reminders {
        if reminder.when == ReminderTrigger::AtStart {
            text.push_str("\n\n");
            text.push_str(&reminder.text);
        }
    }
    text
}

fn section(text: &mut String, title: &str, body: &str) {
    if !body.trim().is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n\n## {title}\n{}", body.trim_end());
    }
}

fn list<N: std::fmt::Display, D: std::fmt::Display>(items: impl Iterator<Item = (N, D)>) -> String {
    items.map(|(name, description)| format!("- {name}: {description}\n")).collect()
}

/// Notes which texts were in view, so that an edit of one that never was gets no credit.
pub(super) fn note_shown(harness: &MinimalHarness, cx: &RunContext<'_>) {
    let prompts = &harness.prompts;
    let texts = [
        ("/prompts/system", &prompts.system),
        ("/prompts/memory", &prompts.memory),
        ("/prompts/bootstrap", &prompts.bootstrap),
        ("/prompts/execution", &prompts.execution),
        ("/prompts/verification", &prompts.verification),
    ];
    for (surface, _) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        cx.fired(surface);
    }
    if harness.controls.reminders.iter().any(|reminder| reminder.when == ReminderTrigger::AtStart) {
        cx.fired("/controls/reminders");
    }
    if !harness.tool_descriptions.is_empty() {
        cx.fired("/tool_descriptions");
    }
}

/// Who an opening message comes from.
pub(super) fn source(message: &Message) -> StepSource {
    match message.role {
        Role::User => StepSource::User,
        _ => StepSource::System,
    }
}
