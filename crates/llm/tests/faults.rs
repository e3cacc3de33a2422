//! Plays the table of faults in the guide on models: each row is a test against a real server on loopback, on each wire: calls, whole
//! and streamed, and a whole trial of the real engine that meets the fault.
#![cfg(all(feature = "openai", feature = "anthropic"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, and what they share")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::faults::{Fault, call, fault, patient, with_header};
use common::wires::{KEY, Wire};
use common::{Answer, Server};
use futures::FutureExt;
use futures::future::BoxFuture;
use harness_core::testing::{InMemorySandbox, ScriptedVerifier};
use harness_core::{
    Arguments, Clock, Completion, Engine, EngineConfig, Error, ErrorKind, FinishReason, LlmBackend,
    Measured, Message, MinimalHarness, Request, Result, SandboxPath, Task, ToolCall, TrialLimits,
};
use harness_llm::{Backoff, Retried};
use serde_json::{Value, json as value};

const GUIDE: &str = include_str!("../../../docs/guides/models.md");

/// What a fault comes to, in the words of the table.
fn outcome(result: &Result<Completion>) -> &'static str {
    match result {
        Ok(_) => "surfaced",
        Err(error) => match error.kind() {
            ErrorKind::ContextOverflow => "surfaced",
            ErrorKind::ModelUnavailable if error.is_uncharged() => "retried",
            ErrorKind::ModelUnavailable => "voided",
            ErrorKind::ModelRejected => "fatal",
            other => panic!("{other:?} is no outcome of a fault: {}", error.report()),
        },
    }
}

/// A row of the table.
struct Row {
    outcome: &'static str,
    test: &'static str,
}

/// The rows of the table, by fault.
fn table() -> BTreeMap<&'static str, Row> {
    let rows = GUIDE.split("<!-- faults -->").nth(1).unwrap().lines().filter_map(|line| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let (fault, outcome, test) = (cells.next()?, cells.next()?, cells.next()?);
        let row = Row { outcome, test: test.trim_matches('`') };
        (!fault.starts_with("---") && fault != "fault").then_some((fault, row))
    });
    rows.collect()
}

/// What an outcome of this row must also show.
fn look_closer(name: &str, wire: Wire, streaming: bool, result: &Result<Completion>) {
    let finish = result.as_ref().map(|completion| &completion.finish);
    match name {
        "429 with `Retry-After` in seconds" => {
            let error = result.as_ref().unwrap_err();
            assert_eq!(error.retry_after(), Some(Duration::from_secs(17)));
        }
        "429 with `Retry-After` as a date" => {
            assert!(
                result.as_ref().unwrap_err().retry_after() > Some(Duration::from_secs(1_000_000))
            );
        }
        "an unknown finish reason" => {
            assert_eq!(finish.unwrap(), &FinishReason::Other("moon".into()));
        }
        "cut by the limit of tokens" => assert_eq!(finish.unwrap(), &FinishReason::Length),
        "a content filter on the reply" | "a content filter on the request" | "a refusal" => {
            assert!(finish.unwrap().is_withheld());
        }
        "a tool call with broken JSON" if wire != Wire::Messages || streaming => {
            let calls = &result.as_ref().unwrap().message.tool_calls;
            assert_eq!(calls[0].arguments, Arguments::Malformed("{\"x\": 1".into()));
        }
        "a tool call with a repeated id" => {
            let calls = &result.as_ref().unwrap().message.tool_calls;
            assert_ne!(calls[0].id, calls[1].id);
        }
        "usage missing" => assert_eq!(result.as_ref().unwrap().usage, None),
        _ => {}
    }
}

fn look_at_words(name: &str, base_url: &str, error: &Error) {
    let told = format!("{} {error:?} {error:#?}", error.report());
    assert!(told.contains(base_url), "{name}: no address in {told}");
    assert!(!told.contains(KEY), "{name}: the key in {told}");
    if name == "401" {
        assert!(error.message().contains("SOME_KEY"), "{told}");
    }
}

async fn play(name: &str, expected: &str, wire: Wire, streaming: bool) {
    let Fault { answer, timeouts } = fault(name, wire);
    let server = Server::start(vec![answer]).await;
    let backend = wire.backend(&server.base_url, streaming, timeouts);
    let request = Request { messages: vec![Message::user("hello")], ..Request::default() };
    let result = backend.complete(request).await;
    let what = format!("{name} ({wire:?}, streaming: {streaming}): {result:?}");
    assert_eq!(outcome(&result), expected, "{what}");
    assert_eq!(server.seen().len(), 1, "a request is sent once: {what}");
    look_closer(name, wire, streaming, &result);
    if let Err(error) = &result {
        look_at_words(name, &server.base_url, error);
    }
}

/// A second is a millisecond: the engine's pauses between two tries are not waited for.
#[derive(Clone, Copy, Debug)]
struct Hurried(Instant);

