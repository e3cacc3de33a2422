//! The example against a server on loopback that speaks OpenAI's chat completions and Anthropic's Messages: every call of the run
//! goes through real HTTP. Behind the server a simulated model thinks, so that the run has something to find.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use harness_benchmark::{HarborTask, Loader};
use harness_core::{
    Arguments, Completion, LlmBackend, Message, Redactor, Request, ResponseSchema, ToolCall,
    ToolSpec,
};
use harness_llm::{Profile, SimulatedLlm};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::cli::{command, stderr};
use crate::playbook::playbook;

/// Planted, and looked for in everything that a run leaves.
pub(crate) const KEY: &str = "sk-planted-0123456789-abcdefghij";

#[tokio::test(flavor = "multi_thread")]
async fn the_example_runs_against_any_such_server_and_the_key_stays_where_it_belongs() {
    let (summary, _home) = run("behind-the-wire", "SELF_HARNESS_API_KEY").await;
    assert!(!summary["rounds"][0]["weaknesses"].as_array().unwrap().is_empty(), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_runs_against_anthropics_messages_and_the_key_stays_where_it_belongs() {
    run("anthropic:behind-the-wire", "ANTHROPIC_API_KEY").await;
}

/// Every option of the wire at once, against a server that is down for a while in the middle; then the same run again from what was
/// recorded, with no server at all.
#[tokio::test(flavor = "multi_thread")]
async fn the_wires_options_reach_the_server_and_a_recorded_run_is_played_again() {
    let home = TempDir::new().unwrap();
    let served = Arc::new(Served::new(self::model("planner")).with_outage(10..22));
    let address = serve(Arc::clone(&served)).await;
    let prices = home.path().join("prices.toml");
    std::fs::write(&prices, "[\"openai:behind-the-wire\"]\nprompt = 1.0\ncompletion = 2.0\n")
        .unwrap();
    // A gate whose trials are fixed beforehand, so that both runs make the same. What these tasks print holds no times, owners or hashes of them: a recorded reply belongs to its whole request.
    let arguments = "--exclude git-* --exclude legacy-* --exclude kv-* --exclude *-archives --exclude *-tar --exclude *-modes --exclude rotate-* --exclude log-* \
        --limit 9 --rounds 1 --width 1 --attempts 1 --claim-attempts 1 --steps 12 --sandbox auto --json \
        --gate paper --concurrency 4 --model openai:behind-the-wire --prices prices.toml";
    let wire = "--calls-at-once 1 --calls-per-minute 600000 --tokens-per-minute 600000000 --connect-timeout 30s \
        --first-byte-timeout 5m --stall-timeout 5m --call-timeout 5m --repeat-charged --record replies.jsonl --state first";
    let recording = format!("{arguments} {wire} --base-url {address}");
    let first = example(&home, &recording).await;
    assert_eq!(first["trials"]["void"], 0, "an outage voids nothing: {first}");
    assert!(first["cost"]["usd"].as_f64() > Some(0.0), "{first}");
    assert_eq!(served.most_at_once.load(Ordering::SeqCst), 1);
    let asked = served.asked.load(Ordering::SeqCst);
    assert!(asked > 22, "the outage was in the middle: {asked}");
    look_for_the_key(&[], home.path());

    let again = example(&home, &format!("{arguments} --replay replies.jsonl --state second")).await;
    assert_eq!(served.asked.load(Ordering::SeqCst), asked, "nobody was asked");
    for what in ["trials", "rounds", "claim"] {
        assert_eq!(first[what], again[what], "{what}");
    }
}

/// The summary of the example run with these arguments.
pub(crate) async fn example(home: &TempDir, arguments: &str) -> Value {
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let mut command = command(home, &arguments);
    command.env("OPENAI_API_KEY", KEY);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs the example, looks for the key in everything that it leaves, and gives its summary.
async fn run(model: &str, variable: &str) -> (Value, TempDir) {
    let home = TempDir::new().unwrap();
    let address = serve(Arc::new(Served::new(self::model("explorer")))).await;
    // A gate whose trials are fixed beforehand, so that both runs make the same. What these tasks print holds no times, owners or hashes of them: a recorded reply belongs to its whole request.
    let arguments = "--exclude git-* --exclude *-archives --exclude *-tar --exclude *-modes --exclude rotate-* --exclude log-* \
        --limit 12 --rounds 1 --width 1 --attempts 1 --claim-attempts 1 --steps 12 --sandbox auto --state s --json";
    let served = ["--base-url", &address, "--model", model];
    let arguments: Vec<&str> = served.into_iter().chain(arguments.split(' ')).collect();
    let mut command = command(&home, &arguments);
    command.env(variable, KEY).env("RUST_LOG", "trace");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));

    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let what_is_behind_cannot_be_known = &summary["simulated"];
    assert_eq!(what_is_behind_cannot_be_known, false);
    let trials = &summary["trials"];
    assert!(trials["scored"].as_u64() > Some(0) && trials["void"] == 0, "{summary}");
    assert!(summary["cost"]["usd"].is_null() && summary["cost"]["tokens"].as_u64() > Some(0));
    look_for_the_key(&[output.stdout, output.stderr].concat(), home.path());
    (summary, home)
}

/// In every form that text gives it: plain, JSON, URL, hexadecimal, base64 at each offset.
fn look_for_the_key(output: &[u8], home: &Path) {
    let key = Redactor::new([KEY]).unwrap();
    assert!(!key.finds(output), "the key is in the output");
    assert_eq!(holding(&key, home), [] as [PathBuf; 0], "the key is in what the run left");
    // The same search finds a leak that is planted deep in what the run left.
    let deepest = files(home).into_iter().max_by_key(|file| file.components().count()).unwrap();
    let planted = deepest.with_file_name("planted");
    let encoded: String = KEY.bytes().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(&planted, format!("{{\"note\": \"it is {encoded}\"}}")).unwrap();
    assert_eq!(holding(&key, home), std::slice::from_ref(&planted));
    assert!(key.finds(&[output, KEY.as_bytes()].concat()));
    std::fs::remove_file(planted).unwrap();
}

fn holding(key: &Redactor, home: &Path) -> Vec<PathBuf> {
    let holds = |file: &PathBuf| key.finds(&std::fs::read(file).unwrap());
    files(home).into_iter().filter(holds).collect()
}

pub(crate) fn model(profile: &str) -> SimulatedLlm {
    let tasks =
        Loader::new().load(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tasks")).unwrap().tasks;
    let named = |task: &HarborTask| playbook(task, task.task.name.as_str());
    let playbooks = tasks.iter().filter_map(named);
    SimulatedLlm::new(Profile::named(profile).unwrap(), 1, playbooks.collect::<Vec<_>>())
}

/// How a request is not answered; all but the first until whoever asked goes away.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hang {
    /// The connection ends at once.
    Closed,
    /// Not a byte.
    Silent,
    /// The beginning of a stream.
    Stalled,
    /// A stream of nothing but signs of life.
    Dripping,
}

/// A server, and what was asked of it.
pub(crate) struct Served {
    model: SimulatedLlm,
    /// Requests by number that are answered by 503.
    outage: Range<usize>,
    /// Requests by number that are read and never answered: the connection ends.
    cut: Range<usize>,
    /// Requests by number that are not answered.
    hangs: BTreeMap<usize, Hang>,
    hung: AtomicUsize,
    arrivals: Mutex<Vec<Instant>>,
    pub(crate) asked: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl Served {
    pub(crate) fn new(model: SimulatedLlm) -> Self {
        let [asked, at_once, most_at_once, hung] = Default::default();
        let (hangs, arrivals) = Default::default();
        Self { model, outage: 0..0, cut: 0..0, hangs, hung, arrivals, asked, at_once, most_at_once }
    }

    pub(crate) fn with_hangs(self, hangs: impl IntoIterator<Item = (usize, Hang)>) -> Self {
        Self { hangs: hangs.into_iter().collect(), ..self }
    }

    /// How many requests were left hanging.
    pub(crate) fn hung(&self) -> usize {
        self.hung.load(Ordering::SeqCst)
    }

    /// When requests came, in order.
    pub(crate) fn arrivals(&self) -> Vec<Instant> {
        self.arrivals.lock().unwrap().clone()
    }

    fn with_outage(self, outage: Range<usize>) -> Self {
        Self { outage, ..self }
    }

    pub(crate) fn with_cut(self, cut: Range<usize>) -> Self {
        Self { cut, ..self }
    }

    async fn answer(&self, asked: Asked) -> std::result::Result<Reply, Hang> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        self.arrivals.lock().unwrap().push(Instant::now());
        if self.cut.contains(&number) {
            return Err(Hang::Closed);
        }
        if let Some(hang) = self.hangs.get(&number) {
            self.hung.fetch_add(1, Ordering::SeqCst);
            return Err(*hang);
        }
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        let is_streamed = asked.body.as_ref().is_some_and(|body| body["stream"] == true);
        let (status, reply) = match (asked.authorized, asked.path.as_str(), asked.body) {
            (false, ..) => ("401 Unauthorized", json!({ "error": { "message": "no key" } })),
            _ if self.outage.contains(&number) => {
                ("503 Service Unavailable", json!({ "error": { "message": "later" } }))
            }
            (true, "/v1/chat/completions", Some(body)) => {
                ("200 OK", answer(&self.model, &body).await)
            }
            (true, "/v1/messages", Some(body)) => {
                ("200 OK", messages::answer(&self.model, &body).await)
            }
            _ => ("404 Not Found", json!({ "error": { "message": "no such thing" } })),
        };
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        Ok(match is_streamed && status.starts_with("200") {
            true => Reply { status, kind: "text/event-stream", body: stream(&reply) },
            false => Reply { status, kind: "application/json", body: reply.to_string() },
        })
    }
}

struct Reply {
    status: &'static str,
    kind: &'static str,
    body: String,
}

/// A whole chat completion as a stream of it.
fn stream(reply: &Value) -> String {
    let choice = &reply["choices"][0];
    let mut delta = choice["message"].clone();
    for (index, call) in delta["tool_calls"].as_array_mut().into_iter().flatten().enumerate() {
        call["index"] = index.into();
    }
    let events = [
        json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] }),
        json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": choice["finish_reason"] }] }),
        json!({ "choices": [], "usage": reply["usage"] }),
    ];
    events.iter().map(|event| format!("data: {event}\n\n")).collect::<String>() + "data: [DONE]\n\n"
}

