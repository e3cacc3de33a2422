//! Processes that try to outlive their time. The control is what most runners do: wait for the child with a time-out, kill it.

use std::process::{Command as Bare, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use harness_core::{Command, Environment, Exit};
use harness_sandbox::SandboxKind;

use crate::level;
use crate::table::Row;

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
    WAYS.iter()
        .map(|(name, _)| Row::contained("life", &format!("outlive a time-out by {name}")))
        .collect()
}

/// A number of seconds that marks a `sleep` among all processes.
fn mark() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}.{:05}", 200_000 + std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The host's pids of processes with `mark` for an argument.
fn marked(mark: &str) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|part| part == mark.as_bytes())
        })
        .collect()
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "waiting: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_naive_runner_leaves_each_behind() {
    for (name, script) in WAYS {
        let mark = mark();
        let mut child = Bare::new("bash")
            .args(["-c", &script.replace("MARK", &mark)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until(name, || !marked(&mark).is_empty());
        child.kill().unwrap();
        child.wait().unwrap();
        let left = marked(&mark);
        assert!(!left.is_empty(), "{name}: the control must bite");
        // Ours, by their unique argument.
        for pid in left.into_iter().filter_map(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

#[tokio::test]
async fn every_level_ends_each_with_its_time_out() {
    for kind in [SandboxKind::Full, SandboxKind::User, SandboxKind::Landlock] {
        let Some(sandbox) = level(kind) else { continue };
        for (name, script) in WAYS {
            let mark = mark();
            let session = sandbox.open(&Environment::default()).await.unwrap();
            let command = Command::shell(script.replace("MARK", &mark))
                .with_timeout(Duration::from_millis(500));
            let output = session.exec(&command).await.unwrap();
            assert_eq!(output.exit, Exit::TimedOut, "{kind:?}: {name}");
            assert_eq!(marked(&mark), Vec::<i32>::new(), "{kind:?}: {name}");
            session.close().await.unwrap();
        }
    }
}
