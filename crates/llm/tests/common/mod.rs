//! A real HTTP server on loopback that answers what it was told to, and the three wires that speak with it.
#![allow(dead_code, reason = "each test uses a part")]

pub(crate) mod faults;
pub(crate) mod wires;

use std::fmt::{self, Display};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What to do with one request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Status, further header lines, body.
    Whole(u16, String, String),
    /// These bytes, then an end.
    Raw(Vec<u8>, End),
    /// What this makes of the request.
    Made(Arc<dyn Fn(&Seen) -> Answer + Send + Sync>),
}

/// How a connection ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// In order.
    Close,
    /// With a reset.
    Reset,
    /// Not at all, until the client goes away.
    Stall,
    /// Nor this: a line break every few milliseconds, until the client goes away.
    Drip,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(status, ..) => write!(f, "Whole({status})"),
            Self::Raw(bytes, end) => write!(f, "Raw({} bytes, {end:?})", bytes.len()),
            Self::Made(_) => f.write_str("Made"),
        }
    }
}

pub(crate) fn json(body: impl Display) -> Answer {
    Answer::Whole(200, "content-type: application/json\r\n".into(), body.to_string())
}

pub(crate) fn status(code: u16, body: impl Display) -> Answer {
    Answer::Whole(code, String::new(), body.to_string())
}

/// Server-sent events, the last byte of which ends the connection so.
pub(crate) fn events(body: impl AsRef<[u8]>, end: End) -> Answer {
    let mut bytes = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_vec();
    bytes.extend_from_slice(body.as_ref());
    Answer::Raw(bytes, end)
}

pub(crate) fn silence() -> Answer {
    Answer::Raw(Vec::new(), End::Stall)
}

pub(crate) fn hang_up() -> Answer {
    Answer::Raw(Vec::new(), End::Close)
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: serde_json::Value,
}

pub(crate) struct Server {
    pub(crate) base_url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    busy: Arc<AtomicUsize>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    /// Answers the n-th request with the n-th answer, and the last one ever after.
    pub(crate) async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let busy = Arc::new(AtomicUsize::new(0));
        let (log, count) = (Arc::clone(&seen), Arc::clone(&busy));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answers.clone(), Arc::clone(&log), Arc::clone(&count)));
            }
        });
        Self { base_url, seen, busy, accepting }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests are being answered; works on after the server is gone.
    pub(crate) fn in_flight(&self) -> Arc<dyn Fn() -> usize + Send + Sync> {
        let busy = Arc::clone(&self.busy);
        Arc::new(move || busy.load(Ordering::SeqCst))
    }
}

async fn serve(
    mut stream: TcpStream,
    answers: Vec<Answer>,
    log: Arc<Mutex<Vec<Seen>>>,
    busy: Arc<AtomicUsize>,
) {
    let Some(request) = read(&mut stream).await else { return };
    busy.fetch_add(1, Ordering::SeqCst);
    let answer = {
        let mut log = log.lock().unwrap();
        log.push(request.clone());
        answers[(log.len() - 1).min(answers.len() - 1)].clone()
    };
    let answer = match answer {
        Answer::Made(make) => make(&request),
        answer => answer,
    };
    send(stream, answer).await;
    busy.fetch_sub(1, Ordering::SeqCst);
}

async fn send(mut stream: TcpStream, answer: Answer) {
    let (bytes, end) = match answer {
        Answer::Whole(status, headers, body) => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n"
            );
            (format!("{head}{body}").into_bytes(), End::Close)
        }
        Answer::Raw(bytes, end) => (bytes, end),
        Answer::Made(_) => unreachable!("made before"),
    };
    let _ = stream.write_all(&bytes).await;
    let _ = stream.flush().await;
    match end {
        End::Close => {
            let _ = stream.shutdown().await;
        }
        // Closing, after this, sends a reset.
        End::Reset => stream.set_zero_linger().unwrap(),
        End::Drip => {
            while stream.write_all(b"\n").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        End::Stall => while stream.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {},
    }
}

async fn read(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .to_lowercase()
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        if body.len() >= length.unwrap_or(0) {
            let body = serde_json::from_str(body).unwrap_or_default();
            return Some(Seen { head: head.to_owned(), body });
        }
    }
}
