//! Everything that can go wrong with a call, as each wire's server commits it.
#![allow(clippy::panic, reason = "a test that meets what it does not know fails")]

use std::time::Duration;

use harness_core::{Arguments, Completion, FinishReason, ToolCall};
use harness_llm::Timeouts;
use serde_json::json as value;

use super::wires::{KEY, Wire};
use super::{Answer, End, events, hang_up, json, silence, status};

/// Short, because some servers here are silent. Nothing waits for them but those rows.
pub(crate) fn impatient() -> Timeouts {
    Timeouts {
        connect: Duration::from_secs(30),
        first_byte: Duration::from_millis(300),
        between_chunks: Duration::from_millis(300),
        total: Duration::from_secs(60),
    }
}

pub(crate) fn patient() -> Timeouts {
    Timeouts::default()
}

/// A fault as one wire's server commits it.
pub(crate) struct Fault {
    pub(crate) answer: Answer,
    pub(crate) timeouts: Timeouts,
}

impl From<Answer> for Fault {
    fn from(answer: Answer) -> Self {
        Self { answer, timeouts: patient() }
    }
}

pub(crate) fn said(wire: Wire, code: u16, kind: &str, message: &str) -> Answer {
    status(code, wire.error(kind, message))
}

pub(crate) fn with_header(code: u16, header: &str) -> Answer {
    Answer::Whole(code, format!("{header}\r\n"), String::new())
}

/// The first half of a reply with a call in it.
pub(crate) fn half(wire: Wire, end: End) -> Answer {
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

pub(crate) fn call(id: &str, arguments: Arguments) -> ToolCall {
    ToolCall { id: id.into(), name: "shell".into(), arguments }
}

pub(crate) fn finished(finish: FinishReason) -> Completion {
    Completion { finish, ..Completion::text("so far") }
}

/// Bytes of a reply in which letters are broken.
pub(crate) fn invalid_utf8(wire: Wire) -> Answer {
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
pub(crate) fn empty(wire: Wire) -> Answer {
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

pub(crate) fn fault(name: &str, wire: Wire) -> Fault {
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
