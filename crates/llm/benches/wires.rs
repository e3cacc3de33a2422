//! What the wires and the wrappers cost beside a bare HTTP client on the same server: `cargo bench -p harness-llm --bench wires`.
//!
//! Every figure is a ratio to a floor of the same run: subjects take turns, and each ratio is of medians. The server is a process of its
//! own, and so is each measurement of memory.
#![allow(clippy::unwrap_used, missing_docs, reason = "a program that is run by hand")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::StreamExt;
use futures::future::join_all;
use harness_core::{
    Completion, Delta, Error, ErrorKind, LlmBackend, Message, ModelId, Redactor, Request, Result,
};
use harness_llm::{
    AnthropicBackend, Api, Breaker, Cassette, Limited, Limiter, OpenAiBackend, Patience,
    PriceTable, Priced, Recorded, Redacted, Retried, Timed,
};
use serde_json::{Value, json};

/// Calls of each subject.
const ROUNDS: usize = 400;
/// Pieces of the long stream.
const PIECES: usize = 20_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let word = |word: &str| arguments.iter().position(|argument| argument == word);
    if word("--serve").is_some() {
        return serve();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let Some(at) = word("--thousand") {
        return runtime.block_on(thousand(&arguments[at + 1], &arguments[at + 2]));
    }
    let server = Server::start();
    runtime.block_on(async {
        overhead(&server.url).await;
        throughput(&server.url).await;
    });
    for subject in ["bare", "chat", "composed"] {
        let program = std::env::current_exe().unwrap();
        let status =
            Command::new(program).args(["--thousand", subject, &server.url]).status().unwrap();
        assert!(status.success());
    }
}

// The floor: a client that sends the same bytes and reads the same reply, as JSON.

#[derive(Debug)]
struct Bare {
    client: reqwest::Client,
    url: String,
    model: ModelId,
}

impl Bare {
    fn new(url: &str, name: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { client, url: format!("{url}/chat/completions"), model: ModelId::new("bare", name) }
    }

    fn body(&self, request: &Request, stream: bool) -> Value {
        let content = &request.messages[0].content;
        json!({ "model": self.model.name, "messages": [{ "role": "user", "content": content }], "stream": stream })
    }
}

#[async_trait]
impl LlmBackend for Bare {
    fn model(&self) -> &ModelId {
        &self.model
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        let sent = self.client.post(&self.url).json(&self.body(&request, false)).send().await;
        let reply: Value = sent.map_err(lost)?.json().await.map_err(lost)?;
        let text = reply["choices"][0]["message"]["content"].as_str().unwrap_or_default();
        Ok(Completion::text(text))
    }
}

fn lost(error: reqwest::Error) -> Error {
    Error::new(ErrorKind::ModelUnavailable, "lost").with_source(error)
}

fn request() -> Request {
    Request { messages: vec![Message::user("x".repeat(2000))], ..Request::default() }
}

fn chat(url: &str) -> OpenAiBackend {
    OpenAiBackend::new(url, "quick").unwrap()
}

fn wide() -> Limiter {
    let most = NonZeroU32::new(1_000_000_000).unwrap();
    let limiter = Limiter::new().with_concurrency(NonZeroU32::new(100_000).unwrap());
    limiter.with_calls_per_minute(most).with_tokens_per_minute(most)
}

fn redactor() -> Redactor {
    Redactor::new(["sk-0123456789abcdef"]).unwrap()
}

fn prices() -> PriceTable {
    PriceTable::from_toml("[quick]\nprompt = 1\ncompletion = 2").unwrap()
}

fn composed(backend: impl LlmBackend + 'static) -> Arc<dyn LlmBackend> {
    let limited = Limited::new(Timed::new(backend, Patience::default()), wide());
    let retried = Retried::new(Breaker::new(limited));
    Arc::new(Redacted::new(Priced::new(retried, &prices()), redactor()))
}

fn subjects(url: &str) -> Vec<(&'static str, Arc<dyn LlmBackend>)> {
    let tape = tempfile::NamedTempFile::new().unwrap();
    let cassette = Arc::new(Cassette::open(tape.path()).unwrap());
    vec![
        ("bare reqwest", Arc::new(Bare::new(url, "quick"))),
        ("chat completions", Arc::new(chat(url))),
        ("chat completions, streamed", Arc::new(chat(url).with_streaming(true))),
        ("Responses", Arc::new(chat(url).with_api(Api::Responses).unwrap())),
        ("Messages", Arc::new(AnthropicBackend::new(url, "quick").unwrap())),
        ("chat + Timed", Arc::new(Timed::new(chat(url), Patience::default()))),
        ("chat + Limited", Arc::new(Limited::new(chat(url), wide()))),
        ("chat + Breaker", Arc::new(Breaker::new(chat(url)))),
        ("chat + Retried", Arc::new(Retried::new(chat(url)))),
        ("chat + Priced", Arc::new(Priced::new(chat(url), &prices()))),
        ("chat + Redacted", Arc::new(Redacted::new(chat(url), redactor()))),
        ("chat + Recorded", Arc::new(Recorded::new(chat(url), cassette))),
        ("chat + all of them", composed(chat(url))),
    ]
}

