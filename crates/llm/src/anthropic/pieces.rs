//! A message in pieces: the events are put together to the message that would have come whole, and read like one.

use std::collections::BTreeMap;

use harness_core::Delta;
use serde_json::{Map, Value, json};

use super::reply;
use crate::http::{Assembly, Broken};

#[derive(Debug, Default)]
pub(super) struct Pieces {
    turn: usize,
    blocks: BTreeMap<u64, Value>,
    usage: Map<String, Value>,
    model: Value,
    stop_reason: Value,
}

impl Pieces {
    pub(super) fn new(turn: usize) -> Self {
        Self { turn, ..Self::default() }
    }

    fn begin(&mut self, message: &Value) {
        self.model = message.get("model").cloned().unwrap_or_default();
        self.count(message.get("usage"));
    }

    /// Later counts replace earlier ones: they are sums.
    fn count(&mut self, usage: Option<&Value>) {
        for (key, value) in usage.and_then(Value::as_object).into_iter().flatten() {
            if !value.is_null() {
                self.usage.insert(key.clone(), value.clone());
            }
        }
    }

    fn begin_block(&mut self, event: &Value) -> Vec<Delta> {
        let Some(mut block) = event.get("content_block").cloned() else { return Vec::new() };
        if block.get("type").and_then(Value::as_str) == Some("tool_use") {
            // Its arguments come as text.
            block["input"] = match block.get("input") {
                Some(Value::Object(whole)) if !whole.is_empty() => {
                    block["input"].to_string().into()
                }
                _ => "".into(),
            };
        }
        let text = block.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.blocks.insert(index(event), block);
        if text.is_empty() { Vec::new() } else { vec![Delta::Text(text)] }
    }

    fn more(&mut self, event: &Value) -> Result<Vec<Delta>, Broken> {
        let delta = event.get("delta").unwrap_or(&Value::Null);
        let block = self.blocks.get_mut(&index(event));
        let block = block.ok_or_else(|| Broken::nonsense("a piece of nothing"))?;
        let part = |key: &str| delta.get(key).and_then(Value::as_str).unwrap_or_default();
        match part("type") {
            "text_delta" => {
                append(block, "text", part("text"));
                Ok(vec![Delta::Text(part("text").to_owned())])
            }
            "thinking_delta" => {
                append(block, "thinking", part("thinking"));
                Ok(vec![Delta::Reasoning(part("thinking").to_owned())])
            }
            "signature_delta" => {
                append(block, "signature", part("signature"));
                Ok(Vec::new())
            }
            "input_json_delta" => {
                append(block, "input", part("partial_json"));
                Ok(Vec::new())
            }
            _ => Ok(Vec::new()),
        }
    }

    fn end(&mut self) -> Result<Vec<Delta>, Broken> {
        if self.stop_reason.is_null() {
            return Err(Broken::nonsense("a reply that does not say why it ends"));
        }
        let blocks: Vec<Value> = std::mem::take(&mut self.blocks).into_values().collect();
        let usage = std::mem::take(&mut self.usage);
        let whole = json!({
            "content": blocks, "stop_reason": self.stop_reason, "usage": usage, "model": self.model,
        });
        let completion = reply::read(&whole, self.turn).map_err(Broken::nonsense)?;
        Ok(vec![Delta::Done(Box::new(completion))])
    }
}

impl Assembly for Pieces {
    fn take(&mut self, data: &str) -> Result<Vec<Delta>, Broken> {
        let event: Value =
            serde_json::from_str(data).map_err(|_| Broken::nonsense("a piece that is not JSON"))?;
        let kind = event.get("type").and_then(Value::as_str);
        match kind.ok_or_else(|| Broken::nonsense("a piece without a type"))? {
            "message_start" => self.begin(event.get("message").unwrap_or(&Value::Null)),
            "content_block_start" => return Ok(self.begin_block(&event)),
            "content_block_delta" => return self.more(&event),
            "message_delta" => {
                if let Some(reason) = event.pointer("/delta/stop_reason") {
                    self.stop_reason = reason.clone();
                }
                self.count(event.get("usage"));
            }
            "message_stop" => return self.end(),
            "error" => return Err(Broken::Said(data.to_owned())),
            // Pings, ends of blocks, and whatever is new.
            _ => {}
        }
        Ok(Vec::new())
    }
}

fn index(event: &Value) -> u64 {
    event.get("index").and_then(Value::as_u64).unwrap_or(0)
}

fn append(block: &mut Value, key: &str, more: &str) {
    match block.get_mut(key) {
        Some(Value::String(text)) => text.push_str(more),
        _ => block[key] = more.into(),
    }
}

#[cfg(test)]
mod tests {
    use harness_core::{Arguments, FinishReason};

    use super::*;

    #[test]
    fn a_whole_message_comes_out_of_its_pieces() {
        let events = [
            json!({ "type": "message_start", "message": { "model": "m-1", "usage": { "input_tokens": 9, "output_tokens": 1 } } }),
            json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "thinking", "thinking": "", "signature": "" } }),
            json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "thinking_delta", "thinking": "hm" } }),
            json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "signature_delta", "signature": "zzz" } }),
            json!({ "type": "content_block_stop", "index": 0 }),
            json!({ "type": "ping" }),
            json!({ "type": "content_block_start", "index": 1, "content_block": { "type": "text", "text": "" } }),
            json!({ "type": "content_block_delta", "index": 1, "delta": { "type": "text_delta", "text": "I " } }),
            json!({ "type": "content_block_delta", "index": 1, "delta": { "type": "text_delta", "text": "look" } }),
            json!({ "type": "content_block_start", "index": 2, "content_block": { "type": "tool_use", "id": "t", "name": "shell", "input": {} } }),
            json!({ "type": "content_block_delta", "index": 2, "delta": { "type": "input_json_delta", "partial_json": "{\"command\":" } }),
            json!({ "type": "content_block_delta", "index": 2, "delta": { "type": "input_json_delta", "partial_json": "\"ls\"}" } }),
            json!({ "type": "message_delta", "delta": { "stop_reason": "tool_use" }, "usage": { "output_tokens": 20 } }),
            json!({ "type": "message_stop" }),
        ];
        let mut pieces = Pieces::new(0);
        let mut deltas = Vec::new();
        for event in events {
            deltas.extend(pieces.take(&event.to_string()).unwrap());
        }
        let Some(Delta::Done(completion)) = deltas.pop() else { panic!("no end: {deltas:?}") };
        assert_eq!(
            deltas,
            [Delta::Reasoning("hm".into()), Delta::Text("I ".into()), Delta::Text("look".into())]
        );
        assert_eq!(completion.finish, FinishReason::ToolCalls);
        assert_eq!(completion.message.content, "I look");
        assert_eq!(
            completion.message.tool_calls[0].arguments,
            Arguments::Parsed(json!({ "command": "ls" }))
        );
        assert_eq!(completion.usage.unwrap().completion_tokens, 20);
        assert_eq!(completion.message.provider_data.unwrap()["anthropic"][0]["signature"], "zzz");
    }
}
