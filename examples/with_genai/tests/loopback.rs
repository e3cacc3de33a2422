//! The adapter against a real HTTP server on loopback.
#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

use std::sync::{Arc, Mutex};

use harness_core::{
    Arguments, ErrorKind, FinishReason, LlmBackend, Message, Request, ToolCall, ToolSpec,
};
use harness_llm::Retried;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use with_genai::GenaiBackend;

const KEY: &str = "sk-planted-0123456789";

struct Server {
    url: String,
    seen: Arc<Mutex<Vec<Value>>>,
}

/// Answers the n-th request with the n-th answer.
async fn serve(answers: Vec<(u16, Value)>) -> Server {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    tokio::spawn(async move {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = read(&mut stream).await;
            log.lock().unwrap().push(request);
            let body = body.to_string();
            let head = format!(
                "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all((head + &body).as_bytes()).await.unwrap();
        }
    });
    Server { url, seen }
}

async fn read(stream: &mut TcpStream) -> Value {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut chunk).await.unwrap();
        assert!(count > 0, "half of a request");
        bytes.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        assert!(head.starts_with("POST /v1/chat/completions "), "{head}");
        if let Ok(body) = serde_json::from_str(body) {
            return body;
        }
    }
}

fn says(content: &str) -> Value {
    json!({ "id": "1", "model": "m-1", "choices": [{ "index": 0, "message": { "role": "assistant", "content": content }, "finish_reason": "stop" }],
            "usage": { "prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15 } })
}

#[tokio::test]
async fn a_conversation_with_tools_makes_the_round_trip() {
    let calls = json!({ "id": "1", "model": "m-1", "choices": [{ "index": 0, "finish_reason": "tool_calls", "message": {
        "role": "assistant", "content": null,
        "tool_calls": [{ "id": "call_9", "type": "function", "function": { "name": "shell", "arguments": "{\"command\":\"ls\"}" } }],
    } }], "usage": { "prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15 } });
    let server = serve(vec![(200, calls)]).await;
    let backend = GenaiBackend::new(&server.url, "some-model", KEY).unwrap();
    let call = ToolCall {
        id: "call_8".into(),
        name: "shell".into(),
        arguments: Arguments::parse("{\"command\":\"pwd\"}"),
    };
    let request = Request {
        messages: vec![
            Message::system("be brief"),
            Message::user("look"),
            Message::assistant("").with_tool_calls(vec![call]),
            Message::tool("call_8", "/app"),
        ],
        tools: vec![ToolSpec {
            name: "shell".into(),
            description: "runs".into(),
            parameters: json!({ "type": "object" }),
        }],
        max_tokens: Some(50),
        ..Request::default()
    };
    let completion = backend.complete(request).await.unwrap();
    assert_eq!(completion.finish, FinishReason::ToolCalls);
    let call = &completion.message.tool_calls[0];
    assert_eq!((call.id.as_str(), call.name.as_str()), ("call_9", "shell"));
    assert_eq!(call.arguments, Arguments::Parsed(json!({ "command": "ls" })));
    assert_eq!(completion.usage.unwrap().tokens(), 15);

    let sent = server.seen.lock().unwrap()[0].clone();
    assert_eq!(sent["model"], "some-model");
    let roles: Vec<&str> = sent["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["role"].as_str())
        .collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool"]);
    assert_eq!(sent["messages"][3]["tool_call_id"], "call_8");
    assert_eq!(sent["tools"][0]["function"]["name"], "shell");
    assert!(!format!("{backend:?}").contains(KEY));
}

#[tokio::test]
async fn our_wrappers_fit_around_it() {
    let busy = json!({ "error": { "message": "slow down" } });
    let server = serve(vec![(429, busy), (200, says("hello"))]).await;
    let model = Retried::new(GenaiBackend::new(&server.url, "m", KEY).unwrap());
    let request = Request { messages: vec![Message::user("hi")], ..Request::default() };
    assert_eq!(model.complete(request).await.unwrap().message.content, "hello");
    assert_eq!(server.seen.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn errors_are_classified_and_unknown_usage_stays_unknown() {
    let request = || Request { messages: vec![Message::user("hi")], ..Request::default() };
    let said = |message: &str| json!({ "error": { "message": message } });
    for (status, body, kind, free) in [
        (401, said("bad key"), ErrorKind::ModelRejected, true),
        (400, said("maximum context length"), ErrorKind::ContextOverflow, true),
        (500, said("oops"), ErrorKind::ModelUnavailable, false),
        (503, said("busy"), ErrorKind::ModelUnavailable, true),
    ] {
        let server = serve(vec![(status, body)]).await;
        let backend = GenaiBackend::new(&server.url, "m", KEY).unwrap();
        let error = backend.complete(request()).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.is_uncharged()),
            (kind, free),
            "{status}: {}",
            error.report()
        );
        assert!(!error.report().contains(KEY), "{}", error.report());
    }
    let mut silent = says("hello");
    silent.as_object_mut().unwrap().remove("usage");
    let server = serve(vec![(200, silent)]).await;
    let backend = GenaiBackend::new(&server.url, "m", KEY).unwrap();
    assert_eq!(backend.complete(request()).await.unwrap().usage, None);
}