async fn overhead(url: &str) {
    let subjects = subjects(url);
    let mut times = vec![Vec::with_capacity(ROUNDS); subjects.len()];
    for round in 0..ROUNDS + 20 {
        for (times, (_, backend)) in times.iter_mut().zip(&subjects) {
            let began = Instant::now();
            backend.complete(request()).await.unwrap();
            if round >= 20 {
                times.push(began.elapsed());
            }
        }
    }
    println!("one call, {ROUNDS} rounds in turns: median, and the ratio to the bare client's");
    let floor = median(&mut times[0]);
    for (times, (name, _)) in times.iter_mut().zip(&subjects) {
        let time = median(times);
        println!(
            "  {name:28} {:7.1} µs   {:.2} x",
            micros(time),
            time.as_secs_f64() / floor.as_secs_f64()
        );
    }
}

async fn throughput(url: &str) {
    let bare = Bare::new(url, "long");
    println!(
        "one stream of {PIECES} pieces, 7 rounds in turns: median, and the ratio to the bare client that only takes the bytes"
    );
    let long = |api: Api| OpenAiBackend::new(url, "long").unwrap().with_api(api).unwrap();
    let wires: [(&str, Arc<dyn LlmBackend>); 4] = [
        ("chat completions", Arc::new(long(Api::ChatCompletions))),
        ("Responses", Arc::new(long(Api::Responses))),
        ("Messages", Arc::new(AnthropicBackend::new(url, "long").unwrap())),
        ("chat + all of them", composed(long(Api::ChatCompletions))),
    ];
    let mut times = vec![Vec::new(); wires.len() + 1];
    let mut bytes = 0;
    for _ in 0..7 {
        let began = Instant::now();
        let sent = bare.client.post(&bare.url).json(&bare.body(&request(), true)).send().await;
        bytes = sent.unwrap().bytes().await.unwrap().len();
        times[0].push(began.elapsed());
        for (times, (_, wire)) in times[1..].iter_mut().zip(&wires) {
            let began = Instant::now();
            let mut deltas = wire.stream(request()).await.unwrap();
            let mut done = false;
            while let Some(delta) = deltas.next().await {
                done = matches!(delta.unwrap(), Delta::Done(_));
            }
            assert!(done);
            times.push(began.elapsed());
        }
    }
    let floor = median(&mut times[0]);
    let names = ["bare reqwest"].into_iter().chain(wires.iter().map(|(name, _)| *name));
    for (name, times) in names.zip(&mut times) {
        let time = median(times).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a figure to read")]
        let pieces = PIECES as f64 / time;
        println!(
            "  {name:28} {:7.1} ms   {pieces:9.0} pieces/s   {:.2} x",
            time * 1e3,
            time / floor.as_secs_f64()
        );
    }
    println!("  (the chat stream is {} kB)", bytes / 1000);
}

/// A thousand calls at once to a server that thinks for 100 ms, in a process of its own.
async fn thousand(subject: &str, url: &str) {
    let backend: Arc<dyn LlmBackend> = match subject {
        "bare" => Arc::new(Bare::new(url, "slow")),
        "chat" => Arc::new(OpenAiBackend::new(url, "slow").unwrap()),
        _ => composed(OpenAiBackend::new(url, "slow").unwrap()),
    };
    backend.complete(request()).await.unwrap();
    let (before, cpu, began) = (memory("VmRSS:"), cpu(), Instant::now());
    let replies = join_all((0..1000).map(|_| backend.complete(request()))).await;
    let (wall, cpu) = (began.elapsed(), self::cpu() - cpu);
    assert!(replies.iter().all(Result::is_ok), "{:?}", replies.iter().find(|reply| reply.is_err()));
    println!(
        "1,000 calls at once, {subject:9} {:6.0} ms wall  {cpu:5.0} ms CPU  {:6.1} MiB more at its peak",
        wall.as_secs_f64() * 1e3,
        (memory("VmHWM:") - before) / 1024.0
    );
}

