//! A thousand calls on each wire while the server commits one fault after the other: every call is answered in the end, by its own
//! answer, and none of the faults reaches whoever asked.
#![cfg(all(feature = "openai", feature = "anthropic", feature = "limits"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, and what they share")]

mod common;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::wires::Wire;
use common::{Answer, End, Server, events, hang_up, json, status};
use futures::StreamExt;
use futures::stream;
use harness_core::{Completion, LlmBackend, Message, Request};
use harness_llm::{Backoff, Limited, Limiter, Retried, Timeouts};

const CALLS: usize = 1000;
const AT_ONCE: usize = 32;

/// The faults of the storm, each an infrastructure's own.
fn fault(number: usize, wire: Wire) -> Answer {
    let error = |code, kind| status(code, wire.error(kind, "not now"));
    let cut = |end| {
        let whole = wire.whole(&Completion::text("never to be read")).to_string();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", whole.len());
        Answer::Raw((head + &whole[..whole.len() / 2]).into_bytes(), end)
    };
    match number % 10 {
        0 => error(429, "rate_limit_error"),
        1 => error(500, "api_error"),
        2 => status(502, "<html>bad gateway</html>"),
        3 => error(503, "overloaded_error"),
        4 => error(529, "overloaded_error"),
        5 => error(408, "timeout_error"),
        6 => hang_up(),
        7 => cut(End::Close),
        8 => cut(End::Reset),
        _ => json("<html>welcome</html>"),
    }
}

/// Answers a question with itself, if it is not one of the requests that the storm takes.
fn weather(wire: Wire, taken: Arc<AtomicUsize>) -> Answer {
    let asked = AtomicUsize::new(0);
    Answer::Made(Arc::new(move |seen| {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        // Two in five, in no step with the ten faults.
        if number * 7 % 5 < 2 {
            return fault(taken.fetch_add(1, Ordering::SeqCst), wire);
        }
        let completion = Completion::text(wire.last_words(&seen.body));
        match seen.body["stream"].as_bool() {
            Some(true) => events(wire.events(&completion), End::Close),
            _ => json(wire.whole(&completion)),
        }
    }))
}

/// Whatever waits here waits for milliseconds, and no call gives up before its hundredth attempt.
fn persistent() -> Backoff {
    Backoff {
        max_attempts: 100,
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(20),
        total: Duration::from_secs(600),
    }
}

async fn weathered(wire: Wire, streaming: bool) {
    let taken = Arc::new(AtomicUsize::new(0));
    let server = Server::start(vec![weather(wire, Arc::clone(&taken))]).await;
    let backend = wire.backend(&server.base_url, streaming, Timeouts::default());
    let limiter = Limiter::new().with_concurrency(NonZeroU32::new(AT_ONCE as u32).unwrap());
    let model = Retried::new(Limited::new(backend, limiter))
        .with_backoff(persistent())
        .repeating_charged(true);
    let ask = |number: usize| {
        let model = &model;
        async move {
            let question = format!("question {number}");
            let messages = vec![Message::user(question.clone())];
            let answer = model.complete(Request { messages, ..Request::default() }).await;
            let answer = answer.unwrap_or_else(|error| panic!("{question}: {}", error.report()));
            assert_eq!(answer.message.content, question);
        }
    };
    let answered = stream::iter((0..CALLS).map(ask)).buffer_unordered(2 * AT_ONCE).count().await;
    let taken = taken.load(Ordering::SeqCst);
    assert_eq!(answered, CALLS);
    assert_eq!(
        server.seen().len(),
        CALLS + taken,
        "each fault cost one request, and nothing else did"
    );
    assert!(taken > CALLS / 2, "{taken} faults are no storm");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_chat_completions_come_through_a_storm() {
    weathered(Wire::Chat, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_responses_come_through_a_storm() {
    weathered(Wire::Responses, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_messages_come_through_a_storm() {
    weathered(Wire::Messages, false).await;
}
