//! Control groups: memory, processes and processor time of a session, bounded by the kernel.
//!
//! One group of this supervisor's in each hierarchy, locked as [`Lease`]s are, and one group per session in
//! it. Version 1 has a hierarchy per controller; version 2 has one for all, in which a group may have either
//! processes or controlled children, so that the place for ours is found by looking upwards.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::failure::{Doing as _, Failure};
use super::lease::Lease;
use crate::wire::Plan;

/// What a session's limits need.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];
/// The length of a scheduling period, in microseconds: the kernel's default.
const PERIOD: u64 = 100_000;
/// How long the processes of a dead supervisor are waited for.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// The groups of this supervisor's, one per hierarchy.
#[derive(Debug)]
pub(super) struct Groups {
    version: Version,
    /// By controller; version 2 has the same place for each.
    places: [PathBuf; 3],
    leases: Vec<Lease>,
}

impl Groups {
    /// Takes a group in each hierarchy, and removes those that dead supervisors left.
    pub(super) fn claim() -> Result<Self, Failure> {
        let (version, parents) = find()?;
        let mut distinct: Vec<&PathBuf> = parents.iter().collect();
        distinct.dedup();
        distinct.iter().for_each(|parent| sweep(parent));
        let take = |parent: &&PathBuf| {
            Lease::take(parent).doing(&format!("making a control group in {}", parent.display()))
        };
        let leases: Vec<Lease> = distinct.iter().map(take).collect::<Result<_, _>>()?;
        let places = parents.clone().map(|parent| {
            let lease = leases.iter().find(|lease| lease.path().parent() == Some(&parent));
            lease.map_or(parent, |lease| lease.path().to_owned())
        });
        let groups = Self { version, places, leases };
        groups.delegate().inspect_err(|_| groups.remove())?;
        Ok(groups)
    }

    /// In version 2 children have the controllers that their parent hands down.
    fn delegate(&self) -> Result<(), Failure> {
        if self.version == Version::One {
            return Ok(());
        }
        fs::write(self.places[0].join("cgroup.subtree_control"), "+memory +pids +cpu")
            .doing("handing controllers down to sessions")
    }

    /// Makes the group of a session, with its limits.
    pub(super) fn session(&self, plan: &Plan) -> Result<SessionGroup, Failure> {
        let name = format!("{:016x}", super::lease::random().doing("drawing a random number")?);
        let mut directories: Vec<PathBuf> =
            self.places.iter().map(|place| place.join(&name)).collect();
        directories.dedup();
        let mut made = SessionGroup { directories: Vec::new(), entries: Vec::new() };
        for directory in directories {
            if let Err(error) = fs::create_dir(&directory) {
                made.remove();
                return Err(error).doing("making a session's control group");
            }
            made.directories.push(directory);
        }
        let [memory, pids, cpu] = self.places.each_ref().map(|place| place.join(&name));
        let limited = match self.version {
            Version::One => limit_by_one(plan, &memory, &pids, &cpu),
            Version::Two => limit_by_two(plan, &memory),
        };
        if let Err(failure) = limited.and_then(|()| made.open_entries(self.version)) {
            made.remove();
            return Err(failure);
        }
        Ok(made)
    }

    /// A descriptor of the file that counts how often the kernel killed for lack of memory.
    pub(super) fn kills(&self, group: &SessionGroup) -> Result<OwnedFd, Failure> {
        let name = match self.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        let memory = group.directories.first().map(|directory| directory.join(name));
        let file = memory.map(File::open).unwrap_or_else(|| Err(Errno::NOENT.into()));
        Ok(file.doing("watching a session's memory")?.into())
    }

    /// Removes the groups, which must be empty by now.
    pub(super) fn remove(&self) {
        self.leases.iter().for_each(|lease| clear(lease.path()));
    }
}

fn limit_by_one(plan: &Plan, memory: &Path, pids: &Path, cpu: &Path) -> Result<(), Failure> {
    set(memory, "memory.limit_in_bytes", plan.memory_bytes)?;
    // Memory and swap together; absent where the kernel does not account for swap.
    if memory.join("memory.memsw.limit_in_bytes").exists() {
        set(memory, "memory.memsw.limit_in_bytes", plan.memory_bytes)?;
    }
    // The session's own first process is one of them.
    set(pids, "pids.max", plan.processes.saturating_add(1))?;
    match quota(plan) {
        Some(quota) => {
            set(cpu, "cpu.cfs_period_us", PERIOD)?;
            set(cpu, "cpu.cfs_quota_us", quota)
        }
        None => Ok(()),
    }
}

