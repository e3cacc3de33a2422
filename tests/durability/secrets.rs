//! Keys in twelve formats, sent back by the server in twelve encoded forms, and looked for in every place that a run leaves. A decoy, which
//! nobody was told to hide, goes the same ways: where it arrives, the key would have.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use harness_llm::{AnthropicBackend, OpenAiBackend, Secret};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::records::records;
use crate::rig::{command, each, program, said};

/// As providers, proxies and gateways make them; none is a real one.
const KEYS: [&str; 12] = [
    "sk-proj-T3BlbkFJ0123456789abcdefghijKLMN",
    "sk-ant-api03-AAAAbbbbCCCCdddd0123456789-_eeeeAA",
    "AIzaSyD-0123456789abcdefghijklmnopqrstu",
    "gsk_0123456789ABCDEFghijklmnopQRSTUV",
    "hf_abcdefghijklmnopqrstuvwxyz012345",
    "xai-0123456789abcdefABCDEF0123456789",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmF0dXJl-planted_0",
    "3f0c2a9e-7b1d-4c55-9e88-0123456789ab",
    "AKIAPLANTED0EXAMPLE0:wJalr/XUtnF+EMI/K7MDENG=",
    "pa%73s/w+rd==&x=<planted>\"quoted\"'0123",
    "back\\slash\\and/slash/0123456789",
    "0123456789abcdef0123456789ABCDEF",
];
/// Goes wherever the key goes, in the same forms; nothing hides it.
const DECOY: &str = "decoy-that-may/be+seen=0123456789\"<&>\"";

/// How twelve kinds of text write `secret`.
fn forms(secret: &str) -> [String; 12] {
    let quote = |text: &str| {
        let quoted = Value::from(text).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let url = |digits: fn(u8) -> String| -> String {
        let digit = |byte| if plain(byte) { char::from(byte).to_string() } else { digits(byte) };
        secret.bytes().map(digit).collect()
    };
    let escapes = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&#39;")];
    let html = escapes.iter().fold(secret.to_owned(), |text, (from, to)| text.replace(from, to));
    [
        secret.to_owned(),
        quote(secret),
        quote(&quote(secret)),
        html,
        url(|byte| format!("%{byte:02X}")),
        url(|byte| format!("%{byte:02x}")),
        HEXLOWER.encode(secret.as_bytes()),
        HEXUPPER.encode(secret.as_bytes()),
        BASE64.encode(secret.as_bytes()),
        BASE64_NOPAD.encode(format!("a{secret}").as_bytes()),
        BASE64_NOPAD.encode(format!("Basic me:{secret}").as_bytes()),
        BASE64URL_NOPAD.encode(secret.as_bytes()),
    ]
}

/// What of a form must not be seen: in base64 the first and the last digits also depend on what stands around.
fn marks(secret: &str) -> Vec<String> {
    let mut marks = forms(secret).to_vec();
    for packed in &mut marks[8..] {
        let digits = packed.trim_end_matches('=').len();
        *packed = packed[12..digits - 2].to_owned();
    }
    marks
}

fn finds(bytes: &[u8], marks: &[String]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    marks.iter().find(|mark| text.contains(mark.as_str())).cloned()
}

/// How the server treats whoever asks.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Tells back what it was sent.
    Talkative,
    /// Lets nobody in, and says whom.
    Closed,
    /// Refuses every question, and says whose.
    Refusing,
    /// Has a model, and lets questions wait.
    Silent,
}

/// A server that sends `echoed` back in every form: in texts, in arguments of tools, in errors.
fn serve(manner: Manner, echoed: Vec<String>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let echoed = echoed.clone();
            // A client that is gone ends its connection; that is all.
            std::thread::spawn(move || {
                stream.and_then(|stream| converse(&stream, manner, &echoed))
            });
        }
    });
    address
}

