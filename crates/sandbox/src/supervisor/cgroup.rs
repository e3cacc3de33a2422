//! Control groups: memory, processes and processor time of a session, bounded by the kernel.
//!
//! One group of this supervisor's in each hierarchy, locked as [`Lease`]s are, and one group per session in
//! it. Version 1 has a hierarchy per controller; version 2 has one for all, in which a group may have either
//! processes or controlled children, so that the place for ours is found by looking upwards.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::failure::{Doing as _, Failure};
use super::lease::Lease;
use super::memory;
use crate::wire::Plan;

/// What a session's limits need.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];
/// The length of a scheduling period, in microseconds: the kernel's default.
const PERIOD: u64 = 100_000;
/// How long the processes of a dead supervisor are waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Groups that are kept for the next sessions.
const SPARES: usize = 4;
/// The part of its memory that a session may find charged already.
const REMAINDER: u64 = 64;

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
    /// Groups of sessions that have ended, as good as new: making and removing one takes as long as all the mounts of a session.
    spare: RefCell<Vec<SessionGroup>>,
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
        let groups = Self { version, places, leases, spare: RefCell::default() };
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

    /// Gives a group for a session, with its limits.
    pub(super) fn session(&self, plan: &Plan) -> Result<SessionGroup, Failure> {
        let mut spare = self.spare.borrow_mut();
        let fits = spare.iter().position(|group| group.limits == Limits::of(plan));
        fits.map_or_else(|| self.make(plan), |index| Ok(spare.swap_remove(index)))
    }

    /// Takes a group back whose session has ended; returns one that is to be removed, if any is.
    pub(super) fn take_back(&self, group: SessionGroup) -> Option<SessionGroup> {
        if !group.is_as_new() {
            return Some(group);
        }
        let mut spare = self.spare.borrow_mut();
        // The oldest goes: its limits were not asked for.
        let oldest = (spare.len() == SPARES).then(|| spare.remove(0));
        spare.push(group);
        oldest
    }

    /// Whether there are groups that no session has asked for yet.
    pub(super) fn has_spares(&self) -> bool {
        !self.spare.borrow().is_empty()
    }

    /// Keeps none of them any more; they are to be removed.
    pub(super) fn give_up_spares(&self) -> Vec<SessionGroup> {
        self.spare.take()
    }

    fn make(&self, plan: &Plan) -> Result<SessionGroup, Failure> {
        let name = format!("{:016x}", super::lease::random().doing("drawing a random number")?);
        let mut directories: Vec<PathBuf> =
            self.places.iter().map(|place| place.join(&name)).collect();
        directories.dedup();
        let limits = Limits::of(plan);
        let mut made = SessionGroup { directories: Vec::new(), limits, open: None };
        for directory in directories {
            if let Err(error) = fs::create_dir(&directory) {
                made.remove();
                return Err(error).doing("making a session's control group");
            }
            made.directories.push(directory);
        }
        let [memory, pids, cpu] = self.places.each_ref().map(|place| place.join(&name));
        let limited = match self.version {
            Version::One => limit_by_one(&limits, &memory, &pids, &cpu),
            Version::Two => limit_by_two(&limits, &memory),
        };
        let opened = limited.and_then(|()| Open::files(self.version, &made.directories, &pids));
        match opened {
            Ok(open) => Ok(SessionGroup { open: Some(open), ..made }),
            Err(failure) => {
                made.remove();
                Err(failure)
            }
        }
    }

    /// Removes the groups, which must be empty by now.
    pub(super) fn remove(&self) {
        self.leases.iter().for_each(|lease| clear(lease.path()));
    }
}

fn limit_by_one(limits: &Limits, memory: &Path, pids: &Path, cpu: &Path) -> Result<(), Failure> {
    set(memory, "memory.limit_in_bytes", limits.memory_bytes)?;
    // Memory and swap together; absent where the kernel does not account for swap.
    if memory.join("memory.memsw.limit_in_bytes").exists() {
        set(memory, "memory.memsw.limit_in_bytes", limits.memory_bytes)?;
    }
    set(pids, "pids.max", limits.processes)?;
    match limits.quota {
        Some(quota) => {
            set(cpu, "cpu.cfs_period_us", PERIOD)?;
            set(cpu, "cpu.cfs_quota_us", quota)
        }
        None => Ok(()),
    }
}

