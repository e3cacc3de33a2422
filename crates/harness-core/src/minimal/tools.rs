//! What the model can do, as it sees it and as it is done.

use std::time::Duration;

use serde_json::{Value, json};

use super::agent::about_path;
use super::surfaces::{MinimalHarness, OutputTruncation, SubAgent, ToolName};
use crate::context::RunContext;
use crate::error::Result;
use crate::llm::ToolSpec;
use crate::sandbox::{Exit, File, SandboxPath, Session};
use crate::trajectory::ObservationStatus;

/// A call that makes sense.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    Shell { command: String, timeout: Option<Duration> },
    ReadFile { path: String },
    WriteFile { path: String, content: String },
    EditFile { path: String, old: String, new: String },
    ReadSkill { name: String },
    CallAgent { name: String, task: String },
    Finish,
}

impl Action {
    /// Whether it certainly leaves the workspace as it is.
    pub(super) fn only_reads(&self) -> bool {
        matches!(self, Self::ReadFile { .. } | Self::ReadSkill { .. } | Self::Finish)
    }

    /// Whether its very purpose is to change a file.
    pub(super) fn writes(&self) -> bool {
        matches!(self, Self::WriteFile { .. } | Self::EditFile { .. })
    }
}

/// What an action brought.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Effect {
    pub(super) content: String,
    pub(super) status: ObservationStatus,
    pub(super) exit: Option<Exit>,
    pub(super) changed: Option<bool>,
}

impl Effect {
    fn new(status: ObservationStatus, content: impl Into<String>) -> Self {
        Self { content: content.into(), status, exit: None, changed: None }
    }

    pub(super) fn ok(content: impl Into<String>) -> Self {
        Self::new(ObservationStatus::Ok, content)
    }

    pub(super) fn error(content: impl Into<String>) -> Self {
        Self::new(ObservationStatus::Error, content)
    }

    pub(super) fn invalid(content: impl Into<String>) -> Self {
        Self::new(ObservationStatus::Invalid, content)
    }

    pub(super) fn intercepted(content: impl Into<String>) -> Self {
        Self::new(ObservationStatus::Intercepted, content)
    }

    pub(super) fn of_command(exit: Exit, content: String) -> Self {
        let status =
            if exit.is_success() { ObservationStatus::Ok } else { ObservationStatus::Error };
        Self { exit: Some(exit), ..Self::new(status, content) }
    }
}

/// The tools of the main agent, or of a sub-agent.
pub(super) fn offered(harness: &MinimalHarness, sub_agent: Option<&SubAgent>) -> Vec<ToolSpec> {
    use ToolName::{EditFile, Finish, ReadFile, Shell, WriteFile};
    let names: Vec<ToolName> = match sub_agent {
        None => vec![Shell, ReadFile, WriteFile, EditFile, Finish],
        // A sub-agent ends by speaking; finishing the task is not its to decide.
        Some(sub_agent) => sub_agent.tools.iter().copied().filter(|tool| *tool != Finish).collect(),
    };
    let mut tools: Vec<ToolSpec> = names.into_iter().map(|name| built_in(name, harness)).collect();
    if sub_agent.is_none() && !harness.skills.is_empty() {
        let parameters = object(&[("name", "The skill's name.")]);
        tools.push(spec("read_skill", "Shows a skill's procedure.", parameters));
    }
    if sub_agent.is_none() && !harness.sub_agents.is_empty() {
        let parameters =
            object(&[("name", "The sub-agent's name."), ("task", "What it is to do, in full.")]);
        tools.push(spec(
            "call_agent",
            "Gives a piece of work to a sub-agent and waits for its answer.",
            parameters,
        ));
    }
    tools
}

fn built_in(name: ToolName, harness: &MinimalHarness) -> ToolSpec {
    let (id, description, parameters) = match name {
        ToolName::Shell => (
            "shell",
            "Runs a command with bash in the working directory and shows its output and exit status. Each call is a new \
             shell. A process that must go on has to be put in the background.",
            json!({
                "type": "object",
                "properties": {
                    "command": { "type": "string", "description": "The command." },
                    "timeout_seconds": { "type": "integer", "minimum": 1, "description": "End it after this time; 120 when left out." },
                },
                "required": ["command"],
                "additionalProperties": false,
            }),
        ),
        ToolName::ReadFile => ("read_file", "Shows a text file.", object(&[("path", "The file.")])),
        ToolName::WriteFile => (
            "write_file",
            "Creates a file, or replaces the whole of it.",
            object(&[("path", "The file."), ("content", "All of its content.")]),
        ),
        ToolName::EditFile => (
            "edit_file",
            "Replaces one passage of a file. The passage must occur exactly once.",
            object(&[
                ("path", "The file."),
                ("old", "The passage."),
                ("new", "What to put in its place."),
            ]),
        ),
        ToolName::Finish => (
            "finish",
            "Ends the task. Call it when the work is done.",
            object(&[("summary", "What was done, in a sentence.")]),
        ),
    };
    let described = harness.tool_descriptions.iter().find(|described| described.tool == name);
    spec(id, described.map_or(description, |described| &described.description), parameters)
}

