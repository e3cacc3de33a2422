//! Plays the table of faults in the guide on models: each row against a real server on loopback, on each wire, whole and streamed.
#![cfg(all(feature = "openai", feature = "anthropic"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, and what they share")]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::wires::{KEY, Wire};
use common::{Answer, End, Server, events, hang_up, json, silence, status};
use harness_core::{
    Arguments, Completion, Error, ErrorKind, FinishReason, LlmBackend, Message, Request, Result,
    ToolCall,
};
use harness_llm::Timeouts;
use serde_json::{Value, json as value};

const GUIDE: &str = include_str!("../../../docs/guides/models.md");

/// Short, because some servers here are silent. Nothing waits for them but those rows.
fn impatient() -> Timeouts {
    Timeouts {
        connect: Duration::from_secs(30),
        first_byte: Duration::from_millis(300),
        between_chunks: Duration::from_millis(300),
        total: Duration::from_secs(60),
    }
}

fn patient() -> Timeouts {
    Timeouts::default()
}

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

/// The rows of the table: fault, outcome.
fn table() -> BTreeMap<&'static str, &'static str> {
    let rows = GUIDE.split("<!-- faults -->").nth(1).unwrap().lines().filter_map(|line| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let (fault, outcome) = (cells.next()?, cells.next()?);
        (!fault.starts_with("---") && fault != "fault").then_some((fault, outcome))
    });
    rows.collect()
}

/// A fault as one wire's server commits it.
struct Fault {
    answer: Answer,
    timeouts: Timeouts,
}

impl From<Answer> for Fault {
    fn from(answer: Answer) -> Self {
        Self { answer, timeouts: patient() }
    }
}

fn said(wire: Wire, code: u16, kind: &str, message: &str) -> Answer {
    status(code, wire.error(kind, message))
}

fn with_header(code: u16, header: &str) -> Answer {
    Answer::Whole(code, format!("{header}\r\n"), String::new())
}

/// The first half of a reply with a call in it.
fn half(wire: Wire, end: End) -> Answer {
    let reply = Completion::calls("I act.", vec![call("a", Arguments::Parsed(value!({ "x": 1 })))]);
    let stream = wire.events(&reply);
    let whole = wire.whole(&reply).to_string();
    Answer::Made(std::sync::Arc::new(move |seen| match seen.body["stream"].as_bool() {
        Some(true) => events(&stream[..stream.len() / 2], end),
        _ => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", whole.len());
            Answer::Raw((head + &whole[..whole.len() / 2]).into_bytes(), end)
        }
    }))
}

fn call(id: &str, arguments: Arguments) -> ToolCall {
    ToolCall { id: id.into(), name: "shell".into(), arguments }
}

fn finished(finish: FinishReason) -> Completion {
    Completion { finish, ..Completion::text("so far") }
}

/// Bytes of a reply in which letters are broken.
fn invalid_utf8(wire: Wire) -> Answer {
    let reply = Completion::text("GOOD");
    let broken = |text: String| {
        let (before, after) = text.split_once("GOOD").unwrap();
        [before.as_bytes(), b"\xff\xfe\x80", after.as_bytes()].concat()
    };
    let (stream, whole) = (wire.events(&reply), wire.whole(&reply).to_string());
    Answer::Made(std::sync::Arc::new(move |seen| match seen.body["stream"].as_bool() {
        Some(true) => events(broken(stream.clone()), End::Close),
        _ => {
            let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n".to_vec();
            Answer::Raw([head, broken(whole.clone())].concat(), End::Close)
        }
    }))
}

/// A reply without choices, output or content.
fn empty(wire: Wire) -> Answer {
    let (whole, stream) = match wire {
        Wire::Chat => {
            (value!({ "choices": [] }), "data: {\"choices\":[]}\n\ndata: [DONE]\n\n".to_owned())
        }
        Wire::Responses => {
            let whole = value!({ "status": "completed", "output": [] });
            let end = value!({ "type": "response.completed", "response": whole });
            (whole, format!("data: {end}\n\n"))
        }
        Wire::Messages => {
            (value!({ "type": "message" }), "data: {\"type\":\"message_stop\"}\n\n".to_owned())
        }
    };
    Answer::Made(std::sync::Arc::new(move |seen| match seen.body["stream"].as_bool() {
        Some(true) => events(&stream, End::Close),
        _ => json(&whole),
    }))
}