/// Beside the unit tests on a look-alike tree, `.ci/cgroup2` runs this in a machine whose kernel has these controllers in
/// version 2.
fn limit_by_two(limits: &Limits, group: &Path) -> Result<(), Failure> {
    set(group, "memory.max", limits.memory_bytes)?;
    if group.join("memory.swap.max").exists() {
        set(group, "memory.swap.max", 0)?;
    }
    set(group, "pids.max", limits.processes)?;
    match limits.quota {
        Some(quota) => set(group, "cpu.max", format_args!("{quota} {PERIOD}")),
        None => Ok(()),
    }
}

/// What a file of the kernel's says now.
fn text(file: &File) -> String {
    let mut buffer = [0_u8; 512];
    let read = rustix::io::pread(file, &mut buffer, 0).unwrap_or(0);
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

fn set(group: &Path, name: &str, value: impl std::fmt::Display) -> Result<(), Failure> {
    fs::write(group.join(name), value.to_string()).doing(&format!("setting {name}"))
}

/// The control groups of one session.
#[derive(Debug)]
pub(super) struct SessionGroup {
    directories: Vec<PathBuf>,
    limits: Limits,
    open: Option<Open>,
}

/// What of a plan its groups hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    memory_bytes: u64,
    /// The session's own first process is one of them.
    processes: u64,
    /// Microseconds of processor time per period.
    quota: Option<u64>,
}

impl Limits {
    fn of(plan: &Plan) -> Self {
        // The kernel refuses less than a millisecond.
        let quota = plan.cpus.map(|cpus| ((cpus * PERIOD as f64) as u64).max(1_000));
        let processes = plan.processes.saturating_add(1);
        Self { memory_bytes: plan.memory_bytes, processes, quota }
    }
}

/// Files of a session's groups, opened with the supervisor's rights.
#[derive(Debug)]
struct Open {
    /// Where a process enters.
    entries: Vec<File>,
    /// How often the kernel killed for lack of memory.
    kills: File,
    /// Bytes that are still charged.
    used: File,
    /// Processes and threads, dead ones that nobody has collected included.
    processes: File,
}

impl Open {
    fn files(version: Version, directories: &[PathBuf], pids: &Path) -> Result<Self, Failure> {
        // A process with one thread that moves itself needs no lock over all processes, for which the kernel waits
        // some milliseconds in each hierarchy. Version 2 takes that lock for whole processes always.
        let [entry, kills, used, swapped] = match version {
            Version::One => [
                "tasks",
                "memory.oom_control",
                "memory.usage_in_bytes",
                "memory.memsw.usage_in_bytes",
            ],
            Version::Two => ["cgroup.procs", "memory.events", "memory.current", "memory.current"],
        };
        let open = || -> io::Result<Self> {
            let memory = directories.first().ok_or(io::ErrorKind::NotFound)?;
            let write =
                |directory: &PathBuf| File::options().write(true).open(directory.join(entry));
            Ok(Self {
                entries: directories.iter().map(write).collect::<io::Result<_>>()?,
                kills: File::open(memory.join(kills))?,
                // With what was swapped, where that is counted: in the same number, or not at all.
                used: File::open(memory.join(swapped))
                    .or_else(|_| File::open(memory.join(used)))?,
                processes: File::open(pids.join("pids.current"))?,
            })
        };
        open().doing("opening a session's control group")
    }
}

impl SessionGroup {
    /// Puts the calling process, which has one thread, and all it will start into the group.
    pub(super) fn enter(&self) -> Result<(), Failure> {
        let entries = self.open.iter().flat_map(|open| &open.entries);
        entries.into_iter().try_for_each(|mut entry| {
            entry.write_all(b"0").doing("moving a session into its control group")
        })
    }

