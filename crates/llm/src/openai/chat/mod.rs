//! Chat completions.

mod pieces;
mod reply;
mod wire;

use harness_core::{Completion, Request};
use serde_json::Value;

use self::pieces::Pieces;
pub(super) use self::wire::Dialect;
pub use self::wire::TokenLimitField;
use crate::http::{Assembly, Protocol};

/// Under [`Message::provider_data`](harness_core::Message::provider_data), what belongs to this protocol.
const DATA: &str = "openai_chat";

/// Chat completions as one server wants them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chat(pub(super) Dialect);

impl Protocol for Chat {
    fn body(&self, request: &Request, model: &str, streamed: bool) -> Value {
        wire::body(request, model, self.0, streamed)
    }

    fn read(&self, reply: &Value, turn: usize) -> Result<Completion, String> {
        reply::read(reply, turn).map_err(str::to_owned)
    }

    fn relax_schema(&self, body: &mut Value) -> bool {
        wire::relax_schema(body)
    }

    fn assembly(&self, turn: usize) -> Box<dyn Assembly> {
        Box::new(Pieces::new(turn))
    }
}
