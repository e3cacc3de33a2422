//! The Responses API, without state on the server: each request brings the whole conversation.

mod pieces;
mod reply;
mod wire;

use harness_core::{Completion, Request};
use serde_json::Value;

use self::pieces::Pieces;
use crate::http::{Assembly, Protocol};

/// Under [`Message::provider_data`](harness_core::Message::provider_data), what belongs to this protocol: the reasoning items.
const DATA: &str = "openai_responses";

/// The Responses API.
#[derive(Clone, Copy, Debug)]
pub(super) struct Responses {
    pub(super) strict_schema: bool,
}

impl Protocol for Responses {
    fn body(&self, request: &Request, model: &str, streamed: bool) -> Value {
        wire::body(request, model, self.strict_schema, streamed)
    }

    fn read(&self, reply: &Value, turn: usize) -> Result<Completion, String> {
        reply::read(reply, turn)
    }

    fn relax_schema(&self, body: &mut Value) -> bool {
        body.as_object_mut().is_some_and(|fields| fields.remove("text").is_some())
    }

    fn assembly(&self, turn: usize) -> Box<dyn Assembly> {
        Box::new(Pieces::new(turn))
    }
}
