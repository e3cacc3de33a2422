//! Whole conversations over the Responses API and over Messages: what is sent, what comes back, and what goes back again.
#![cfg(all(feature = "openai", feature = "anthropic"))]
#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

mod common;

use common::wires::KEY;
use common::{Server, json, status};
use harness_core::{
    Arguments, Completion, FinishReason, LlmBackend, Message, Request, ResponseSchema, ToolCall,
    ToolSpec,
};
use harness_llm::{AnthropicBackend, Api, OpenAiBackend, Secret};
use serde_json::{Value, json as value};

fn anthropic(server: &Server) -> AnthropicBackend {
    AnthropicBackend::new(&server.base_url, "some-model")
        .unwrap()
        .with_key(Secret::new(KEY).unwrap())
}

fn responses(server: &Server) -> OpenAiBackend {
    let backend = OpenAiBackend::new(&server.base_url, "some-model").unwrap();
    backend.with_api(Api::Responses).unwrap().with_key(Secret::new(KEY).unwrap())
}

fn tool() -> ToolSpec {
    ToolSpec {
        name: "shell".into(),
        description: "runs".into(),
        parameters: value!({ "type": "object" }),
    }
}

/// A conversation in which two tools were called at once.
fn request() -> Request {
    let call = |id: &str, command: &str| ToolCall {
        id: id.into(),
        name: "shell".into(),
        arguments: Arguments::Parsed(value!({ "command": command })),
    };
    Request {
        messages: vec![
            Message::system("be brief"),
            Message::user("look"),
            Message::assistant("I look.").with_tool_calls(vec![call("a", "pwd"), call("b", "ls")]),
            Message::tool("a", "/app"),
            Message::tool("b", ""),
            Message::system("hurry"),
        ],
        tools: vec![tool()],
        max_tokens: Some(50),
        temperature: Some(1.5),
        seed: Some(7),
        stop: vec!["END".into()],
        response_schema: Some(ResponseSchema {
            name: "s".into(),
            schema: value!({ "type": "object" }),
        }),
        ..Request::default()
    }
}

#[tokio::test]
async fn a_conversation_goes_to_anthropic_in_its_words() {
    let reply =
        value!({ "content": [{ "type": "text", "text": "{}" }], "stop_reason": "end_turn" });
    let server = Server::start(vec![json(reply)]).await;
    anthropic(&server).complete(request()).await.unwrap();
    let seen = server.seen().remove(0);
    assert!(seen.head.starts_with("POST /v1/messages "), "{}", seen.head);
    assert!(seen.head.contains(&format!("x-api-key: {KEY}")));
    assert!(seen.head.contains("anthropic-version: 2023-06-01"));
    assert!(!seen.head.contains("authorization"), "the key goes in one header");
    let mark = value!({ "type": "ephemeral" });
    assert_eq!(
        seen.body,
        value!({
            "model": "some-model",
            "max_tokens": 50,
            "system": [{ "type": "text", "text": "be brief", "cache_control": mark }],
            "messages": [
                { "role": "user", "content": [{ "type": "text", "text": "look" }] },
                { "role": "assistant", "content": [
                    { "type": "text", "text": "I look." },
                    { "type": "tool_use", "id": "a", "name": "shell", "input": { "command": "pwd" } },
                    { "type": "tool_use", "id": "b", "name": "shell", "input": { "command": "ls" } },
                ] },
                { "role": "user", "content": [
                    { "type": "tool_result", "tool_use_id": "a", "content": [{ "type": "text", "text": "/app" }] },
                    { "type": "tool_result", "tool_use_id": "b" },
                    { "type": "text", "text": "hurry", "cache_control": mark },
                ] },
            ],
            "tools": [{ "name": "shell", "description": "runs", "input_schema": { "type": "object" } }],
            "output_config": { "format": { "type": "json_schema", "schema": { "type": "object" } } },
            "temperature": 1.0,
            "stop_sequences": ["END"],
        })
    );
}

/// Asks, says the reply back with one more question, and gives what was sent the second time.
async fn second_turn(backend: &dyn LlmBackend, server: &Server) -> (Completion, Value) {
    let first = Request { messages: vec![Message::user("think")], ..Request::default() };
    let completion = backend.complete(first.clone()).await.unwrap();
    let mut messages = first.messages;
    messages.push(completion.message.clone());
    messages.push(Message::tool("t", "done"));
    backend.complete(Request { messages, ..Request::default() }).await.unwrap();
    (completion, server.seen().remove(1).body)
}

#[tokio::test]
async fn signed_thinking_goes_back_as_it_came() {
    let thinking = value!({ "type": "thinking", "thinking": "hm", "signature": "c2ln" });
    let hidden = value!({ "type": "redacted_thinking", "data": "xxx" });
    let call = value!({ "type": "tool_use", "id": "t", "name": "shell", "input": {} });
    let reply = value!({
        "content": [thinking, hidden, { "type": "text", "text": "I act." }, call], "stop_reason": "tool_use",
        "usage": { "input_tokens": 2, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 8, "output_tokens": 5 },
    });
    let server = Server::start(vec![json(reply)]).await;
    let backend = anthropic(&server).with_thinking(2000).with_caching(false);
    let (completion, sent) = second_turn(&backend, &server).await;
    assert_eq!(completion.message.reasoning.as_deref(), Some("hm"));
    assert_eq!(completion.finish, FinishReason::ToolCalls);
    let usage = completion.usage.unwrap();
    assert_eq!((usage.prompt_tokens, usage.cached_tokens, usage.cache_write_tokens), (100, 90, 8));
    assert_eq!(
        sent["messages"][1]["content"],
        value!([thinking, hidden, { "type": "text", "text": "I act." }, call])
    );
    assert_eq!(sent["thinking"], value!({ "type": "enabled", "budget_tokens": 2000 }));
    assert_eq!(sent["max_tokens"], 4096 + 2000);
    assert_eq!(sent.get("temperature"), None);
}

