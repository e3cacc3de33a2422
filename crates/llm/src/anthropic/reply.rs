//! What comes back: a message of Anthropic's in our words.

use harness_core::{Arguments, Completion, FinishReason, Message, ToolCall, Usage};
use serde_json::{Value, json};

use super::DATA;

/// Reads a message.
///
/// # Errors
/// What is missing, in a few words.
pub(super) fn read(reply: &Value, turn: usize) -> Result<Completion, String> {
    let blocks = reply.get("content").and_then(Value::as_array).ok_or("no content")?;
    let reason = reply.get("stop_reason").and_then(Value::as_str);
    let mut message = Message::assistant("");
    let (mut kept, mut thoughts) = (Vec::new(), Vec::new());
    for block in blocks {
        let part = |key: &str| block.get(key).and_then(Value::as_str).unwrap_or_default();
        match part("type") {
            "text" => message.content.push_str(part("text")),
            "tool_use" => {
                let call = call(block, turn, &message.tool_calls);
                message.tool_calls.push(call);
            }
            "thinking" => {
                thoughts.push(part("thinking").to_owned());
                kept.push(block.clone());
            }
            "redacted_thinking" => kept.push(block.clone()),
            _ => {}
        }
    }
    thoughts.retain(|thought| !thought.is_empty());
    message.reasoning = (!thoughts.is_empty()).then(|| thoughts.join("\n\n"));
    message.provider_data = (!kept.is_empty()).then(|| json!({ DATA: kept }));
    let finish = finish(reason, &message);
    Ok(Completion {
        message,
        finish,
        usage: reply.get("usage").and_then(usage),
        served_by: reply.get("model").and_then(Value::as_str).map(str::to_owned),
    })
}

fn finish(reason: Option<&str>, message: &Message) -> FinishReason {
    match reason {
        Some("tool_use") => FinishReason::ToolCalls,
        Some("end_turn" | "stop_sequence") | None if !message.tool_calls.is_empty() => {
            FinishReason::ToolCalls
        }
        Some("end_turn" | "stop_sequence") => FinishReason::Stop,
        Some("max_tokens" | "model_context_window_exceeded") => FinishReason::Length,
        Some("refusal") => FinishReason::Refusal,
        Some(other) => FinishReason::Other(other.to_owned()),
        None => FinishReason::Other("none given".to_owned()),
    }
}

fn call(block: &Value, turn: usize, earlier: &[ToolCall]) -> ToolCall {
    let text = |key: &str| block.get(key).and_then(Value::as_str).unwrap_or_default();
    let given = text("id");
    let is_new = !given.is_empty() && earlier.iter().all(|known| known.id != given);
    let arguments = match block.get("input") {
        None | Some(Value::Null) => Arguments::parse(""),
        // As streams bring it.
        Some(Value::String(written)) => Arguments::parse(written),
        Some(value) => Arguments::Parsed(value.clone()),
    };
    ToolCall {
        id: if is_new { given.to_owned() } else { format!("call-{turn}-{}", earlier.len()) },
        name: text("name").to_owned(),
        arguments,
    }
}

/// Here cached tokens are counted beside the others; with us they are a part of all.
fn usage(usage: &Value) -> Option<Usage> {
    let count = |key: &str| usage.get(key).and_then(Value::as_u64);
    let fresh = count("input_tokens")?;
    let cached_tokens = count("cache_read_input_tokens").unwrap_or(0);
    let cache_write_tokens = count("cache_creation_input_tokens").unwrap_or(0);
    Some(Usage {
        prompt_tokens: fresh.saturating_add(cached_tokens).saturating_add(cache_write_tokens),
        completion_tokens: count("output_tokens").unwrap_or(0),
        cached_tokens,
        cache_write_tokens,
        cost_usd: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_reasons_are_ours() {
        let text = json!([{ "type": "text", "text": "x" }]);
        let call = json!([{ "type": "tool_use", "id": "a", "name": "f", "input": {} }]);
        for (content, reason, expected) in [
            (&text, json!("end_turn"), FinishReason::Stop),
            (&text, json!("stop_sequence"), FinishReason::Stop),
            (&text, json!("max_tokens"), FinishReason::Length),
            (&text, json!("model_context_window_exceeded"), FinishReason::Length),
            (&text, json!("refusal"), FinishReason::Refusal),
            (&text, json!("pause_turn"), FinishReason::Other("pause_turn".into())),
            (&text, Value::Null, FinishReason::Other("none given".into())),
            (&call, json!("tool_use"), FinishReason::ToolCalls),
            (&call, json!("max_tokens"), FinishReason::Length),
        ] {
            let reply = json!({ "content": content, "stop_reason": reason });
            assert_eq!(read(&reply, 0).unwrap().finish, expected, "{reason}");
        }
    }

    #[test]
    fn cached_tokens_are_a_part_of_all() {
        let told = json!({ "input_tokens": 3, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 7, "output_tokens": 2 });
        let usage = usage(&told).unwrap();
        assert_eq!(
            (usage.prompt_tokens, usage.cached_tokens, usage.cache_write_tokens),
            (100, 90, 7)
        );
    }

    #[test]
    fn signed_thinking_is_told_and_kept_for_the_way_back() {
        let thinking = json!({ "type": "thinking", "thinking": "look first", "signature": "zzz" });
        let hidden = json!({ "type": "redacted_thinking", "data": "yyy" });
        let reply = json!({ "content": [thinking, hidden, { "type": "text", "text": "hi" }], "stop_reason": "end_turn" });
        let message = read(&reply, 0).unwrap().message;
        assert_eq!(
            (message.content.as_str(), message.reasoning.as_deref()),
            ("hi", Some("look first"))
        );
        assert_eq!(message.provider_data.unwrap()[DATA], json!([thinking, hidden]));
    }
}
