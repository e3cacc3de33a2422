//! Process trees: who descends from whom, and how to end all of them.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, waitid};

/// A tree that keeps forking is stopped round by round; this many rounds outrun any process limit.
const ROUNDS: usize = 2_000;

/// Kills `root` and everything that descends from it; returns all pids that were killed.
///
/// Everything is stopped before anything is killed: a stopped process can neither fork nor leave its
/// parent, so that the list is complete, and no pid of it can be given to another process meanwhile.
pub(super) fn kill_tree(root: i32) -> HashSet<i32> {
    kill_from(&[root])
}

/// Kills the calling process's children, and what descends from them, but for `keep` and their trees.
pub(super) fn kill_children_but(keep: &[i32]) {
    let own = getpid().as_raw_nonzero().get();
    let children: Vec<i32> = parents()
        .into_iter()
        .filter(|(pid, parent)| *parent == own && !keep.contains(pid))
        .map(|(pid, _)| pid)
        .collect();
    kill_from(&children);
}

/// Kills all descendants of the calling process, which must be their reaper, and waits for their end.
pub(super) fn end_descendants(patience: Duration) {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        kill_children_but(&[]);
        loop {
            match waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn kill_from(roots: &[i32]) -> HashSet<i32> {
    let mut stopped: HashSet<i32> = HashSet::new();
    for root in roots {
        signal(*root, Signal::STOP);
        stopped.insert(*root);
    }
    for _ in 0..ROUNDS {
        let found = descendants(&stopped);
        if found.is_empty() {
            break;
        }
        for pid in found {
            signal(pid, Signal::STOP);
            stopped.insert(pid);
        }
    }
    for pid in &stopped {
        signal(*pid, Signal::KILL);
    }
    stopped
}

/// Those that descend from `known` and are not in it.
fn descendants(known: &HashSet<i32>) -> HashSet<i32> {
    let parents = parents();
    let mut found = HashSet::new();
    for pid in parents.keys() {
        let line = ancestry(*pid, &parents);
        if let Some(below) = line.iter().position(|pid| known.contains(pid)) {
            found.extend(line.into_iter().take(below));
        }
    }
    found
}

/// `pid`, its parent, and so on as far as `parents` knows.
pub(super) fn ancestry(pid: i32, parents: &HashMap<i32, i32>) -> Vec<i32> {
    let line = std::iter::successors(Some(pid), |pid| parents.get(pid).copied());
    // Longer than the table: the table changed while it was read.
    line.take(parents.len() + 1).collect()
}

/// The parent of every process that can be seen.
pub(super) fn parents() -> HashMap<i32, i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return HashMap::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            Some((pid, parent_in(&fs::read(format!("/proc/{pid}/stat")).ok()?)?))
        })
        .collect()
}

/// The parent of every process that descends from `root`, `root` itself left out.
pub(super) fn below(root: i32) -> HashMap<i32, i32> {
    let (mut found, mut open) = (HashMap::new(), vec![root]);
    while let Some(parent) = open.pop() {
        for child in children(parent) {
            if found.insert(child, parent).is_none() {
                open.push(child);
            }
        }
    }
    found
}

/// The children of every thread of a process's.
fn children(pid: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

/// The fourth field; the second, the name, may hold anything, parentheses and blanks too.
fn parent_in(stat: &[u8]) -> Option<i32> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

fn signal(pid: i32, signal: Signal) {
    // Gone already is as good as killed.
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_found_behind_an_odd_name() {
        assert_eq!(parent_in(b"12 (a) R 7 (b)) S 34 12 12 0"), Some(34));
        assert_eq!(parent_in(b"12 (\xff\n) S 1 1"), Some(1));
        assert_eq!(parent_in(b""), None);
    }

    #[test]
    fn the_own_process_is_in_the_table() {
        let parents = parents();
        assert!(parents.contains_key(&getpid().as_raw_nonzero().get()));
    }
}
