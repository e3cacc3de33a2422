//! The three wires, from both ends: a backend of ours, and what a server says in its protocol.

use std::sync::Arc;

use harness_core::{Completion, FinishReason, LlmBackend, ToolCall, Usage};
use harness_llm::{AnthropicBackend, Api, OpenAiBackend, Secret, Timeouts};
use serde_json::{Value, json};

use super::{Answer, End, Seen, events, json as whole};

pub(crate) const KEY: &str = "sk-very-secret-0123456789";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Chat,
    Responses,
    Messages,
}

impl Wire {
    pub(crate) const ALL: [Self; 3] = [Self::Chat, Self::Responses, Self::Messages];

    /// A backend with a key, for the model `some-model`.
    pub(crate) fn backend(
        self,
        base_url: &str,
        streaming: bool,
        timeouts: Timeouts,
    ) -> Arc<dyn LlmBackend> {
        let key = Secret::new(KEY).unwrap();
        match self {
            Self::Messages => Arc::new(
                AnthropicBackend::new(base_url, "some-model")
                    .unwrap()
                    .with_key(key)
                    .with_key_variable("SOME_KEY")
                    .with_streaming(streaming)
                    .with_timeouts(timeouts)
                    .unwrap(),
            ),
            Self::Chat | Self::Responses => {
                let api = if self == Self::Chat { Api::ChatCompletions } else { Api::Responses };
                Arc::new(
                    OpenAiBackend::new(base_url, "some-model")
                        .unwrap()
                        .with_api(api)
                        .unwrap()
                        .with_key(key)
                        .with_key_variable("SOME_KEY")
                        .with_streaming(streaming)
                        .with_timeouts(timeouts)
                        .unwrap(),
                )
            }
        }
    }

    /// The answer that says `completion`, in the form that was asked for.
    pub(crate) fn says(self, completion: &Completion) -> Answer {
        let completion = completion.clone();
        Answer::Made(Arc::new(move |seen: &Seen| match seen.body["stream"].as_bool() {
            Some(true) => events(self.events(&completion), End::Close),
            _ => whole(self.whole(&completion)),
        }))
    }

    /// What the last message of a request says.
    pub(crate) fn last_words(self, body: &Value) -> String {
        let messages = if self == Self::Responses { &body["input"] } else { &body["messages"] };
        let content = &messages.as_array().unwrap().last().unwrap()["content"];
        let text = content.as_str().or_else(|| content[0]["text"].as_str());
        text.unwrap_or_default().to_owned()
    }

    /// An error in this wire's words.
    pub(crate) fn error(self, kind: &str, message: &str) -> Value {
        match self {
            Self::Messages => {
                json!({ "type": "error", "error": { "type": kind, "message": message } })
            }
            _ => json!({ "error": { "type": kind, "message": message } }),
        }
    }

    /// A whole reply.
    pub(crate) fn whole(self, completion: &Completion) -> Value {
        match self {
            Self::Chat => chat_whole(completion),
            Self::Responses => responses_whole(completion),
            Self::Messages => messages_whole(completion),
        }
    }

    /// The same reply as a stream.
    pub(crate) fn events(self, completion: &Completion) -> String {
        match self {
            Self::Chat => chat_events(completion),
            Self::Responses => responses_events(completion),
            Self::Messages => messages_events(completion),
        }
    }

    fn usage(self, usage: &Usage) -> Value {
        let (sent, received, cached) =
            (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens);
        match self {
            Self::Chat => json!({
                "prompt_tokens": sent, "completion_tokens": received,
                "prompt_tokens_details": { "cached_tokens": cached },
            }),
            Self::Responses => json!({
                "input_tokens": sent, "output_tokens": received,
                "input_tokens_details": { "cached_tokens": cached },
            }),
            Self::Messages => json!({
                "input_tokens": sent - cached, "output_tokens": received, "cache_read_input_tokens": cached,
            }),
        }
    }

    fn told_usage(self, completion: &Completion) -> Value {
        completion.usage.as_ref().map_or(Value::Null, |usage| self.usage(usage))
    }
}

/// Pieces of a few letters.
fn pieces(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(7).map(|piece| piece.iter().collect()).collect()
}

fn lines(events: &[Value]) -> String {
    let line = |event: &Value| match event["type"].as_str() {
        Some(kind) => format!("event: {kind}\ndata: {event}\n\n"),
        None => format!("data: {event}\n\n"),
    };
    events.iter().map(line).collect()
}

fn chat_reason(finish: &FinishReason) -> &str {
    match finish {
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::Length => "length",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Other(other) => other,
        _ => "stop",
    }
}

fn chat_call(call: &ToolCall) -> Value {
    json!({ "id": call.id, "type": "function",
            "function": { "name": call.name, "arguments": call.arguments.to_text() } })
}

fn chat_whole(completion: &Completion) -> Value {
    let said = &completion.message;
    let mut message = json!({ "role": "assistant", "content": said.content });
    if completion.finish == FinishReason::Refusal {
        message = json!({ "role": "assistant", "content": null, "refusal": said.content });
    }
    if !said.tool_calls.is_empty() {
        message["tool_calls"] = said.tool_calls.iter().map(chat_call).collect();
    }
    let reason = chat_reason(&completion.finish);
    json!({ "model": "some-model-1", "choices": [{ "index": 0, "message": message, "finish_reason": reason }],
            "usage": Wire::Chat.told_usage(completion) })
}

