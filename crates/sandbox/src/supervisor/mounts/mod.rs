//! The private root: a sized file system in memory, with branches of the template or, over an unpacked
//! root file system, as its writable layer.

pub(super) mod tree;

use std::fs;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, UnmountFlags, unmount};

use super::changed::Layers;
use super::failure::{Doing as _, Failure};
use super::template::{HOSTS, LOWER, RESOLVER, STORAGE, Template};
use crate::wire::Plan;

const RESOLVER_OF_HOST: &str = "/etc/resolv.conf";

/// Mounts whose owners are translated for the session's ids, once it has some.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) workspace: Option<OwnedFd>,
    pub(super) lower: Option<OwnedFd>,
}

/// Parts of the host that a session sees. The supervisor takes them, where the host's mounts are, each attached nowhere yet.
#[derive(Debug)]
pub(super) struct Given {
    /// In the order of the plan.
    shown: Vec<OwnedFd>,
    workspace: Option<OwnedFd>,
    /// The root file system.
    lower: Option<OwnedFd>,
    /// The resolver's configuration where there is a network: shown read-only, or copied into a root file system. Absent
    /// on some hosts, which resolve names otherwise.
    resolver: Option<OwnedFd>,
    copied_resolver: Option<Vec<u8>>,
}

impl Given {
    /// Takes what `plan` names; what is to be `translated` comes later.
    pub(super) fn take(plan: &Plan, translated: bool) -> Result<Self, Failure> {
        let own = |path: &Option<String>| path.clone().filter(|_| !translated);
        let (workspace, lower) = (own(&plan.workspace), own(&plan.root));
        let shown = plan.show.iter().map(|path| tree::take(path.as_ref(), tree::READ_ONLY, true));
        Ok(Self {
            shown: shown.collect::<Result<_, _>>()?,
            workspace: workspace
                .map(|path| tree::take(path.as_ref(), SHARED, false))
                .transpose()?,
            lower: lower.map(|path| tree::clone(path.as_ref(), true)).transpose()?,
            resolver: resolver(plan),
            copied_resolver: plan.network.then(|| fs::read(RESOLVER_OF_HOST).ok()).flatten(),
        })
    }

    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let single = [&self.workspace, &self.lower, &self.resolver];
        self.shown.iter().chain(single.into_iter().flatten()).map(OwnedFd::as_fd)
    }
}

/// The host's, for a session that has its network.
pub(super) fn resolver(plan: &Plan) -> Option<OwnedFd> {
    let take = || tree::take(RESOLVER_OF_HOST.as_ref(), tree::READ_ONLY, false).ok();
    plan.network.then(take).flatten()
}

/// Builds the root and moves the calling process into it. The process is alone in its mount namespace, a copy of the
/// template's, and at the top of that.
pub(super) fn enter_private_root(
    plan: &Plan,
    template: &Template,
    given: &Given,
    translated: &Translated,
) -> Result<Option<Layers>, Failure> {
    let storage = tree::tmpfs(plan.disk_bytes, plan.inodes)?;
    tree::attach(&storage, CWD, STORAGE).doing("mounting the private root")?;
    let mut layers = None;
    let root = match translated.lower.as_ref().or(given.lower.as_ref()) {
        None => {
            let branches = template.branches(Path::new("."))?;
            let resolver = given.resolver.as_ref();
            tree::unmasked(|| system(template, storage.as_fd(), &branches, resolver))?;
            storage
        }
        Some(lower) => {
            let (root, both) = layered(lower, &storage)?;
            layers = Some(both);
            tree::unmasked(|| furnish(root.as_fd(), given.copied_resolver.as_deref()))?;
            root
        }
    };
    let workspace = translated.workspace.iter().chain(&given.workspace);
    let workspace = workspace.map(|mount| (&plan.workdir, mount));
    for (path, mount) in plan.show.iter().zip(&given.shown).chain(workspace) {
        let place = path.trim_start_matches('/');
        tree::directory(root.as_fd(), place, 0o755)?;
        tree::attach(mount, root.as_fd(), place).doing(&format!("showing {path}"))?;
    }
    pivot(&root)?;
    Ok(layers)
}

/// The host's system directories, read-only: `branches` are clones of the template's, in its order.
pub(super) fn system(
    template: &Template,
    at: BorrowedFd<'_>,
    branches: &[OwnedFd],
    resolver: Option<&OwnedFd>,
) -> Result<(), Failure> {
    for (place, mount) in template.places.iter().zip(branches) {
        tree::directory(at, place, 0o755)?;
        tree::attach(mount, at, place.as_str()).doing(&format!("showing /{place}"))?;
    }
    for (path, target) in &template.links {
        tree::link(at, path, target)?;
    }
    if let Some(resolver) = resolver {
        tree::attach(resolver, at, RESOLVER).doing("showing the resolver's configuration")?;
    }
    let own = [
        ("tmp", 0o1777),
        ("root", 0o700),
        ("home", 0o755),
        ("var", 0o755),
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
fn layered(lower: &OwnedFd, storage: &OwnedFd) -> Result<(OwnedFd, Layers), Failure> {
    tree::attach(lower, CWD, LOWER).doing("mounting the lower layer")?;
    for name in ["upper", "work", "root"] {
        tree::directory(storage.as_fd(), name, 0o755)?;
    }
    let at = Path::new(STORAGE);
    let options = [
        ("lowerdir", LOWER.to_owned()),
        ("upperdir", at.join("upper").display().to_string()),
        ("workdir", at.join("work").display().to_string()),
    ];
    let flags = MountAttrFlags::MOUNT_ATTR_NODEV;
    let root = tree::file_system("overlay", &options, &["userxattr"], flags)?;
    tree::attach(&root, storage.as_fd(), "root").doing("mounting the layered root")?;
    Ok((root, Layers::open(&at.join("upper"), Path::new(LOWER))?))
}

/// What a root file system needs to be lived in: devices, terminals, processes, names. Nothing of it is trusted:
/// a link in the place of a directory is an error.
fn furnish(root: BorrowedFd<'_>, resolver: Option<&[u8]>) -> Result<(), Failure> {
    tree::directory(root, "dev", 0o755)?;
    let devices = tree::clone(Path::new("dev"), true)?;
    tree::attach(&devices, root, "dev").doing("showing /dev")?;
    for (name, mode) in [("tmp", 0o1777), ("root", 0o700), ("etc", 0o755), ("run", 0o755)] {
        tree::directory(root, name, mode)?;
    }
    tree::directory(root, "run/shm", 0o1777)?;
    replace(root, "etc/hosts", HOSTS.as_bytes())?;
    replace(root, "etc/hostname", b"sandbox\n")?;
    if let Some(content) = resolver {
        replace(root, RESOLVER, content)?;
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
/// no way around it: without /proc a command's tree could not be found, nor killed. `root` has its devices already.
pub(super) fn processes(root: BorrowedFd<'_>) -> Result<(), Failure> {
    tree::directory(root, "proc", 0o555)?;
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let processes = tree::file_system("proc", &[], &[], flags)?;
    tree::attach(&processes, root, "proc").doing("mounting /proc")?;
    // The kernel would list the keys of the user that the session is on the host. It may have been built without them.
    for list in ["proc/keys", "proc/key-users"] {
        let nothing = tree::clone_at(root, Path::new("dev/null"), false)?;
        match tree::attach(&nothing, root, list) {
            Err(Errno::NOENT) => {}
            covered => covered.doing(&format!("covering /{list}"))?,
        }
    }
    Ok(())
}

/// What a directory that is shared with the host is never used for.
const SHARED: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

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
