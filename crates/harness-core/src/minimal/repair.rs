//! Reading a tool call: valid, repaired where that is unambiguous and allowed, or invalid with a reason for the model.

use std::time::Duration;

use serde_json::{Map, Value};

use super::agent::text;
use super::tools::Action;
use crate::llm::{Arguments, ToolCall, ToolSpec};

/// What a call turned out to be.
#[derive(Debug, PartialEq)]
pub(super) enum Call {
    Valid(Action),
    Repaired(Action),
    Invalid(String),
}

/// Names that models write for our tools.
const TOOL_ALIASES: &[(&str, &str)] = &[
    ("bash", "shell"),
    ("sh", "shell"),
    ("execute", "shell"),
    ("run", "shell"),
    ("run_command", "shell"),
    ("terminal", "shell"),
    ("read", "read_file"),
    ("cat", "read_file"),
    ("open_file", "read_file"),
    ("write", "write_file"),
    ("create_file", "write_file"),
    ("edit", "edit_file"),
    ("replace", "edit_file"),
    ("str_replace", "edit_file"),
    ("done", "finish"),
    ("submit", "finish"),
    ("complete", "finish"),
];

/// Names that models write for our arguments.
const KEY_ALIASES: &[(&str, &str)] = &[
    ("cmd", "command"),
    ("script", "command"),
    ("file", "path"),
    ("filename", "path"),
    ("file_path", "path"),
    ("filepath", "path"),
    ("contents", "content"),
    ("text", "content"),
    ("old_string", "old"),
    ("old_str", "old"),
    ("new_string", "new"),
    ("new_str", "new"),
    ("timeout", "timeout_seconds"),
];

/// Reads a call as it stands, and if it makes no sense and `repair` allows, as it was probably meant.
pub(super) fn read(call: &ToolCall, tools: &[ToolSpec], repair: bool) -> Call {
    let why = match strict(&call.name, &call.arguments, tools) {
        Ok(action) => return Call::Valid(action),
        Err(why) => why,
    };
    if !repair {
        return Call::Invalid(why);
    }
    let name = repaired_name(&call.name, tools);
    let repaired = repaired_arguments(&call.arguments, &name)
        .and_then(|arguments| strict(&name, &Arguments::Parsed(arguments), tools).ok());
    repaired.map_or(Call::Invalid(why), Call::Repaired)
}

fn strict(name: &str, arguments: &Arguments, tools: &[ToolSpec]) -> Result<Action, String> {
    let Some(tool) = tools.iter().find(|tool| tool.name == name) else {
        let known: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
        return Err(format!("there is no tool '{name}'; there are: {}", known.join(", ")));
    };
    let arguments = match arguments {
        Arguments::Parsed(value) => value,
        Arguments::Malformed(_) => {
            return Err(format!("the arguments of '{name}' are not valid JSON"));
        }
    };
    require_known_keys(arguments, tool)?;
    action(name, arguments).ok_or_else(|| {
        let required = tool.parameters.get("required").map(Value::to_string).unwrap_or_default();
        format!("the arguments of '{name}' do not fit: it requires {required}")
    })
}

fn require_known_keys(arguments: &Value, tool: &ToolSpec) -> Result<(), String> {
    let Some(given) = arguments.as_object() else {
        return Err(format!("the arguments of '{}' are not an object", tool.name));
    };
    let known = tool.parameters.get("properties").and_then(Value::as_object);
    match given.keys().find(|key| !known.is_some_and(|known| known.contains_key(*key))) {
        Some(key) => Err(format!("'{}' has no argument '{key}'", tool.name)),
        None => Ok(()),
    }
}

