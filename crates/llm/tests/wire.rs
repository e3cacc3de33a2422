//! The wire against a real HTTP server on loopback: round trips, and every way in which a server lets one down.
#![cfg(all(feature = "openai", feature = "anthropic"))]
#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

mod common;

use common::{Answer, Server, json, status};
use harness_core::{
    Arguments, ErrorKind, FinishReason, LlmBackend, Message, ModelId, Request, ResponseSchema,
    ToolCall, ToolSpec,
};
use harness_llm::{OpenAiBackend, Price, PriceTable, Priced, Secret, TokenLimitField};
use serde_json::json as value;

const KEY: &str = "sk-very-secret-0123456789";

fn backend(server: &Server) -> OpenAiBackend {
    let backend = OpenAiBackend::new(&server.base_url, "some-model").unwrap();
    backend.with_key(Secret::new(KEY).unwrap()).with_key_variable("SOME_KEY")
}

fn asking(text: &str) -> Request {
    Request { messages: vec![Message::user(text)], ..Request::default() }
}

fn said(text: &str) -> Answer {
    json(value!({ "choices": [{ "message": { "content": text }, "finish_reason": "stop" }] }))
}

#[tokio::test]
async fn a_conversation_with_tools_makes_the_round_trip() {
    let reply = value!({
        "model": "some-model-0926",
        "choices": [{
            "message": {
                "content": null,
                "reasoning_content": "I should look.",
                "tool_calls": [{ "id": "call_9", "type": "function",
                                 "function": { "name": "shell", "arguments": "{\"command\":\"ls\"}" } }],
            },
            "finish_reason": "tool_calls",
        }],
        "usage": { "prompt_tokens": 120, "completion_tokens": 7, "prompt_tokens_details": { "cached_tokens": 100 } },
    });
    let server = Server::start(vec![json(reply)]).await;
    let call = ToolCall {
        id: "call_8".into(),
        name: "shell".into(),
        arguments: Arguments::Parsed(value!({ "command": "pwd" })),
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
            parameters: value!({ "type": "object" }),
        }],
        max_tokens: Some(50),
        temperature: Some(0.5),
        seed: Some(u64::MAX),
        stop: vec!["END".into()],
        ..Request::default()
    };
    let completion = backend(&server).complete(request).await.unwrap();
    assert_eq!(completion.finish, FinishReason::ToolCalls);
    assert_eq!(completion.served_by.as_deref(), Some("some-model-0926"));
    assert_eq!(completion.message.reasoning.as_deref(), Some("I should look."));
    assert_eq!(
        completion.message.tool_calls[0].arguments,
        Arguments::Parsed(value!({ "command": "ls" }))
    );
    let usage = completion.usage.unwrap();
    assert_eq!((usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens), (120, 7, 100));
    assert_eq!(usage.cost_usd, None);

    let seen = server.seen().remove(0);
    assert!(seen.head.starts_with("POST /v1/chat/completions "), "{}", seen.head);
    assert!(seen.head.contains(&format!("authorization: Bearer {KEY}")));
    assert_eq!(
        seen.body,
        value!({
            "model": "some-model",
            "messages": [
                { "role": "system", "content": "be brief" },
                { "role": "user", "content": "look" },
                { "role": "assistant", "content": null, "tool_calls": [{
                    "id": "call_8", "type": "function",
                    "function": { "name": "shell", "arguments": "{\"command\":\"pwd\"}" } }] },
                { "role": "tool", "content": "/app", "tool_call_id": "call_8" },
            ],
            "tools": [{ "type": "function",
                        "function": { "name": "shell", "description": "runs", "parameters": { "type": "object" } } }],
            "max_tokens": 50, "temperature": 0.5, "seed": 0x7fff_ffff, "stop": ["END"],
        })
    );
}

#[tokio::test]
async fn a_wanted_schema_is_sent() {
    let server = Server::start(vec![said("{}")]).await;
    let schema = ResponseSchema { name: "proposal".into(), schema: value!({ "type": "object" }) };
    let request = Request { response_schema: Some(schema), max_tokens: Some(5), ..asking("x") };
    let backend = backend(&server).with_strict_schema(true);
    let backend = backend.with_token_limit_field(TokenLimitField::MaxCompletionTokens);
    assert_eq!(backend.complete(request).await.unwrap().usage, None);
    let body = &server.seen()[0].body;
    assert_eq!(
        body["response_format"],
        value!({ "type": "json_schema",
                 "json_schema": { "name": "proposal", "schema": { "type": "object" }, "strict": true } })
    );
    assert_eq!((&body["max_completion_tokens"], &body["max_tokens"]), (&value!(5), &value!(null)));
}

