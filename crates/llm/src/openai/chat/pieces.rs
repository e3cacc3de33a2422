//! A chat completion in pieces: the chunks are put together to the reply that would have come whole, and read like one.

use harness_core::Delta;
use serde_json::{Map, Value, json};

use super::reply;
use crate::http::{Assembly, Broken};

#[derive(Debug, Default)]
pub(super) struct Pieces {
    turn: usize,
    content: String,
    refusal: String,
    reasoning: String,
    reasoning_details: Vec<Value>,
    calls: Vec<Call>,
    finish: Option<String>,
    usage: Option<Value>,
    model: Option<String>,
}

/// A call of which the arguments grow.
#[derive(Debug, Default)]
struct Call {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

impl Pieces {
    pub(super) fn new(turn: usize) -> Self {
        Self { turn, ..Self::default() }
    }

    fn chunk(&mut self, chunk: &Value) -> Vec<Delta> {
        if let Some(usage) = chunk.get("usage").filter(|usage| usage.is_object()) {
            self.usage = Some(usage.clone());
        }
        if let Some(model) = text(chunk, "model") {
            self.model = Some(model.to_owned());
        }
        let Some(choice) = chunk.pointer("/choices/0") else { return Vec::new() };
        if let Some(reason) = text(choice, "finish_reason") {
            self.finish = Some(reason.to_owned());
        }
        choice.get("delta").map(|delta| self.delta(delta)).unwrap_or_default()
    }

    fn delta(&mut self, delta: &Value) -> Vec<Delta> {
        let mut deltas = Vec::new();
        if let Some(more) = text(delta, "reasoning_content").or_else(|| text(delta, "reasoning")) {
            self.reasoning.push_str(more);
            deltas.push(Delta::Reasoning(more.to_owned()));
        }
        if let Some(more) = text(delta, "content") {
            self.content.push_str(more);
            deltas.push(Delta::Text(more.to_owned()));
        }
        if let Some(more) = text(delta, "refusal") {
            self.refusal.push_str(more);
            deltas.push(Delta::Text(more.to_owned()));
        }
        let details = delta.get("reasoning_details").and_then(Value::as_array);
        self.reasoning_details.extend(details.into_iter().flatten().cloned());
        let calls = delta.get("tool_calls").and_then(Value::as_array);
        calls.into_iter().flatten().for_each(|piece| self.call(piece));
        deltas
    }

    fn call(&mut self, piece: &Value) {
        let index = piece.get("index").and_then(Value::as_u64);
        let id = text(piece, "id").unwrap_or_default();
        let function = piece.get("function").unwrap_or(piece);
        // A new id is a new call, even where a server numbers all of them 0 or not at all.
        let known = self.calls.iter_mut().rev().find(|call| match index {
            Some(_) => call.index == index,
            None => true,
        });
        let known = known.filter(|call| id.is_empty() || call.id.is_empty() || call.id == id);
        let call = match known {
            Some(call) => call,
            None => {
                self.calls.push(Call { index, ..Call::default() });
                let last = self.calls.len() - 1;
                &mut self.calls[last]
            }
        };
        if call.id.is_empty() {
            call.id.push_str(id);
        }
        // Some servers repeat the name in every piece.
        if call.name.is_empty() {
            call.name.push_str(text(function, "name").unwrap_or_default());
        }
        match function.get("arguments") {
            Some(Value::String(more)) => call.arguments.push_str(more),
            Some(whole @ Value::Object(_)) => call.arguments.push_str(&whole.to_string()),
            _ => {}
        }
    }

