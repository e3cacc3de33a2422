//! The laws of model backends, kept by each wire, whole and streamed, and by each wrapper around one.
#![cfg(all(feature = "openai", feature = "anthropic", feature = "limits"))]
#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

mod common;

use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use common::wires::{KEY, Wire};
use common::{Answer, End, Server, events, json, silence, status};
use futures::future::BoxFuture;
use harness_core::testing::Fixture;
use harness_core::testing::laws::{LlmSeat, Scene};
use harness_core::{Completion, LlmBackend, Redactor};
use harness_llm::{
    Backoff, Breaker, Cassette, Limited, Limiter, Patience, PriceTable, Priced, Recorded, Redacted,
    Retried, Timed, Timeouts,
};
use tokio::runtime::Runtime;

/// One for all: a law's future and its server live on it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});

fn block_on<T>(work: impl Future<Output = T>) -> T {
    RUNTIME.block_on(work)
}

/// What the server of `wire` does in a scene.
fn answer(wire: Wire, scene: Scene) -> Answer {
    match scene {
        Scene::Reply(text) => wire.says(&Completion::text(text)),
        Scene::Echo => Answer::Made(Arc::new(move |seen| {
            let text = wire.last_words(&seen.body);
            match seen.body["stream"].as_bool() {
                Some(true) => events(wire.events(&Completion::text(text)), End::Close),
                _ => json(wire.whole(&Completion::text(text))),
            }
        })),
        Scene::Call(call) => wire.says(&Completion::calls("", vec![call])),
        Scene::Usage(usage) => wire.says(&Completion::text("hi").with_usage(usage)),
        Scene::NoUsage => wire.says(&Completion::text("hi")),
        Scene::RateLimited(wait) => {
            let header = format!("retry-after: {}\r\n", wait.as_secs());
            Answer::Whole(429, header, wire.error("rate_limit_error", "slow down").to_string())
        }
        Scene::Overloaded => status(529, wire.error("overloaded_error", "busy")),
        Scene::Nonsense => {
            Answer::Whole(200, "content-type: text/html\r\n".into(), "<html>".into())
        }
        Scene::BadRequest => status(400, wire.error("invalid_request_error", "no such field")),
        Scene::BadKey => {
            status(401, wire.error("authentication_error", &format!("the key {KEY} is wrong")))
        }
        Scene::Overflow => status(
            400,
            wire.error("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"),
        ),
        Scene::Cut => Answer::Made(Arc::new(move |seen| {
            let reply = Completion::text("half of a reply");
            match seen.body["stream"].as_bool() {
                Some(true) => {
                    let whole = wire.events(&reply);
                    events(&whole[..whole.len() / 2], End::Close)
                }
                _ => {
                    let whole = wire.whole(&reply).to_string();
                    let head =
                        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", whole.len());
                    Answer::Raw((head + &whole[..whole.len() / 2]).into_bytes(), End::Close)
                }
            }
        })),
        Scene::Silence => silence(),
        other => unreachable!("no server for {other:?} yet"),
    }
}

type Wrap = fn(Arc<dyn LlmBackend>) -> Arc<dyn LlmBackend>;

fn place(
    wire: Wire,
    streaming: bool,
    wrap: Wrap,
) -> impl Fn(Scene) -> BoxFuture<'static, Fixture<LlmSeat>> + Send + Sync {
    move |scene| {
        Box::pin(async move {
            let server = Server::start(vec![answer(wire, scene)]).await;
            let backend = wire.backend(&server.base_url, streaming, Timeouts::default());
            let seat = LlmSeat {
                backend: wrap(backend),
                simulated: false,
                secret: Some(KEY.to_owned()),
                in_flight: Some(server.in_flight()),
            };
            Fixture::guarded(seat, server)
        })
    }
}

fn bare(backend: Arc<dyn LlmBackend>) -> Arc<dyn LlmBackend> {
    backend
}

