//! What comes back: a response in our words.

use harness_core::{Arguments, Completion, FinishReason, Message, ToolCall, Usage};
use serde_json::{Value, json};

use super::DATA;

/// Reads a response.
///
/// # Errors
/// What is missing, in a few words.
pub(super) fn read(reply: &Value, turn: usize) -> Result<Completion, String> {
    let items = reply.get("output").and_then(Value::as_array).ok_or("no output")?;
    let status = reply.get("status").and_then(Value::as_str).unwrap_or("completed");
    if items.is_empty() && status == "completed" {
        return Err("an empty output".to_owned());
    }
    let mut message = Message::assistant("");
    let (mut kept, mut thoughts, mut refused) = (Vec::new(), Vec::new(), false);
    for item in items {
        match item.get("type").and_then(Value::as_str) {
            Some("message") => refused |= say(item, &mut message.content),
            Some("function_call") => {
                let call = call(item, turn, &message.tool_calls);
                message.tool_calls.push(call);
            }
            Some("reasoning") => {
                thoughts.extend(
                    texts(item, "summary").chain(texts(item, "content")).map(str::to_owned),
                );
                kept.push(item.clone());
            }
            _ => {}
        }
    }
    message.reasoning = (!thoughts.is_empty()).then(|| thoughts.join("\n\n"));
    message.provider_data = (!kept.is_empty()).then(|| json!({ DATA: kept }));
    let finish = finish(status, reply, &message, refused)?;
    Ok(Completion {
        message,
        finish,
        usage: reply.get("usage").and_then(usage),
        served_by: reply.get("model").and_then(Value::as_str).map(str::to_owned),
    })
}

fn finish(
    status: &str,
    reply: &Value,
    message: &Message,
    refused: bool,
) -> Result<FinishReason, String> {
    Ok(match status {
        "completed" if refused => FinishReason::Refusal,
        "completed" if !message.tool_calls.is_empty() => FinishReason::ToolCalls,
        "completed" => FinishReason::Stop,
        "incomplete" => match reply.pointer("/incomplete_details/reason").and_then(Value::as_str) {
            Some("max_output_tokens") => FinishReason::Length,
            Some("content_filter") => FinishReason::ContentFilter,
            other => FinishReason::Other(other.unwrap_or("incomplete").to_owned()),
        },
        other => return Err(format!("a response that is {other}")),
    })
}

/// Adds what a message says; whether it is a refusal.
fn say(item: &Value, content: &mut String) -> bool {
    let mut refused = false;
    for part in item.get("content").and_then(Value::as_array).into_iter().flatten() {
        if let Some(text) = part.get("text").and_then(Value::as_str) {
            content.push_str(text);
        }
        if let Some(refusal) = part.get("refusal").and_then(Value::as_str) {
            content.push_str(refusal);
            refused = true;
        }
    }
    refused
}

fn call(item: &Value, turn: usize, earlier: &[ToolCall]) -> ToolCall {
    let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default();
    let given = text("call_id");
    let is_new = !given.is_empty() && earlier.iter().all(|known| known.id != given);
    ToolCall {
        id: if is_new { given.to_owned() } else { format!("call-{turn}-{}", earlier.len()) },
        name: text("name").to_owned(),
        arguments: Arguments::parse(text("arguments")),
    }
}

fn texts<'a>(item: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    let parts = item.get(key).and_then(Value::as_array).into_iter().flatten();
    parts.filter_map(|part| part.get("text")?.as_str())
}

fn usage(usage: &Value) -> Option<Usage> {
    let count = |at: &str| usage.pointer(at).and_then(Value::as_u64);
    let prompt_tokens = count("/input_tokens")?;
    let cached = count("/input_tokens_details/cached_tokens").unwrap_or(0);
    Some(Usage {
        prompt_tokens,
        completion_tokens: count("/output_tokens").unwrap_or(0),
        cached_tokens: cached.min(prompt_tokens),
        ..Usage::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(part: &Value) -> Value {
        json!([{ "type": "message", "content": [part] }])
    }

    #[test]
    fn finish_reasons_are_ours() {
        let text = said(&json!({ "type": "output_text", "text": "x" }));
        let refusal = said(&json!({ "type": "refusal", "refusal": "no" }));
        let call =
            json!([{ "type": "function_call", "call_id": "a", "name": "f", "arguments": "{}" }]);
        let incomplete = |reason: &str| json!({ "reason": reason });
        for (output, status, details, expected) in [
            (&text, "completed", Value::Null, FinishReason::Stop),
            (&refusal, "completed", Value::Null, FinishReason::Refusal),
            (&call, "completed", Value::Null, FinishReason::ToolCalls),
            (&text, "incomplete", incomplete("max_output_tokens"), FinishReason::Length),
            (&text, "incomplete", incomplete("content_filter"), FinishReason::ContentFilter),
            (&text, "incomplete", incomplete("moon"), FinishReason::Other("moon".into())),
        ] {
            let reply =
                json!({ "output": output, "status": status, "incomplete_details": details });
            assert_eq!(read(&reply, 0).unwrap().finish, expected);
        }
        for status in ["failed", "in_progress", "cancelled", "queued"] {
            assert!(read(&json!({ "output": text, "status": status }), 0).is_err());
        }
    }

    #[test]
    fn reasoning_is_told_and_kept_for_the_way_back() {
        let item = json!({ "type": "reasoning", "id": "r", "summary": [{ "text": "look first" }], "encrypted_content": "zzz" });
        let reply = json!({ "output": [item, { "type": "message", "content": [{ "text": "hi" }] }], "status": "completed" });
        let message = read(&reply, 0).unwrap().message;
        assert_eq!(message.reasoning.as_deref(), Some("look first"));
        assert_eq!(message.provider_data.unwrap()[DATA], json!([item]));
    }
}