fn spec(name: &str, description: &str, parameters: Value) -> ToolSpec {
    ToolSpec { name: name.to_owned(), description: description.to_owned(), parameters }
}

/// An object of required texts.
fn object(fields: &[(&str, &str)]) -> Value {
    let properties: serde_json::Map<String, Value> = fields
        .iter()
        .map(|(name, description)| {
            ((*name).to_owned(), json!({ "type": "string", "description": description }))
        })
        .collect();
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// Reads, writes or edits a file. What is wrong with the path is a result for the model.
pub(super) async fn touch_file(
    action: &Action,
    cx: &RunContext<'_>,
    shown: &OutputTruncation,
) -> Result<Effect> {
    let session = cx.session();
    let done = match action {
        Action::ReadFile { path } => read(path, cx, shown).await,
        Action::WriteFile { path, content } => write(path, content, session).await,
        Action::EditFile { path, old, new } => edit(path, old, new, session).await,
        _ => Ok(Effect::invalid("this is not a file action")),
    };
    done.or_else(about_path)
}

async fn read(path: &str, cx: &RunContext<'_>, shown: &OutputTruncation) -> Result<Effect> {
    let bytes = cx.session().read(&SandboxPath::new(path)?).await?;
    let (text, cut) = truncate(&String::from_utf8_lossy(&bytes), shown);
    if cut {
        cx.fired("/controls/output_truncation");
    }
    Ok(Effect::ok(text))
}

async fn write(path: &str, content: &str, session: &dyn Session) -> Result<Effect> {
    session.write(&SandboxPath::new(path)?, File::plain(content.as_bytes())).await?;
    Ok(Effect::ok(format!("wrote {} bytes to {path}", content.len())))
}

async fn edit(path: &str, old: &str, new: &str, session: &dyn Session) -> Result<Effect> {
    let place = SandboxPath::new(path)?;
    let Ok(text) = String::from_utf8(session.read(&place).await?) else {
        return Ok(Effect::error(format!(
            "{path} is not UTF-8 text: change it with a shell command"
        )));
    };
    let occurrences = if old.is_empty() { 0 } else { text.matches(old).count() };
    if occurrences != 1 {
        let why =
            format!("the passage occurs {occurrences} times in {path}, it must occur exactly once");
        return Ok(Effect::error(why));
    }
    let edited = text.replacen(old, new, 1);
    // The mode is kept: an executable script stays one.
    let keep_mode = crate::sandbox::Command::program(["stat", "-c", "%a", &session.locate(&place)]);
    let mode = session.exec(&keep_mode).await?.stdout.text();
    let mode = u32::from_str_radix(mode.trim(), 8).unwrap_or(0o644);
    session.write(&place, File { bytes: edited.as_bytes(), mode }).await?;
    Ok(Effect::ok(format!("edited {path}")))
}

pub(super) fn read_skill(harness: &MinimalHarness, name: &str, cx: &RunContext<'_>) -> Effect {
    match harness.skills.iter().find(|skill| skill.name == name) {
        Some(skill) => {
            cx.fired("/skills");
            Effect::ok(skill.body.clone())
        }
        None => Effect::error(format!("there is no skill '{name}'")),
    }
}

/// The beginning and the end of a text, and whether something between them was left out. Cuts between characters.
pub(super) fn truncate(text: &str, shown: &OutputTruncation) -> (String, bool) {
    let (head, tail) = (shown.head_bytes as usize, shown.tail_bytes as usize);
    if text.len() <= head + tail {
        return (text.to_owned(), false);
    }
    let head = text.floor_char_boundary(head);
    let tail = text.ceil_char_boundary(text.len() - tail);
    (format!("{}\n[… {} bytes left out …]\n{}", &text[..head], tail - head, &text[tail..]), true)
}
