//! Removing what killed supervisors left in the state directory. What a living one holds is locked, and left alone.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use super::lease::Lease;
use super::private;
use crate::sys::{self, Child};

/// Starts the removal, in a child: a large tree takes its time. If that fails the next supervisor tries again.
pub(super) fn start(state: &Path) -> Option<Child> {
    let abandoned = Lease::abandoned(state);
    if abandoned.is_empty() {
        return None;
    }
    let child = sys::clone_process(0, || {
        for lease in &abandoned {
            end_processes_of(lease.path());
            private::remove_tree(lease.path());
        }
        sys::exit_now(0)
    });
    child.ok()
}

/// A tree that keeps forking is killed round by round; this many outrun any process limit.
const ROUNDS: usize = 2_000;

/// Kills what still lives in a session without namespaces whose supervisor was killed with it: processes of this
/// user that work in the directory, or have it for their home. Looked for until two looks in a row find nothing: one that forks
/// while it is being looked at leaves a child that may have been passed over.
fn end_processes_of(directory: &Path) {
    let mut nothing = 0;
    for _ in 0..ROUNDS {
        let found = processes_of(directory);
        nothing = if found.is_empty() { nothing + 1 } else { 0 };
        if nothing == 2 {
            return;
        }
        for pid in found {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Those that have not ended: the dead, not yet collected, have no directory and no environment.
fn processes_of(directory: &Path) -> Vec<Pid> {
    let home = directory.join("session-").into_os_string().into_encoded_bytes();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let within =
            fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(directory));
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let at_home = environment.windows(home.len()).any(|window| window == home);
        found.extend(Pid::from_raw(pid).filter(|_| within || at_home));
    }
    found
}
