//! Process trees: who descends from whom, and how to end all of them.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, waitid};

/// A tree that keeps forking is stopped round by round; this many rounds outrun any process limit.
const ROUNDS: usize = 2_000;

/// So often what is at hand is stopped before each reading of the table.
const CHASES: usize = 5;

/// How long a process that was told to stop gets to do so before the table is read again.
const BREATH: Duration = Duration::from_millis(1);

/// What the table of processes says of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    parent: i32,
    /// Neither runs nor will before it gets a signal: stopped, dead, or waiting for a stopped child of its own to
    /// leave `vfork`.
    still: bool,
}

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
    let children: Vec<i32> = table()
        .into_iter()
        .filter(|(pid, entry)| entry.parent == own && !keep.contains(pid))
        .map(|(pid, _)| pid)
        .collect();
    kill_from(&children);
}

/// Kills all descendants of the calling process, which must be their reaper, and waits for their end.
pub(super) fn end_descendants(patience: Duration) {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        // Before the table is read, which costs each of many sessions that end at once a look at every process of the host.
        loop {
            match waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        kill_children_but(&[]);
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn kill_from(roots: &[i32]) -> HashSet<i32> {
    if roots.is_empty() {
        return HashSet::new();
    }
    let known = stop_from(roots);
    for pid in &known {
        signal(*pid, Signal::KILL);
    }
    known
}

/// Stops `roots` and all that descends from them; returns every pid of these trees.
///
/// The table is not read in one instant: a process may have ended before its line is read, and its child have begun
/// after the list was. One reading that finds nobody new therefore proves nothing. Two in a row that find the same
/// processes, all of them still, do: who runs while the second is made was there at its beginning (only those who run
/// fork), so it is in that list, so it was in the first one, and was still there.
fn stop_from(roots: &[i32]) -> HashSet<i32> {
    let mut known: HashSet<i32> = HashSet::new();
    let mut quiet = false;
    for _ in 0..ROUNDS {
        // Each time: whatever runs in the tree may have continued them.
        (0..CHASES).for_each(|_| stop_at_hand(roots));
        let tree = tree(roots);
        let found: Vec<i32> = tree.keys().filter(|pid| !known.contains(pid)).copied().collect();
        found.iter().for_each(|pid| signal(*pid, Signal::STOP));
        known.extend(&found);
        if found.is_empty() && tree.values().all(|entry| entry.still) {
            if quiet {
                break;
            }
            quiet = true;
        } else {
            quiet = false;
            std::thread::sleep(if found.is_empty() { BREATH } else { Duration::ZERO });
        }
    }
    known
}

/// Stops `roots` and what their lists of children show at once. It proves nothing, but it is fast: a chain of forks outruns a
/// reading of the whole table, which takes long where the host has many processes.
fn stop_at_hand(roots: &[i32]) {
    for root in roots {
        signal(*root, Signal::STOP);
        below(*root).keys().for_each(|pid| signal(*pid, Signal::STOP));
    }
}

/// `roots` and those that descend from them, as far as they are there.
fn tree(roots: &[i32]) -> HashMap<i32, Entry> {
    let table = table();
    let parents: HashMap<i32, i32> =
        table.iter().map(|(pid, entry)| (*pid, entry.parent)).collect();
    let below = |pid: &i32| ancestry(*pid, &parents).iter().any(|pid| roots.contains(pid));
    table.into_iter().filter(|(pid, _)| below(pid)).collect()
}

/// `pid`, its parent, and so on as far as `parents` knows.
pub(super) fn ancestry(pid: i32, parents: &HashMap<i32, i32>) -> Vec<i32> {
    let line = std::iter::successors(Some(pid), |pid| parents.get(pid).copied());
    // Longer than the table: the table changed while it was read.
    line.take(parents.len() + 1).collect()
}

/// Every process that can be seen.
fn table() -> HashMap<i32, Entry> {
    let Ok(entries) = fs::read_dir("/proc") else { return HashMap::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            Some((pid, entry_in(&fs::read(format!("/proc/{pid}/stat")).ok()?)?))
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

/// The third and the fourth field; the second, the name, may hold anything, parentheses and blanks too.
fn entry_in(stat: &[u8]) -> Option<Entry> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let mut rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?.split_whitespace();
    let still = !matches!(rest.next()?, "R" | "S");
    Some(Entry { parent: rest.next()?.parse().ok()?, still })
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
        let entry = |parent, still| Some(Entry { parent, still });
        assert_eq!(entry_in(b"12 (a) R 7 (b)) S 34 12 12 0"), entry(34, false));
        assert_eq!(entry_in(b"12 (a) T 7 12"), entry(7, true));
        assert_eq!(entry_in(b"12 (\xff\n) Z 1 1"), entry(1, true));
        assert_eq!(entry_in(b""), None);
    }

    #[test]
    fn the_own_process_is_in_the_table() {
        let own = getpid().as_raw_nonzero().get();
        assert!(table().contains_key(&own));
        assert!(tree(&[own]).contains_key(&own));
    }
}
