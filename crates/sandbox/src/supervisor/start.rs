//! Starting a session: which process, in which namespaces, with which ids and limits.

use std::convert::Infallible;
use std::fs::{self, File};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use super::cgroup::SessionGroup;
use super::failure::{Doing as _, Failure};
use super::identity::Identity;
use super::materials::Materials;
use super::memory::{Memory, Watch};
use super::mounts::{self, Given, tree};
use super::namespace::Go;
use super::private::PrivateDirectory;
use super::score::Score;
use super::spawner::numbered;
use super::{confine, landlock, namespace, network, private, view};
use crate::sys::{self, Child};
use crate::wire::{self, Confinement, Plan};

const NAMESPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS;

/// A session's process and what is left to do when it ends.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) child: Child,
    pub(super) after: After,
    pub(super) identity: Option<Identity>,
    pub(super) group: Option<SessionGroup>,
    /// Hangs up when the session is open.
    pub(super) opening: Option<OwnedFd>,
}

/// What is a session's own from its beginning.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) memory: Memory,
    /// Where it hears that it may go on; its end is heard, too.
    pub(super) go: Option<OwnedFd>,
    pub(super) score: Option<Score>,
}

#[derive(Debug)]
pub(super) enum After {
    /// The kernel has done it all: processes and mounts ended with the namespaces.
    Nothing,
    /// It ends its own processes when its socket closes.
    Patience,
    /// Stray processes are to be killed and the directory to be removed.
    Clean(PrivateDirectory),
    /// It is itself removing a directory, and must not be disturbed.
    Finish,
}

/// Starts what `plan` asks for; `given` are the namespaces to look into, if it is a view.
pub(super) fn start<'a>(
    plan: &Plan,
    socket: &OwnedFd,
    given: &[OwnedFd],
    materials: &Materials,
    taken: &(impl Iterator<Item = &'a Identity> + Clone),
) -> Result<Live, Failure> {
    let mut group = materials.groups.as_ref().map(|groups| groups.session(plan)).transpose()?;
    let started = match plan.confinement {
        Confinement::Namespace if plan.view => start_view(plan, socket, given, materials, &group),
        Confinement::Namespace => start_in_namespaces(plan, socket, materials, &group, taken),
        Confinement::Landlock | Confinement::Unconfined => {
            start_in_directory(plan, socket, materials, &group, taken)
        }
    };
    match started {
        Ok(live) => Ok(Live { group, ..live }),
        Err(failure) => {
            if let Some(group) = &mut group {
                group.remove();
            }
            Err(failure)
        }
    }
}

/// What holds the new session to its memory. Opened by the spawner: a session sees no control group.
fn memory(plan: &Plan, group: &Option<SessionGroup>) -> Result<Memory, Failure> {
    match group {
        Some(group) => group.kills().map(Memory::Enforced),
        None => {
            let private = plan.confinement == Confinement::Namespace;
            Ok(Memory::Watched(Watch::new(plan.memory_bytes, private)))
        }
    }
}

fn start_in_directory<'a>(
    plan: &Plan,
    socket: &OwnedFd,
    materials: &Materials,
    group: &Option<SessionGroup>,
    taken: &(impl Iterator<Item = &'a Identity> + Clone),
) -> Result<Live, Failure> {
    let confined = plan.confinement == Confinement::Landlock;
    let identity = confined.then(|| identity_beside(plan, taken)).transpose()?;
    let private = PrivateDirectory::create(materials.directory(), identity.as_ref())?;
    let path = private.path().to_owned();
    let own = Own { memory: memory(plan, group)?, go: None, score: None };
    let child = sys::clone_process(0, || {
        child(socket, &[], group, own, |own| match &identity {
            Some(identity) => {
                landlock::session(socket, plan, &path, identity, &materials.filter, own)
            }
            None => private::session(socket, plan, &path, own),
        })
    })
    .doing("starting the session's process")?;
    Ok(Live { child, after: After::Clean(private), identity, group: None, opening: None })
}

/// Without an id map only the owner of a shared directory can work in it.
fn identity_beside<'a>(
    plan: &Plan,
    taken: &(impl Iterator<Item = &'a Identity> + Clone),
) -> Result<Identity, Failure> {
    let identity = Identity::choose(taken, None)?;
    let Some(workspace) = &plan.workspace else { return Ok(identity) };
    let owner = fs::metadata(workspace).doing("looking at the workspace")?;
    match identity {
        Identity::Assigned { .. } if owner.uid() == 0 => Err(Failure::new(
            "using the workspace (without namespaces a directory of root's cannot be shared: give it to \
             another user)",
            rustix::io::Errno::PERM,
        )),
        Identity::Assigned { .. } => Ok(Identity::Owner { uid: owner.uid(), gid: owner.gid() }),
        own => Ok(own),
    }
}

