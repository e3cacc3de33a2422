//! A view into a session, for a verifier: the same files, processes and network, seen by processes that those of
//! the session cannot trace and whose tests and rewards they cannot reach.
//!
//! A view has a root of its own, because in the session's whoever owns `/` can rename what lies there. System directories come
//! from the supervisor's template, as the session's did; the rest is bound from the session.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, OpenTreeFlags, mount_change, open_tree};
use rustix::process::set_child_subreaper;

use super::failure::{Doing as _, Failure};
use super::filter::Filter;
use super::mounts::{self, tree};
use super::start::Own;
use super::template::Template;
use super::{namespace, private};
use crate::sys;
use crate::wire::Plan;

/// What a verifier has of its own, out of sight of the session.
const OWN: &[&str] = &["tests", "logs"];
/// Bytes and files of it.
const BYTES: u64 = 512 << 20;
const INODES: u64 = 65_536;
/// What the root has besides what is bound from the session.
const NOT_BOUND: &[&str] = &["tests", "logs", "proc", "dev"];
/// A session's root with more in it is not looked into further.
const ENTRIES: usize = 256;

/// What a view's root is made from beside the session's own, taken where the template is: in the supervisor's mount
/// namespace.
#[derive(Debug)]
pub(super) struct Root<'a> {
    pub(super) template: &'a Template,
    pub(super) branches: &'a [OwnedFd],
    pub(super) resolver: Option<&'a OwnedFd>,
}

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
    parts: &Root<'_>,
    filter: &Filter,
    own: Own,
) -> Result<(), Failure> {
    sys::unshare(libc::CLONE_NEWNS).doing("making a view's mounts its own")?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .doing("making a view's mounts private")?;
    namespace::become_user(if plan.root.is_some() { 0 } else { namespace::ID })?;
    set_child_subreaper(Some(rustix::process::getpid())).doing("adopting orphans")?;
    enter_root(plan, parts)?;
    let outcome = namespace::confine_and_serve(socket, plan, filter, own, None);
    private::end_processes();
    outcome
}

fn enter_root(plan: &Plan, own: &Root<'_>) -> Result<(), Failure> {
    let Root { template, branches, resolver } = *own;
    let sessions = openat(CWD, "/", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .doing("opening the session's root")?;
    let root = tree::tmpfs(BYTES, INODES)?;
    // A mount point that the session cannot move, because it is one in the session, too.
    tree::attach(&root, CWD, "/dev").doing("mounting a view's root")?;
    let at = root.as_fd();
    let mut system = NOT_BOUND.to_vec();
    if plan.root.is_none() {
        system.extend(template.links.iter().map(|(path, _)| path.as_str()));
        system.extend(template.places.iter().map(String::as_str));
        tree::unmasked(|| mounts::system(template, at, branches, resolver))?;
    } else {
        tree::directory(at, "dev", 0o755)?;
        let named = template.places.iter().zip(branches);
        for (_, mount) in named.filter(|(place, _)| *place == "dev") {
            tree::attach(mount, at, "dev").doing("showing /dev")?;
        }
        mounts::processes(at)?;
    }
    bind_the_rest(sessions.as_fd(), at, &system)?;
    OWN.iter().try_for_each(|name| tree::directory(at, name, 0o755))?;
    mounts::pivot(&root)
}

/// Binds what lies in the session's root and is not there yet.
fn bind_the_rest(
    sessions: BorrowedFd<'_>,
    root: BorrowedFd<'_>,
    system: &[&str],
) -> Result<(), Failure> {
    let entries = Dir::read_from(sessions).doing("reading the session's root")?;
    for entry in entries.flatten().take(ENTRIES) {
        let Ok(name) = entry.file_name().to_str() else { continue };
        if matches!(name, "." | "..") || system.contains(&name) {
            continue;
        }
        // Something that vanishes meanwhile is not there.
        let Ok(stat) = statat(sessions, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => bind_directory(sessions, root, name)?,
            FileType::Symlink => {
                let target = readlinkat(sessions, name, Vec::new()).doing("reading a link")?;
                tree::link(root, name, &target.to_string_lossy())?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn bind_directory(
    sessions: BorrowedFd<'_>,
    root: BorrowedFd<'_>,
    name: &str,
) -> Result<(), Failure> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    let mount = match open_tree(sessions, name, flags) {
        Err(Errno::NOENT) => return Ok(()),
        other => other.doing(&format!("binding /{name}"))?,
    };
    tree::directory(root, name, 0o755)?;
    tree::attach(&mount, root, name).doing(&format!("binding /{name}"))
}