#[tokio::test]
async fn encrypted_reasoning_goes_back_as_it_came() {
    let reasoning = value!({ "type": "reasoning", "id": "r", "summary": [{ "type": "summary_text", "text": "hm" }], "encrypted_content": "xxx" });
    let call =
        value!({ "type": "function_call", "call_id": "t", "name": "shell", "arguments": "{}" });
    let reply = value!({ "status": "completed", "output": [reasoning, call],
                         "usage": { "input_tokens": 9, "output_tokens": 5, "input_tokens_details": { "cached_tokens": 4 } } });
    let server = Server::start(vec![json(reply)]).await;
    let (completion, sent) = second_turn(&responses(&server), &server).await;
    assert_eq!(completion.message.reasoning.as_deref(), Some("hm"));
    assert_eq!(completion.usage.unwrap().cached_tokens, 4);
    assert_eq!(
        sent["input"],
        value!([
            { "role": "user", "content": "think" },
            reasoning,
            { "type": "function_call", "call_id": "t", "name": "shell", "arguments": "{}" },
            { "type": "function_call_output", "call_id": "t", "output": "done" },
        ])
    );
}

#[tokio::test]
async fn a_conversation_goes_to_the_responses_api_in_its_words() {
    let reply = value!({ "status": "completed", "output": [{ "type": "message", "content": [{ "type": "output_text", "text": "{}" }] }] });
    let server = Server::start(vec![json(reply)]).await;
    responses(&server).complete(request()).await.unwrap();
    let seen = server.seen().remove(0);
    assert!(seen.head.starts_with("POST /v1/responses "), "{}", seen.head);
    assert!(seen.head.contains(&format!("authorization: Bearer {KEY}")));
    let body = seen.body;
    assert_eq!(body["input"].as_array().unwrap().len(), 8);
    assert_eq!((&body["store"], &body["max_output_tokens"]), (&value!(false), &value!(50)));
    assert_eq!(body["text"]["format"]["name"], "s");
    assert_eq!(body["tools"][0]["name"], "shell");
    assert_eq!((body.get("seed"), body.get("stop")), (None, None), "it has neither");
}

#[tokio::test]
async fn reasoning_goes_back_in_the_form_in_which_a_chat_server_gave_it() {
    let details = value!([{ "type": "reasoning.encrypted", "data": "xxx" }]);
    let message = |extra: &Value| {
        let mut message = value!({ "content": "", "reasoning_content": "hm",
            "tool_calls": [{ "id": "t", "function": { "name": "shell", "arguments": "{}" } }] });
        if !extra.is_null() {
            message["reasoning_details"] = extra.clone();
        }
        json(value!({ "choices": [{ "message": message, "finish_reason": "tool_calls" }] }))
    };
    for (extra, field, expected) in [
        (Value::Null, "reasoning_content", value!("hm")),
        (details.clone(), "reasoning_details", details),
    ] {
        let server = Server::start(vec![message(&extra)]).await;
        let backend = OpenAiBackend::new(&server.base_url, "some-model").unwrap();
        let (_, sent) = second_turn(&backend.clone().with_reasoning_returned(true), &server).await;
        assert_eq!(sent["messages"][1][field], expected);
        let server = Server::start(vec![message(&extra)]).await;
        let backend = OpenAiBackend::new(&server.base_url, "some-model").unwrap();
        let (_, sent) = second_turn(&backend, &server).await;
        assert_eq!(sent["messages"][1].get(field), None, "not unless asked for");
    }
}

#[tokio::test]
async fn anothers_data_is_left_alone() {
    let mut message = Message::assistant("hi");
    message.provider_data =
        Some(value!({ "anthropic": [{ "type": "thinking", "signature": "s" }] }));
    let reply = value!({ "choices": [{ "message": { "content": "x" }, "finish_reason": "stop" }] });
    let server = Server::start(vec![json(reply)]).await;
    let backend = OpenAiBackend::new(&server.base_url, "m").unwrap().with_reasoning_returned(true);
    let messages = vec![Message::user("x"), message];
    backend.complete(Request { messages, ..Request::default() }).await.unwrap();
    assert!(!server.seen()[0].body.to_string().contains("thinking"));
}

#[tokio::test]
async fn a_server_that_tells_no_usage_in_streams_is_asked_without() {
    let refusal = value!({ "error": { "message": "unknown field: stream_options" } });
    let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let server =
        Server::start(vec![status(400, refusal), common::events(stream, common::End::Close)]).await;
    let backend = OpenAiBackend::new(&server.base_url, "m").unwrap().with_streaming(true);
    let completion = backend.complete(Request::default()).await.unwrap();
    assert_eq!((completion.message.content.as_str(), completion.usage), ("x", None));
    assert_eq!(server.seen()[1].body.get("stream_options"), None);
}
