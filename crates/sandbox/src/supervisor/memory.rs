//! Watching how much memory a session uses, where no cgroup enforces a limit.
//!
//! Private memory of processes is counted, at an interval: a command may overdraw for a moment, and
//! what it keeps in shared memory files escapes.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::getpid;

use super::tree;

/// How often the session's processes are weighed.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);

/// A limit and when to look next.
#[derive(Debug)]
pub(super) struct Watch {
    limit: u64,
    next: Instant,
}

impl Watch {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, next: Instant::now() }
    }

    /// When it is time and the session uses too much: its largest process and that one's ancestors,
    /// nearest first.
    pub(super) fn overdrawn(&mut self) -> Option<Vec<i32>> {
        let now = Instant::now();
        if now < self.next {
            return None;
        }
        self.next = now + INTERVAL;
        let own = getpid().as_raw_nonzero().get();
        let parents = tree::parents();
        let lines = parents.keys().map(|pid| tree::ancestry(*pid, &parents));
        let weighed: Vec<(u64, Vec<i32>)> = lines
            .filter(|line| line.len() > 1 && line.contains(&own))
            .map(|line| (private_bytes(line.first().copied().unwrap_or(own)), line))
            .collect();
        let used: u64 = weighed.iter().map(|(bytes, _)| bytes).sum();
        if used <= self.limit {
            return None;
        }
        weighed.into_iter().max_by_key(|(bytes, _)| *bytes).map(|(_, line)| line)
    }
}

/// Resident memory that is not shared with files.
fn private_bytes(pid: i32) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let mut pages = statm.split(' ').skip(1).map(|field| field.parse::<u64>().unwrap_or(0));
    let (resident, shared) = (pages.next().unwrap_or(0), pages.next().unwrap_or(0));
    resident.saturating_sub(shared) * rustix::param::page_size() as u64
}
