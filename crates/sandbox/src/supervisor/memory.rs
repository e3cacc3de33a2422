//! How much memory a session uses: bounded by a control group, or watched where there is none.

use std::fs;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::process::getpid;

use super::shared::{self, Shared};
use super::tree;

/// How often the session's processes are weighed.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);
/// When a look at what processes share is repeated in any case: somebody else may have freed as much as a session took.
const OLD: Duration = Duration::from_secs(1);

/// What holds a session to its memory.
#[derive(Debug)]
pub(super) enum Memory {
    /// The kernel does, and counts in this file how often it killed.
    Enforced(OwnedFd),
    /// We do.
    Watched(Watch),
}

impl Memory {
    /// The descriptor that a session keeps for it.
    pub(super) fn file(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Enforced(file) => Some(file.as_fd()),
            Self::Watched(_) => None,
        }
    }

    /// How often the kernel has killed in this session for lack of memory.
    pub(super) fn kills(&self) -> u64 {
        let Self::Enforced(file) = self else { return 0 };
        let mut buffer = [0_u8; 512];
        let read = rustix::io::pread(file, &mut buffer, 0).unwrap_or(0);
        kills_in(&String::from_utf8_lossy(&buffer[..read]))
    }

    /// What a watch finds, when it is time to look.
    pub(super) fn overdrawn(&mut self) -> Option<Vec<i32>> {
        match self {
            Self::Watched(watch) => watch.overdrawn(),
            Self::Enforced(_) => None,
        }
    }
}

/// Both versions of control groups have such a line, in different files.
pub(super) fn kills_in(text: &str) -> u64 {
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// A limit and when to look next.
///
/// Private memory of processes is counted at an interval, and what they share whenever the machine has more of that than
/// before: a command may overdraw for a moment.
#[derive(Debug)]
pub(super) struct Watch {
    limit: u64,
    /// Whether storage and System V memory are the session's own.
    private: bool,
    next: Instant,
    shared: Shared,
    /// The machine's shared memory at the last look at the session's, or less.
    machine: u64,
    looked: Option<Instant>,
}

impl Watch {
    pub(super) fn new(limit: u64, private: bool) -> Self {
        // Nobody is there to be weighed yet.
        let (next, shared) = (Instant::now() + INTERVAL, Shared::default());
        Self { limit, private, next, shared, machine: 0, looked: None }
    }

    /// When it is time and the session uses too much: its largest process and that one's ancestors,
    /// nearest first.
    fn overdrawn(&mut self) -> Option<Vec<i32>> {
        let now = Instant::now();
        if now < self.next {
            return None;
        }
        self.next = now + INTERVAL;
        let own = getpid().as_raw_nonzero().get();
        let parents = tree::below(own);
        let owned: Vec<(i32, u64)> =
            parents.keys().map(|pid| (*pid, private_bytes(*pid))).collect();
        let alone: u64 = owned.iter().map(|(_, bytes)| bytes).sum();
        self.look_at_shared(alone, parents.keys().copied());
        if alone + self.shared.bytes <= self.limit {
            return None;
        }
        let held = |pid| self.shared.held.get(pid).copied().unwrap_or(0);
        let largest = owned.iter().max_by_key(|(pid, bytes)| bytes + held(pid));
        largest.map(|(pid, _)| tree::ancestry(*pid, &parents))
    }

    /// Dearer than the rest: only where it may have grown, or before somebody is killed for it.
    fn look_at_shared(&mut self, alone: u64, pids: impl Iterator<Item = i32>) {
        let machine = shared::of_the_machine();
        self.machine = self.machine.min(machine);
        let old = self.looked.is_none_or(|looked| looked.elapsed() >= OLD);
        let grown = machine - self.machine > self.limit / 16;
        if old || grown || alone + self.shared.bytes > self.limit {
            self.shared = Shared::look(pids, self.private);
            self.machine = machine;
            self.looked = Some(Instant::now());
        }
    }
}

/// Resident memory that is not shared with files.
fn private_bytes(pid: i32) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let mut pages = statm.split(' ').skip(1).map(|field| field.parse::<u64>().unwrap_or(0));
    let (resident, shared) = (pages.next().unwrap_or(0), pages.next().unwrap_or(0));
    resident.saturating_sub(shared) * rustix::param::page_size() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_are_counted_in_both_versions() {
        assert_eq!(kills_in("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), 3);
        assert_eq!(kills_in("low 0\nhigh 0\nmax 12\noom 2\noom_kill 1\noom_group_kill 0\n"), 1);
        assert_eq!(kills_in(""), 0);
    }
}
