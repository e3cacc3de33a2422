//! The private root: a sized tmpfs with the host's system directories bound read-only into it.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat, symlinkat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
    mount_change, move_mount, open_tree, unmount,
};

use super::failure::{Doing as _, Failure};
use super::template::{DEVICES, Shown, Template};
use crate::sys;
use crate::wire::Plan;

/// One file or directory per this many bytes of storage, as common file systems have it.
const BYTES_PER_INODE: u64 = 4096;

const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
const DEVICE: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC;

/// Synthesised: the host's accounts are nobody's business, and its name service may need sockets.
const ETC: &[(&str, &str)] = &[
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\nagent:x:1000:1000:agent:/root:/bin/bash\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    ("etc/group", "root:x:0:\ntty:x:5:\nagent:x:1000:\nnogroup:x:65534:\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"),
    ("etc/hosts", "127.0.0.1 localhost sandbox\n::1 localhost\n"),
    ("etc/hostname", "sandbox\n"),
];

/// Builds the root and moves the calling process, alone in its mount namespace, into it.
pub(super) fn enter_private_root(plan: &Plan, template: &Template) -> Result<(), Failure> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .doing("making the mounts private")?;
    // Taken before the root is attached, which may hide them.
    let further: Vec<(&str, OwnedFd)> = plan
        .show
        .iter()
        .map(|path| Ok((path.trim_start_matches('/'), take(path, READ_ONLY, true)?)))
        .collect::<Result<_, Failure>>()?;
    let root = storage(plan.disk_bytes)?;
    // Any directory does; what it hides is not shown in the session anyway.
    attach(&root, CWD, "/tmp").doing("mounting the private root")?;
    for shown in &template.shown {
        show(shown, root.as_fd())?;
    }
    accounts(plan, root.as_fd())?;
    devices(root.as_fd())?;
    processes(root.as_fd())?;
    for (name, mode) in [("tmp", 0o1777), ("root", 0o700), ("home", 0o755), ("var/tmp", 0o1777)] {
        directory(root.as_fd(), name, mode)?;
    }
    for (path, mount) in further {
        directory(root.as_fd(), path, 0o755)?;
        attach(&mount, root.as_fd(), path).doing(&format!("showing /{path}"))?;
    }
    pivot(&root)
}

fn storage(bytes: u64) -> Result<OwnedFd, Failure> {
    let inodes = (bytes / BYTES_PER_INODE).max(1024);
    let options = [
        ("size", bytes.to_string()),
        ("nr_inodes", inodes.to_string()),
        ("mode", "755".to_owned()),
    ];
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    file_system("tmpfs", &options, flags)
}

fn file_system(
    kind: &str,
    options: &[(&str, String)],
    flags: MountAttrFlags,
) -> Result<OwnedFd, Failure> {
    let make = || {
        let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (key, value) in options {
            fsconfig_set_string(&context, *key, value.as_str())?;
        }
        fsconfig_create(&context)?;
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags)
    };
    make().doing(&format!("making a {kind}"))
}

