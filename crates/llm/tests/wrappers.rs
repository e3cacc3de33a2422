//! Each wrapper by its promise, on tokio's paused clock where time matters.
#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use harness_core::{
    Arguments, Completion, Delta, Error, ErrorKind, LlmBackend, Message, ModelId, Origin, Redactor,
    Request, Result, ToolCall,
};
use harness_llm::{
    Backoff, Breaker, Cassette, Limited, Limiter, Outage, Patience, Recorded, Redacted, Replayed,
    Retried, Timed,
};
use proptest::prelude::*;
use tokio::time::{Instant, sleep};

/// A model behind a server that can be taken down; counts what reaches it.
#[derive(Debug)]
struct Weather {
    model: ModelId,
    up: AtomicBool,
    charged: bool,
    calls: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl Weather {
    fn new(up: bool) -> Self {
        Self {
            model: ModelId::new("test", "weather"),
            up: AtomicBool::new(up),
            charged: false,
            calls: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
        }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::SeqCst);
    }
}

#[async_trait]
impl LlmBackend for &'static Weather {
    fn model(&self) -> &ModelId {
        &self.model
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        sleep(Duration::from_millis(50)).await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        if self.up.load(Ordering::SeqCst) {
            let asked = request.messages.last().map_or("", |message| message.content.as_str());
            return Ok(Completion::text(format!("{asked}#{number}")));
        }
        let down = Error::new(ErrorKind::ModelUnavailable, "down");
        Err(if self.charged { down } else { down.uncharged() })
    }
}

fn weather(up: bool) -> &'static Weather {
    Box::leak(Box::new(Weather::new(up)))
}

