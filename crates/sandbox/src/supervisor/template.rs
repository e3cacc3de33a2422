//! What of the host a session may read: mounted once, cloned by every session.

use std::fs::{self, File};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use rustix::mount::{MountAttrFlags, MountPropagationFlags, mount_change};

use super::failure::{Doing as _, Failure};
use super::mounts::{self, tree};
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

/// Links in /dev, and what stands in for shared memory: a directory of the session's own.
const DEVICE_LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
    ("shm", "/run/shm"),
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
    /// Branches, each at the same place in a session.
    pub(super) places: Vec<String>,
    /// Links of a session: place and target.
    pub(super) links: Vec<(String, String)>,
    /// Where the host's mounts are, and this tree among them.
    hosts: Side,
    /// Where this tree is all there is.
    alone: Side,
}

/// A mount namespace, and a root in it.
#[derive(Debug)]
struct Side {
    namespace: OwnedFd,
    root: OwnedFd,
}

impl Template {
    /// Builds it at `path`, an empty directory, in a mount namespace of the caller's own.
    pub(super) fn build(path: &Path) -> Result<Self, Failure> {
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .doing("making the mounts private")?;
        let trunk = tree::tmpfs(BYTES, 8192)?;
        tree::attach(&trunk, CWD, path).doing("mounting the sessions' template")?;
        let (mut places, mut links) = (Vec::new(), Vec::new());
        for name in SYSTEM {
            let host = Path::new("/").join(name);
            match fs::symlink_metadata(&host) {
                Ok(found) if found.is_symlink() => {
                    links.extend(target(&host)?.map(|target| ((*name).to_owned(), target)));
                }
                Ok(found) if found.is_dir() => {
                    tree::directory(trunk.as_fd(), name, 0o755)?;
                    tree::bind(trunk.as_fd(), &host, name, tree::READ_ONLY, true)?;
                    places.push((*name).to_owned());
                }
                _ => {}
            }
        }
        for (path, content) in ETC {
            tree::file(trunk.as_fd(), path, content.as_bytes())?;
        }
        for name in READABLE_ETC {
            show_etc(trunk.as_fd(), name)?;
        }
        devices(trunk.as_fd())?;
        places.extend(["etc", "dev"].map(str::to_owned));
        for name in [STORAGE, LOWER] {
            tree::directory(trunk.as_fd(), name, 0o700)?;
        }
        tree::directory(trunk.as_fd(), "proc", 0o555)?;
        // Read-only for every clone of it: sessions share these files.
        sys::add_mount_attributes(trunk.as_fd(), libc::MOUNT_ATTR_RDONLY, false, None)
            .doing("closing the sessions' template")?;
        let hosts = Side::here()?;
        let alone = Side::with_only(path, &hosts)?;
        Ok(Self { path: path.to_owned(), places, links, hosts, alone })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Copies of the branches, attached nowhere yet, of the tree at `path`.
    pub(super) fn branches(&self, path: &Path) -> Result<Vec<OwnedFd>, Failure> {
        self.places.iter().map(|place| tree::clone(&path.join(place), true)).collect()
    }

    /// Does something where this tree is all there is, at its top: a copy of that mount namespace is had for less.
    pub(super) fn alone<T>(&self, act: impl FnOnce() -> T) -> Result<T, Failure> {
        self.alone.enter()?;
        let done = act();
        self.hosts.enter()?;
        Ok(done)
    }
}

impl Side {
    fn here() -> Result<Self, Failure> {
        let namespace = File::open("/proc/self/ns/mnt").doing("opening the mount namespace")?;
        Ok(Self { namespace: namespace.into(), root: directory("/".as_ref())? })
    }

    /// A copy of the present one in which the mount at `path` is all there is; the caller returns to `hosts`. It keeps the
    /// host's /proc: where none can be seen, the kernel lets no new one be mounted.
    fn with_only(path: &Path, hosts: &Self) -> Result<Self, Failure> {
        sys::unshare(libc::CLONE_NEWNS).doing("giving the sessions' template a namespace")?;
        let made = || {
            let namespace = File::open("/proc/self/ns/mnt").doing("opening the mount namespace")?;
            let trunk = directory(path)?;
            let processes = tree::clone("/proc".as_ref(), true)?;
            tree::attach(&processes, trunk.as_fd(), "proc").doing("keeping /proc")?;
            mounts::pivot(&trunk)?;
            Ok(Self { namespace: namespace.into(), root: trunk })
        };
        let made = made();
        hosts.enter()?;
        made
    }

    fn enter(&self) -> Result<(), Failure> {
        sys::enter_namespace(self.namespace.as_fd()).doing("entering a mount namespace")?;
        // The kernel leads to the top of it, which is not the root of a process that was given another.
        let go = || {
            rustix::process::fchdir(&self.root)?;
            rustix::process::chroot(".")
        };
        go().doing("returning to the root")
    }
}

fn directory(path: &Path) -> Result<OwnedFd, Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty()).doing("opening the root")
}

/// Where the host's link leads, as it says.
fn target(link: &Path) -> Result<Option<String>, Failure> {
    let target = fs::read_link(link).doing("reading a link of the host's")?;
    Ok(target.to_str().map(str::to_owned))
}

/// One part of the host's /etc, in the same place.
fn show_etc(trunk: BorrowedFd<'_>, name: &str) -> Result<(), Failure> {
    let (host, path) = (Path::new("/etc").join(name), format!("etc/{name}"));
    let Ok(found) = fs::symlink_metadata(&host) else { return Ok(()) };
    if found.is_symlink() {
        return target(&host)?.map_or(Ok(()), |target| tree::link(trunk, &path, &target));
    }
    if found.is_dir() {
        tree::directory(trunk, &path, 0o755)?;
        return tree::bind(trunk, &host, &path, tree::READ_ONLY, true);
    }
    fs::read(&host).map_or(Ok(()), |content| tree::file(trunk, &path, &content))
}

/// Nodes of our own, all in one mount, where we may make some; else the host's, a mount each.
fn devices(trunk: BorrowedFd<'_>) -> Result<(), Failure> {
    tree::directory(trunk, "dev", 0o755)?;
    let (bytes, nodes) = (("size", "64k".to_owned()), ("nr_inodes", "64".to_owned()));
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let mount =
        tree::file_system("tmpfs", &[bytes, nodes, ("mode", "755".to_owned())], &[], flags)?;
    tree::attach(&mount, trunk, "dev").doing("mounting /dev")?;
    let at = mount.as_fd();
    tree::directory(at, "pts", 0o755)?;
    for name in DEVICES {
        let host = Path::new("/dev").join(name);
        let device = fs::metadata(&host).doing("looking at a device")?.rdev();
        let (kind, mode) = (FileType::CharacterDevice, Mode::from_raw_mode(0o666));
        if tree::unmasked(|| mknodat(at, *name, kind, mode, device)).is_err() {
            tree::file(at, name, b"")?;
            tree::bind(at, &host, name, tree::DEVICE, false)?;
        }
    }
    for (name, target) in DEVICE_LINKS {
        tree::link(at, name, target)?;
    }
    sys::add_mount_attributes(at, libc::MOUNT_ATTR_RDONLY, false, None).doing("closing /dev")
}