fn attach(mount: &OwnedFd, at: BorrowedFd<'_>, path: &str) -> rustix::io::Result<()> {
    move_mount(mount, "", at, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

fn show(shown: &Shown, root: BorrowedFd<'_>) -> Result<(), Failure> {
    match shown {
        Shown::Link(path, target) => {
            parents(root, path)?;
            symlinkat(target.as_str(), root, path.as_str()).doing(&format!("linking /{path}"))
        }
        Shown::Directory(path) => {
            directory(root, path, 0o755)?;
            bind(root, path, READ_ONLY, true)
        }
        Shown::Copy(path, content) => file(root, path, content),
        Shown::File(path) => {
            file(root, path, b"")?;
            bind(root, path, READ_ONLY, false)
        }
    }
}

/// Shows the host's `/path` at the same place.
fn bind(root: BorrowedFd<'_>, path: &str, attributes: u64, tree: bool) -> Result<(), Failure> {
    let mount = take(&format!("/{path}"), attributes, tree)?;
    attach(&mount, root, path).doing(&format!("showing /{path}"))
}

/// A copy of the host's mount at `path`, attached nowhere yet. Its attributes are set before it can be
/// reached.
fn take(path: &str, attributes: u64, tree: bool) -> Result<OwnedFd, Failure> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    flags.set(OpenTreeFlags::AT_RECURSIVE, tree);
    let what = format!("showing {path}");
    let mount = open_tree(CWD, path, flags).doing(&what)?;
    sys::add_mount_attributes(mount.as_fd(), attributes, tree).doing(&what)?;
    Ok(mount)
}

fn accounts(plan: &Plan, root: BorrowedFd<'_>) -> Result<(), Failure> {
    for (path, content) in ETC {
        file(root, path, content.as_bytes())?;
    }
    let resolver = std::fs::read("/etc/resolv.conf").ok().filter(|_| plan.network);
    resolver.map_or(Ok(()), |content| file(root, "etc/resolv.conf", &content))
}

fn devices(root: BorrowedFd<'_>) -> Result<(), Failure> {
    directory(root, "dev/pts", 0o755)?;
    directory(root, "dev/shm", 0o1777)?;
    for name in DEVICES {
        let path = format!("dev/{name}");
        file(root, &path, b"")?;
        bind(root, &path, DEVICE, false)?;
    }
    let links = [
        ("dev/fd", "/proc/self/fd"),
        ("dev/stdin", "/proc/self/fd/0"),
        ("dev/stdout", "/proc/self/fd/1"),
        ("dev/stderr", "/proc/self/fd/2"),
        ("dev/ptmx", "pts/ptmx"),
    ];
    for (path, target) in links {
        symlinkat(target, root, path).doing("linking into /dev")?;
    }
    let options = [("ptmxmode", "666".to_owned()), ("mode", "620".to_owned())];
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    // Without terminals of its own a session still works.
    if let Ok(terminals) = file_system("devpts", &options, flags) {
        let _ = attach(&terminals, root, "dev/pts");
    }
    Ok(())
}

/// Refused by the kernel where parts of the host's own /proc are masked, as in most containers. There is
/// no way around it: without /proc a command's tree could not be found, nor killed.
fn processes(root: BorrowedFd<'_>) -> Result<(), Failure> {
    directory(root, "proc", 0o555)?;
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let processes = file_system("proc", &[], flags)?;
    attach(&processes, root, "proc").doing("mounting /proc")
}

/// Makes `root` the root and forgets the old one.
fn pivot(root: &OwnedFd) -> Result<(), Failure> {
    let swap = || {
        rustix::process::fchdir(root)?;
        rustix::process::pivot_root(".", ".")?;
        unmount(".", UnmountFlags::DETACH)?;
        rustix::process::chdir("/")
    };
    swap().doing("entering the private root")
}

fn parents(root: BorrowedFd<'_>, path: &str) -> Result<(), Failure> {
    match Path::new(path).parent().and_then(Path::to_str) {
        None | Some("") => Ok(()),
        Some(parent) => directory(root, parent, 0o755),
    }
}

fn directory(root: BorrowedFd<'_>, path: &str, mode: u32) -> Result<(), Failure> {
    let what = format!("making /{path}");
    let make = || match mkdirat(root, path, Mode::from_raw_mode(mode)) {
        Err(Errno::EXIST) => Ok(false),
        other => other.map(|()| true),
    };
    let made = match make() {
        Err(Errno::NOENT) => {
            parents(root, path)?;
            make()
        }
        other => other,
    };
    // The umask took the sticky and group bits.
    if made.doing(&what)? && mode & 0o1022 != 0 {
        let fd = openat(root, path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        fd.and_then(|fd| rustix::fs::fchmod(fd, Mode::from_raw_mode(mode))).doing(&what)?;
    }
    Ok(())
}

fn file(root: BorrowedFd<'_>, path: &str, content: &[u8]) -> Result<(), Failure> {
    let what = format!("making /{path}");
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o644);
    let fd = match openat(root, path, flags, mode) {
        Err(Errno::NOENT) => {
            parents(root, path)?;
            openat(root, path, flags, mode)
        }
        other => other,
    }
    .doing(&what)?;
    std::io::Write::write_all(&mut std::fs::File::from(fd), content).doing(&what)
}
