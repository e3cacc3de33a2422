//! The private root: a sized file system in memory, with branches of the template or, over an unpacked
//! root file system, as its writable layer.

pub(super) mod tree;

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{MountAttrFlags, UnmountFlags, unmount};

use super::changed::Layers;
use super::failure::{Doing as _, Failure};
use super::template::{HOSTS, LOWER, RESOLVER, STORAGE, Template};
use crate::wire::Plan;

const RESOLVER_OF_HOST: &str = "/etc/resolv.conf";

/// Mounts that only the supervisor could make, because they translate owners.
#[derive(Debug, Default)]
pub(super) struct Handed {
    pub(super) workspace: Option<OwnedFd>,
    pub(super) lower: Option<OwnedFd>,
}

/// Directories of the host's that a session will see, and where.
pub(super) type Shown<'a> = Vec<(&'a str, OwnedFd)>;

/// Takes them, with the rights that the caller has before it becomes the session's user, and goes to the
/// template, whose parts are named relative to it from then on.
pub(super) fn take_shown<'a>(
    plan: &'a Plan,
    template: &Template,
    handed: &mut Handed,
) -> Result<Shown<'a>, Failure> {
    let shown = plan.show.iter().map(|path| {
        Ok((path.trim_start_matches('/'), tree::take(Path::new(path), tree::READ_ONLY, true)?))
    });
    let mut shown: Shown<'_> = shown.collect::<Result<_, Failure>>()?;
    if let Some(workspace) = workspace(plan, handed.workspace.take())? {
        shown.push((plan.workdir.trim_start_matches('/'), workspace));
    }
    rustix::process::chdir(template.path()).doing("going to the sessions' template")?;
    Ok(shown)
}

/// Builds the root and moves the calling process, alone in its mount namespace, into it.
pub(super) fn enter_private_root(
    plan: &Plan,
    template: &Template,
    shown: Shown<'_>,
    handed: Handed,
) -> Result<Option<Layers>, Failure> {
    let storage = tree::tmpfs(plan.disk_bytes, plan.inodes)?;
    tree::attach(&storage, CWD, STORAGE).doing("mounting the private root")?;
    let mut layers = None;
    let root = match &plan.root {
        None => {
            let clone = |branch: &String| tree::clone(Path::new(branch), true);
            let branches: Vec<_> =
                template.branches.iter().map(clone).collect::<Result<_, Failure>>()?;
            tree::unmasked(|| system(plan, template, storage.as_fd(), &branches))?;
            storage
        }
        Some(lower) => {
            let (root, both) = layered(Path::new(lower), &storage, handed.lower)?;
            layers = Some(both);
            root
        }
    };
    if plan.root.is_some() {
        tree::unmasked(|| furnish(plan, root.as_fd()))?;
    }
    for (path, mount) in shown {
        tree::directory(root.as_fd(), path, 0o755)?;
        tree::attach(&mount, root.as_fd(), path).doing(&format!("showing /{path}"))?;
    }
    pivot(&root)?;
    Ok(layers)
}

/// The directory that is shared with the host, if one is.
fn workspace(plan: &Plan, handed: Option<OwnedFd>) -> Result<Option<OwnedFd>, Failure> {
    let attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    match (&plan.workspace, handed) {
        (None, _) => Ok(None),
        (Some(_), Some(handed)) => Ok(Some(handed)),
        (Some(path), None) => tree::take(Path::new(path), attributes, false).map(Some),
    }
}

/// The host's system directories, read-only: `branches` are clones of the template's, in its order.
pub(super) fn system(
    plan: &Plan,
    template: &Template,
    at: BorrowedFd<'_>,
    branches: &[OwnedFd],
) -> Result<(), Failure> {
    for (place, mount) in template.branches.iter().zip(branches) {
        tree::directory(at, place, 0o755)?;
        tree::attach(mount, at, place.as_str()).doing(&format!("showing /{place}"))?;
    }
    for (path, target) in &template.links {
        tree::link(at, path, target)?;
    }
    // Absent on some hosts, which resolve names otherwise.
    if plan.network && let Ok(resolver) = tree::take(RESOLVER_OF_HOST.as_ref(), tree::READ_ONLY, false) {
        tree::attach(&resolver, at, RESOLVER).doing("showing the resolver's configuration")?;
    }
    let own = [
        ("tmp", 0o1777),
        ("root", 0o700),
        ("home", 0o755),
        ("var/tmp", 0o1777),
        ("run", 0o755),
        ("run/shm", 0o1777),
    ];
    for (name, mode) in own {
        tree::directory(at, name, mode)?;
    }
    terminals(at);
    processes(at)
}

