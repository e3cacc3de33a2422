//! What every session is made from, prepared once.

use std::fs;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Command;

use super::cgroup::Groups;
use super::failure::{Doing as _, Failure};
use super::filter::Filter;
use super::identity::{BLOCK, Subordinate};
use super::lease::Lease;
use super::network::Network;
use super::template::Template;
use super::{confine, private};
use crate::sys;
use crate::wire::{Confinement, Setup};

/// Everything that outlives a single session.
#[derive(Debug)]
pub(super) struct Materials {
    pub(super) filter: Filter,
    /// Every directory that this supervisor makes lies in this one.
    lease: Lease,
    pub(super) template: Option<Template>,
    pub(super) groups: Option<Groups>,
    pub(super) subordinate: Option<Subordinate>,
    /// Absent where a session may share the host's, to which an ordinary user's supervisor could not return.
    pub(super) network: Option<Network>,
}

impl Materials {
    /// Prepares for sessions as `setup` describes them.
    pub(super) fn prepare(setup: &Setup) -> Result<Self, Failure> {
        let state = Path::new(&setup.state);
        let lease =
            Lease::take(state).doing(&format!("making a directory in {}", state.display()))?;
        let filter = Filter::compile();
        let groups = setup.control_groups.then(Groups::claim).transpose()?;
        let mut materials =
            Self { filter, lease, template: None, groups, subordinate: None, network: None };
        if setup.confinement == Confinement::Namespace {
            materials.network = (!setup.network).then(Network::default);
            materials.enter_namespaces(setup).inspect_err(|_| materials.remove())?;
        }
        Ok(materials)
    }

    /// A mount namespace for the template. An ordinary user gets the right to it by a user namespace, in which
    /// it is still itself.
    fn enter_namespaces(&mut self, setup: &Setup) -> Result<(), Failure> {
        if rustix::process::geteuid().is_root() && !is_pretended_root() {
            sys::unshare(libc::CLONE_NEWNS).doing("making the mounts the supervisor's own")?;
        } else {
            self.subordinate = enter_user_namespace(setup.many_ids)?;
        }
        let path = self.lease.path().join("template");
        fs::create_dir(&path).doing("making the sessions' template")?;
        self.template = Some(Template::build(&path)?);
        Ok(())
    }

    /// Where private directories are made.
    pub(super) fn directory(&self) -> &Path {
        self.lease.path()
    }

    /// Removes what there is, once every session has ended.
    pub(super) fn remove(&self) {
        if let Some(groups) = &self.groups {
            groups.remove();
        }
        if let Some(template) = &self.template {
            let _ = rustix::mount::unmount(template.path(), rustix::mount::UnmountFlags::DETACH);
        }
        private::remove_tree(self.lease.path());
    }
}

pub(super) fn is_pretended_root() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let whole = map.split_whitespace().nth(2).is_some_and(|count| count == "4294967295");
    !whole && map.split_whitespace().nth(1).is_some_and(|outside| outside != "0")
}

/// Enters a user namespace in which this process keeps its ids.
pub(super) fn enter_user_namespace(many_ids: bool) -> Result<Option<Subordinate>, Failure> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    if many_ids && let Some(subordinate) = subordinate(uid) {
        confine::while_dumpable(|| map_by_helpers(uid, gid, subordinate))??;
        return Ok(Some(subordinate));
    }
    confine::while_dumpable(|| {
        sys::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS).doing("creating a user namespace")?;
        map_oneself(uid, gid)
    })??;
    Ok(None)
}

fn map_oneself(uid: u32, gid: u32) -> Result<(), Failure> {
    fs::write("/proc/self/setgroups", "deny").doing("writing setgroups")?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")).doing("writing the user id map")?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")).doing("writing the group id map")
}

/// The first subordinate ranges that this user has, cut to what a root file system needs beside its root.
fn subordinate(uid: u32) -> Option<Subordinate> {
    let name = fs::read_to_string("/etc/passwd").ok().and_then(|text| {
        let line = text.lines().find(|line| line.split(':').nth(2) == Some(&uid.to_string()))?;
        line.split(':').next().map(str::to_owned)
    });
    let range = |file: &str| {
        let text = fs::read_to_string(file).ok()?;
        text.lines().find_map(|line| {
            let mut fields = line.split(':');
            let whose = fields.next()?;
            let ours = whose == uid.to_string() || Some(whose) == name.as_deref();
            let first = fields.next()?.trim().parse().ok()?;
            let count: u32 = fields.next()?.trim().parse().ok()?;
            (ours && count >= 1_000).then(|| (first, count.min(BLOCK - 1)))
        })
    };
    Some(Subordinate { uids: range("/etc/subuid")?, gids: range("/etc/subgid")? })
}

/// `newuidmap` and `newgidmap` have the privilege that an ordinary user lacks. They must be started from outside
/// of the namespace, and look whether this process, whose maps they write, belongs to the caller.
fn map_by_helpers(uid: u32, gid: u32, ids: Subordinate) -> Result<(), Failure> {
    let own = rustix::process::getpid().as_raw_nonzero().to_string();
    let (wait, go) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).doing("making a pipe")?;
    let helper = sys::clone_process(0, || {
        // Its copy of the other end, above all: the pipe would never end.
        let _ = sys::close_all_but(&[
            rustix::stdio::stdin(),
            rustix::stdio::stdout(),
            rustix::stdio::stderr(),
            wait.as_fd(),
        ]);
        let mut byte = [0_u8];
        let _ = rustix::io::read(&wait, &mut byte);
        let map = |program: &str, id: u32, (first, count): (u32, u32)| {
            let (id, first, count) = (id.to_string(), first.to_string(), count.to_string());
            let arguments = [&own, &id, &id, "1", &first, &first, &count];
            let program = ["/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin"]
                .map(|directory| Path::new(directory).join(program))
                .into_iter()
                .find(|program| program.exists());
            let Some(program) = program else { return false };
            Command::new(program).args(arguments).status().is_ok_and(|status| status.success())
        };
        let mapped = map("newuidmap", uid, ids.uids) && map("newgidmap", gid, ids.gids);
        sys::exit_now(i32::from(!mapped))
    })
    .doing("starting newuidmap")?;
    let entered = sys::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS);
    drop(go);
    let status = rustix::process::waitid(
        rustix::process::WaitId::PidFd(helper.pidfd.as_fd()),
        rustix::process::WaitIdOptions::EXITED,
    );
    entered.doing("creating a user namespace")?;
    match status.doing("waiting for newuidmap")?.and_then(|status| status.exit_status()) {
        Some(0) => Ok(()),
        _ => Err(Failure::new("mapping subordinate ids with newuidmap", rustix::io::Errno::PERM)),
    }
}
