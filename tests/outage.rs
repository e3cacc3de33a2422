//! A server that is killed in the middle of a run and comes back: the run waits, and nothing is void, lost or made twice. What nobody
//! knows the outcome of is charged at its worst case, and every report says so.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;

use crate::cli::{command, finished, program, stdout};
use crate::wire::{KEY, Served, accept, model};

const RUN: &str = "--limit 4 --rounds 1 --width 1 --attempts 1 --claim-attempts 1 --steps 5 --gate paper --seed 1 \
                   --concurrency 2 --model served --json";

/// An address that stays ours while nobody listens there: who connects meanwhile is refused.
struct Address {
    bound: SocketAddr,
    _reserved: TcpSocket,
}

impl Address {
    fn new() -> Self {
        let reserved = socket(SocketAddr::from(([127, 0, 0, 1], 0)));
        Self { bound: reserved.local_addr().unwrap(), _reserved: reserved }
    }

    fn serve(&self, served: &Arc<Served>) -> JoinHandle<()> {
        let listener = socket(self.bound).listen(64).unwrap();
        tokio::spawn(accept(listener, Arc::clone(served)))
    }
}

fn socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

fn start(home: &TempDir, address: &Address, state: &str) -> Child {
    let base = format!("http://{}/v1", address.bound);
    let arguments: Vec<&str> =
        RUN.split_whitespace().chain(["--base-url", &base, "--state", state]).collect();
    let mut command = command(home, &arguments);
    command.env("SELF_HARNESS_API_KEY", KEY);
    let file = |name: &str| {
        Stdio::from(fs::File::create(home.path().join(format!("{state}.{name}"))).unwrap())
    };
    command.stdout(file("out")).stderr(file("err")).spawn().unwrap()
}

/// Waits for `condition`; a run that ended, or two minutes, are no reason to wait on.
async fn until(child: &mut Child, told: &Path, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        let said = || fs::read_to_string(told).unwrap_or_default();
        assert!(child.try_wait().unwrap().is_none(), "the run ended: {}", said());
        assert!(began.elapsed() < Duration::from_secs(120), "{}", said());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The summary of a run that ends well.
async fn ended(home: &TempDir, mut child: Child, state: &str) -> Value {
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    let told = fs::read_to_string(home.path().join(format!("{state}.err"))).unwrap();
    assert_eq!(status.code(), Some(0), "{told}");
    serde_json::from_slice(&fs::read(home.path().join(format!("{state}.out"))).unwrap()).unwrap()
}

async fn kill(server: JoinHandle<()>) {
    server.abort();
    assert!(server.await.unwrap_err().is_cancelled());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_comes_back_costs_the_run_nothing_but_time() {
    let home = TempDir::new().unwrap();
    let address = Address::new();
    let whole = Arc::new(Served::new(model("explorer")));
    let server = address.serve(&whole);
    let undisturbed = ended(&home, start(&home, &address, "whole"), "whole").await;
    kill(server).await;

    // In the middle, at a third of all that the run asks: from there on no answer leaves the server, so that the run cannot be over
    // before it is killed.
    let third = whole.asked.load(Ordering::SeqCst) / 3;
    let dying = Arc::new(Served::new(model("explorer")).with_cut(third..usize::MAX));
    let server = address.serve(&dying);
    let mut child = start(&home, &address, "hit");
    let told = home.path().join("hit.err");
    until(&mut child, &told, || dying.asked.load(Ordering::SeqCst) > third).await;
    kill(server).await;
    let waits = || fs::read_to_string(&told).is_ok_and(|told| told.contains("waiting: the model"));
    until(&mut child, &told, waits).await;
    let served = Arc::new(Served::new(model("explorer")));
    let _server = address.serve(&served);
    let hit = ended(&home, child, "hit").await;

    let said = fs::read_to_string(&told).unwrap();
    assert!(said.contains("answers again"), "{said}");
    assert_eq!(hit["trials"], undisturbed["trials"]);
    assert_eq!(hit["trials"]["void"], 0);
    for what in ["rounds", "pass_rates", "harness"] {
        assert_eq!(hit[what], undisturbed[what], "{what}");
    }
    let [hit, whole] = ["hit", "whole"].map(|state| finished(&home.path().join(state)));
    assert_eq!(hit, whole, "a trial was lost, or run twice");
}

/// The request was read whole and the connection ended: it may have been charged.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_unknown_outcome_is_charged_at_its_worst_and_every_report_says_so() {
    let home = TempDir::new().unwrap();
    let address = Address::new();
    let served = Arc::new(Served::new(model("explorer")).with_cut(5..6));
    let _server = address.serve(&served);
    let summary = ended(&home, start(&home, &address, "s"), "s").await;
    let cost = &summary["cost"];
    assert_eq!(cost["calls_of_unknown_outcome"], 1, "{cost}");
    let [known, most] = ["tokens", "tokens_at_most"].map(|key| cost[key].as_u64().unwrap());
    assert!(most > known, "{cost}");
    assert_eq!(summary["trials"]["void"], 0);

    let told = format!("1 call of unknown outcome, charged at worst: at most {most} tokens");
    let table = fs::read_to_string(home.path().join("s.err")).unwrap();
    let one_line = table.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(one_line.contains(&told), "{table}");
    let report = fs::read_to_string(home.path().join("s/report.md")).unwrap();
    assert!(report.contains(&told), "{report}");
    let audit = Command::new(program().with_file_name("audit"))
        .current_dir(home.path())
        .arg("s")
        .output()
        .unwrap();
    let said = stdout(&audit);
    assert_eq!(audit.status.code(), Some(0), "{said}");
    let told =
        format!("{known} tokens; 1 calls of unknown outcome, at most {} tokens more", most - known);
    assert!(said.contains(&told), "{said}");
}
