//! The wires against servers that others wrote: LiteLLM's proxy with mock models, and llama.cpp's server over a model with random
//! weights that the test makes. `.ci/model-servers` installs both.
#![cfg(all(feature = "openai", feature = "anthropic"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, and what they share")]

mod common;

use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::Server;
use common::wires::Wire;
use futures::StreamExt;
use harness_core::{
    Arguments, Completion, Delta, ErrorKind, FinishReason, LlmBackend, Message, Request,
    ResponseSchema, ToolCall, ToolSpec,
};
use harness_llm::{AnthropicBackend, Api, OpenAiBackend, Secret};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Generous: eight builds may share the machine.
const START: Duration = Duration::from_secs(240);

/// Where `.ci/model-servers` put them; `None`, said aloud, where it has not run.
fn home() -> Option<PathBuf> {
    let home = std::env::var_os("HARNESS_MODEL_SERVERS").map_or_else(
        || {
            let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
            let cache =
                cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
            Some(cache.join("self-harness/model-servers"))
        },
        |home| Some(PathBuf::from(home)),
    );
    let found = home.filter(|home| home.join("installed").is_file());
    if found.is_none() {
        let required = std::env::var("HARNESS_TEST_REQUIRE").is_ok_and(|value| value == "all");
        assert!(!required, "the model servers are not installed: run .ci/model-servers");
        // Not `eprintln!`: the test harness would swallow it.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED third-party servers: run .ci/model-servers to install them"
        );
    }
    found
}