fn asking(text: &str) -> Request {
    Request { messages: vec![Message::user(text)], ..Request::default() }
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_a_minute_costs_few_probes_and_no_call() {
    let server = weather(true);
    let model = Retried::new(Breaker::new(server));
    model.complete(asking("before")).await.unwrap();
    server.set_up(false);
    let before = server.calls();
    let calls = join_all((0..200).map(|number| model.complete(asking(&number.to_string()))));
    let outage = async {
        sleep(Duration::from_secs(60)).await;
        let probes = server.calls() - before;
        server.set_up(true);
        probes
    };
    let (answers, asked) = futures::join!(calls, outage);
    assert!(answers.iter().all(Result::is_ok), "{:?}", answers.iter().find(|one| one.is_err()));
    // Two hundred were under way when it began; after that, one at a time.
    assert!(asked - 200 <= 20, "{} probes in a minute", asked - 200);
}

#[tokio::test(start_paused = true)]
async fn while_it_is_down_only_one_probes_at_a_time_and_gaps_grow() {
    let server = weather(false);
    let model = Breaker::new(server).with_outage(Outage { failures: 1, ..Outage::default() });
    let calls = join_all((0..50).map(|_| model.complete(asking("x"))));
    let watch = async {
        // All fifty were under way when the first failed.
        sleep(Duration::from_millis(100)).await;
        assert_eq!(server.calls(), 50);
        sleep(Duration::from_secs(60)).await;
        let probes = server.calls() - 50;
        server.set_up(true);
        probes
    };
    let (answers, probes) = futures::join!(calls, watch);
    assert!((4..=7).contains(&probes), "1 + 2 + 4 + 8 + 16 + … seconds: {probes} probes");
    assert!(answers.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_no_time_of_the_attempts_own() {
    let server = weather(false);
    let model = Breaker::new(server).with_outage(Outage { failures: 1, ..Outage::default() });
    let request = asking("x");
    let account = request.origin.standstill.clone();
    let up = async {
        sleep(Duration::from_secs(30)).await;
        server.set_up(true);
    };
    let (answer, ()) = futures::join!(model.complete(request), up);
    answer.unwrap();
    assert!(account.total() >= Duration::from_secs(30), "{:?}", account.total());
    assert!(!account.is_on());
}

#[tokio::test(start_paused = true)]
async fn an_outage_without_end_stops_the_run_and_spoils_nothing() {
    let server = weather(false);
    let model = Retried::new(Breaker::new(server));
    let began = Instant::now();
    let error = model.complete(asking("x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Infrastructure, "{error}");
    assert!(error.stops_run());
    assert!(began.elapsed() <= Outage::default().patience + Duration::from_secs(200));
    assert!(server.calls() < 100, "{} calls in an hour", server.calls());
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_paid_for_is_told_even_in_an_outage() {
    let server: &'static Weather =
        Box::leak(Box::new(Weather { charged: true, ..Weather::new(false) }));
    let model = Breaker::new(server).with_outage(Outage { failures: 1, ..Outage::default() });
    let error = model.complete(asking("x")).await.unwrap_err();
    assert_eq!((error.message(), server.calls()), ("down", 1));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_lets_the_next_one_probe() {
    let server = weather(false);
    let model = Breaker::new(server).with_outage(Outage { failures: 1, ..Outage::default() });
    let first = model.complete(asking("x"));
    // Fails once, waits a second, and is dropped in the middle of its probe.
    assert!(tokio::time::timeout(Duration::from_millis(1070), first).await.is_err());
    assert_eq!(server.calls(), 2);
    server.set_up(true);
    model.complete(asking("y")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_shows_that_the_server_is_there() {
    #[derive(Debug)]
    struct Refusing(ModelId, AtomicUsize);
    #[async_trait]
    impl LlmBackend for Refusing {
        fn model(&self) -> &ModelId {
            &self.0
        }
        async fn complete(&self, _: Request) -> Result<Completion> {
            let kind = match self.1.fetch_add(1, Ordering::SeqCst) % 2 {
                0 => ErrorKind::ModelUnavailable,
                _ => ErrorKind::ContextOverflow,
            };
            Err(Error::new(kind, "no"))
        }
    }
    let model = Breaker::new(Refusing(ModelId::new("test", "m"), AtomicUsize::new(0)));
    let model = model.with_outage(Outage { failures: 2, ..Outage::default() });
    let began = Instant::now();
    for _ in 0..20 {
        model.complete(asking("x")).await.unwrap_err();
    }
    assert_eq!(began.elapsed(), Duration::ZERO, "it never opened");
}

#[tokio::test(start_paused = true)]
async fn calls_at_once_are_limited_over_all_who_share_a_limiter() {
    let server = weather(true);
    let limiter = Limiter::new().with_concurrency(NonZeroU32::new(3).unwrap());
    let models = [Limited::new(server, limiter.clone()), Limited::new(server, limiter)];
    let calls = (0..40).map(|number| models[number % 2].complete(asking("x")));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    assert_eq!(server.most_at_once.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_leaves_the_queue() {
    let server = weather(true);
    let limiter = Limiter::new().with_concurrency(NonZeroU32::MIN);
    let model = Limited::new(server, limiter);
    let dropped = async {
        let call = model.complete(asking("dropped"));
        let _ = tokio::time::timeout(Duration::from_millis(10), call).await;
    };
    let (first, ()) = futures::join!(model.complete(asking("first")), dropped);
    first.unwrap();
    model.complete(asking("next")).await.unwrap();
    assert_eq!(server.calls(), 2);
}

/// Real time: the limiter has a clock of its own. Only a lower bound, which no load can break.
#[tokio::test]
async fn calls_and_tokens_a_minute_are_limited() {
    let most = |count| NonZeroU32::new(count).unwrap();
    let by_calls = Limiter::new().with_calls_per_minute(most(600));
    let by_tokens = Limiter::new().with_tokens_per_minute(most(60_000));
    // 600 a minute are 10 a second, 60 of them at once; 60,000 tokens a minute are 1,000 a second, all of them at once.
    for (limiter, calls, tokens) in [(by_calls, 65, 1), (by_tokens, 2, 30_200)] {
        let server = weather(true);
        let model = Limited::new(server, limiter);
        let began = std::time::Instant::now();
        let request = || Request { max_tokens: Some(tokens), ..asking("x") };
        let account = request().origin.standstill;
        let mut last = request();
        last.origin.standstill = account.clone();
        join_all((1..calls).map(|_| model.complete(request()))).await;
        model.complete(last).await.unwrap();
        assert!(began.elapsed() >= Duration::from_millis(350), "{:?}", began.elapsed());
    }
}

/// Gives its pieces after these waits, then its end.
#[derive(Debug)]
struct Slow(ModelId, Vec<Duration>);

#[async_trait]
impl LlmBackend for Slow {
    fn model(&self) -> &ModelId {
        &self.0
    }

    async fn complete(&self, _: Request) -> Result<Completion> {
        sleep(self.1.iter().sum()).await;
        Ok(Completion::text("slow"))
    }

    async fn stream(&self, _: Request) -> Result<BoxStream<'static, Result<Delta>>> {
        let pieces = stream::iter(self.1.clone()).then(|wait| async move {
            sleep(wait).await;
            Ok(Delta::Text("x".into()))
        });
        let end = stream::once(async { Ok(Delta::Done(Box::new(Completion::text("xxx")))) });
        Ok(pieces.chain(end).boxed())
    }
}

#[tokio::test(start_paused = true)]
async fn each_bound_on_time_ends_a_call_and_none_ends_a_good_one() {
    let patience = Patience {
        first_piece: Duration::from_secs(10),
        between_pieces: Duration::from_secs(5),
        total: Duration::from_secs(20),
    };
    let of = |waits: &[u64]| {
        let waits = waits.iter().map(|wait| Duration::from_secs(*wait)).collect();
        Timed::new(Slow(ModelId::new("test", "slow"), waits), patience)
    };
    for (waits, ends_at) in
        [(&[9, 4, 4][..], None), (&[11], Some(10)), (&[1, 6], Some(6)), (&[9, 4, 4, 4], Some(20))]
    {
        let began = Instant::now();
        let deltas: Vec<_> = of(waits).stream(asking("x")).await.unwrap().collect().await;
        let error = deltas.last().unwrap().as_ref().err();
        assert_eq!(error.map(|_| began.elapsed().as_secs()), ends_at, "{waits:?}");
        assert!(error.is_none_or(|error| error.is_retryable() && !error.is_uncharged()));
    }
    assert!(of(&[9, 4, 4]).complete(asking("x")).await.is_ok());
    assert!(of(&[9, 4, 4, 4]).complete(asking("x")).await.is_err());
}

fn from_replicate(text: &str, replicate: u64) -> Request {
    let origin = Origin { replicate: Some(replicate), ..Origin::default() };
    Request { origin, ..asking(text) }
}

#[tokio::test(start_paused = true)]
async fn a_replicate_is_never_answered_by_anothers_luck() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("replies.jsonl");
    let server = weather(true);
    let recorded = Recorded::new(server, Arc::new(Cassette::open(&path).unwrap()));
    let mut said = Vec::new();
    // Replicate 1 asks the same twice.
    for (text, replicate) in [("a", 1), ("a", 2), ("a", 1), ("b", 2)] {
        let reply = recorded.complete(from_replicate(text, replicate)).await.unwrap();
        said.push(reply.message.content);
    }
    assert_eq!(said.iter().collect::<HashSet<_>>().len(), 4, "each was luck of its own: {said:?}");

    let play = || Replayed::new(server.model.clone(), Arc::new(Cassette::load(&path).unwrap()));
    let replayed = play();
    // In another order.
    for (text, replicate, expected) in [("b", 2, 3), ("a", 2, 1), ("a", 1, 0), ("a", 1, 2)] {
        let reply = replayed.complete(from_replicate(text, replicate)).await.unwrap();
        assert_eq!(reply.message.content, said[expected]);
    }
    for (text, replicate) in [("a", 1), ("a", 3), ("c", 1)] {
        let error = replayed.complete(from_replicate(text, replicate)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ModelRejected);
        assert!(error.message().contains("replies.jsonl"), "{error}");
    }
    assert_eq!(server.calls(), 4, "nobody was asked again");
    let warmer = Request { temperature: Some(1.0), ..from_replicate("a", 2) };
    assert!(play().complete(warmer).await.is_err(), "another request is another question");
    let other =
        Replayed::new(ModelId::new("test", "other"), Arc::new(Cassette::load(&path).unwrap()));
    assert!(
        other.complete(from_replicate("a", 2)).await.is_err(),
        "another model says other things"
    );
}

#[tokio::test]
async fn a_cassette_that_cannot_be_read_is_refused_by_line() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("replies.jsonl");
    assert!(Cassette::load(&path).unwrap_err().message().contains("replies.jsonl"));
    std::fs::write(&path, "\n{\"half\": ").unwrap();
    let error = Cassette::load(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.message().contains("line 2"), "{error}");
}

const KEY: &str = "sk-planted-0123456789";

/// Says the key in every place that it has.
#[derive(Debug)]
struct Leaking(ModelId, Mutex<Vec<Request>>);

impl Leaking {
    fn completion() -> Completion {
        let call = ToolCall {
            id: "a".into(),
            name: format!("use_{KEY}"),
            arguments: Arguments::Parsed(serde_json::json!({ "command": format!("echo {KEY}") })),
        };
        let mut completion = Completion::calls(format!("the key is {KEY}, ü"), vec![call]);
        completion.message.reasoning = Some(format!("they gave me {KEY}"));
        completion
    }
}

#[async_trait]
impl LlmBackend for Leaking {
    fn model(&self) -> &ModelId {
        &self.0
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        let failing = request.messages.is_empty();
        self.1.lock().unwrap().push(request);
        if failing {
            let source = std::io::Error::other(format!("header {KEY}"));
            return Err(Error::new(ErrorKind::ModelUnavailable, "down")
                .uncharged()
                .with_source(source));
        }
        Ok(Self::completion())
    }

    async fn stream(&self, _: Request) -> Result<BoxStream<'static, Result<Delta>>> {
        let whole = Self::completion();
        let letters: Vec<char> = whole.message.content.chars().collect();
        let mut deltas = vec![Delta::Reasoning(whole.message.reasoning.clone().unwrap())];
        deltas.extend(letters.iter().map(|letter| Delta::Text(letter.to_string())));
        deltas.push(Delta::Done(Box::new(whole)));
        Ok(stream::iter(deltas.into_iter().map(Ok)).boxed())
    }
}

#[test]
fn no_key_comes_by_a_redacted_model() {
    let leaking = Leaking(ModelId::new("test", "leaking"), Mutex::default());
    let model = Redacted::new(leaking, Redactor::new([KEY]).unwrap());
    let told = model.complete(asking(&format!("my key is {KEY}"))).now_or_never().unwrap().unwrap();
    let error = model.complete(Request::default()).now_or_never().unwrap().unwrap_err();
    let deltas: Vec<_> = model
        .stream(asking("x"))
        .now_or_never()
        .unwrap()
        .unwrap()
        .collect()
        .now_or_never()
        .unwrap();
    let shown = format!("{told:?} {error:?} {} {deltas:?} {model:?}", error.report());
    assert!(!shown.contains(KEY), "{shown}");
    assert!(error.is_uncharged() && error.kind() == ErrorKind::ModelUnavailable);
    let text: String = deltas
        .iter()
        .filter_map(|delta| match delta {
            Ok(Delta::Text(text)) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(text, "the key is [redacted], ü");
    assert_eq!(told.message.content, text);
}

proptest! {
    #[test]
    fn with_any_jitter_no_retry_comes_before_the_server_said(
        asked in prop::collection::vec(0u64..50, 1..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            #[derive(Debug)]
            struct Busy(ModelId, Mutex<Vec<u64>>, Mutex<Vec<(Instant, Option<u64>)>>);
            #[async_trait]
            impl LlmBackend for &'static Busy {
                fn model(&self) -> &ModelId {
                    &self.0
                }
                async fn complete(&self, _: Request) -> Result<Completion> {
                    let wait = self.1.lock().unwrap().pop();
                    self.2.lock().unwrap().push((Instant::now(), wait));
                    match wait {
                        None => Ok(Completion::text("ok")),
                        Some(wait) => Err(Error::new(ErrorKind::ModelUnavailable, "busy")
                            .uncharged()
                            .with_retry_after(Duration::from_secs(wait))),
                    }
                }
            }
            let busy: &'static Busy = Box::leak(Box::new(Busy(ModelId::new("test", "busy"), Mutex::new(asked), Mutex::default())));
            let patient = Backoff { total: Duration::from_secs(3600), ..Backoff::default() };
            Retried::new(busy).with_backoff(patient).complete(Request::default()).await.unwrap();
            for pair in busy.2.lock().unwrap().windows(2) {
                let waited = pair[1].0 - pair[0].0;
                assert!(waited >= Duration::from_secs(pair[0].1.unwrap()));
            }
        });
    }
}
