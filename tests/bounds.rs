//! What the wires' options do to a run of the example, against servers on loopback that try them: bounds on time, limits a minute.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};

use crate::cli::{command, stderr};
use crate::wire::{Hang, KEY, Served, example, model, serve};

/// A short run.
const RUN: &str = "--include *-quoting --include csv-* --include kv-* --include roster-* --include top-* \
    --rounds 1 --width 1 --attempts 1 --claim-attempts 1 --steps 12 --sandbox auto --json --gate paper \
    --concurrency 4 --model openai:behind-the-wire --state s";

/// A server that is silent, stalls in the middle of a stream and never comes to an end, once each. None of that ends by itself: each bound on
/// time ends its call, and the run goes on as if nothing had been.
#[tokio::test(flavor = "multi_thread")]
async fn each_bound_on_time_gets_a_run_past_a_server_that_hangs() {
    let home = TempDir::new().unwrap();
    let hangs = [(4, Hang::Silent), (9, Hang::Stalled), (14, Hang::Dripping)];
    let served = Arc::new(Served::new(model("planner")).with_hangs(hangs));
    let address = serve(Arc::clone(&served)).await;
    let bounds =
        "--stream --first-byte-timeout 3s --stall-timeout 3s --call-timeout 10s --repeat-charged";
    let summary = example(&home, &format!("{RUN} {bounds} --base-url {address}")).await;
    assert_eq!(served.hung(), 3);
    assert!(summary["trials"]["scored"].as_u64() > Some(0), "{summary}");
    assert_eq!(summary["trials"]["void"], 0, "what hangs is no attempt's fault: {summary}");
}

/// A connection that never stands: the run ends before it has begun, with the address in its message.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_never_stands_is_given_up() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody accepts: when the queue is full, the kernel answers no further one.
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(500), TcpStream::connect(address)).await
    {
        waiting.push(stream);
    }
    let home = TempDir::new().unwrap();
    let url = format!("http://{address}/v1");
    let arguments = format!("{RUN} --connect-timeout 1s --base-url {url}");
    let mut command = command(&home, &arguments.split_whitespace().collect::<Vec<_>>());
    command.env("OPENAI_API_KEY", KEY);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = stderr(&output);
    assert_ne!(output.status.code(), Some(0), "{said}");
    assert!(said.contains(&address.to_string()) && !said.contains(KEY), "{said}");
}

/// A tenth of a minute's calls may come at once; from then on they come evenly, however many trials there are.
#[tokio::test(flavor = "multi_thread")]
async fn calls_a_minute_are_kept_by_all_trials_together() {
    let home = TempDir::new().unwrap();
    let served = Arc::new(Served::new(model("planner")));
    let address = serve(Arc::clone(&served)).await;
    example(&home, &format!("{RUN} --calls-per-minute 240 --base-url {address}")).await;
    let arrivals = served.arrivals();
    let beyond = arrivals.len().saturating_sub(24 + 1);
    let due = Duration::from_secs(60) * u32::try_from(beyond).unwrap() / 240;
    let took = arrivals[arrivals.len() - 1].duration_since(arrivals[0]);
    // Half, because the first call may arrive late on a busy machine.
    assert!(beyond > 8 && took >= due / 2, "{} calls in {took:?}, due {due:?}", arrivals.len());
}
