//! Processes that try to outlive their time. The control is what most runners do: wait for the child with a time-out, kill it.

use std::process::{Command as Bare, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use harness_core::{Command, Environment, Exit};
use harness_sandbox::SandboxKind;

use crate::table::Row;
use crate::{level, wait_until};

/// Each starts `sleep MARK` in some way and does not return.
const WAYS: &[(&str, &str)] = &[
    ("ignoring signals", "trap '' TERM INT HUP; sleep MARK & wait; sleep MARK"),
    ("a session of its own", "setsid sleep MARK & sleep 100"),
    ("forking twice", "(setsid sh -c 'sleep MARK & exit' &); sleep 100"),
    ("stopping itself", "(sh -c 'sleep MARK & kill -STOP $$' &); sleep 100"),
    ("holding the output open", "nohup sleep MARK & sleep 100"),
    ("closing its streams", "setsid sleep MARK <&- >&- 2>&- & sleep 100"),
];

pub(crate) fn rows() -> Vec<Row> {
    let ends = ENDS.iter();
    ends.flat_map(|(_, how)| {
        WAYS.iter()
            .map(move |(name, _)| Row::contained("life", &format!("outlive {how} by {name}")))
    })
    .collect()
}

/// A number of seconds that marks a `sleep` among all processes.
fn mark() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}.{:05}", 200_000 + std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The host's pids of processes whose arguments are so.
fn processes(are_ours: impl Fn(&[u8]) -> bool) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| {
            are_ours(&std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default())
        })
        .collect()
}

/// Those with `mark` for an argument.
fn marked(mark: &str) -> Vec<i32> {
    processes(|line| line.split(|byte| *byte == 0).any(|part| part == mark.as_bytes()))
}

/// Those, and the shells that have it in their script.
fn of(mark: &str) -> Vec<i32> {
    processes(|line| line.windows(mark.len()).any(|part| part == mark.as_bytes()))
}

/// Kills the control's own processes, known by their unique mark, until none is left to start another.
fn clear_away(mark: &str) {
    wait_until("the control is cleared away", || {
        let left = of(mark);
        for pid in left.iter().copied().filter_map(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        left.is_empty()
    });
}

/// One that kills its child when the time is over, the command is cancelled or the session dropped; and one that is killed itself.
#[test]
fn a_naive_runner_leaves_each_behind() {
    for (name, script) in WAYS {
        for engine in [&["-c"][..], &["-c", "bash -c \"$0\" & wait"]] {
            let mark = mark();
            let mut child = Bare::new("bash")
                .args(engine)
                .arg(script.replace("MARK", &mark))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            wait_until(name, || !marked(&mark).is_empty());
            child.kill().unwrap();
            child.wait().unwrap();
            let bites = !marked(&mark).is_empty();
            clear_away(&mark);
            assert!(bites, "{name}: the control must bite");
        }
    }
}

/// What ends a command. A runner that is none of ours leaves the process behind in each of these cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    TimeOut,
    Cancel,
    Drop,
    EngineDeath,
}

const ENDS: [(End, &str); 4] = [
    (End::TimeOut, "a time-out"),
    (End::Cancel, "a cancelled command"),
    (End::Drop, "a dropped session"),
    (End::EngineDeath, "a killed engine"),
];

/// What every end has to keep to.
const BOUND: Duration = Duration::from_secs(2);
/// A machine may be busy with something else for longer than that: once of so many times is enough to show what is possible,
/// and what always takes longer never passes.
const TRIES: usize = 5;

/// Holds that `act` can be done within the bound. It starts and ends something, and returns how long the end took.
async fn promptly<F: Future<Output = Duration>>(what: &str, act: impl Fn() -> F) {
    let mut took = Vec::new();
    for _ in 0..TRIES {
        let one = act().await;
        if one <= BOUND {
            return;
        }
        took.push(one);
    }
    panic!("{what}: {took:?}, each over {BOUND:?}");
}

#[tokio::test]
async fn every_level_ends_each_within_two_seconds_however_it_is_to_end() {
    for (kind, word) in [
        (SandboxKind::Full, "full"),
        (SandboxKind::User, "user"),
        (SandboxKind::Landlock, "landlock"),
    ] {
        let Some(sandbox) = level(kind) else { continue };
        for (name, script) in WAYS {
            for (end, how) in ENDS {
                let what = format!("{kind:?}: outlive {how} by {name}");
                promptly(&what, || async {
                    match end {
                        End::EngineDeath => kill_an_engine(word, script),
                        other => end_one(sandbox.as_ref(), script, other).await,
                    }
                })
                .await;
            }
        }
    }
}

/// From the moment of the end until no process is left.
async fn end_one(sandbox: &dyn harness_core::Sandbox, script: &str, end: End) -> Duration {
    let mark = mark();
    let session = sandbox.open(&Environment::default()).await.unwrap();
    let mut command = Command::shell(script.replace("MARK", &mark));
    let limit = Duration::from_millis(500);
    command.timeout = (end == End::TimeOut).then_some(limit);
    let begun = {
        let exec = session.exec(&command);
        tokio::pin!(exec);
        if end == End::TimeOut {
            let begun = Instant::now();
            let output = exec.await.unwrap();
            assert_eq!(output.exit, Exit::TimedOut);
            // Before, the limit's own time has to pass.
            begun + limit
        } else {
            tokio::select! {
                output = &mut exec => panic!("{output:?}"),
                () = until_marked(&mark) => Instant::now(),
            }
        }
        // Here the command is dropped, unless it has ended.
    };
    if end == End::Drop {
        drop(session);
        wait_until("the session's processes", || of(&mark).is_empty());
        return begun.elapsed();
    }
    wait_until("the command's processes", || of(&mark).is_empty());
    let took = begun.elapsed();
    session.close().await.unwrap();
    took
}

async fn until_marked(mark: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while marked(mark).is_empty() {
        assert!(Instant::now() < deadline, "waiting for a process");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// This test binary again as an engine, killed while its command runs.
fn kill_an_engine(kind: &str, script: &str) -> Duration {
    let mark = mark();
    let mut engine = Bare::new(std::env::current_exe().unwrap())
        .args(["--exact", "life::an_engine", "--nocapture", "--test-threads=1"])
        .env("HARNESS_TEST_ENGINE", format!("{kind} {}", script.replace("MARK", &mark)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the engine's command", || !marked(&mark).is_empty());
    let begun = Instant::now();
    engine.kill().unwrap();
    wait_until("the engine's processes", || of(&mark).is_empty());
    let took = begun.elapsed();
    engine.wait().unwrap();
    took
}

/// Not a test by itself: the engine that [`kill_an_engine`] kills.
#[tokio::test]
async fn an_engine() {
    let Ok(order) = std::env::var("HARNESS_TEST_ENGINE") else { return };
    let (kind, script) = order.split_once(' ').unwrap();
    let sandbox = level(kind.parse().unwrap()).unwrap();
    let session = sandbox.open(&Environment::default()).await.unwrap();
    session.exec(&Command::shell(script)).await.unwrap();
}