/// Gives up after one attempt: the laws ask what a failure is, not whether it passes.
fn retried(backend: Arc<dyn LlmBackend>) -> Arc<dyn LlmBackend> {
    let once = Backoff { max_attempts: 1, ..Backoff::default() };
    Arc::new(Retried::new(backend).with_backoff(once))
}

fn broken(backend: Arc<dyn LlmBackend>) -> Arc<dyn LlmBackend> {
    Arc::new(Breaker::new(backend))
}

fn limited(backend: Arc<dyn LlmBackend>) -> Arc<dyn LlmBackend> {
    let most = NonZeroU32::new(1_000_000).unwrap();
    let limiter = Limiter::new().with_concurrency(NonZeroU32::new(3).unwrap());
    let limiter = limiter.with_calls_per_minute(most).with_tokens_per_minute(most);
    Arc::new(Limited::new(backend, limiter))
}

fn timed(backend: Arc<dyn LlmBackend>) -> Arc<dyn LlmBackend> {
    let patience = Patience { total: Duration::from_secs(60), ..Patience::default() };
    Arc::new(Timed::new(backend, patience))
}

fn priced(backend: Arc<dyn LlmBackend>) -> Arc<dyn LlmBackend> {
    let table = PriceTable::from_toml("[some-model]\nprompt = 1\ncompletion = 2").unwrap();
    Arc::new(Priced::new(backend, &table))
}

fn redacted(backend: Arc<dyn LlmBackend>) -> Arc<dyn LlmBackend> {
    Arc::new(Redacted::new(backend, Redactor::new([KEY]).unwrap()))
}

fn recorded(backend: Arc<dyn LlmBackend>) -> Arc<dyn LlmBackend> {
    let tape = tempfile::NamedTempFile::new().unwrap();
    // Open files outlive their names.
    Arc::new(Recorded::new(backend, Arc::new(Cassette::open(tape.path()).unwrap())))
}

fn all_of_them(backend: Arc<dyn LlmBackend>) -> Arc<dyn LlmBackend> {
    redacted(priced(recorded(retried(broken(limited(timed(backend)))))))
}

harness_core::llm_laws!(chat, block_on, || Fixture::new(place(Wire::Chat, false, bare)));
harness_core::llm_laws!(chat_streaming, block_on, || Fixture::new(place(Wire::Chat, true, bare)));
harness_core::llm_laws!(responses, block_on, || Fixture::new(place(Wire::Responses, false, bare)));
harness_core::llm_laws!(responses_streaming, block_on, || Fixture::new(place(
    Wire::Responses,
    true,
    bare
)));
harness_core::llm_laws!(
    messages,
    block_on,
    || Fixture::new(place(Wire::Messages, false, bare)),
    except
        & [(
            "malformed_arguments_are_kept",
            "whole messages carry arguments as JSON, which cannot be malformed"
        )]
);
harness_core::llm_laws!(messages_streaming, block_on, || Fixture::new(place(
    Wire::Messages,
    true,
    bare
)));
harness_core::llm_laws!(retrying, block_on, || Fixture::new(place(Wire::Chat, false, retried)));
harness_core::llm_laws!(breaking, block_on, || Fixture::new(place(Wire::Chat, false, broken)));
harness_core::llm_laws!(limiting, block_on, || Fixture::new(place(Wire::Chat, false, limited)));
harness_core::llm_laws!(timing, block_on, || Fixture::new(place(Wire::Chat, false, timed)));
harness_core::llm_laws!(pricing, block_on, || Fixture::new(place(Wire::Chat, false, priced)));
harness_core::llm_laws!(redacting, block_on, || Fixture::new(place(Wire::Chat, false, redacted)));
harness_core::llm_laws!(recording, block_on, || Fixture::new(place(Wire::Chat, false, recorded)));
harness_core::llm_laws!(composed, block_on, || Fixture::new(place(
    Wire::Messages,
    true,
    all_of_them
)));