fn converse(stream: &TcpStream, manner: Manner, echoed: &[String]) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut asked = vec![0; length];
        reader.read_exact(&mut asked)?;
        let asks_for_models = first.starts_with("GET");
        let (status, body) = match manner {
            Manner::Closed => ("401 Unauthorized", refusal(echoed)),
            _ if asks_for_models => ("200 OK", models()),
            Manner::Refusing => ("400 Bad Request", refusal(echoed)),
            Manner::Silent => {
                reader.read_to_end(&mut Vec::new())?;
                return Ok(());
            }
            Manner::Talkative => ("200 OK", answer(echoed)),
        };
        let body = body.to_string();
        let mut stream = stream;
        let head = "content-type: application/json\r\ncontent-length:";
        write!(stream, "HTTP/1.1 {status}\r\n{head} {}\r\n\r\n{body}", body.len())?;
    }
}

fn models() -> Value {
    json!({ "object": "list", "data": [{ "id": "echo", "object": "model" }] })
}

fn refusal(echoed: &[String]) -> Value {
    json!({ "error": { "message": format!("no such key: {}", echoed.join(" ")), "type": "auth" } })
}

fn answer(echoed: &[String]) -> Value {
    let text = echoed.join(" | ");
    let arguments = json!({ "command": format!("cat <<'END'\n{text}\nEND") }).to_string();
    let call = json!({ "name": "shell", "arguments": arguments });
    let call = json!({ "id": "call-1", "type": "function", "function": call });
    let message = json!({ "role": "assistant", "content": text, "tool_calls": [call] });
    json!({
        "id": "1", "object": "chat.completion", "created": 0, "model": "echo",
        "choices": [{ "index": 0, "finish_reason": "tool_calls", "message": message }],
        "usage": { "prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20 }
    })
}

const OPTIONS: &str = "--model echo --limit 4 --rounds 1 --width 1 --attempts 1 --claim-attempts 1 --steps 2 --gate paper \
                       --seed 1 --concurrency 2 --state s --json";

fn example(home: &Path, address: &str, key: &str) -> Command {
    let options: Vec<&str> = OPTIONS.split_whitespace().collect();
    let mut command = command(home, &[&["--base-url", address], &options[..]].concat());
    command.env("SELF_HARNESS_API_KEY", key).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
    command
}

fn beside(name: &str, home: &Path, arguments: &[&str]) -> Output {
    let program = program().with_file_name(name);
    assert!(program.exists(), "build it first: cargo build --example {name}");
    Command::new(program).current_dir(home).args(arguments).output().unwrap()
}

/// Every place where a key could end up, by name, with what is there.
fn places(home: &Path, run: &Output) -> Vec<(&'static str, Vec<u8>)> {
    let state = home.join("s");
    let file = |name: &str| fs::read(state.join(name)).unwrap_or_default();
    let audit = beside("audit", home, &["s", "--export", "run.bundle"]);
    let replay = beside("replay", home, &["s"]);
    let unpacked: Vec<String> = records(home)
        .unwrap()
        .iter()
        .map(|record| serde_json::to_string(record).unwrap())
        .collect();
    vec![
        ("journal", [file("journal.sqlite"), file("journal.sqlite-wal")].concat()),
        ("records", unpacked.join("\n").into_bytes()),
        ("summary", file("summary.json")),
        ("report", file("report.md")),
        ("harness", file("harness.json")),
        (
            "tip, lock and seal",
            ["tip", "lock", "seal"].map(|it| file(&format!("journal.{it}"))).concat(),
        ),
        ("stdout", run.stdout.clone()),
        ("traces", run.stderr.clone()),
        ("audit", [audit.stdout, audit.stderr].concat()),
        ("bundle", fs::read(home.join("run.bundle")).unwrap_or_default()),
        ("replay", [replay.stdout, replay.stderr].concat()),
    ]
}

/// Where text of the model arrives, so that a key in it would have been seen: the decoy is there. To the other places no text of a model
/// has a way, and the decoy is not there either.
const WITH_TEXT: [&str; 2] = ["journal", "records"];

#[test]
fn a_key_that_the_server_sends_back_in_every_form_reaches_no_place() {
    each(KEYS.len(), |number| {
        let key = KEYS[number];
        let home = TempDir::new().unwrap();
        let echoed = [forms(key), forms(DECOY)].concat();
        let address = serve(Manner::Talkative, echoed);
        let run = example(home.path(), &address, key).output().unwrap();
        assert_eq!(run.status.code(), Some(0), "{}", said(&run));
        let (marks, decoys) = (marks(key), marks(DECOY));
        for (place, bytes) in places(home.path(), &run) {
            assert_eq!(finds(&bytes, &marks), None, "the key {number} is in: {place}");
            let arrives = finds(&bytes, &decoys).is_some();
            assert_eq!(arrives, WITH_TEXT.contains(&place), "whether anything arrives in: {place}");
            check_that_the_search_bites(place, bytes, &marks);
        }
    });
}

/// Every form of the key is found in each place where it is put.
fn check_that_the_search_bites(place: &str, mut bytes: Vec<u8>, marks: &[String]) {
    let middle = bytes.len() / 2;
    for mark in marks {
        bytes.splice(middle..middle, mark.bytes());
        assert!(finds(&bytes, marks).is_some(), "{mark} is not found in: {place}");
        bytes.drain(middle..middle + mark.len());
    }
}

#[test]
fn a_key_that_the_server_names_in_its_refusal_is_in_no_error() {
    for key in KEYS {
        for manner in [Manner::Closed, Manner::Refusing] {
            let home = TempDir::new().unwrap();
            let address = serve(manner, [forms(key), forms(DECOY)].concat());
            let run = example(home.path(), &address, key).output().unwrap();
            assert_eq!(run.status.code(), Some(1), "{}", said(&run));
            let all = [run.stdout, run.stderr].concat();
            assert_eq!(finds(&all, &marks(key)), None, "the key is in the error");
            // What a server says to whom it does not let in is not passed on at all.
            let arrives = finds(&all, &marks(DECOY)).is_some();
            assert_eq!(arrives, manner == Manner::Refusing, "{}", String::from_utf8_lossy(&all));
        }
    }
}

/// `Debug`, and with it every panic that shows one of these.
#[test]
fn a_key_is_in_no_debug_text_and_in_no_panic() {
    for key in KEYS {
        let secret = Secret::new(key).unwrap();
        let openai =
            OpenAiBackend::new("http://127.0.0.1:1/v1", "m").unwrap().with_key(secret.clone());
        let anthropic =
            AnthropicBackend::new("http://127.0.0.1:1/v1", "m").unwrap().with_key(secret.clone());
        let redactor = secret.redactor().unwrap();
        let shown = format!("{secret:?} {openai:?} {anthropic:#?} {redactor:?}");
        let panicked = std::panic::catch_unwind(|| -> () { panic!("{shown}") }).unwrap_err();
        let message = panicked.downcast_ref::<String>().unwrap();
        assert_eq!(finds(message.as_bytes(), &marks(key)), None, "{message}");
    }
}

/// A process that holds a key leaves no image of its memory, whatever ends it.
#[test]
fn a_process_with_a_key_leaves_no_core() {
    let home = TempDir::new().unwrap();
    let address = serve(Manner::Silent, Vec::new());
    // Asked for aloud, as people do who look for another fault.
    let mut shell = Command::new("bash");
    let run = example(home.path(), &address, KEYS[0]);
    shell.current_dir(home.path()).args(["-c", "ulimit -c unlimited; exec \"$@\"", "bash"]);
    shell.arg(run.get_program()).args(run.get_args());
    shell.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut child =
        shell.stderr(fs::File::create(home.path().join("err")).unwrap()).spawn().unwrap();
    let began = Instant::now();
    while records(home.path()).map_or(0, |records| records.len()) < 2 {
        assert!(child.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["1", "1"], "{core}");
    let child_id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(child_id, rustix::process::Signal::ABORT).unwrap();
    child.wait().unwrap();
    let cores = fs::read_dir(home.path())
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let cores: Vec<_> = cores.filter(|name| name.starts_with("core")).collect();
    assert_eq!(cores, Vec::<String>::new());
}
