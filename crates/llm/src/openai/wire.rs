//! What is sent: our request in the words of OpenAI's chat completions.

use harness_core::{Message, Request, Role, ToolCall, ToolSpec};
use serde_json::{Map, Value, json};

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
pub(super) struct Dialect {
    pub(super) token_limit: TokenLimitField,
    pub(super) strict_schema: bool,
    pub(super) return_reasoning: bool,
}

pub(super) fn body(request: &Request, model: &str, dialect: Dialect) -> Value {
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
    Value::Object(body)
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
    if let Some(reasoning) = message.reasoning.as_ref().filter(|_| dialect.return_reasoning) {
        out.insert("reasoning_content".into(), reasoning.clone().into());
    }
    Value::Object(out)
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
    let function = json!({ "name": call.name, "arguments": call.arguments.to_text() });
    json!({ "id": call.id, "type": "function", "function": function })
}

fn tool(tool: &ToolSpec) -> Value {
    let ToolSpec { name, description, parameters } = tool;
    json!({ "type": "function", "function": { "name": name, "description": description, "parameters": parameters } })
}