/// Beside the unit tests on a look-alike tree, `.ci/cgroup2` runs this in a machine whose kernel has these controllers in
/// version 2.
fn limit_by_two(plan: &Plan, group: &Path) -> Result<(), Failure> {
    set(group, "memory.max", plan.memory_bytes)?;
    if group.join("memory.swap.max").exists() {
        set(group, "memory.swap.max", 0)?;
    }
    set(group, "pids.max", plan.processes.saturating_add(1))?;
    match quota(plan) {
        Some(quota) => set(group, "cpu.max", format_args!("{quota} {PERIOD}")),
        None => Ok(()),
    }
}

/// Microseconds of processor time per period.
fn quota(plan: &Plan) -> Option<u64> {
    // The kernel refuses less than a millisecond.
    plan.cpus.map(|cpus| ((cpus * PERIOD as f64) as u64).max(1_000))
}

fn set(group: &Path, name: &str, value: impl std::fmt::Display) -> Result<(), Failure> {
    fs::write(group.join(name), value.to_string()).doing(&format!("setting {name}"))
}

/// The control groups of one session.
#[derive(Debug)]
pub(super) struct SessionGroup {
    directories: Vec<PathBuf>,
    /// Where a process enters, opened with the supervisor's rights.
    entries: Vec<File>,
}

impl SessionGroup {
    fn open_entries(&mut self, version: Version) -> Result<(), Failure> {
        // A process with one thread that moves itself needs no lock over all processes, for which the kernel waits
        // some milliseconds in each hierarchy. Version 2 takes that lock for whole processes always.
        let name = if version == Version::One { "tasks" } else { "cgroup.procs" };
        let open = |directory: &PathBuf| File::options().write(true).open(directory.join(name));
        let entries = self.directories.iter().map(open).collect::<io::Result<_>>();
        self.entries = entries.doing("opening a session's control group")?;
        Ok(())
    }

    /// Puts the calling process, which has one thread, and all it will start into the group.
    pub(super) fn enter(&self) -> Result<(), Failure> {
        self.entries.iter().try_for_each(|mut entry| {
            entry.write_all(b"0").doing("moving a session into its control group")
        })
    }

    /// The session is in: nobody enters any more.
    pub(super) fn close_entries(&mut self) {
        self.entries.clear();
    }

    /// Removes what can be removed; `false` when processes are still there.
    pub(super) fn remove(&mut self) -> bool {
        self.directories.retain(|directory| {
            let removed = fs::remove_dir(directory);
            removed.is_err_and(|error| error.kind() != io::ErrorKind::NotFound)
        });
        self.directories.is_empty()
    }

    /// Kills what is left in the group.
    pub(super) fn kill(&self) {
        self.directories.iter().for_each(|directory| kill_all(directory));
    }
}

fn kill_all(group: &Path) {
    let members = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    for pid in members.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Ends and removes what supervisors left that are dead: nothing of a living one, which holds its lock.
fn sweep(parent: &Path) {
    Lease::abandoned(parent).iter().for_each(|lease| clear(lease.path()));
}

/// Kills every process in the groups of a supervisor's, and removes them.
fn clear(group: &Path) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let sessions = fs::read_dir(group).into_iter().flatten().flatten();
        for session in sessions.filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir())) {
            kill_all(&session.path());
            let _ = fs::remove_dir(session.path());
        }
        if fs::remove_dir(group).is_ok() || !group.exists() || Instant::now() > deadline {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Where groups may be made: the version, and the parent directory for each controller.
fn find() -> Result<(Version, [PathBuf; 3]), Failure> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").doing("reading the mount table")?;
    let own = fs::read_to_string("/proc/self/cgroup").doing("reading the own control groups")?;
    let none = Failure::new("finding control groups for memory, pids and cpu", Errno::OPNOTSUPP);
    if let Some(places) = find_one(&mounts, &own) {
        return Ok((Version::One, places));
    }
    let (root, place) = unified(&mounts, &own).ok_or(none)?;
    let above = handing_down(&root, &place).ok_or_else(|| {
        let doing = "finding a control group (version 2) that hands memory, pids and cpu down";
        Failure::new(doing, Errno::OPNOTSUPP)
    })?;
    Ok((Version::Two, [above.clone(), above.clone(), above]))
}

