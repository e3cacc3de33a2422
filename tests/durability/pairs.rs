//! Two engines on one state directory: exactly one wins, and the other says who holds it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Child;

use tempfile::TempDir;

use crate::rig::{amount, command, each};

/// A server that has a model and lets every question about it wait for ever, so that whoever asks holds its directory.
fn server() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            std::thread::spawn(move || serve(&stream));
        }
    });
    address
}

fn serve(stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
        let models = line.starts_with("GET");
        while !line.trim().is_empty() {
            line.clear();
            reader.read_line(&mut line).unwrap();
        }
        line.clear();
        if !models {
            // Until the client is gone.
            let _gone = reader.read_to_end(&mut Vec::new());
            return;
        }
        let body = r#"{"object":"list","data":[{"id":"waits","object":"model"}]}"#;
        let mut stream = stream;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
        write!(stream, "{head} {}\r\n\r\n{body}", body.len()).unwrap();
    }
}

fn start(home: &Path, address: &str) -> Child {
    let options = ["--base-url", address, "--model", "waits", "--limit", "4", "--state", "s"];
    command(home, &options).spawn().unwrap()
}

#[test]
fn of_two_that_start_at_once_exactly_one_wins_and_the_other_names_it() {
    let address = server();
    each(amount(100, 5), |_| {
        let home = TempDir::new().unwrap();
        let mut pair = [start(home.path(), &address), start(home.path(), &address)];
        // One holds the directory until it is killed, so the first to end is the one that was refused.
        let lost = loop {
            let ended = pair.iter_mut().position(|child| child.try_wait().unwrap().is_some());
            if let Some(lost) = ended {
                break lost;
            }
            std::thread::yield_now();
        };
        let [one, other] = pair;
        let (loser, mut winner) = if lost == 0 { (one, other) } else { (other, one) };
        let refused = loser.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        let holder = format!("process {}", winner.id());
        assert!(said.contains(&holder) || said.contains("started just now"), "{said}");
        assert!(winner.try_wait().unwrap().is_none(), "the winner goes on");
        winner.kill().unwrap();
        winner.wait().unwrap();
        // Killed, it holds nothing any more.
        drop(harness_journal::SqliteJournal::open(home.path().join("s")).unwrap());
    });
}