impl Clock for Hurried {
    fn now(&self) -> Duration {
        self.0.elapsed() * 1000
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(duration / 1000).boxed()
    }
}

fn output() -> SandboxPath {
    SandboxPath::new("out.txt").unwrap()
}

/// An attempt that does its task in two calls, by the real engine, over the wrapper that repeats.
async fn trial(backend: Arc<dyn LlmBackend>) -> Result<Measured> {
    let soon = Backoff { first_wait: Duration::from_millis(1), ..Backoff::default() };
    // No limit that a busy machine could reach: what is tried here is not the clock.
    let time = Duration::from_secs(10_000_000);
    let limits = TrialLimits { time, ..TrialLimits::default() };
    let task = Task { agent_timeout: Some(time), ..Task::new("write", "Write done to out.txt.") };
    let patience = Duration::from_secs(1_000_000);
    let config = EngineConfig { attempts: 1, limits, patience, ..EngineConfig::default() };
    Engine::builder(MinimalHarness::default())
        .model(Retried::new(backend).with_backoff(soon))
        .sandbox(InMemorySandbox::default())
        .verifier(ScriptedVerifier::expecting(output(), "done"))
        .clock(Hurried(Instant::now()))
        .config(config)
        .measure(vec![Arc::new(task)])
        .await
}

/// The fault, and then the two calls that do the task.
fn answers(wire: Wire, fault: Answer) -> Vec<Answer> {
    let act = |id: &str, name: &str, arguments: Value| {
        let arguments = Arguments::Parsed(arguments);
        let call = ToolCall { id: id.into(), name: name.into(), arguments };
        wire.says(&Completion::calls("", vec![call]))
    };
    let write = act("w", "write_file", value!({ "path": "out.txt", "content": "done" }));
    vec![fault, write, act("f", "finish", value!({ "summary": "written" }))]
}

/// The same fault, where it asks for a pause that a test can keep.
fn soon(name: &str, wire: Wire) -> Fault {
    match name {
        "429 with `Retry-After` in seconds" => with_header(429, "retry-after: 0").into(),
        "429 with `Retry-After` as a date" => {
            with_header(429, "retry-after: Fri, 01 Jan 1999 00:00:00 GMT").into()
        }
        _ => fault(name, wire),
    }
}

/// What a fault in an attempt's first call does to it. The infrastructure's is never a failed task.
async fn meet(name: &str, expected: &str, wire: Wire, streaming: bool) {
    let Fault { answer, timeouts } = soon(name, wire);
    let is_patient = timeouts == patient();
    let server = Server::start(answers(wire, answer)).await;
    let measured = trial(wire.backend(&server.base_url, streaming, timeouts)).await;
    let what = format!("{name} in a trial ({wire:?}, streaming: {streaming}): {measured:?}");
    if expected == "fatal" {
        let error = measured.unwrap_err();
        assert!(error.stops_run() && error.report().contains(&server.base_url), "{what}");
        return;
    }
    let trial = &measured.unwrap().trials[0];
    assert_eq!(trial.void_attempts, 0, "{what}");
    match expected {
        "surfaced" => assert!(trial.passed().is_some(), "{what}"),
        _ => assert_eq!(trial.passed(), Some(true), "{what}"),
    }
    // A bound of a fraction of a second may end a good answer too where the machine is busy.
    if expected != "surfaced" && is_patient {
        assert_eq!(server.seen().len(), 3, "{what}");
    }
}

async fn row(name: &str) {
    let expected = table()[name].outcome;
    for wire in Wire::ALL {
        for streaming in [false, true] {
            play(name, expected, wire, streaming).await;
            meet(name, expected, wire, streaming).await;
        }
    }
}

macro_rules! rows {
    ($($test:ident: $fault:literal,)+) => {
        $(#[tokio::test]
        async fn $test() {
            row($fault).await;
        })+

        /// The tests above, and one more below.
        fn tests() -> BTreeMap<&'static str, &'static str> {
            let refused = ("connection refused", "a_refused_connection_costs_nothing_and_is_retried");
            [$(($fault, stringify!($test)),)+ refused].into()
        }
    };
}