#[tokio::test]
async fn a_server_that_takes_no_schema_is_asked_without() {
    let refusal =
        value!({ "error": { "message": "response_format.json_schema is not supported" } });
    let server =
        Server::start(vec![status(400, &refusal), status(400, &refusal), said("{}")]).await;
    let schema = ResponseSchema { name: "proposal".into(), schema: value!({ "type": "object" }) };
    let request = Request { response_schema: Some(schema), ..asking("x") };
    assert_eq!(backend(&server).complete(request).await.unwrap().message.content, "{}");
    let older = value!({ "type": "json_object", "schema": { "type": "object" } });
    assert_eq!(server.seen()[1].body["response_format"], older);
    assert_eq!(server.seen()[2].body.get("response_format"), None);
}

#[tokio::test]
async fn malformed_arguments_are_kept_as_written() {
    let call =
        value!({ "id": "a", "function": { "name": "shell", "arguments": "{\"command\": \"ls" } });
    let reply = value!({ "choices": [{ "message": { "content": "", "tool_calls": [call] }, "finish_reason": "tool_calls" }] });
    let server = Server::start(vec![json(reply)]).await;
    let completion = backend(&server).complete(asking("x")).await.unwrap();
    assert_eq!(
        completion.message.tool_calls[0].arguments,
        Arguments::Malformed("{\"command\": \"ls".into())
    );
}

#[tokio::test]
async fn a_price_fills_in_what_the_server_does_not_say() {
    let reply = |usage| {
        json(value!({
        "choices": [{ "message": { "content": "x" }, "finish_reason": "stop" }], "usage": usage }))
    };
    let server = Server::start(vec![
        reply(value!({ "prompt_tokens": 1_000_000, "completion_tokens": 0 })),
        reply(value!({ "prompt_tokens": 1, "completion_tokens": 1, "cost": 0.25 })),
        reply(value!(null)),
    ])
    .await;
    let price = Price { prompt: 2.0, cached: None, cache_write: None, completion: 8.0 };
    let priced = Priced::new(backend(&server), &PriceTable::default().with("some-model", price));
    let cost =
        async || priced.complete(asking("x")).await.unwrap().usage.map(|usage| usage.cost_usd);
    assert_eq!(cost().await, Some(Some(2.0)));
    assert_eq!(cost().await, Some(Some(0.25)));
    assert_eq!(cost().await, None);
    let unpriced = Priced::new(backend(&server), &PriceTable::default());
    assert_eq!(unpriced.complete(asking("x")).await.unwrap().usage, None);
}

#[tokio::test]
async fn nothing_shows_the_key() {
    let server = Server::start(vec![said("x")]).await;
    let backend = backend(&server).with_proxy("http://me:hunter2@127.0.0.1:1").unwrap();
    let shown = format!("{backend:?} {backend:#?}");
    assert!(!shown.contains(KEY) && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_served_model_cannot_pass_for_a_simulated_one_nor_the_other_way_round() {
    let backend = OpenAiBackend::new("http://127.0.0.1:1/v1", "m").unwrap();
    assert!(backend.clone().with_provider(ModelId::SIMULATED).is_err());
    assert_eq!(backend.with_provider("vllm").unwrap().model().to_string(), "vllm:m");
}

#[tokio::test]
async fn a_probe_tells_a_dead_address_and_a_refused_key_from_a_server_without_a_list() {
    let dead = OpenAiBackend::new("http://127.0.0.1:9/v1", "m").unwrap().probe().await.unwrap_err();
    assert_eq!(dead.kind(), ErrorKind::ModelUnavailable);
    assert!(dead.report().contains("127.0.0.1:9"), "{}", dead.report());
    for (code, refused) in
        [(200, None), (404, None), (500, None), (401, Some(ErrorKind::ModelRejected))]
    {
        let server = Server::start(vec![status(code, "{}")]).await;
        let probed = OpenAiBackend::new(&server.base_url, "m").unwrap().probe().await;
        assert_eq!(probed.err().map(|error| error.kind()), refused, "{code}");
        assert!(server.seen()[0].head.starts_with("GET /v1/models "), "{}", server.seen()[0].head);
    }
    let server = Server::start(vec![status(200, "<!doctype html><title>Welcome</title>")]).await;
    let page = OpenAiBackend::new(&server.base_url, "m").unwrap().probe().await.unwrap_err();
    assert!(page.message().contains("a web page"), "{}", page.message());
}