/// A server of somebody else's, ended with its whole tree when dropped.
struct Running {
    child: Child,
    base_url: String,
    _files: TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Starts `command` and waits until `path` answers with a success.
async fn start(mut command: Command, port: u16, path: &str, files: TempDir) -> Running {
    let log = files.path().join("log.txt");
    let output = File::create(&log).unwrap();
    let child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap();
    let base_url = format!("http://127.0.0.1:{port}/v1");
    let mut running = Running { child, base_url, _files: files };
    let began = Instant::now();
    let client = client();
    loop {
        let answer = client.get(format!("http://127.0.0.1:{port}{path}")).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return running;
        }
        let ended = running.child.try_wait().unwrap();
        let told = || std::fs::read_to_string(&log).unwrap_or_default();
        assert!(ended.is_none(), "it ended with {ended:?}:\n{}", told());
        assert!(began.elapsed() < START, "it does not answer:\n{}", told());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn client() -> reqwest::Client {
    // A client without encryption still wants to know of one.
    let provider = rustls::crypto::ring::default_provider();
    let _ = provider.install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

const MASTER_KEY: &str = "sk-litellm-master-key";

/// A model behind the gateway that calls a tool; the gateway translates for who speaks another protocol.
async fn upstream() -> Server {
    let call = ToolCall {
        id: "call_1".into(),
        name: "shell".into(),
        arguments: Arguments::Parsed(json!({ "command": "ls" })),
    };
    let says = Completion::calls("I look.", vec![call]);
    Server::start(vec![Wire::Chat.says(&says)]).await
}

/// A model behind the gateway that answers in the form that is asked for.
async fn formal() -> Server {
    Server::start(vec![Wire::Chat.says(&Completion::text(r#"{"op":"b"}"#))]).await
}

async fn litellm(home: &Path, upstream: &str, formal: &str) -> Running {
    let files = TempDir::new().unwrap();
    let port = free_port();
    let config = json!({
        "model_list": [
            { "model_name": "mock", "litellm_params": { "model": "openai/mock", "api_key": "none", "mock_response": "Grüße from the mock." } },
            { "model_name": "caller", "litellm_params": { "model": "openai/upstream", "api_key": "sk-upstream", "api_base": upstream } },
            { "model_name": "formal", "litellm_params": { "model": "openai/formal", "api_key": "sk-upstream", "api_base": formal } },
        ],
        "general_settings": { "master_key": MASTER_KEY },
    });
    // JSON is YAML.
    let path = files.path().join("config.yaml");
    std::fs::write(&path, config.to_string()).unwrap();
    let mut command = Command::new(home.join("bin/litellm"));
    command
        .args([
            "--host",
            "127.0.0.1",
            "--port",
            &port.to_string(),
            "--telemetry",
            "False",
            "--config",
        ])
        .arg(&path)
        .env("HOME", files.path())
        .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        .env("LITELLM_USE_CHAT_COMPLETIONS_URL_FOR_ANTHROPIC_MESSAGES", "True")
        .env("NO_PROXY", "*");
    start(command, port, "/health/liveliness", files).await
}

async fn llama(home: &Path) -> Running {
    let files = TempDir::new().unwrap();
    let port = free_port();
    let model = files.path().join("tiny.gguf");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/third_party/tiny_model.py");
    let made = Command::new(home.join("bin/python")).arg(script).arg(&model).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut command = Command::new(home.join("bin/python"));
    command
        .args(["-m", "llama_cpp.server", "--host", "127.0.0.1", "--port", &port.to_string()])
        .args(["--n_ctx", "512", "--n_threads", "1", "--model_alias", "tiny", "--model"])
        .arg(&model);
    start(command, port, "/v1/models", files).await
}

fn asking(text: &str) -> Request {
    Request { messages: vec![Message::user(text)], max_tokens: Some(64), ..Request::default() }
}

fn shell() -> ToolSpec {
    ToolSpec {
        name: "shell".into(),
        description: "Runs a command.".into(),
        parameters: json!({ "type": "object", "properties": { "command": { "type": "string" } }, "required": ["command"] }),
    }
}

fn choice() -> ResponseSchema {
    let schema = json!({ "type": "object", "properties": { "op": { "enum": ["a", "b"] } }, "required": ["op"], "additionalProperties": false });
    ResponseSchema { name: "edit".into(), schema }
}

async fn streamed(backend: &dyn LlmBackend, request: Request) -> (String, Completion) {
    let mut deltas = backend.stream(request).await.unwrap();
    let mut text = String::new();
    while let Some(delta) = deltas.next().await {
        match delta.unwrap() {
            Delta::Text(piece) => text.push_str(&piece),
            Delta::Reasoning(_) => {}
            Delta::Done(completion) => return (text, *completion),
        }
    }
    panic!("no end after {text:?}")
}

#[tokio::test]
async fn litellm_is_spoken_with_on_every_wire() {
    let Some(home) = home() else { return };
    let upstream = upstream().await;
    let formal = formal().await;
    let server = litellm(&home, &upstream.base_url, &formal.base_url).await;
    let key = || Secret::new(MASTER_KEY).unwrap();
    let chat = |model: &str| OpenAiBackend::new(&server.base_url, model).unwrap().with_key(key());
    let messages =
        |model: &str| AnthropicBackend::new(&server.base_url, model).unwrap().with_key(key());
    let said = "Grüße from the mock.";

    chat("mock").probe().await.unwrap();
    let completion = chat("mock").complete(asking("hello")).await.unwrap();
    assert_eq!(
        (completion.message.content.as_str(), &completion.finish),
        (said, &FinishReason::Stop)
    );
    assert!(completion.usage.unwrap().tokens() > 0);

    // Usage comes beside an empty choice: the case in which other clients lose it.
    let (text, completion) = streamed(&chat("mock"), asking("hello")).await;
    assert_eq!((text.as_str(), completion.message.content.as_str()), (said, said));
    assert!(completion.usage.unwrap().tokens() > 0);

    let with_tools = || Request { tools: vec![shell()], ..asking("list the files") };
    for backend in [&chat("caller") as &dyn LlmBackend, &messages("caller")] {
        let whole = backend.complete(with_tools()).await.unwrap();
        let (_, in_pieces) = streamed(backend, with_tools()).await;
        for called in [whole, in_pieces] {
            assert_eq!(called.finish, FinishReason::ToolCalls, "{called:?}");
            let call = &called.message.tool_calls[0];
            let arguments = Arguments::Parsed(json!({ "command": "ls" }));
            assert_eq!((call.name.as_str(), &call.arguments), ("shell", &arguments));
        }
    }

    // The schema gets through the gateway as it was, and what comes back is of its form.
    let in_form = || Request { response_schema: Some(choice()), ..asking("choose") };
    let whole = chat("formal").complete(in_form()).await.unwrap();
    let (_, in_pieces) = streamed(&chat("formal"), in_form()).await;
    for completion in [whole, in_pieces] {
        let value: Value = serde_json::from_str(&completion.message.content).unwrap();
        assert!(jsonschema::is_valid(&choice().schema, &value), "{value}");
    }
    // It asks its upstream for other things, too.
    let asked = formal.seen().into_iter().filter(|seen| seen.body["messages"].is_array());
    let asked: Vec<_> = asked.collect();
    assert_eq!(asked.len(), 2);
    for seen in asked {
        assert_eq!(seen.body["response_format"]["json_schema"]["schema"], choice().schema);
    }

    let completion = messages("mock").complete(asking("hello")).await.unwrap();
    assert_eq!(
        (completion.message.content.as_str(), &completion.finish),
        (said, &FinishReason::Stop)
    );
    assert!(completion.usage.unwrap().tokens() > 0);
    // It answers this route in one piece whatever it is asked for, or in pieces: either is a reply.
    let (text, completion) = streamed(&messages("mock"), asking("hello")).await;
    assert_eq!((text.as_str(), completion.message.content.as_str()), (said, said));

    let responses = chat("mock").with_api(Api::Responses).unwrap();
    let completion = responses.complete(asking("hello")).await.unwrap();
    assert_eq!(completion.message.content, said);

    let wrong = OpenAiBackend::new(&server.base_url, "mock").unwrap();
    let wrong = wrong
        .with_key(Secret::new("sk-wrong-key").unwrap())
        .complete(asking("x"))
        .await
        .unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::ModelRejected, "{}", wrong.report());
    assert!(!wrong.report().contains("sk-wrong-key"), "{}", wrong.report());
    let unknown = chat("no-such-model").complete(asking("x")).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::ModelRejected, "{}", unknown.report());
}

#[tokio::test]
async fn llama_cpp_is_spoken_with_and_held_to_a_schema() {
    let Some(home) = home() else { return };
    let server = llama(&home).await;
    let backend = OpenAiBackend::new(&server.base_url, "tiny").unwrap();
    backend.probe().await.unwrap();

    // The same seed says the same; what it says is noise.
    let seeded = |seed| Request { seed: Some(seed), temperature: Some(1.0), ..asking("hello") };
    let first = backend.complete(seeded(7)).await.unwrap();
    assert_eq!(first.message, backend.complete(seeded(7)).await.unwrap().message);
    let usage = first.usage.unwrap();
    assert!(usage.prompt_tokens > 0 && usage.completion_tokens > 0, "{usage:?}");

    let (text, completion) = streamed(&backend, seeded(7)).await;
    assert_eq!(text, completion.message.content);
    assert_eq!(completion.usage, None, "it tells none in streams, so none is known");

    // Noise, but of the wanted shape.
    let request = || Request { response_schema: Some(choice()), ..seeded(3) };
    let whole = backend.complete(request()).await.unwrap();
    let (_, in_pieces) = streamed(&backend, request()).await;
    for completion in [whole, in_pieces] {
        let value: Value = serde_json::from_str(&completion.message.content).unwrap();
        assert!(jsonschema::is_valid(&choice().schema, &value), "{value}");
    }

    // Tools are taken; whether noise calls one is its own affair, but it is read, whole and in pieces.
    let with_tools = || Request { tools: vec![shell()], ..seeded(5) };
    let completion = backend.complete(with_tools()).await.unwrap();
    assert!(completion.usage.is_some(), "{completion:?}");
    let (text, in_pieces) = streamed(&backend, with_tools()).await;
    assert_eq!(
        (text.as_str(), in_pieces.message),
        (completion.message.content.as_str(), completion.message.clone())
    );

    let long = "word ".repeat(4000);
    let error = backend.complete(asking(&long)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContextOverflow, "{}", error.report());
}