fn start_in_namespaces<'a>(
    plan: &Plan,
    socket: &OwnedFd,
    materials: &Materials,
    group: &Option<SessionGroup>,
    taken: &(impl Iterator<Item = &'a Identity> + Clone),
) -> Result<Live, Failure> {
    let none = || Failure::new("finding the sessions' template", rustix::io::Errno::NOENT);
    let template = materials.template.as_ref().ok_or_else(none)?;
    let identity = Identity::choose(taken, materials.subordinate)?;
    let (uids, gids) = match plan.root {
        Some(_) => identity.many()?,
        None => identity.single(namespace::ID),
    };
    let given = Given::take(plan, matches!(identity, Identity::Assigned { .. }))?;
    let (go, ours) = pair()?;
    let own = Own { memory: memory(plan, group)?, go: Some(go), score: None };
    let network = match &materials.network {
        _ if plan.network => 0,
        // Servers of a root file system have a right over the namespace: it must be the session's own.
        Some(network) if plan.root.is_none() => network.take(),
        _ => libc::CLONE_NEWNET,
    };
    let clone = || {
        sys::clone_process(NAMESPACES | network, || {
            let keep: Vec<_> = given.descriptors().collect();
            child(socket, &keep, group, own, |own| {
                if network != 0 {
                    network::loopback_up()?;
                }
                namespace::session(socket, plan, template, &given, &materials.filter, own)
            })
        })
    };
    // The child inherits that it can be dumped, and clears it before anything else runs.
    let cloned = template.alone(|| confine::while_dumpable(clone))??;
    let child = cloned.doing("creating the namespaces")?;
    let deny = matches!(identity, Identity::Inherited { subordinate: None, .. });
    let pid = child.pid;
    let live =
        Live { child, after: After::Nothing, identity: Some(identity), group: None, opening: None };
    let ready = map_ids(pid, deny, &uids, &gids).and_then(|()| translated(plan, &live));
    match ready {
        Ok(handed) => Ok(release(live, ours, &handed)),
        Err(failure) => Err(abandon(&live, failure)),
    }
}

fn start_view(
    plan: &Plan,
    socket: &OwnedFd,
    given: &[OwnedFd],
    materials: &Materials,
    group: &Option<SessionGroup>,
) -> Result<Live, Failure> {
    let none = || Failure::new("finding the sessions' template", rustix::io::Errno::NOENT);
    let template = materials.template.as_ref().ok_or_else(none)?;
    let branches = template.branches(template.path())?;
    let resolver = mounts::resolver(plan);
    let own = Own { memory: memory(plan, group)?, go: None, score: None };
    let child = sys::clone_process(0, || {
        let mut keep: Vec<BorrowedFd<'_>> = given.iter().map(OwnedFd::as_fd).collect();
        keep.extend(branches.iter().chain(&resolver).map(OwnedFd::as_fd));
        child(socket, &keep, group, own, |own| {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
                .doing("tying the view to its parent")?;
            view::enter(given)?;
            let inner = sys::clone_process(0, || {
                let keep: Vec<_> = branches.iter().chain(&resolver).map(OwnedFd::as_fd).collect();
                child(socket, &keep, &None, own, |own| {
                    let root =
                        view::Root { template, branches: &branches, resolver: resolver.as_ref() };
                    view::session(socket, plan, &root, &materials.filter, own)
                })
            })
            .doing("starting the view's process")?;
            let _ = waitid(WaitId::PidFd(inner.pidfd.as_fd()), WaitIdOptions::EXITED);
            Ok(())
        })
    })
    .doing("starting the view's process")?;
    Ok(Live { child, after: After::Patience, identity: None, group: None, opening: None })
}

/// Mounts whose owners are translated, for the new session's ids: only an engine that is root can make them, and
/// only it needs them.
fn translated(plan: &Plan, live: &Live) -> Result<Vec<(Part, OwnedFd)>, Failure> {
    let Some(Identity::Assigned { first, .. }) = live.identity else { return Ok(Vec::new()) };
    let mut handed = Vec::new();
    if let Some(workspace) = &plan.workspace {
        let owner = fs::metadata(workspace).doing("looking at the workspace")?;
        let attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
        let owners = owners(owner.uid(), owner.gid(), first)?;
        handed.push((Part::Workspace, translate(workspace, attributes, &owners)?));
    }
    if let Some(root) = &plan.root {
        let owners = File::open(format!("/proc/{}/ns/user", live.child.pid))
            .doing("opening the session's user namespace")?;
        let attributes = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NODEV;
        handed.push((Part::Lower, translate(root, attributes, &owners.into())?));
    }
    Ok(handed)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Workspace,
    Lower,
}

