//! What a process and its supervisors hold: compared before and after.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How the names of supervisors' control groups begin.
const MARK: &str = "harness-sandbox-";

/// Counts that must be the same when nothing is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    descriptors: usize,
    threads: usize,
    /// Of all processes below this one.
    processes: usize,
    /// Of the supervisors, where they may be looked at.
    supervisors_descriptors: usize,
    mounts: usize,
    /// Directories in the control groups of the supervisors.
    groups: usize,
    entries: usize,
}

impl Held {
    /// By this process, with a supervisor that works in `state` and has its control groups in [`own_group`].
    pub(crate) fn now(state: &Path, group: Option<&OsStr>) -> Self {
        let below = below(std::process::id());
        let count = |path: String| fs::read_dir(path).map_or(0, Iterator::count);
        let lines = |pid: &u32| {
            fs::read_to_string(format!("/proc/{pid}/mountinfo"))
                .map_or(0, |text| text.lines().count())
        };
        Self {
            descriptors: count("/proc/self/fd".to_owned()),
            threads: count("/proc/self/task".to_owned()),
            processes: below.len(),
            supervisors_descriptors: below.iter().map(|pid| count(format!("/proc/{pid}/fd"))).sum(),
            mounts: below.iter().map(lines).sum(),
            groups: groups_below(group),
            entries: entries_below(state),
        }
    }

    /// Waits until it is so again.
    pub(crate) async fn returns(&self, state: &Path, group: Option<&OsStr>) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let now = Self::now(state, group);
            if now == *self {
                return;
            }
            assert!(Instant::now() < deadline, "{now:?} instead of {self:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The parent of every process.
fn parents() -> BTreeMap<u32, u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let rest = stat.get(stat.rfind(')')? + 2..)?;
        Some((pid, rest.split(' ').nth(1)?.parse().ok()?))
    })
    .collect()
}

/// The processes that descend from `root`.
pub(crate) fn below(root: u32) -> Vec<u32> {
    let parents = parents();
    let descends = |pid: &u32| {
        let line = std::iter::successors(parents.get(pid), |pid| parents.get(pid));
        line.take(parents.len()).any(|pid| *pid == root)
    };
    parents.keys().copied().filter(descends).collect()
}

/// The name of the groups that the sessions of the processes below this one are in, while there is one: other engines on this
/// machine have groups with other names.
pub(crate) fn own_group() -> Option<OsString> {
    below(std::process::id()).into_iter().find_map(|pid| {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let name = groups.split(['/', '\n']).find(|name| name.starts_with(MARK))?;
        Some(OsString::from(name))
    })
}

/// Directories of control groups of that name, and of sessions below them.
fn groups_below(name: Option<&OsStr>) -> usize {
    groups().iter().filter(|group| is_own(group, name)).count() + groups_of_sessions(name)
}

/// Control groups of sessions, spare ones included, below those of that name.
pub(crate) fn groups_of_sessions(name: Option<&OsStr>) -> usize {
    let groups = groups();
    let own = groups.iter().filter(|group| is_own(group, name));
    own.map(|group| fs::read_dir(group).map_or(0, directories)).sum()
}

fn is_own(group: &Path, name: Option<&OsStr>) -> bool {
    name.is_some() && group.file_name() == name
}

fn directories(entries: fs::ReadDir) -> usize {
    entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).count()
}

/// The groups that supervisors made, as far as this process's own group has them below it.
pub(crate) fn groups() -> Vec<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let places = own.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let mount = match controllers {
            "" => "/sys/fs/cgroup".to_owned(),
            name => format!("/sys/fs/cgroup/{}", name.trim_start_matches("name=")),
        };
        Some(PathBuf::from(format!("{mount}{}", path.trim_end_matches('/'))))
    });
    let entries = places.flat_map(|place| fs::read_dir(place).into_iter().flatten().flatten());
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(MARK));
    let mut found: Vec<PathBuf> = ours.map(|entry| entry.path()).collect();
    found.sort();
    found.dedup();
    found
}

/// Whatever lies below a directory, the directories in it included.
pub(crate) fn entries_below(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => 1 + entries_below(&entry.path()),
            _ => 1,
        })
        .sum()
}

/// Resident memory of a process, in KiB.
pub(crate) fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