    /// A descriptor of the file that counts how often the kernel killed for lack of memory.
    pub(super) fn kills(&self) -> Result<OwnedFd, Failure> {
        let file = self.open.as_ref().map(|open| open.kills.as_fd().try_clone_to_owned());
        let none = || Err(Errno::BADF.into());
        file.unwrap_or_else(none).doing("watching a session's memory")
    }

    /// Holds no descriptors any more: the group will be removed, not used again.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    /// Whether another session would find nothing of this one: no process, no kill that it could take for one of its own, and
    /// hardly any memory that is still charged (the kernel's caches, which it gives up when it needs to).
    fn is_as_new(&self) -> bool {
        let Some(open) = &self.open else { return false };
        let number = |file: &File| text(file).trim().parse().unwrap_or(u64::MAX);
        number(&open.processes) == 0
            && memory::kills_in(&text(&open.kills)) == 0
            && number(&open.used) <= self.limits.memory_bytes / REMAINDER
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
        limit_by_two(&Limits::of(&plan), group.path()).unwrap();
        let read = |name| fs::read_to_string(group.path().join(name)).unwrap();
        assert_eq!(read("memory.max"), "67108864");
        assert_eq!(read("memory.swap.max"), "0");
        assert_eq!(read("pids.max"), "11");
        assert_eq!(read("cpu.max"), "50000 100000");
    }

    /// A look-alike of version 2 in `parent`, the only group of a supervisor's.
    fn groups(parent: &Path) -> Groups {
        let leases = vec![Lease::take(parent).unwrap()];
        let place = leases[0].path().to_owned();
        let places = [place.clone(), place.clone(), place];
        Groups { version: Version::Two, places, leases, spare: RefCell::default() }
    }

    /// A group in it as the kernel would have made it, of which the files say this.
    fn used(groups: &Groups, plan: &Plan, processes: u64, memory: u64, kills: u64) -> SessionGroup {
        let limits = Limits::of(plan);
        let directory = groups.places[0].join(super::super::lease::random().unwrap().to_string());
        fs::create_dir(&directory).unwrap();
        let write = |name: &str, value: String| fs::write(directory.join(name), value).unwrap();
        write("cgroup.procs", String::new());
        write("pids.current", format!("{processes}\n"));
        write("memory.current", format!("{memory}\n"));
        write("memory.events", format!("low 0\nhigh 0\nmax 0\noom {kills}\noom_kill {kills}\n"));
        let directories = vec![directory];
        let open = Open::files(Version::Two, &directories, &directories[0]).unwrap();
        SessionGroup { directories, limits, open: Some(open) }
    }

    #[test]
    fn only_a_group_as_good_as_new_is_used_again() {
        let parent = tempfile::tempdir().unwrap();
        let groups = groups(parent.path());
        let plan = Plan { memory_bytes: 64 << 20, ..Plan::for_tests() };
        for (processes, memory, kills) in [(1, 0, 0), (0, (1 << 20) + 1, 0), (0, 0, 1)] {
            assert!(groups.take_back(used(&groups, &plan, processes, memory, kills)).is_some());
        }
        let mut closed = used(&groups, &plan, 0, 0, 0);
        closed.close();
        assert!(groups.take_back(closed).is_some());
        let clean = used(&groups, &plan, 0, 1 << 20, 0);
        let directories = clean.directories.clone();
        assert!(groups.take_back(clean).is_none());
        let other = Plan { processes: plan.processes + 1, ..plan.clone() };
        // Here another cannot be made, for want of the kernel's files.
        assert!(groups.session(&other).is_err());
        assert_eq!(groups.session(&plan).unwrap().directories, directories);
        assert!(groups.spare.borrow().is_empty());
    }

    #[test]
    fn few_groups_are_kept_and_the_oldest_goes() {
        let parent = tempfile::tempdir().unwrap();
        let groups = groups(parent.path());
        let plan = |processes| Plan { processes, ..Plan::for_tests() };
        let gone: Vec<u64> = (1..=7)
            .filter_map(|processes| groups.take_back(used(&groups, &plan(processes), 0, 0, 0)))
            .map(|group| group.limits.processes - 1)
            .collect();
        assert_eq!(gone, [1, 2, 3]);
        assert_eq!(groups.spare.borrow().len(), SPARES);
    }
}