fn fault(name: &str, wire: Wire) -> Fault {
    let overflow = "prompt is too long: this model's maximum context length is 8 tokens";
    let says = |completion: &Completion| wire.says(completion);
    let slow = |answer: Answer| Fault { answer, timeouts: impatient() };
    match name {
        "400 with a context overflow" => said(wire, 400, "invalid_request_error", overflow).into(),
        "400 otherwise" => said(wire, 400, "invalid_request_error", "no such field").into(),
        "401" => said(wire, 401, "authentication_error", &format!("bad key {KEY}")).into(),
        "403" => said(wire, 403, "permission_error", "not yours").into(),
        "404, no such model" => said(wire, 404, "not_found_error", "no such model").into(),
        "408" => status(408, "").into(),
        "413" => said(wire, 413, "request_too_large", "too large").into(),
        "429 with `Retry-After` in seconds" => with_header(429, "retry-after: 17").into(),
        "429 with `Retry-After` as a date" => {
            with_header(429, "retry-after: Fri, 01 Jan 2100 00:00:00 GMT").into()
        }
        "429 without `Retry-After`" => said(wire, 429, "rate_limit_error", "slow down").into(),
        "429, no credit left" => {
            status(429, value!({ "error": { "code": "insufficient_quota" } })).into()
        }
        "500" => said(wire, 500, "api_error", "oops").into(),
        "502" => status(502, "<html><h1>Bad Gateway</h1></html>").into(),
        "503" => status(503, "").into(),
        "504" => status(504, "").into(),
        "529" => said(wire, 529, "overloaded_error", "busy").into(),
        "a redirect" => with_header(302, "location: http://127.0.0.1:1/").into(),
        "connection closed before an answer" => hang_up().into(),
        "reset in mid-stream" => half(wire, End::Reset).into(),
        "cut in mid-stream" => half(wire, End::Close).into(),
        "stalled before an answer" => slow(silence()),
        "stalled in mid-stream" => slow(half(wire, End::Stall)),
        "truncated JSON" => json("{\"choices\":[{\"message\":{\"con").into(),
        "HTML instead of JSON" => {
            Answer::Whole(200, "content-type: text/html\r\n".into(), "<html>hi</html>".into())
                .into()
        }
        "not HTTP at all" => Answer::Raw(b"SSH-2.0-dropbear\r\n".to_vec(), End::Close).into(),
        "invalid UTF-8" => invalid_utf8(wire).into(),
        "an empty list of choices" => empty(wire).into(),
        "an error inside a success" => json(wire.error("api_error", "upstream")).into(),
        "an unknown finish reason" => says(&finished(FinishReason::Other("moon".into()))).into(),
        "cut by the limit of tokens" => says(&finished(FinishReason::Length)).into(),
        "a content filter on the reply" => says(&finished(FinishReason::ContentFilter)).into(),
        "a content filter on the request" => {
            status(400, value!({ "error": { "code": "content_filter", "message": "not this" } }))
                .into()
        }
        "a refusal" => says(&finished(FinishReason::Refusal)).into(),
        "a tool call with broken JSON" => {
            says(&Completion::calls("", vec![call("a", Arguments::Malformed("{\"x\": 1".into()))]))
                .into()
        }
        "a tool call with an unknown name" => {
            let mut unknown = call("a", Arguments::parse("{}"));
            unknown.name = "no.such tool".into();
            says(&Completion::calls("", vec![unknown])).into()
        }
        "a tool call with a repeated id" => {
            let same = || call("same", Arguments::parse("{}"));
            says(&Completion::calls("", vec![same(), same()])).into()
        }
        "a completion that never ends" => {
            let total = Duration::from_secs(1);
            Fault { answer: half(wire, End::Drip), timeouts: Timeouts { total, ..patient() } }
        }
        "usage missing" => says(&Completion::text("hi")).into(),
        other => panic!("the table has a row '{other}' that this test does not play"),
    }
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

#[tokio::test]
async fn the_table_of_faults_is_true() {
    let table = table();
    assert!(table.len() >= 35, "the table has {} rows", table.len());
    for (name, expected) in table {
        if name == "connection refused" {
            continue;
        }
        for wire in Wire::ALL {
            for streaming in [false, true] {
                play(name, expected, wire, streaming).await;
            }
        }
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
    assert_eq!(table()["connection refused"], "retried");
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