fn chat_events(completion: &Completion) -> String {
    let said = &completion.message;
    let chunk = |delta: Value| json!({ "model": "some-model-1", "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] });
    let mut events = vec![chunk(json!({ "role": "assistant", "content": "" }))];
    let part = if completion.finish == FinishReason::Refusal { "refusal" } else { "content" };
    events.extend(pieces(&said.content).into_iter().map(|piece| chunk(json!({ part: piece }))));
    for (index, call) in said.tool_calls.iter().enumerate() {
        let begin = json!({ "index": index, "id": call.id, "type": "function",
                            "function": { "name": call.name, "arguments": "" } });
        events.push(chunk(json!({ "tool_calls": [begin] })));
        for piece in pieces(&call.arguments.to_text()) {
            let more = json!({ "index": index, "function": { "arguments": piece } });
            events.push(chunk(json!({ "tool_calls": [more] })));
        }
    }
    let reason = chat_reason(&completion.finish);
    events.push(json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] }));
    if completion.usage.is_some() {
        events.push(json!({ "choices": [], "usage": Wire::Chat.told_usage(completion) }));
    }
    lines(&events) + "data: [DONE]\n\n"
}

fn responses_whole(completion: &Completion) -> Value {
    let said = &completion.message;
    let part = match completion.finish {
        FinishReason::Refusal => json!({ "type": "refusal", "refusal": said.content }),
        _ => json!({ "type": "output_text", "text": said.content }),
    };
    let mut output = vec![json!({ "type": "message", "role": "assistant", "content": [part] })];
    output.extend(said.tool_calls.iter().map(|call| {
        json!({ "type": "function_call", "call_id": call.id, "name": call.name,
                "arguments": call.arguments.to_text() })
    }));
    let (status, reason) = match &completion.finish {
        FinishReason::Length => ("incomplete", json!({ "reason": "max_output_tokens" })),
        FinishReason::ContentFilter => ("incomplete", json!({ "reason": "content_filter" })),
        FinishReason::Other(other) => ("incomplete", json!({ "reason": other })),
        _ => ("completed", Value::Null),
    };
    json!({ "object": "response", "model": "some-model-1", "status": status, "incomplete_details": reason,
            "output": output, "usage": Wire::Responses.told_usage(completion) })
}

fn responses_events(completion: &Completion) -> String {
    let whole = responses_whole(completion);
    let kind = match completion.finish {
        FinishReason::Refusal => "response.refusal.delta",
        _ => "response.output_text.delta",
    };
    let mut events =
        vec![json!({ "type": "response.created", "response": { "status": "in_progress" } })];
    let said = pieces(&completion.message.content);
    events.extend(said.into_iter().map(|piece| json!({ "type": kind, "delta": piece })));
    let end = format!("response.{}", whole["status"].as_str().unwrap());
    events.push(json!({ "type": end, "response": whole }));
    lines(&events)
}

fn messages_reason(finish: &FinishReason) -> &str {
    match finish {
        FinishReason::ToolCalls => "tool_use",
        FinishReason::Length => "max_tokens",
        FinishReason::Refusal | FinishReason::ContentFilter => "refusal",
        FinishReason::Other(other) => other,
        FinishReason::Stop => "end_turn",
        _ => "unknown",
    }
}

fn messages_whole(completion: &Completion) -> Value {
    let said = &completion.message;
    let mut content = Vec::new();
    if !said.content.is_empty() {
        content.push(json!({ "type": "text", "text": said.content }));
    }
    content.extend(said.tool_calls.iter().map(|call| {
        let input: Value = serde_json::from_str(&call.arguments.to_text()).unwrap_or_default();
        json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input })
    }));
    json!({ "type": "message", "model": "some-model-1", "content": content,
            "stop_reason": messages_reason(&completion.finish), "usage": Wire::Messages.told_usage(completion) })
}

fn messages_events(completion: &Completion) -> String {
    let said = &completion.message;
    let usage = Wire::Messages.told_usage(completion);
    let mut events = vec![
        json!({ "type": "message_start", "message": { "model": "some-model-1", "usage": usage } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        json!({ "type": "ping" }),
    ];
    let more = |index: usize, delta: Value| json!({ "type": "content_block_delta", "index": index, "delta": delta });
    for piece in pieces(&said.content) {
        events.push(more(0, json!({ "type": "text_delta", "text": piece })));
    }
    events.push(json!({ "type": "content_block_stop", "index": 0 }));
    for (index, call) in said.tool_calls.iter().enumerate() {
        let begin = json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": {} });
        events.push(
            json!({ "type": "content_block_start", "index": index + 1, "content_block": begin }),
        );
        for piece in pieces(&call.arguments.to_text()) {
            events.push(more(
                index + 1,
                json!({ "type": "input_json_delta", "partial_json": piece }),
            ));
        }
        events.push(json!({ "type": "content_block_stop", "index": index + 1 }));
    }
    let reason = messages_reason(&completion.finish);
    events.push(
        json!({ "type": "message_delta", "delta": { "stop_reason": reason }, "usage": usage }),
    );
    events.push(json!({ "type": "message_stop" }));
    lines(&events)
}
