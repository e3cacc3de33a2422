//! What comes back: a chat completion in our words. Lenient where servers differ, strict where a mistake would be
//! acted on.

use harness_core::{Arguments, Completion, FinishReason, Message, ToolCall, Usage};
use serde_json::{Value, json};

use super::DATA;

/// Reads a completion.
///
/// # Errors
/// What is missing, in a few words.
pub(super) fn read(reply: &Value, turn: usize) -> Result<Completion, &'static str> {
    let choices = reply.get("choices").and_then(Value::as_array).ok_or("no choices")?;
    let choice = choices.first().ok_or("an empty list of choices")?;
    let said = choice
        .get("message")
        .filter(|message| message.is_object())
        .ok_or("a choice without a message")?;
    if choice.get("error").is_some_and(|error| !error.is_null()) {
        return Err("an error in the middle of the reply");
    }
    let refusal = text(said.get("refusal"));
    let content = text(said.get("content")).unwrap_or_default();
    let mut message = Message::assistant(content + refusal.as_deref().unwrap_or_default());
    message.reasoning = text(said.get("reasoning_content")).or_else(|| text(said.get("reasoning")));
    message.provider_data = said
        .get("reasoning_details")
        .filter(|details| details.as_array().is_some_and(|details| !details.is_empty()))
        .map(|details| json!({ DATA: { "reasoning_details": details } }));
    message.tool_calls = calls(said, turn);
    let finish = match refusal {
        Some(_) => FinishReason::Refusal,
        None => finish(choice.get("finish_reason").and_then(Value::as_str), &message),
    };
    Ok(Completion {
        message,
        finish,
        usage: reply.get("usage").and_then(usage),
        served_by: reply.get("model").and_then(Value::as_str).map(str::to_owned),
    })
}

fn finish(reason: Option<&str>, message: &Message) -> FinishReason {
    match reason {
        Some("length" | "max_tokens") => FinishReason::Length,
        Some("refusal") => FinishReason::Refusal,
        Some("content_filter") => FinishReason::ContentFilter,
        // Several servers say "stop", or nothing, beside calls.
        Some("tool_calls" | "function_call" | "stop" | "end_turn") | None
            if !message.tool_calls.is_empty() =>
        {
            FinishReason::ToolCalls
        }
        Some("stop" | "end_turn" | "eos") => FinishReason::Stop,
        Some(other) => FinishReason::Other(other.to_owned()),
        None => FinishReason::Other("none given".to_owned()),
    }
}

/// Text, or a list of parts of which the text counts. Empty is none.
fn text(value: Option<&Value>) -> Option<String> {
    let text = match value? {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        _ => String::new(),
    };
    (!text.is_empty()).then_some(text)
}

fn calls(message: &Value, turn: usize) -> Vec<ToolCall> {
    let calls = message.get("tool_calls").and_then(Value::as_array);
    let mut read: Vec<ToolCall> = Vec::new();
    for (index, call) in calls.into_iter().flatten().enumerate() {
        let function = call.get("function").unwrap_or(call);
        let given = call.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        let is_new = |id: &&str| read.iter().all(|known| known.id != *id);
        // Some servers give no ids, or the same one twice: results could not be told apart.
        let id = given.filter(is_new).map_or_else(|| format!("call-{turn}-{index}"), str::to_owned);
        let name = function.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        read.push(ToolCall { id, name, arguments: arguments(function.get("arguments")) });
    }
    read
}

fn arguments(value: Option<&Value>) -> Arguments {
    match value {
        None | Some(Value::Null) => Arguments::parse(""),
        Some(Value::String(text)) => Arguments::parse(text),
        Some(value) => Arguments::Parsed(value.clone()),
    }
}

fn usage(usage: &Value) -> Option<Usage> {
    let count = |at: &str| usage.pointer(at).and_then(Value::as_u64);
    let (prompt_tokens, completion_tokens) =
        (count("/prompt_tokens")?, count("/completion_tokens").unwrap_or(0));
    let cached =
        count("/prompt_tokens_details/cached_tokens").or_else(|| count("/prompt_cache_hit_tokens"));
    let cost =
        usage.get("cost").and_then(Value::as_f64).filter(|cost| cost.is_finite() && *cost >= 0.0);
    Some(Usage {
        prompt_tokens,
        completion_tokens,
        // A server that counts cached tokens apart must not make the uncached part negative.
        cached_tokens: cached.unwrap_or(0).min(prompt_tokens),
        cache_write_tokens: 0,
        cost_usd: cost,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reply(message: &Value, finish: &Value) -> Value {
        json!({ "choices": [{ "message": message, "finish_reason": finish }] })
    }

    #[test]
    fn finish_reasons_are_ours() {
        let call = json!([{ "id": "a", "function": { "name": "shell", "arguments": "{}" } }]);
        for (message, reason, expected) in [
            (json!({ "content": "x" }), json!("stop"), FinishReason::Stop),
            (json!({ "content": "x" }), json!("length"), FinishReason::Length),
            (json!({ "content": "x" }), json!("content_filter"), FinishReason::ContentFilter),
            (json!({ "content": null, "refusal": "no" }), json!("stop"), FinishReason::Refusal),
            (json!({ "tool_calls": call }), json!("stop"), FinishReason::ToolCalls),
            (json!({ "tool_calls": call }), json!("length"), FinishReason::Length),
            (json!({ "content": "x" }), json!("moon"), FinishReason::Other("moon".into())),
            (json!({ "content": "x" }), Value::Null, FinishReason::Other("none given".into())),
        ] {
            assert_eq!(read(&reply(&message, &reason), 0).unwrap().finish, expected);
        }
    }

    #[test]
    fn calls_without_ids_are_told_apart() {
        let message = json!({ "tool_calls": [
            { "function": { "name": "a", "arguments": {"x": 1} } },
            { "id": "same", "function": { "name": "b", "arguments": "{" } },
            { "id": "same", "function": { "name": "c" } },
        ]});
        let calls = read(&reply(&message, &json!("tool_calls")), 4).unwrap().message.tool_calls;
        let ids: Vec<&str> = calls.iter().map(|call| call.id.as_str()).collect();
        assert_eq!(ids, ["call-4-0", "same", "call-4-2"]);
        assert_eq!(calls[0].arguments, Arguments::Parsed(json!({ "x": 1 })));
        assert_eq!(calls[1].arguments, Arguments::Malformed("{".into()));
        assert_eq!(calls[2].arguments, Arguments::Parsed(json!({})));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            "[a-z_]{0,9}".prop_map(Value::from)
        ];
        let key = prop_oneof![
            Just("choices"),
            Just("message"),
            Just("content"),
            Just("tool_calls"),
            Just("function"),
            Just("usage"),
            Just("arguments"),
            Just("finish_reason"),
            Just("prompt_tokens"),
            Just("id"),
            Just("name"),
        ];
        leaf.prop_recursive(5, 40, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((key.clone(), inner), 0..5).prop_map(|fields| fields
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_answer_breaks_the_reader(reply in any_json()) {
            if let Ok(completion) = read(&reply, 0) {
                let calls = &completion.message.tool_calls;
                for (index, call) in calls.iter().enumerate() {
                    prop_assert!(calls[..index].iter().all(|other| other.id != call.id));
                }
            }
        }
    }
}
