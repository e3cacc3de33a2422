//! What is sent: our request in the words of Anthropic's Messages.

use harness_core::{Arguments, Message, Request, Role, ToolCall, ToolSpec};
use serde_json::{Map, Value, json};

use super::DATA;
use crate::http::callable;

/// The interface wants a bound; this one when nobody gave any.
const REPLY_TOKENS: u32 = 4096;

/// What a user chose.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// Tokens to think for.
    pub(super) thinking: Option<u32>,
    /// Whether to mark what the server may keep.
    pub(super) caching: bool,
}

pub(super) fn body(request: &Request, model: &str, options: Options, streamed: bool) -> Value {
    // Instructions at the beginning have a place of their own; later ones take the user's.
    let begin = request.messages.iter().take_while(|message| message.role == Role::System).count();
    let (system, conversation) = request.messages.split_at(begin);
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("max_tokens".into(), max_tokens(request, options).into());
    let mut messages = turns(conversation);
    let mut system: Vec<Value> =
        system.iter().filter_map(|message| text(&message.content)).collect();
    if options.caching {
        system.last_mut().into_iter().for_each(mark);
        let end =
            messages.last_mut().and_then(|message| message["content"].as_array_mut()?.last_mut());
        end.into_iter().for_each(mark);
    }
    body.insert("messages".into(), messages.into());
    if !system.is_empty() {
        body.insert("system".into(), system.into());
    }
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
    }
    if let Some(wanted) = &request.response_schema {
        let format = json!({ "type": "json_schema", "schema": wanted.schema });
        body.insert("output_config".into(), json!({ "format": format }));
    }
    match (options.thinking, request.temperature) {
        (Some(tokens), _) => {
            body.insert("thinking".into(), json!({ "type": "enabled", "budget_tokens": tokens }));
        }
        (None, Some(temperature)) => {
            // Its scale ends at 1, others' at 2.
            body.insert("temperature".into(), temperature.min(1.0).into());
        }
        (None, None) => {}
    }
    if !request.stop.is_empty() {
        body.insert("stop_sequences".into(), request.stop.clone().into());
    }
    if streamed {
        body.insert("stream".into(), true.into());
    }
    Value::Object(body)
}

fn max_tokens(request: &Request, options: Options) -> u32 {
    // Thinking counts as part of the reply there.
    request.max_tokens.unwrap_or(REPLY_TOKENS).saturating_add(options.thinking.unwrap_or(0))
}

fn mark(block: &mut Value) {
    // The server refuses marks on thinking.
    let kind = block.get("type").and_then(Value::as_str);
    if kind.is_some_and(|kind| !kind.contains("thinking")) {
        block["cache_control"] = json!({ "type": "ephemeral" });
    }
}

/// Messages of one side in a row become one: the server wants the sides to take turns.
fn turns(messages: &[Message]) -> Vec<Value> {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in messages {
        let side = if message.role == Role::Assistant { "assistant" } else { "user" };
        let blocks = blocks(message);
        match turns.last_mut() {
            Some((last, known)) if *last == side => known.extend(blocks),
            _ => turns.push((side, blocks)),
        }
    }
    let turns = turns.into_iter().map(|(side, mut blocks)| {
        if blocks.is_empty() {
            // It refuses empty messages.
            blocks.extend(text("(nothing)"));
        }
        json!({ "role": side, "content": blocks })
    });
    turns.collect()
}

fn blocks(message: &Message) -> Vec<Value> {
    match message.role {
        Role::System | Role::User => text(&message.content).into_iter().collect(),
        Role::Tool => vec![result(message)],
        Role::Assistant => {
            // Thinking first, unchanged, or its signatures do not hold.
            let thinking =
                message.provider_data.as_ref().and_then(|data| data.get(DATA)?.as_array());
            let mut blocks = thinking.cloned().unwrap_or_default();
            blocks.extend(text(&message.content));
            blocks.extend(message.tool_calls.iter().map(call));
            blocks
        }
    }
}

/// No block for no text: the server refuses empty ones.
fn text(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!({ "type": "text", "text": text }))
}

fn result(message: &Message) -> Value {
    let mut result = json!({
        "type": "tool_result",
        "tool_use_id": callable(message.tool_call_id.as_deref().unwrap_or_default()),
    });
    if let Some(text) = text(&message.content) {
        result["content"] = json!([text]);
    }
    result
}

fn call(call: &ToolCall) -> Value {
    let input = match &call.arguments {
        Arguments::Parsed(Value::Object(fields)) => Value::Object(fields.clone()),
        // Only an object may stand here; the model shall see all the same what it wrote.
        Arguments::Parsed(other) => json!({ "not_an_object": other }),
        Arguments::Malformed(written) => json!({ "not_json": written }),
    };
    json!({ "type": "tool_use", "id": callable(&call.id), "name": callable(&call.name), "input": input })
}

fn tool(tool: &ToolSpec) -> Value {
    let ToolSpec { name, description, parameters } = tool;
    json!({ "name": name, "description": description, "input_schema": parameters })
}