    fn whole(&mut self) -> Value {
        let mut message = Map::new();
        message.insert("content".into(), std::mem::take(&mut self.content).into());
        message.insert("refusal".into(), std::mem::take(&mut self.refusal).into());
        message.insert("reasoning_content".into(), std::mem::take(&mut self.reasoning).into());
        if !self.reasoning_details.is_empty() {
            let details = std::mem::take(&mut self.reasoning_details);
            message.insert("reasoning_details".into(), details.into());
        }
        let calls = std::mem::take(&mut self.calls).into_iter().map(|call| {
            json!({ "id": call.id, "function": { "name": call.name, "arguments": call.arguments } })
        });
        message.insert("tool_calls".into(), calls.collect());
        json!({
            "choices": [{ "message": message, "finish_reason": self.finish }],
            "usage": self.usage,
            "model": self.model,
        })
    }
}

impl Assembly for Pieces {
    fn take(&mut self, data: &str) -> Result<Vec<Delta>, Broken> {
        if data.trim() == "[DONE]" {
            if self.finish.is_none() {
                return Err(Broken::nonsense("a reply that does not say why it ends"));
            }
            let completion = reply::read(&self.whole(), self.turn).map_err(Broken::nonsense)?;
            return Ok(vec![Delta::Done(Box::new(completion))]);
        }
        let chunk: Value =
            serde_json::from_str(data).map_err(|_| Broken::nonsense("a piece that is not JSON"))?;
        let failed = |value: &Value| value.get("error").is_some_and(|error| !error.is_null());
        if failed(&chunk) || chunk.pointer("/choices/0").is_some_and(failed) {
            let error = chunk.get("error").or_else(|| chunk.pointer("/choices/0/error"));
            return Err(Broken::Said(json!({ "error": error }).to_string()));
        }
        if !chunk.is_object() {
            return Err(Broken::nonsense("a piece of another shape"));
        }
        Ok(self.chunk(&chunk))
    }
}

/// A text that is there and not empty.
fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use harness_core::{Arguments, Completion, FinishReason};

    use super::*;

    fn played(events: &[Value]) -> Result<Completion, Broken> {
        let mut pieces = Pieces::new(3);
        for event in events {
            let deltas = pieces.take(&event.to_string())?;
            assert!(deltas.iter().all(|delta| !matches!(delta, Delta::Done(_))));
        }
        match pieces.take("[DONE]")?.pop() {
            Some(Delta::Done(completion)) => Ok(*completion),
            other => panic!("no end: {other:?}"),
        }
    }

    fn delta(delta: &Value) -> Value {
        json!({ "choices": [{ "delta": delta }] })
    }

    fn end(reason: &str) -> Value {
        json!({ "choices": [{ "delta": {}, "finish_reason": reason }] })
    }

    #[test]
    fn calls_in_pieces_are_told_apart_by_index_or_by_id() {
        let piece = |call: Value| delta(&json!({ "tool_calls": [call] }));
        let by_index = [
            piece(
                json!({ "index": 0, "id": "a", "function": { "name": "one", "arguments": "{\"x\"" } }),
            ),
            piece(
                json!({ "index": 1, "id": "b", "function": { "name": "two", "arguments": "{}" } }),
            ),
            piece(json!({ "index": 0, "function": { "arguments": ":1}" } })),
            end("tool_calls"),
        ];
        let all_zero = [
            piece(
                json!({ "index": 0, "id": "a", "function": { "name": "one", "arguments": "{\"x\":1}" } }),
            ),
            piece(
                json!({ "index": 0, "id": "b", "function": { "name": "two", "arguments": "{}" } }),
            ),
            end("tool_calls"),
        ];
        let unnumbered = [
            piece(json!({ "id": "a", "function": { "name": "one", "arguments": "{\"x\":" } })),
            piece(json!({ "function": { "arguments": "1}" } })),
            piece(json!({ "id": "b", "function": { "name": "two", "arguments": {} } })),
            end("stop"),
        ];
        for events in [&by_index[..], &all_zero, &unnumbered] {
            let completion = played(events).unwrap();
            assert_eq!(completion.finish, FinishReason::ToolCalls);
            let calls = completion.message.tool_calls;
            assert_eq!(calls.len(), 2, "{calls:?}");
            assert_eq!((calls[0].id.as_str(), calls[0].name.as_str()), ("a", "one"));
            assert_eq!(calls[0].arguments, Arguments::Parsed(json!({ "x": 1 })));
            assert_eq!(calls[1].name, "two");
        }
    }

    #[test]
    fn usage_counts_wherever_it_comes() {
        let usage = json!({ "prompt_tokens": 5, "completion_tokens": 2 });
        let with_end =
            json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }], "usage": usage });
        let behind = [end("stop"), json!({ "choices": [], "usage": usage })];
        let beside_empty = [end("stop"), json!({ "choices": [{ "delta": {} }], "usage": usage })];
        for events in [&[with_end][..], &behind, &beside_empty] {
            assert_eq!(played(events).unwrap().usage.unwrap().prompt_tokens, 5);
        }
        assert_eq!(played(&[end("stop")]).unwrap().usage, None);
    }

    #[test]
    fn an_end_without_a_reason_and_an_error_in_the_middle_are_no_reply() {
        assert!(played(&[delta(&json!({ "content": "x" }))]).is_err());
        let error = json!({ "error": { "message": "upstream" } });
        assert!(matches!(played(&[error]), Err(Broken::Said(_))));
    }
}
