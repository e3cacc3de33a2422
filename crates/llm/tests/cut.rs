//! A stream that is cut anywhere is no reply: nothing of it can be acted on.
#![cfg(all(feature = "openai", feature = "anthropic"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, and what they share")]

mod common;

use common::wires::Wire;
use common::{End, Server, events};
use futures::{StreamExt, stream};
use harness_core::{
    Arguments, Completion, Delta, ErrorKind, LlmBackend, Message, Request, ToolCall, Usage,
};
use harness_llm::Timeouts;
use serde_json::json;

fn call(id: &str, arguments: &serde_json::Value) -> ToolCall {
    ToolCall {
        id: id.into(),
        name: "shell".into(),
        arguments: Arguments::Parsed(arguments.clone()),
    }
}

/// What models say, in small: text alone with letters of many bytes, a call beside text, two calls at once.
fn replies() -> Vec<Completion> {
    let usage = Usage { prompt_tokens: 9, completion_tokens: 4, ..Usage::default() };
    let one = call("a", &json!({ "command": "rm -r build" }));
    let two = call("b", &json!({ "command": "echo \"grüß 🦀\"" }));
    vec![
        Completion::text("Grüße 🦀"),
        Completion::calls("I act.", vec![one.clone()]).with_usage(usage),
        Completion::calls("", vec![one, two]),
    ]
}

async fn read(backend: &dyn LlmBackend) -> Vec<harness_core::Result<Delta>> {
    let request = Request { messages: vec![Message::user("go")], ..Request::default() };
    match backend.stream(request).await {
        Ok(stream) => stream.collect().await,
        Err(error) => vec![Err(error)],
    }
}

/// Cuts one recorded stream at every byte, on a real connection.
async fn cut_everywhere(wire: Wire, reply: &Completion) {
    let whole = wire.events(reply);
    let cuts = (0..whole.len()).map(|cut| events(&whole.as_bytes()[..cut], End::Close));
    let server = Server::start(cuts.collect()).await;
    let backend = wire.backend(&server.base_url, false, Timeouts::default());
    // Whichever call gets which cut: none may be acted on.
    let calls: Vec<_> = (0..whole.len()).map(|_| read(&*backend)).collect();
    let mut cut = stream::iter(calls).buffer_unordered(32);
    while let Some(deltas) = cut.next().await {
        let acted = deltas.iter().any(|delta| matches!(delta, Ok(Delta::Done(_))));
        assert!(!acted, "{wire:?}: {deltas:?}");
        match deltas.last() {
            Some(Err(error)) => assert_eq!(error.kind(), ErrorKind::ModelUnavailable, "{wire:?}"),
            other => panic!("{wire:?}: a cut stream ends with {other:?}"),
        }
    }
    assert_eq!(server.seen().len(), whole.len());
}

async fn cut_all(wire: Wire) {
    for reply in replies() {
        cut_everywhere(wire, &reply).await;
        // And whole it is what was said.
        let server = Server::start(vec![wire.says(&reply)]).await;
        let backend = wire.backend(&server.base_url, false, Timeouts::default());
        let deltas = read(&*backend).await;
        let Some(Ok(Delta::Done(completion))) = deltas.last() else { panic!("{deltas:?}") };
        assert_eq!(completion.message, reply.message, "{wire:?}");
        assert_eq!(completion.finish, reply.finish, "{wire:?}");
    }
}

#[tokio::test]
async fn no_chat_completion_cut_at_any_byte_is_acted_on() {
    cut_all(Wire::Chat).await;
}

#[tokio::test]
async fn no_response_cut_at_any_byte_is_acted_on() {
    cut_all(Wire::Responses).await;
}

#[tokio::test]
async fn no_message_cut_at_any_byte_is_acted_on() {
    cut_all(Wire::Messages).await;
}

#[tokio::test]
async fn a_streaming_completion_that_is_cut_is_an_error_too() {
    for wire in Wire::ALL {
        let whole = wire.events(&replies()[1]);
        for end in [End::Close, End::Reset] {
            let server = Server::start(vec![events(&whole[..whole.len() - 2], end)]).await;
            let backend = wire.backend(&server.base_url, true, Timeouts::default());
            let error = backend.complete(Request::default()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ModelUnavailable, "{wire:?} {end:?}");
            assert!(!error.is_uncharged(), "{wire:?}: somebody may have paid for it");
        }
    }
}
