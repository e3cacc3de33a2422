//! One request and its reply, whole or streamed, in whatever protocol.

use std::fmt;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use harness_core::{Completion, Delta, Error, ErrorKind, FinishReason, Message, Request, Result};
use serde_json::Value;

use super::events::{self, Assembly};
use super::fault::{self, Fault};
use super::{Answer, Http};

/// How a request and its reply are written. Pure.
pub(crate) trait Protocol: fmt::Debug + Send + Sync {
    /// The body to send.
    fn body(&self, request: &Request, model: &str, streamed: bool) -> Value;

    /// A whole reply; `turn` makes ids for calls that come without one.
    ///
    /// # Errors
    /// What is missing, in a few words.
    fn read(&self, reply: &Value, turn: usize) -> Result<Completion, String>;

    /// Asks for the reply's schema in the next plainer way that servers know, in the end not at all; `false` when `body`
    /// asks for none any more.
    fn relax_schema(&self, body: &mut Value) -> bool;

    /// For a reply in pieces.
    fn assembly(&self, turn: usize) -> Box<dyn Assembly>;
}

/// One reply: in one piece, or with `streamed` in pieces that are put together here, so that a server that stalls in
/// the middle is found out between two of them.
pub(crate) async fn complete(
    http: &Http,
    protocol: &dyn Protocol,
    request: Request,
    streamed: bool,
) -> Result<Completion> {
    if !streamed {
        return match open(http, protocol, &request, false).await? {
            Opened::Withheld(completion) => Ok(completion),
            Opened::Answer(mut answer) => {
                let body = http.text(&mut answer).await?;
                read(http, protocol, &body, request.messages.len())
            }
        };
    }
    let mut deltas = stream(http, protocol, request).await?;
    while let Some(delta) = deltas.next().await {
        if let Delta::Done(completion) = delta? {
            return Ok(*completion);
        }
    }
    Err(fault::nonsense(&http.asked, "a stream that ends before its end", ""))
}

/// The reply in pieces.
pub(crate) async fn stream(
    http: &Http,
    protocol: &dyn Protocol,
    request: Request,
) -> Result<BoxStream<'static, Result<Delta>>> {
    let turn = request.messages.len();
    let mut answer = match open(http, protocol, &request, true).await? {
        Opened::Withheld(completion) => return Ok(in_one_piece(completion)),
        Opened::Answer(answer) => answer,
    };
    let kind = answer.header("content-type").unwrap_or_default();
    if kind.starts_with("application/json") {
        // Some servers, and some of their routes, answer in one piece whatever they were asked for.
        let body = http.text(&mut answer).await?;
        return read(http, protocol, &body, turn).map(in_one_piece);
    }
    let redacting = http.clone();
    Ok(events::deltas(
        http.chunks(answer),
        protocol.assembly(turn),
        http.asked.clone(),
        move |data| redacting.redact(data),
    ))
}

fn in_one_piece(completion: Completion) -> BoxStream<'static, Result<Delta>> {
    let text = Delta::Text(completion.message.content.clone());
    stream::iter([Ok(text), Ok(Delta::Done(Box::new(completion)))]).boxed()
}

enum Opened {
    Answer(Answer),
    /// A filter stopped the request.
    Withheld(Completion),
}

/// Sends the request until the server takes it: once more without what it says that it does not know.
async fn open(
    http: &Http,
    protocol: &dyn Protocol,
    request: &Request,
    streamed: bool,
) -> Result<Opened> {
    let mut body = protocol.body(request, &http.asked.model, streamed);
    loop {
        let mut answer = http.post(&body).await?;
        let status = answer.status();
        if (200..300).contains(&status) {
            return Ok(Opened::Answer(answer));
        }
        let wait = answer.header("retry-after");
        let said = http.complaint(&mut answer).await?;
        if fault::is_about_schema(status, &said) && protocol.relax_schema(&mut body) {
            // Callers validate in any case, and describe the shape in words as well.
            tracing::warn!(
                address = http.asked.address,
                "the server takes no such schema; asking in a plainer way"
            );
            request.sent_again(&turned_away("the server takes no such schema")).await?;
            continue;
        }
        if fault::is_about_stream_options(status, &said) && forget_stream_options(&mut body) {
            tracing::debug!(
                address = http.asked.address,
                "the server does not tell usage in streams"
            );
            request.sent_again(&turned_away("the server tells no usage in streams")).await?;
            continue;
        }
        let fault = fault::of_status(&http.asked, status, wait.as_deref(), &said);
        return completion_or_error(fault).map(Opened::Withheld);
    }
}

/// A request that was refused as it stood, which costs nothing.
fn turned_away(why: &str) -> Error {
    Error::new(ErrorKind::ModelRejected, why)
}

fn forget_stream_options(body: &mut Value) -> bool {
    body.as_object_mut().is_some_and(|fields| fields.remove("stream_options").is_some())
}

fn read(http: &Http, protocol: &dyn Protocol, body: &str, turn: usize) -> Result<Completion> {
    let asked = &http.asked;
    let Ok(value) = serde_json::from_str::<Value>(body) else {
        let what = if body.trim().is_empty() { "nothing" } else { "what is not JSON" };
        return Err(fault::nonsense(asked, what, body));
    };
    if value.get("error").is_some_and(|error| !error.is_null()) {
        return completion_or_error(fault::in_success(asked, body));
    }
    protocol.read(&value, turn).map_err(|what| fault::nonsense(asked, &what, body))
}

fn completion_or_error(fault: Fault) -> Result<Completion> {
    match fault {
        Fault::Failed(error) => Err(error),
        Fault::Filtered(said) => Ok(Completion {
            message: Message::assistant(said),
            finish: FinishReason::ContentFilter,
            usage: None,
            served_by: None,
        }),
    }
}
