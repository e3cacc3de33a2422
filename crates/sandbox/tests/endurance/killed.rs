//! Engines that are killed, alone or together with their supervisors: what they leave, and who removes it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use harness_core::{Command, Environment, Sandbox as _};
use harness_sandbox::{SandboxKind, SandboxOptions};
use rustix::process::{Pid, Signal, kill_process};

use crate::held::{below, entries_below, groups};
use crate::scene::{actor, alone, build, order, state};

const KILLS: usize = 100;
const SESSIONS: usize = 4;

#[test]
fn a_hundred_killed_engines_leave_nothing() {
    let _alone = alone();
    let state = state();
    // Whatever others left in other state directories is not this test's.
    let others = groups();
    for kind in ["full", "user", "landlock"] {
        let level: SandboxKind = kind.parse().unwrap();
        let options = || SandboxOptions::new(level).with_state_directory(state.path());
        if build(options(), level).is_none() {
            continue;
        }
        let mut marks = Vec::new();
        let mut seen = Vec::new();
        for number in 0..KILLS {
            let mark = format!("{}.{number:05}", 300_000 + std::process::id());
            // Every third together with its supervisor, so that nobody is left who knows.
            kill_one(kind, &mark, state.path(), number % 3 == 2, &mut seen);
            marks.push(mark);
        }
        // The next supervisor sweeps.
        let sandbox = build(options(), level).unwrap();
        eventually(&format!("{kind}: processes"), || {
            marks.iter().all(|mark| marked(mark).is_empty())
        });
        drop(sandbox);
        eventually(&format!("{kind}: entries"), || entries_below(state.path()) == 0);
        eventually(&format!("{kind}: control groups"), || {
            let mut own = seen.iter().filter(|group| !others.contains(group));
            own.all(|group: &std::path::PathBuf| !group.exists())
        });
    }
}

fn eventually(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "{what} are left");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts an engine with sessions that hold daemons, and kills it somewhere on its way.
fn kill_one(
    kind: &str,
    mark: &str,
    state: &Path,
    with_supervisor: bool,
    seen: &mut Vec<std::path::PathBuf>,
) {
    let order = format!("{kind} {mark} {}", state.display());
    let mut engine = actor("killed::an_engine", &order)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(engine.stdout.take().unwrap()).lines();
    // After no session, one, two ..., so that openings are hit as well.
    let until = mark.bytes().last().map_or(0, usize::from) % (SESSIONS + 1);
    assert!(lines.any(|line| line.unwrap().ends_with(&format!("opened {until}"))));
    seen.extend(groups());
    // Those that are its own: a supervisor's children are sessions.
    let supervisors = below(engine.id());
    if with_supervisor {
        // Stopped first: whoever dies second must not see the first one's end.
        for pid in supervisors.iter().filter_map(|pid| Pid::from_raw(*pid as i32)).take(1) {
            let _ = kill_process(pid, Signal::STOP);
        }
    }
    engine.kill().unwrap();
    if with_supervisor {
        for pid in supervisors.iter().filter_map(|pid| Pid::from_raw(*pid as i32)).take(1) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    engine.wait().unwrap();
}

/// The host's pids of processes with `mark` for an argument.
fn marked(mark: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|part| part == mark.as_bytes())
        })
        .collect()
}

/// Not a test by itself: the engine that is killed.
#[tokio::test]
async fn an_engine() {
    let Some(order) = order() else { return };
    let mut words = order.splitn(3, ' ');
    let kind: SandboxKind = words.next().unwrap().parse().unwrap();
    let (mark, state) = (words.next().unwrap(), words.next().unwrap());
    let sandbox = SandboxOptions::new(kind).with_state_directory(state).build_local().unwrap();
    println!("opened 0");
    let mut sessions = Vec::new();
    for number in 1..=SESSIONS {
        let session = sandbox.open(&Environment::default()).await.unwrap();
        let script = format!(
            "mkdir -p a/b; echo x > a/b/c; trap '' TERM HUP; setsid sleep {mark} >/dev/null 2>&1 & sleep {mark} >/dev/null 2>&1 &"
        );
        session.exec(&Command::shell(script)).await.unwrap();
        // As while a verifier is at work: its process lies in the session's pid namespace.
        sessions.extend(session.view().await.unwrap());
        sessions.push(session);
        println!("opened {number}");
    }
    // Killed long before.
    tokio::time::sleep(Duration::from_secs(120)).await;
}