/// An unpacked root file system below a writable layer of the session's own. `userxattr` lets a user
/// namespace delete and rename what lies below.
fn layered(
    lower: &Path,
    storage: &OwnedFd,
    handed: Option<OwnedFd>,
) -> Result<(OwnedFd, Layers), Failure> {
    let lower = match handed {
        Some(mount) => {
            tree::attach(&mount, CWD, LOWER).doing("mounting the lower layer")?;
            PathBuf::from(LOWER)
        }
        None => lower.to_owned(),
    };
    for name in ["upper", "work", "root"] {
        tree::directory(storage.as_fd(), name, 0o755)?;
    }
    let at = Path::new(STORAGE);
    let options = [
        ("lowerdir", lower.display().to_string()),
        ("upperdir", at.join("upper").display().to_string()),
        ("workdir", at.join("work").display().to_string()),
    ];
    let flags = MountAttrFlags::MOUNT_ATTR_NODEV;
    let root = tree::file_system("overlay", &options, &["userxattr"], flags)?;
    tree::attach(&root, storage.as_fd(), "root").doing("mounting the layered root")?;
    Ok((root, Layers::open(&at.join("upper"), &lower)?))
}

/// What a root file system needs to be lived in: devices, terminals, processes, names. Nothing of it is trusted:
/// a link in the place of a directory is an error.
fn furnish(plan: &Plan, root: BorrowedFd<'_>) -> Result<(), Failure> {
    tree::directory(root, "dev", 0o755)?;
    let devices = tree::clone(Path::new("dev"), true)?;
    tree::attach(&devices, root, "dev").doing("showing /dev")?;
    for (name, mode) in [("tmp", 0o1777), ("root", 0o700), ("etc", 0o755), ("run", 0o755)] {
        tree::directory(root, name, mode)?;
    }
    tree::directory(root, "run/shm", 0o1777)?;
    replace(root, "etc/hosts", HOSTS.as_bytes())?;
    replace(root, "etc/hostname", b"sandbox\n")?;
    if plan.network && let Ok(content) = std::fs::read(RESOLVER_OF_HOST) {
        replace(root, RESOLVER, &content)?;
    }
    terminals(root);
    processes(root)
}

fn replace(root: BorrowedFd<'_>, path: &str, content: &[u8]) -> Result<(), Failure> {
    // There or not, a link or not: what matters is what is there next.
    let _ = rustix::fs::unlinkat(root, path, rustix::fs::AtFlags::empty());
    tree::file(root, path, content)
}

/// Without terminals of its own a session still works.
fn terminals(root: BorrowedFd<'_>) {
    let options = [("ptmxmode", "666".to_owned()), ("mode", "620".to_owned())];
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    if let Ok(terminals) = tree::file_system("devpts", &options, &[], flags) {
        let _ = tree::attach(&terminals, root, "dev/pts");
    }
}

/// Refused by the kernel where parts of the host's own /proc are masked, as in most containers. There is
/// no way around it: without /proc a command's tree could not be found, nor killed.
pub(super) fn processes(root: BorrowedFd<'_>) -> Result<(), Failure> {
    tree::directory(root, "proc", 0o555)?;
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let processes = tree::file_system("proc", &[], &[], flags)?;
    tree::attach(&processes, root, "proc").doing("mounting /proc")
}

/// Makes `root` the root and forgets the old one.
pub(super) fn pivot(root: &OwnedFd) -> Result<(), Failure> {
    let swap = || {
        rustix::process::fchdir(root)?;
        rustix::process::pivot_root(".", ".")?;
        unmount(".", UnmountFlags::DETACH)?;
        rustix::process::chdir("/")
    };
    swap().doing("entering the private root")
}