pub(crate) async fn serve(served: Arc<Served>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(accept(listener, served));
    address
}

/// Serves until it is dropped, and with it every connection.
pub(crate) async fn accept(listener: TcpListener, served: Arc<Served>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(connection(stream, Arc::clone(&served)));
    }
}

/// One keep-alive connection.
async fn connection(stream: TcpStream, served: Arc<Served>) {
    let mut stream = BufReader::new(stream);
    while let Some(asked) = request(&mut stream).await {
        let Reply { status, kind, body } = match served.answer(asked).await {
            Ok(reply) => reply,
            Err(hang) => return leave_hanging(stream, hang).await,
        };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
        );
        if stream.write_all((head + &body).as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn leave_hanging(mut stream: BufReader<TcpStream>, hang: Hang) {
    if matches!(hang, Hang::Closed) {
        return;
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let begun = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"I\"}}]}\n\n";
    let beginning = match hang {
        Hang::Closed | Hang::Silent => String::new(),
        Hang::Stalled => head.to_owned() + begun,
        Hang::Dripping => head.to_owned(),
    };
    let _ = stream.write_all(beginning.as_bytes()).await;
    while matches!(hang, Hang::Dripping) && stream.write_all(b": still here\n\n").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    while stream.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {}
}

struct Asked {
    path: String,
    /// Whether it brings the key.
    authorized: bool,
    body: Option<Value>,
}

/// `None` when the connection is closed.
async fn request(stream: &mut BufReader<TcpStream>) -> Option<Asked> {
    let (mut path, mut length, mut authorized) = (None, 0, false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let Some(_) = &path else {
            path = line.split(' ').nth(1).map(str::to_owned);
            continue;
        };
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => authorized = value.trim() == format!("Bearer {KEY}"),
            "x-api-key" => authorized = value.trim() == KEY,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Asked { path: path?, authorized, body: serde_json::from_slice(&body).ok() })
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

fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Anthropic's protocol, from the server's end.
mod messages {
    use super::*;

    pub(super) async fn answer(model: &SimulatedLlm, body: &Value) -> Value {
        let tools = body["tools"].as_array().into_iter().flatten().map(|tool| ToolSpec {
            name: text(&tool["name"]),
            description: text(&tool["description"]),
            parameters: tool["input_schema"].clone(),
        });
        let schema = &body["output_config"]["format"]["schema"];
        let response_schema = schema
            .is_object()
            .then(|| ResponseSchema { name: "reply".into(), schema: schema.clone() });
        let system = body["system"].as_array().into_iter().flatten();
        let mut messages: Vec<Message> =
            system.map(|block| Message::system(text(&block["text"]))).collect();
        messages.extend(body["messages"].as_array().unwrap().iter().flat_map(turn));
        let request =
            Request { messages, tools: tools.collect(), response_schema, ..Request::default() };
        reply(&model.complete(request).await.unwrap())
    }

    fn turn(turn: &Value) -> Vec<Message> {
        let blocks = turn["content"].as_array().unwrap();
        if turn["role"] == "assistant" {
            let said: String = blocks.iter().map(|block| text(&block["text"])).collect();
            let calls = blocks.iter().filter(|block| block["type"] == "tool_use");
            let calls = calls.map(|block| ToolCall {
                id: text(&block["id"]),
                name: text(&block["name"]),
                arguments: Arguments::Parsed(block["input"].clone()),
            });
            return vec![Message::assistant(said).with_tool_calls(calls.collect())];
        }
        let message = |block: &Value| match block["type"].as_str() {
            Some("tool_result") => {
                Message::tool(text(&block["tool_use_id"]), text(&block["content"][0]["text"]))
            }
            _ => Message::user(text(&block["text"])),
        };
        blocks.iter().map(message).collect()
    }

    fn reply(completion: &Completion) -> Value {
        let said = &completion.message;
        let mut content = Vec::new();
        if !said.content.is_empty() {
            content.push(json!({ "type": "text", "text": said.content }));
        }
        content.extend(said.tool_calls.iter().map(|call| {
            let input: Value = serde_json::from_str(&call.arguments.to_text()).unwrap_or_default();
            json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input })
        }));
        let reason = if said.tool_calls.is_empty() { "end_turn" } else { "tool_use" };
        let usage = completion.usage.unwrap_or_default();
        json!({
            "type": "message", "role": "assistant", "model": "behind-the-wire", "content": content,
            "stop_reason": reason,
            "usage": { "input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens },
        })
    }
}