/// KiB.
fn memory(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Milliseconds of this process so far, at 100 ticks a second.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) * 10.0
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

// The server: one thread a connection, kept alive, replies made beforehand.

struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start() -> Self {
        let program = std::env::current_exe().unwrap();
        let mut child =
            Command::new(program).arg("--serve").stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { child, url: url.trim().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    println!("http://{}/v1", listener.local_addr().unwrap());
    std::io::stdout().flush().unwrap();
    let replies = Arc::new(Replies::new());
    for stream in listener.incoming().flatten() {
        let replies = Arc::clone(&replies);
        let thread = std::thread::Builder::new().stack_size(128 << 10);
        let _ = thread.spawn(move || connection(stream, &replies));
    }
}

fn connection(stream: TcpStream, replies: &Replies) {
    let _ = stream.set_nodelay(true);
    let Ok(mut writer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    loop {
        let (mut path, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if !reader.read_line(&mut line).is_ok_and(|count| count > 0) {
                return;
            }
            let lower = line.to_ascii_lowercase();
            if path.is_empty() {
                path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            } else if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        if body["model"] == "slow" {
            std::thread::sleep(Duration::from_millis(100));
        }
        let streamed = body["stream"] == true;
        if writer.write_all(replies.of(&path, streamed, body["model"] == "long")).is_err() {
            return;
        }
    }
}

/// By protocol: whole, a short stream, a long one.
struct Replies([[Vec<u8>; 3]; 3]);

impl Replies {
    fn new() -> Self {
        Self([
            [whole(&chat_whole()), stream(&chat_stream(20)), stream(&chat_stream(PIECES))],
            [
                whole(&responses_whole()),
                stream(&responses_stream(20)),
                stream(&responses_stream(PIECES)),
            ],
            [
                whole(&messages_whole()),
                stream(&messages_stream(20)),
                stream(&messages_stream(PIECES)),
            ],
        ])
    }

    fn of(&self, path: &str, streamed: bool, long: bool) -> &[u8] {
        let protocol = match path {
            "/v1/responses" => 1,
            "/v1/messages" => 2,
            _ => 0,
        };
        &self.0[protocol][usize::from(streamed) + usize::from(streamed && long)]
    }
}

fn framed(kind: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn whole(reply: &Value) -> Vec<u8> {
    framed("application/json", &reply.to_string())
}

fn stream(events: &str) -> Vec<u8> {
    framed("text/event-stream", events)
}

fn chat_whole() -> Value {
    json!({ "model": "m", "choices": [{ "message": { "content": "word ".repeat(20) }, "finish_reason": "stop" }],
            "usage": { "prompt_tokens": 500, "completion_tokens": 20 } })
}

fn chat_stream(pieces: usize) -> String {
    let piece = json!({ "id": "chat-1", "object": "chat.completion.chunk", "model": "m",
                        "choices": [{ "index": 0, "delta": { "content": "word " }, "finish_reason": null }] });
    let end = json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }], "usage": { "prompt_tokens": 500, "completion_tokens": 20 } });
    format!("data: {piece}\n\n").repeat(pieces) + &format!("data: {end}\n\ndata: [DONE]\n\n")
}

fn responses_whole() -> Value {
    json!({ "model": "m", "status": "completed", "usage": { "input_tokens": 500, "output_tokens": 20 },
            "output": [{ "type": "message", "content": [{ "type": "output_text", "text": "word ".repeat(20) }] }] })
}

fn responses_stream(pieces: usize) -> String {
    let piece = json!({ "type": "response.output_text.delta", "item_id": "msg-1", "output_index": 0, "content_index": 0, "delta": "word " });
    let mut whole = responses_whole();
    whole["output"][0]["content"][0]["text"] = "word ".repeat(pieces).into();
    let end = json!({ "type": "response.completed", "response": whole });
    format!("event: response.output_text.delta\ndata: {piece}\n\n").repeat(pieces)
        + &format!("data: {end}\n\n")
}

fn messages_whole() -> Value {
    json!({ "model": "m", "stop_reason": "end_turn", "usage": { "input_tokens": 500, "output_tokens": 20 },
            "content": [{ "type": "text", "text": "word ".repeat(20) }] })
}

fn messages_stream(pieces: usize) -> String {
    let begin = json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } });
    let piece = json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "word " } });
    let end = json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "input_tokens": 500, "output_tokens": 20 } });
    format!("data: {begin}\n\n")
        + &format!("event: content_block_delta\ndata: {piece}\n\n").repeat(pieces)
        + &format!("data: {end}\n\ndata: {{\"type\":\"message_stop\"}}\n\n")
}
