//! A response in pieces. Its last event brings the whole once more, so the pieces are only passed on.

use harness_core::Delta;
use serde_json::{Value, json};

use super::reply;
use crate::http::{Assembly, Broken};

#[derive(Debug)]
pub(super) struct Pieces {
    turn: usize,
}

impl Pieces {
    pub(super) fn new(turn: usize) -> Self {
        Self { turn }
    }
}

impl Assembly for Pieces {
    fn take(&mut self, data: &str) -> Result<Vec<Delta>, Broken> {
        if data.trim() == "[DONE]" {
            return Err(Broken::nonsense("an end without a response"));
        }
        let event: Value =
            serde_json::from_str(data).map_err(|_| Broken::nonsense("a piece that is not JSON"))?;
        let more = || event.get("delta").and_then(Value::as_str).unwrap_or_default().to_owned();
        let kind = event.get("type").and_then(Value::as_str);
        match kind.ok_or_else(|| Broken::nonsense("a piece without a type"))? {
            "response.output_text.delta" | "response.refusal.delta" => {
                Ok(vec![Delta::Text(more())])
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                Ok(vec![Delta::Reasoning(more())])
            }
            "response.completed" | "response.incomplete" => {
                let whole = event.get("response").unwrap_or(&Value::Null);
                let completion = reply::read(whole, self.turn).map_err(Broken::nonsense)?;
                Ok(vec![Delta::Done(Box::new(completion))])
            }
            "response.failed" => {
                let error = event.pointer("/response/error").unwrap_or(&Value::Null);
                Err(Broken::Said(json!({ "error": error }).to_string()))
            }
            "error" => {
                let error = event.get("error").unwrap_or(&event);
                Err(Broken::Said(json!({ "error": error }).to_string()))
            }
            // Beginnings and ends of items, and whatever is new.
            _ => Ok(Vec::new()),
        }
    }
}