fn translate(path: &str, attributes: u64, owners: &OwnedFd) -> Result<OwnedFd, Failure> {
    let mount = tree::clone(Path::new(path), false)?;
    let what =
        format!("translating the owners of {path} (its file system may not support id maps)");
    sys::add_mount_attributes(mount.as_fd(), attributes, false, Some(owners.as_fd()))
        .doing(&what)?;
    Ok(mount)
}

/// A user namespace in which `uid` and `gid` are the host's `id`. It lives as long as its descriptor.
fn owners(uid: u32, gid: u32, id: u32) -> Result<OwnedFd, Failure> {
    let holder = sys::clone_process(libc::CLONE_NEWUSER, || {
        loop {
            std::thread::park();
        }
    })
    .doing("making an id map")?;
    let mapped = map_ids(holder.pid, false, &format!("{uid} {id} 1"), &format!("{gid} {id} 1"));
    let opened = mapped.and_then(|()| {
        File::open(format!("/proc/{}/ns/user", holder.pid)).doing("opening an id map")
    });
    let _ = pidfd_send_signal(&holder.pidfd, Signal::KILL);
    let _ = waitid(WaitId::PidFd(holder.pidfd.as_fd()), WaitIdOptions::EXITED);
    opened.map(OwnedFd::from)
}

/// Lets a process that waits go on.
fn release(live: Live, go: OwnedFd, handed: &[(Part, OwnedFd)]) -> Live {
    let there = |part| handed.iter().any(|(other, _)| *other == part);
    let message = Go { workspace: there(Part::Workspace), lower: there(Part::Lower) };
    let fds: Vec<_> = handed.iter().map(|(_, fd)| fd.as_fd()).collect();
    // A failure means that the child is gone, which its pidfd tells as well.
    let _ = wire::send(go.as_fd(), &message, &fds, true);
    Live { opening: Some(go), ..live }
}

/// Ends a process that cannot become a session.
fn abandon(live: &Live, failure: Failure) -> Failure {
    let _ = pidfd_send_signal(&live.child.pidfd, Signal::KILL);
    let _ = waitid(WaitId::PidFd(live.child.pidfd.as_fd()), WaitIdOptions::EXITED);
    if let After::Clean(private) = &live.after {
        private.remove();
    }
    failure
}

pub(super) fn pair() -> Result<(OwnedFd, OwnedFd), Failure> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .doing("making a pair of sockets")
}

/// Runs `session` in the child, in its control group, with nothing inherited but its own descriptors.
fn child(
    socket: &OwnedFd,
    more: &[BorrowedFd<'_>],
    group: &Option<SessionGroup>,
    own: Own,
    session: impl FnOnce(Own) -> Result<(), Failure>,
) -> Infallible {
    let mut keep = more.to_vec();
    keep.extend(own.memory.file().into_iter().chain(own.go.as_ref().map(OwnedFd::as_fd)));
    let entered = group.as_ref().map_or(Ok(()), SessionGroup::enter);
    let outcome = entered.and_then(|()| keep_only(socket, &keep));
    let outcome = outcome.and_then(|()| session(Own { score: Score::open().ok(), ..own }));
    let failed = outcome.is_err();
    if let Err(failure) = outcome {
        let _ = wire::send(socket.as_fd(), &numbered(failure.into_reply()), &[], true);
    }
    sys::exit_now(i32::from(failed))
}

/// Closes all but these and the standard streams, which are nothing: the owners of the others must not run again.
pub(super) fn keep_only(socket: &OwnedFd, more: &[BorrowedFd<'_>]) -> Result<(), Failure> {
    let mut keep = vec![
        rustix::stdio::stdin(),
        rustix::stdio::stdout(),
        rustix::stdio::stderr(),
        socket.as_fd(),
    ];
    keep.extend_from_slice(more);
    sys::close_all_but(&keep).doing("closing inherited descriptors")
}

pub(super) fn map_ids(pid: i32, deny: bool, uids: &str, gids: &str) -> Result<(), Failure> {
    if deny {
        // The kernel's condition for mapping a group without privilege.
        fs::write(format!("/proc/{pid}/setgroups"), "deny").doing("writing setgroups")?;
    }
    fs::write(format!("/proc/{pid}/uid_map"), uids).doing("writing the user id map")?;
    fs::write(format!("/proc/{pid}/gid_map"), gids).doing("writing the group id map")
}
