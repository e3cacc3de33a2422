//! Building a tree of mounts, directories and files below a descriptor.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use crate::supervisor::failure::{Doing as _, Failure};
use crate::sys;

pub(in crate::supervisor) const READ_ONLY: u64 =
    libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
pub(in crate::supervisor) const DEVICE: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC;

/// A file system in memory, attached nowhere yet.
pub(in crate::supervisor) fn tmpfs(bytes: u64, inodes: u64) -> Result<OwnedFd, Failure> {
    let options = [
        ("size", bytes.to_string()),
        ("nr_inodes", inodes.max(64).to_string()),
        ("mode", "755".to_owned()),
    ];
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    file_system("tmpfs", &options, &[], flags)
}

pub(in crate::supervisor) fn file_system(
    kind: &str,
    options: &[(&str, String)],
    switches: &[&str],
    flags: MountAttrFlags,
) -> Result<OwnedFd, Failure> {
    let make = || {
        let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (key, value) in options {
            fsconfig_set_string(&context, *key, value.as_str())?;
        }
        for switch in switches {
            fsconfig_set_flag(&context, *switch)?;
        }
        fsconfig_create(&context)?;
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags)
    };
    make().doing(&format!("making a {kind}"))
}

pub(in crate::supervisor) fn attach(
    mount: &OwnedFd,
    at: BorrowedFd<'_>,
    path: impl rustix::path::Arg,
) -> rustix::io::Result<()> {
    move_mount(mount, "", at, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// Shows `host` at `path` below `root`.
pub(in crate::supervisor) fn bind(
    root: BorrowedFd<'_>,
    host: &Path,
    path: &str,
    attributes: u64,
    recursive: bool,
) -> Result<(), Failure> {
    let mount = take(host, attributes, recursive)?;
    attach(&mount, root, path).doing(&format!("showing /{path}"))
}

/// A copy of the mount at `path`, attached nowhere yet. Its attributes are set before it can be reached.
pub(in crate::supervisor) fn take(
    path: &Path,
    attributes: u64,
    recursive: bool,
) -> Result<OwnedFd, Failure> {
    let mount = clone(path, recursive)?;
    let what = format!("showing {}", path.display());
    sys::add_mount_attributes(mount.as_fd(), attributes, recursive, None).doing(&what)?;
    Ok(mount)
}

/// The same with the attributes that it has.
pub(in crate::supervisor) fn clone(path: &Path, recursive: bool) -> Result<OwnedFd, Failure> {
    clone_at(CWD, path, recursive)
}

/// The same, of a path below `at`.
pub(in crate::supervisor) fn clone_at(
    at: BorrowedFd<'_>,
    path: &Path,
    recursive: bool,
) -> Result<OwnedFd, Failure> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    open_tree(at, path, flags).doing(&format!("showing {}", path.display()))
}

/// Makes what `make` makes with exactly the modes that it names.
pub(in crate::supervisor) fn unmasked<T>(make: impl FnOnce() -> T) -> T {
    let mask = rustix::process::umask(Mode::empty());
    let made = make();
    rustix::process::umask(mask);
    made
}

fn parents(root: BorrowedFd<'_>, path: &str) -> Result<(), Failure> {
    match Path::new(path).parent().and_then(Path::to_str) {
        None | Some("") => Ok(()),
        Some(parent) => directory(root, parent, 0o755),
    }
}

/// Makes a directory, and those above it, in a tree that nobody else has touched yet.
pub(in crate::supervisor) fn directory(
    root: BorrowedFd<'_>,
    path: &str,
    mode: u32,
) -> Result<(), Failure> {
    let what = format!("making /{path}");
    let make = || match mkdirat(root, path, Mode::from_raw_mode(mode)) {
        Err(Errno::EXIST) => Ok(()),
        other => other,
    };
    let made = match make() {
        Err(Errno::NOENT) => {
            parents(root, path)?;
            make()
        }
        other => other,
    };
    made.doing(&what)
}

/// Makes a link, and the directories above it.
pub(in crate::supervisor) fn link(
    root: BorrowedFd<'_>,
    path: &str,
    target: &str,
) -> Result<(), Failure> {
    let make = || rustix::fs::symlinkat(target, root, path);
    let made = match make() {
        Err(Errno::NOENT) => {
            parents(root, path)?;
            make()
        }
        other => other,
    };
    made.doing(&format!("linking /{path}"))
}

/// Makes a file, and the directories above it.
pub(in crate::supervisor) fn file(
    root: BorrowedFd<'_>,
    path: &str,
    content: &[u8],
) -> Result<(), Failure> {
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
