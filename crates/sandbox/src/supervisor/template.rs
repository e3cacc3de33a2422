//! What of the host a session may read: mounted once, cloned by every session.

use std::fs;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, symlinkat};
use rustix::mount::{MountPropagationFlags, mount_change};

use super::failure::{Doing as _, Failure};
use super::mounts::tree;
use crate::sys;

/// Directories at the root that hold the system and nothing of a user's.
pub(super) const SYSTEM: &[&str] = &[
    "usr",
    "bin",
    "sbin",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "nix/store",
    "gnu/store",
    "run/current-system",
];

/// What programs need of /etc, none of it secret. Accounts and name service are synthesised instead.
pub(super) const READABLE_ETC: &[&str] = &[
    "alternatives",
    "bash.bashrc",
    "crypto-policies",
    "debian_version",
    "fonts",
    "java",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "login.defs",
    "mime.types",
    "os-release",
    "perl",
    "pki/tls/certs",
    "pki/ca-trust/extracted",
    "profile",
    "protocols",
    "python3",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
];

/// Devices that are the same for everybody.
pub(super) const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];

/// Device links, and what stands in for shared memory: a directory of the session's own.
const DEVICE_LINKS: &[(&str, &str)] = &[
    ("dev/fd", "/proc/self/fd"),
    ("dev/stdin", "/proc/self/fd/0"),
    ("dev/stdout", "/proc/self/fd/1"),
    ("dev/stderr", "/proc/self/fd/2"),
    ("dev/ptmx", "pts/ptmx"),
    ("dev/shm", "/run/shm"),
];

/// Synthesised: the host's accounts are nobody's business, and its name service may need sockets.
const ETC: &[(&str, &str)] = &[
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\nagent:x:1000:1000:agent:/root:/bin/bash\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    ("etc/group", "root:x:0:\ntty:x:5:\nagent:x:1000:\nnogroup:x:65534:\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"),
    ("etc/hosts", HOSTS),
    ("etc/hostname", "sandbox\n"),
    // The host's is shown in its place to sessions with a network.
    (RESOLVER, ""),
];
pub(super) const HOSTS: &str = "127.0.0.1 localhost sandbox\n::1 localhost\n";
pub(super) const RESOLVER: &str = "etc/resolv.conf";

/// Where a session attaches its storage while its root is being built, and the lower layer of a root file system.
pub(super) const STORAGE: &str = "session";
pub(super) const LOWER: &str = "lower";

/// Bytes for what is copied.
const BYTES: u64 = 16 << 20;

/// A tree of mounts in the supervisor's own mount namespace. Sessions clone its branches, each with one call
/// whatever hangs on it, and inherit their attributes.
#[derive(Debug)]
pub(super) struct Template {
    path: PathBuf,
    /// Branches below `path`, each at the same place in a session.
    pub(super) branches: Vec<String>,
    /// Links of a session: place and target.
    pub(super) links: Vec<(String, String)>,
}

impl Template {
    /// Builds it at `path`, an empty directory, in a mount namespace of the caller's own.
    pub(super) fn build(path: &Path) -> Result<Self, Failure> {
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .doing("making the mounts private")?;
        let trunk = tree::tmpfs(BYTES, 8192)?;
        tree::attach(&trunk, CWD, path).doing("mounting the sessions' template")?;
        let mut template = Self { path: path.to_owned(), branches: Vec::new(), links: Vec::new() };
        for name in SYSTEM {
            template.system(trunk.as_fd(), name)?;
        }
        for (path, content) in ETC {
            tree::file(trunk.as_fd(), path, content.as_bytes())?;
        }
        for name in READABLE_ETC {
            show_etc(trunk.as_fd(), name)?;
        }
        devices(trunk.as_fd())?;
        for name in ["etc", "dev"] {
            template.branches.push(name.to_owned());
        }
        for name in [STORAGE, LOWER] {
            tree::directory(trunk.as_fd(), name, 0o700)?;
        }
        // Read-only for every clone of it: sessions share these files.
        sys::add_mount_attributes(trunk.as_fd(), libc::MOUNT_ATTR_RDONLY, false, None)
            .doing("closing the sessions' template")?;
        Ok(template)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn system(&mut self, trunk: BorrowedFd<'_>, name: &str) -> Result<(), Failure> {
        let host = Path::new("/").join(name);
        match fs::symlink_metadata(&host) {
            Ok(found) if found.is_symlink() => self.link(name, &host),
            Ok(found) if found.is_dir() => {
                tree::directory(trunk, name, 0o755)?;
                tree::bind(trunk, &host, name, tree::READ_ONLY, true)?;
                self.branches.push(name.to_owned());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The host's link, as it is.
    fn link(&mut self, name: &str, host: &Path) -> Result<(), Failure> {
        let target = fs::read_link(host).doing("reading a link of the host's")?;
        if let Some(target) = target.to_str() {
            self.links.push((name.to_owned(), target.to_owned()));
        }
        Ok(())
    }
}

/// One part of the host's /etc, in the same place.
fn show_etc(trunk: BorrowedFd<'_>, name: &str) -> Result<(), Failure> {
    let (host, path) = (Path::new("/etc").join(name), format!("etc/{name}"));
    let Ok(found) = fs::symlink_metadata(&host) else { return Ok(()) };
    if found.is_symlink() {
        let target = fs::read_link(&host).doing("reading a link of the host's")?;
        return target.to_str().map_or(Ok(()), |target| tree::link(trunk, &path, target));
    }
    if found.is_dir() {
        tree::directory(trunk, &path, 0o755)?;
        return tree::bind(trunk, &host, &path, tree::READ_ONLY, true);
    }
    fs::read(&host).map_or(Ok(()), |content| tree::file(trunk, &path, &content))
}

fn devices(trunk: BorrowedFd<'_>) -> Result<(), Failure> {
    tree::directory(trunk, "dev/pts", 0o755)?;
    for name in DEVICES {
        let path = format!("dev/{name}");
        tree::file(trunk, &path, b"")?;
        tree::bind(trunk, &Path::new("/").join(&path), &path, tree::DEVICE, false)?;
    }
    for (path, target) in DEVICE_LINKS {
        symlinkat(*target, trunk, *path).doing("linking into /dev")?;
    }
    Ok(())
}
