//! A view into a session, for a verifier: the same files, processes and network, seen by processes that those of
//! the session cannot trace and whose tests and rewards they cannot reach.

use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::mount::{MountPropagationFlags, MoveMountFlags, mount_change, move_mount};
use rustix::process::set_child_subreaper;

use super::failure::{Doing as _, Failure};
use super::filter::Filter;
use super::memory::Memory;
use super::mounts::tree;
use super::{namespace, private};
use crate::sys;
use crate::wire::Plan;

/// Where a verifier keeps what an agent must not reach: directories of the view's own, invisible elsewhere. Whatever
/// lies there in the session is hidden from the view, and the other way round.
const OWN: &[&str] = &["tests", "logs"];
/// Bytes and files of each.
const BYTES: u64 = 256 << 20;
const INODES: u64 = 16_384;

/// Enters the session's namespaces: the caller itself all but the pid namespace, which takes its next child.
pub(super) fn enter(namespaces: &[OwnedFd]) -> Result<(), Failure> {
    for namespace in namespaces {
        sys::enter_namespace(namespace.as_fd()).doing("entering the session's namespaces")?;
    }
    Ok(())
}

/// Confines the calling process, a child of one that has entered the namespaces, and serves.
pub(super) fn session(
    socket: &OwnedFd,
    plan: &Plan,
    filter: &Filter,
    memory: Memory,
) -> Result<(), Failure> {
    sys::unshare(libc::CLONE_NEWNS).doing("making a view's mounts its own")?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .doing("making a view's mounts private")?;
    namespace::become_user(if plan.root.is_some() { 0 } else { namespace::ID })?;
    set_child_subreaper(Some(rustix::process::getpid())).doing("adopting orphans")?;
    OWN.iter().try_for_each(|name| hide(name))?;
    let outcome = namespace::confine_and_serve(socket, plan, filter, memory);
    private::end_processes();
    outcome
}

/// Puts an empty directory in the place of `/name`, where the agent may have left anything.
fn hide(name: &str) -> Result<(), Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
    let root = openat2(CWD, "/", flags, Mode::empty(), resolve).doing("opening the root")?;
    let open = || openat2(&root, name, flags, Mode::empty(), resolve);
    let place = match open() {
        Ok(place) => place,
        Err(_) => {
            // Missing, a link or a file.
            let _ = rustix::fs::unlinkat(&root, name, rustix::fs::AtFlags::empty());
            tree::directory(root.as_fd(), name, 0o755)?;
            open().doing(&format!("making /{name}"))?
        }
    };
    let own = tree::tmpfs(BYTES, INODES)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(&own, "", &place, "", flags).doing(&format!("hiding /{name}"))
}
