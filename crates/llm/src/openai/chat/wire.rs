//! What is sent: our request in the words of OpenAI's chat completions.

use harness_core::{Message, Request, Role, ToolCall, ToolSpec};
use serde_json::{Map, Value, json};

use super::DATA;
use crate::http::callable;

/// Which field bounds the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenLimitField {
    /// `max_tokens`: what nearly every compatible server understands.
    MaxTokens,
    /// `max_completion_tokens`: what OpenAI's own newer models insist on.
    MaxCompletionTokens,
}

/// How servers differ in what they want to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    pub(crate) token_limit: TokenLimitField,
    pub(crate) strict_schema: bool,
    pub(crate) return_reasoning: bool,
}

impl Dialect {
    /// What is known of a server by its name.
    pub(crate) fn of_host(host: &str) -> Self {
        let token_limit = match host {
            "api.openai.com" => TokenLimitField::MaxCompletionTokens,
            _ => TokenLimitField::MaxTokens,
        };
        Self { token_limit, strict_schema: false, return_reasoning: false }
    }
}

pub(super) fn body(request: &Request, model: &str, dialect: Dialect, streamed: bool) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    let messages = request.messages.iter().map(|message| self::message(message, dialect));
    body.insert("messages".into(), messages.collect());
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
    }
    if let Some(wanted) = &request.response_schema {
        let schema = json!({ "name": wanted.name, "schema": wanted.schema, "strict": dialect.strict_schema });
        body.insert(
            "response_format".into(),
            json!({ "type": "json_schema", "json_schema": schema }),
        );
    }
    if let Some(tokens) = request.max_tokens {
        body.insert(limit_field(dialect).into(), tokens.into());
    }
    if let Some(temperature) = request.temperature {
        body.insert("temperature".into(), temperature.into());
    }
    if let Some(seed) = request.seed {
        // 31 bits: some servers read a signed 32-bit number, and refuse or wrap what is larger.
        body.insert("seed".into(), (seed & 0x7fff_ffff).into());
    }
    if !request.stop.is_empty() {
        body.insert("stop".into(), request.stop.clone().into());
    }
    if streamed {
        body.insert("stream".into(), true.into());
        body.insert("stream_options".into(), json!({ "include_usage": true }));
    }
    Value::Object(body)
}

/// First to the form that llama.cpp's servers had before OpenAI's, then to none.
pub(super) fn relax_schema(body: &mut Value) -> bool {
    let Some(fields) = body.as_object_mut() else { return false };
    let Some(format) = fields.remove("response_format") else { return false };
    if let Some(schema) = format.pointer("/json_schema/schema") {
        let older = json!({ "type": "json_object", "schema": schema });
        fields.insert("response_format".into(), older);
    }
    true
}

fn limit_field(dialect: Dialect) -> &'static str {
    match dialect.token_limit {
        TokenLimitField::MaxTokens => "max_tokens",
        TokenLimitField::MaxCompletionTokens => "max_completion_tokens",
    }
}

fn message(message: &Message, dialect: Dialect) -> Value {
    let mut out = Map::new();
    out.insert("role".into(), role(message.role).into());
    // Beside calls, empty text has to be absent for some servers and null for others: null is in the specification.
    let absent = message.content.is_empty() && !message.tool_calls.is_empty();
    out.insert("content".into(), if absent { Value::Null } else { message.content.clone().into() });
    if !message.tool_calls.is_empty() {
        out.insert("tool_calls".into(), message.tool_calls.iter().map(call).collect());
    }
    if let Some(id) = &message.tool_call_id {
        out.insert("tool_call_id".into(), id.clone().into());
    }
    if dialect.return_reasoning {
        return_reasoning(message, &mut out);
    }
    Value::Object(out)
}

/// In the form that the server gave it: signed details where there are any, text otherwise.
fn return_reasoning(message: &Message, out: &mut Map<String, Value>) {
    let details =
        message.provider_data.as_ref().and_then(|data| data.get(DATA)?.get("reasoning_details"));
    if let Some(details) = details {
        out.insert("reasoning_details".into(), details.clone());
    } else if let Some(reasoning) = &message.reasoning {
        out.insert("reasoning_content".into(), reasoning.clone().into());
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

fn call(call: &ToolCall) -> Value {
    let function = json!({ "name": callable(&call.name), "arguments": call.arguments.to_text() });
    json!({ "id": call.id, "type": "function", "function": function })
}

fn tool(tool: &ToolSpec) -> Value {
    let ToolSpec { name, description, parameters } = tool;
    json!({ "type": "function", "function": { "name": name, "description": description, "parameters": parameters } })
}