rows! {
    a_400_with_a_context_overflow_is_surfaced: "400 with a context overflow",
    a_400_otherwise_is_fatal: "400 otherwise",
    a_401_is_fatal: "401",
    a_403_is_fatal: "403",
    a_404_for_the_model_is_fatal: "404, no such model",
    a_408_is_retried: "408",
    a_413_is_surfaced: "413",
    a_429_with_seconds_is_retried: "429 with `Retry-After` in seconds",
    a_429_with_a_date_is_retried: "429 with `Retry-After` as a date",
    a_429_without_a_time_is_retried: "429 without `Retry-After`",
    a_429_without_credit_is_fatal: "429, no credit left",
    a_500_is_voided: "500",
    a_502_is_voided: "502",
    a_503_is_retried: "503",
    a_504_is_voided: "504",
    a_529_is_retried: "529",
    a_redirect_is_fatal: "a redirect",
    a_connection_closed_early_is_voided: "connection closed before an answer",
    a_reset_in_mid_stream_is_voided: "reset in mid-stream",
    a_cut_in_mid_stream_is_voided: "cut in mid-stream",
    a_stall_before_an_answer_is_voided: "stalled before an answer",
    a_stalled_stream_is_voided: "stalled in mid-stream",
    truncated_json_is_voided: "truncated JSON",
    html_instead_of_json_is_voided: "HTML instead of JSON",
    what_is_not_http_is_voided: "not HTTP at all",
    invalid_utf8_is_voided: "invalid UTF-8",
    empty_choices_are_voided: "an empty list of choices",
    an_error_inside_a_success_is_voided: "an error inside a success",
    an_unknown_finish_reason_is_surfaced: "an unknown finish reason",
    a_reply_cut_by_its_limit_is_surfaced: "cut by the limit of tokens",
    a_filtered_reply_is_surfaced: "a content filter on the reply",
    a_filtered_request_is_surfaced: "a content filter on the request",
    a_refusal_is_surfaced: "a refusal",
    a_call_with_broken_json_is_surfaced: "a tool call with broken JSON",
    a_call_with_an_unknown_name_is_surfaced: "a tool call with an unknown name",
    calls_with_a_repeated_id_are_surfaced: "a tool call with a repeated id",
    a_completion_without_end_is_voided: "a completion that never ends",
    missing_usage_is_surfaced: "usage missing",
}

/// Every row of the table has the test that it names, and every test its row.
#[test]
fn the_table_of_faults_names_its_tests() {
    let named: BTreeMap<_, _> = table().iter().map(|(fault, row)| (*fault, row.test)).collect();
    assert_eq!(named, tests());
    let different: BTreeSet<_> = named.values().collect();
    assert_eq!(different.len(), named.len(), "no test stands for two rows");
}

/// A trial that is over cannot use an answer: its call is given up, on any wire, before it waits.
#[tokio::test]
async fn no_retry_is_waited_for_beyond_the_trials_deadline() {
    for wire in Wire::ALL {
        let server = Server::start(vec![with_header(429, "retry-after: 3000")]).await;
        let backend = wire.backend(&server.base_url, false, patient());
        let patient = Duration::from_secs(100_000);
        let backoff = Backoff { longest_wait: patient, total: patient, ..Backoff::default() };
        let mut request = Request::default();
        request.origin.time_left = Some(Duration::from_secs(2000));
        let retried = Retried::new(backend).with_backoff(backoff);
        let call = tokio::time::timeout(Duration::from_secs(60), retried.complete(request));
        let error = call.await.unwrap().unwrap_err();
        assert!(error.is_retryable(), "an outage is no task failure: {error}");
        assert_eq!(server.seen().len(), 1, "{wire:?}");
    }
}

#[tokio::test]
async fn a_reply_of_more_bytes_than_any_has_is_left() {
    let answer = Answer::Whole(200, String::new(), " ".repeat(33 << 20));
    let server = Server::start(vec![answer]).await;
    let backend = Wire::Chat.backend(&server.base_url, false, patient());
    let error = backend.complete(Request::default()).await.unwrap_err();
    assert!(error.message().contains("more bytes"), "{}", error.report());
}

#[tokio::test]
async fn a_refused_connection_costs_nothing_and_is_retried() {
    assert_eq!(table()["connection refused"].outcome, "retried");
    // A port that was just free.
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    for wire in Wire::ALL {
        let result = wire.backend(&base, false, patient()).complete(Request::default()).await;
        assert_eq!(outcome(&result), "retried", "{result:?}");
        look_at_words("connection refused", &base, &result.unwrap_err());
    }
}

#[tokio::test]
async fn a_name_that_no_server_takes_back_is_made_fit_for_the_way_back() {
    for wire in Wire::ALL {
        let server = Server::start(vec![wire.says(&Completion::text("ok"))]).await;
        let backend = wire.backend(&server.base_url, false, patient());
        let mut odd = call("id-1", Arguments::Malformed("{".into()));
        odd.name = "no.such tool".into();
        let messages = vec![
            Message::user("go"),
            Message::assistant("").with_tool_calls(vec![odd]),
            Message::tool("id-1", "there is no such tool"),
        ];
        backend.complete(Request { messages, ..Request::default() }).await.unwrap();
        let sent: Value = server.seen().remove(0).body;
        let sent = sent.to_string();
        assert!(
            sent.contains("no_such_tool") && !sent.contains("no.such tool"),
            "{wire:?}: {sent}"
        );
    }
}
