//! Directories that belong to a living supervisor, told from those of a dead one by a lock that the kernel
//! releases, whatever ended its holder.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, fstat, openat};
use rustix::rand::{GetRandomFlags, getrandom};

/// How the names of all such directories begin, in file systems and among control groups.
pub(super) const PREFIX: &str = "harness-sandbox-";
/// A sweeper may take a directory between its making and its locking: another name is tried then.
const ATTEMPTS: usize = 20;

/// A directory and the lock that says whose it is. Dropping it gives up the lock, not the directory.
#[derive(Debug)]
pub(super) struct Lease {
    path: PathBuf,
    _lock: OwnedFd,
}

impl Lease {
    /// Makes a directory in `parent` and locks it.
    pub(super) fn take(parent: &Path) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let path = parent.join(format!("{PREFIX}{:016x}", random()?));
            fs::DirBuilder::new().mode(0o711).create(&path)?;
            if let Some(lease) = lock(path)? {
                return Ok(lease);
            }
        }
        Err(io::Error::other("every new directory was taken away by somebody"))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Locks every directory in `parent` whose owner is gone. Those of other users, and whatever cannot be
    /// locked, are left alone.
    pub(super) fn abandoned(parent: &Path) -> Vec<Self> {
        let own = rustix::process::geteuid().as_raw();
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
            .filter(|entry| {
                entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == own)
            })
            .filter_map(|entry| lock(entry.path()).ok().flatten())
            .collect()
    }
}

/// Locks a directory; `None` when somebody else holds it or it is gone.
fn lock(path: PathBuf) -> io::Result<Option<Lease>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = match openat(CWD, &path, flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        other => other?,
    };
    match flock(&opened, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
        other => other?,
    }
    let held = fstat(&opened)?;
    let there = fs::symlink_metadata(&path);
    let same = there.is_ok_and(|there| (there.dev(), there.ino()) == (held.st_dev, held.st_ino));
    Ok(same.then_some(Lease { path, _lock: opened }))
}

/// A random number, for names.
pub(super) fn random() -> io::Result<u64> {
    let mut bytes = [0_u8; 8];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(u64::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by it")]
    use super::*;

    #[test]
    fn only_what_nobody_holds_is_abandoned() {
        let parent = tempfile::tempdir().unwrap();
        let held = Lease::take(parent.path()).unwrap();
        let dead = Lease::take(parent.path()).unwrap();
        let left = dead.path().to_owned();
        drop(dead);
        fs::create_dir(parent.path().join("somebody-else's")).unwrap();
        let found = Lease::abandoned(parent.path());
        let found: Vec<_> = found.iter().map(|lease| lease.path().to_owned()).collect();
        assert_eq!(found, [left]);
        assert!(held.path().exists());
    }

    #[test]
    fn a_link_is_never_taken_for_a_directory_of_ours() {
        let parent = tempfile::tempdir().unwrap();
        let target = tempfile::tempdir().unwrap();
        let link = parent.path().join(format!("{PREFIX}0"));
        std::os::unix::fs::symlink(target.path(), link).unwrap();
        assert!(Lease::abandoned(parent.path()).is_empty());
    }
}