fn action(name: &str, arguments: &Value) -> Option<Action> {
    Some(match name {
        "shell" => {
            Action::Shell { command: text(arguments, "command")?, timeout: timeout(arguments)? }
        }
        "read_file" => Action::ReadFile { path: text(arguments, "path")? },
        "write_file" => Action::WriteFile {
            path: text(arguments, "path")?,
            content: text(arguments, "content")?,
        },
        "edit_file" => Action::EditFile {
            path: text(arguments, "path")?,
            old: text(arguments, "old")?,
            new: text(arguments, "new")?,
        },
        "read_skill" => Action::ReadSkill { name: text(arguments, "name")? },
        "call_agent" => {
            Action::CallAgent { name: text(arguments, "name")?, task: text(arguments, "task")? }
        }
        // A missing summary is no reason to keep a finished agent from finishing.
        "finish" => Action::Finish,
        _ => return None,
    })
}

/// The outer `None` is a wrong type, the inner one a time-out left out.
#[expect(clippy::option_option, reason = "wrong and absent are different answers")]
fn timeout(arguments: &Value) -> Option<Option<Duration>> {
    match arguments.get("timeout_seconds") {
        None | Some(Value::Null) => Some(None),
        Some(value) => value.as_u64().map(|seconds| Some(Duration::from_secs(seconds.max(1)))),
    }
}

fn repaired_name(name: &str, tools: &[ToolSpec]) -> String {
    let plain = name.rsplit(['.', ':', '/']).next().unwrap_or(name);
    let plain = plain.trim().to_lowercase().replace(['-', ' '], "_");
    if tools.iter().any(|tool| tool.name == plain) {
        return plain;
    }
    let alias = TOOL_ALIASES.iter().find(|(alias, _)| *alias == plain);
    alias.map_or(plain, |(_, name)| (*name).to_owned())
}

fn repaired_arguments(arguments: &Arguments, tool: &str) -> Option<Value> {
    let value = match arguments {
        Arguments::Parsed(value) => value.clone(),
        Arguments::Malformed(text) => parse_loosely(text, tool)?,
    };
    let value = match value {
        // JSON in JSON, or the one argument without its wrapper.
        Value::String(inner) => {
            serde_json::from_str(&inner).ok().or_else(|| only_argument(tool, &inner))?
        }
        value => value,
    };
    let object = value.as_object()?;
    // `{"arguments": {…}}` and `{"shell": {…}}` are wrappers too many.
    if let (1, Some(inner @ Value::Object(_))) = (object.len(), object.values().next()) {
        return Some(rename_keys(inner.as_object()?, tool));
    }
    Some(rename_keys(object, tool))
}

fn rename_keys(object: &Map<String, Value>, tool: &str) -> Value {
    let rename = |key: &String| {
        let meant =
            KEY_ALIASES.iter().find(|(alias, _)| alias == key).map(|(_, name)| (*name).to_owned());
        // `text` is content for a file and nothing for a shell.
        meant
            .filter(|name| tool == "write_file" || name != "content")
            .unwrap_or_else(|| key.clone())
    };
    Value::Object(object.iter().map(|(key, value)| (rename(key), value.clone())).collect())
}

/// JSON with its usual damages: a code fence around it, a trailing comma, an end that is missing.
fn parse_loosely(text: &str, tool: &str) -> Option<Value> {
    let text = text.trim().trim_start_matches("```json").trim_matches('`').trim();
    if !text.starts_with('{') {
        return only_argument(tool, text);
    }
    let candidates =
        [text.to_owned(), closed(text), closed(text.trim_end_matches([',', ' ', '\n']))];
    candidates.iter().find_map(|candidate| serde_json::from_str(candidate).ok())
}

fn only_argument(tool: &str, text: &str) -> Option<Value> {
    let key = match tool {
        "shell" => "command",
        "read_file" => "path",
        _ => return None,
    };
    (!text.is_empty()).then(|| serde_json::json!({ key: text }))
}

/// The text with its open quotes, brackets and braces closed.
fn closed(text: &str) -> String {
    let (mut open, mut in_text, mut escaped) = (Vec::new(), false, false);
    for character in text.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            '{' if !in_text => open.push('}'),
            '[' if !in_text => open.push(']'),
            '}' | ']' if !in_text => drop(open.pop()),
            _ => {}
        }
    }
    let quote = if in_text { "\"" } else { "" };
    text.chars().chain(quote.chars()).chain(open.into_iter().rev()).collect()
}
