//! What is sent: our request in the words of the Responses API.

use harness_core::{Message, Request, Role, ToolSpec};
use serde_json::{Map, Value, json};

use super::DATA;
use crate::http::callable;

pub(super) fn body(request: &Request, model: &str, strict: bool, streamed: bool) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("input".into(), request.messages.iter().flat_map(items).collect());
    // Nothing is kept there, so reasoning has to come here to be sent back.
    body.insert("store".into(), false.into());
    body.insert("include".into(), json!(["reasoning.encrypted_content"]));
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
    }
    if let Some(wanted) = &request.response_schema {
        let format = json!({
            "type": "json_schema", "name": wanted.name, "schema": wanted.schema, "strict": strict,
        });
        body.insert("text".into(), json!({ "format": format }));
    }
    if let Some(tokens) = request.max_tokens {
        body.insert("max_output_tokens".into(), tokens.into());
    }
    if let Some(temperature) = request.temperature {
        body.insert("temperature".into(), temperature.into());
    }
    if streamed {
        body.insert("stream".into(), true.into());
    }
    Value::Object(body)
}

fn items(message: &Message) -> Vec<Value> {
    match message.role {
        Role::System => vec![said("developer", &message.content)],
        Role::User => vec![said("user", &message.content)],
        Role::Tool => vec![json!({
            "type": "function_call_output",
            "call_id": message.tool_call_id,
            "output": message.content,
        })],
        Role::Assistant => answer(message),
    }
}

/// Reasoning before what it led to: the server insists on the order.
fn answer(message: &Message) -> Vec<Value> {
    let data = message.provider_data.as_ref().and_then(|data| data.get(DATA)?.as_array());
    let mut items: Vec<Value> = data.cloned().unwrap_or_default();
    if !message.content.is_empty() || (items.is_empty() && message.tool_calls.is_empty()) {
        items.push(said("assistant", &message.content));
    }
    items.extend(message.tool_calls.iter().map(|call| {
        json!({
            "type": "function_call",
            "call_id": call.id,
            "name": callable(&call.name),
            "arguments": call.arguments.to_text(),
        })
    }));
    items
}

fn said(role: &str, text: &str) -> Value {
    json!({ "role": role, "content": text })
}

fn tool(tool: &ToolSpec) -> Value {
    let ToolSpec { name, description, parameters } = tool;
    json!({
        "type": "function", "name": name, "description": description, "parameters": parameters, "strict": false,
    })
}