fn find_one(mounts: &str, own: &str) -> Option<[PathBuf; 3]> {
    let place = |controller: &str| {
        let mount = mounts.lines().filter_map(Mount::parse).find(|mount| {
            mount.kind == "cgroup" && mount.options.split(',').any(|option| option == controller)
        })?;
        let path = own.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let named = fields.next()?.split(',').any(|name| name == controller);
            named.then(|| fields.next()).flatten()
        })?;
        Some(mount.locate(path))
    };
    let [memory, pids, cpu] = CONTROLLERS.map(place);
    Some([memory?, pids?, cpu?])
}

/// The mount of version 2 and the own place in it.
fn unified(mounts: &str, own: &str) -> Option<(PathBuf, PathBuf)> {
    let mount = mounts.lines().filter_map(Mount::parse).find(|mount| mount.kind == "cgroup2")?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some((PathBuf::from(mount.point), mount.locate(path)))
}

/// The nearest group, from `place` up to `root`, whose children get every controller.
fn handing_down(root: &Path, place: &Path) -> Option<PathBuf> {
    let below = place.ancestors().take_while(|ancestor| ancestor.starts_with(root));
    let mut usable = below.filter(|group| {
        let given = fs::read_to_string(group.join("cgroup.subtree_control")).unwrap_or_default();
        let given: Vec<&str> = given.split_whitespace().collect();
        CONTROLLERS.iter().all(|controller| given.contains(controller))
    });
    usable.next().map(Path::to_owned)
}

/// A line of the mount table, as far as it matters here.
struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let mut after = after.split(' ');
        Some(Self {
            root: before.next()?,
            point: before.next()?,
            kind: after.next()?,
            options: after.nth(1)?,
        })
    }

    /// Where a group lies that the kernel calls `path`.
    fn locate(&self, path: &str) -> PathBuf {
        let within = Path::new(path).strip_prefix(self.root).unwrap_or(Path::new(""));
        let within = within.strip_prefix("/").unwrap_or(within);
        Path::new(self.point).join(within)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by it")]
    use super::*;

    const MOUNTS: &str = "\
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 /docker/x /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw
";

    #[test]
    fn the_places_of_version_one_are_read_from_the_kernel() {
        let own = "8:pids:/docker/x/y\n4:memory:/a/b\n1:cpu,cpuacct:/\n0::/\n";
        let places = find_one(MOUNTS, own).unwrap();
        let expected = ["/sys/fs/cgroup/memory/a/b", "/sys/fs/cgroup/pids/y", "/sys/fs/cgroup/cpu"];
        assert_eq!(places, expected.map(PathBuf::from));
        assert_eq!(find_one(MOUNTS, "4:memory:/a/b\n0::/\n"), None);
    }

    #[test]
    fn version_two_looks_upwards_for_a_group_that_hands_down() {
        let (point, place) = unified(MOUNTS, "0::/user.slice/app.scope\n").unwrap();
        assert_eq!(place, point.join("user.slice/app.scope"));
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("user.slice/app.scope");
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("cgroup.subtree_control"), "").unwrap();
        assert_eq!(handing_down(root.path(), &place), None);
        let above = root.path().join("user.slice");
        fs::write(above.join("cgroup.subtree_control"), "cpu io memory pids\n").unwrap();
        assert_eq!(handing_down(root.path(), &place), Some(above));
    }

    #[test]
    fn limits_of_version_two_are_written_as_the_kernel_reads_them() {
        let group = tempfile::tempdir().unwrap();
        fs::write(group.path().join("memory.swap.max"), "max").unwrap();
        let plan =
            Plan { memory_bytes: 64 << 20, processes: 10, cpus: Some(0.5), ..Plan::for_tests() };
        limit_by_two(&plan, group.path()).unwrap();
        let read = |name| fs::read_to_string(group.path().join(name)).unwrap();
        assert_eq!(read("memory.max"), "67108864");
        assert_eq!(read("memory.swap.max"), "0");
        assert_eq!(read("pids.max"), "11");
        assert_eq!(read("cpu.max"), "50000 100000");
    }
}
