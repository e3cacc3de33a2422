//! The example against a server on loopback that speaks the OpenAI-compatible wire: every call of the run goes through real
//! HTTP. Behind the server a simulated model thinks, so that the run has something to find.

use std::path::Path;
use std::sync::Arc;

use harness_benchmark::{Loader, harbor::Solution};
use harness_core::{
    Arguments, Completion, LlmBackend, Message, Request, ResponseSchema, ToolCall, ToolSpec,
};
use harness_llm::{Playbook, Profile, SimulatedLlm};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::cli::{command, stderr};

/// Planted, and looked for in everything that a run leaves.
const KEY: &str = "sk-planted-0123456789-abcdefghij";

#[tokio::test(flavor = "multi_thread")]
async fn the_example_runs_against_any_such_server_and_the_key_stays_where_it_belongs() {
    let home = TempDir::new().unwrap();
    let address = serve(Arc::new(model())).await;
    let arguments = [
        "--base-url",
        &address,
        "--model",
        "behind-the-wire",
        "--limit",
        "12",
        "--rounds",
        "1",
        "--width",
        "1",
        "--attempts",
        "1",
        "--claim-attempts",
        "1",
        "--steps",
        "12",
        "--sandbox",
        "auto",
        "--state",
        "s",
        "--json",
    ];
    let mut command = command(&home, &arguments);
    command.env("SELF_HARNESS_API_KEY", KEY).env("RUST_LOG", "trace");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));

    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        summary["simulated"], false,
        "what is behind a wire cannot be known to be simulated"
    );
    assert!(
        summary["trials"]["scored"].as_u64() > Some(0) && summary["trials"]["void"] == 0,
        "{summary}"
    );
    assert!(summary["cost"]["usd"].is_null() && summary["cost"]["tokens"].as_u64() > Some(0));
    assert!(!summary["rounds"][0]["weaknesses"].as_array().unwrap().is_empty(), "{summary}");

    let everything = [output.stdout, output.stderr].concat();
    assert!(!holds(&everything, KEY), "the key is in the output");
    for file in files(home.path()) {
        assert!(!holds(&std::fs::read(&file).unwrap(), KEY), "the key is in {}", file.display());
    }
}

fn model() -> SimulatedLlm {
    let tasks =
        Loader::new().load(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tasks")).unwrap().tasks;
    let playbooks = tasks.iter().filter_map(|task| {
        let script = task.solution.as_ref()?.files.file(Solution::SCRIPT)?;
        let outputs = task
            .task
            .outputs
            .iter()
            .map(|output| output.relative_to(&task.task.environment.workdir));
        let script = String::from_utf8_lossy(script).into_owned();
        Some(Playbook::from_script(
            task.task.name.as_str(),
            &task.task.instruction,
            &script,
            outputs,
        ))
    });
    SimulatedLlm::new(Profile::named("explorer").unwrap(), 1, playbooks.collect::<Vec<_>>())
}

async fn serve(model: Arc<SimulatedLlm>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, Arc::clone(&model)));
        }
    });
    address
}

/// One keep-alive connection.
async fn connection(stream: TcpStream, model: Arc<SimulatedLlm>) {
    let mut stream = BufReader::new(stream);
    while let Some((authorized, body)) = request(&mut stream).await {
        let (status, reply) = match (authorized, body) {
            (true, Some(body)) => ("200 OK", answer(&model, &body).await),
            (true, None) => ("404 Not Found", json!({ "error": { "message": "no such thing" } })),
            (false, _) => ("401 Unauthorized", json!({ "error": { "message": "no key" } })),
        };
        let reply = reply.to_string();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            reply.len()
        );
        if stream.write_all((head + &reply).as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Whether it brings the key, and its body; `None` when the connection is closed.
async fn request(stream: &mut BufReader<TcpStream>) -> Option<(bool, Option<Value>)> {
    let (mut length, mut authorized) = (0, false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => authorized = value.trim() == format!("Bearer {KEY}"),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((authorized, serde_json::from_slice(&body).ok()))
}

/// From the wire to the model and back.
async fn answer(model: &SimulatedLlm, body: &Value) -> Value {
    let messages = body["messages"].as_array().unwrap().iter().map(message).collect();
    let tools = body["tools"].as_array().into_iter().flatten().map(|tool| {
        let function = &tool["function"];
        ToolSpec {
            name: text(&function["name"]),
            description: text(&function["description"]),
            parameters: function["parameters"].clone(),
        }
    });
    let schema = &body["response_format"]["json_schema"];
    let response_schema = schema
        .is_object()
        .then(|| ResponseSchema { name: text(&schema["name"]), schema: schema["schema"].clone() });
    let tools = tools.collect();
    let request = Request {
        messages,
        tools,
        response_schema,
        seed: body["seed"].as_u64(),
        ..Request::default()
    };
    reply(&model.complete(request).await.unwrap())
}

fn message(message: &Value) -> Message {
    let content = text(&message["content"]);
    match message["role"].as_str().unwrap() {
        "system" | "developer" => Message::system(content),
        "user" => Message::user(content),
        "tool" => Message::tool(text(&message["tool_call_id"]), content),
        _ => {
            let calls =
                message["tool_calls"].as_array().into_iter().flatten().map(|call| ToolCall {
                    id: text(&call["id"]),
                    name: text(&call["function"]["name"]),
                    arguments: Arguments::parse(&text(&call["function"]["arguments"])),
                });
            Message::assistant(content).with_tool_calls(calls.collect())
        }
    }
}

fn reply(completion: &Completion) -> Value {
    let calls: Vec<Value> = completion
        .message
        .tool_calls
        .iter()
        .map(|call| {
            json!({ "id": call.id, "type": "function",
                    "function": { "name": call.name, "arguments": call.arguments.to_text() } })
        })
        .collect();
    let finish = if calls.is_empty() { "stop" } else { "tool_calls" };
    let mut message = json!({ "role": "assistant", "content": completion.message.content });
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    let usage = completion.usage.unwrap_or_default();
    json!({
        "id": "chat-1", "object": "chat.completion", "model": "behind-the-wire",
        "choices": [{ "index": 0, "message": message, "finish_reason": finish }],
        "usage": { "prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens,
                   "total_tokens": usage.tokens() },
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn holds(bytes: &[u8], needle: &str) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
}

fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
