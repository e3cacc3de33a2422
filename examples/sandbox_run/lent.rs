//! A workspace of root's, for a session that is never root and has no id map: it is lent to a user whom nobody else is.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::os::fd::OwnedFd;
use std::path::Path;

use harness_core::{Error, ErrorKind, Result};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, chownat, fstat, openat, statat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};

/// Ids that the sandbox keeps for its sessions, so that their processes can be counted: above those of any account, and
/// where a container knows no such ids, near the end of the usual ones.
const USERS: [std::ops::Range<u32>; 2] = [0x4000_0000..0x7000_0000, 60_000..64_000];
/// What lies deeper stays whose it is: each level takes two descriptors.
const DEPTH: usize = 256;
const ROOT: u32 = 0;
/// What the machine itself lives in, each with all below it.
const SYSTEM: [&str; 10] =
    ["/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr"];
/// Directories whose owner others rely on; what is below them may be anybody's work.
const SHARED: [&str; 8] = ["/home", "/opt", "/root", "/run", "/srv", "/tmp", "/var", "/var/lib"];

/// Root's entries of a directory belong to another user until this is dropped.
#[derive(Debug)]
pub(crate) struct Lent {
    directory: OwnedFd,
    pub(crate) user: u32,
}

impl Lent {
    /// Lends what root owns in `directory`; `None` where it is not root's, or this is not root.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for what the machine itself lives in; [`ErrorKind::Sandbox`] when its owner cannot be changed.
    pub(crate) fn of(directory: &Path) -> Result<Option<Self>> {
        let failed = |errno: Errno| {
            let doing = format!("lending {} to a user who is not root", directory.display());
            Error::new(ErrorKind::Sandbox, doing).with_source(std::io::Error::from(errno))
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = openat(CWD, directory, flags, Mode::empty()).map_err(failed)?;
        let top = fstat(&opened).map_err(failed)?;
        if top.st_uid != ROOT || !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        if is_the_machines(directory) {
            let why = format!(
                "what root owns in {} would belong to another user meanwhile: name a directory of the work's own, or a stronger --level",
                directory.display()
            );
            return Err(Error::new(ErrorKind::InvalidInput, why));
        }
        let mut tried = Errno::INVAL;
        for users in USERS {
            let user = one_of(users);
            match give(&opened, c"", &top, ROOT, user) {
                Ok(()) => {
                    let lent = Self { directory: opened, user };
                    below(&lent.directory, top.st_dev, ROOT, user, DEPTH).map_err(failed)?;
                    return Ok(Some(lent));
                }
                Err(errno) => tried = errno,
            }
        }
        Err(failed(tried))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let back = fstat(&self.directory).and_then(|top| {
            below(&self.directory, top.st_dev, self.user, ROOT, DEPTH)?;
            give(&self.directory, c"", &top, self.user, ROOT)
        });
        if let Err(errno) = back {
            eprintln!(
                "sandbox_run: some of the workspace still belongs to user {}: {errno}",
                self.user
            );
        }
    }
}

/// Whether the machine would miss this directory, or one below it. It is absolute, and no link.
fn is_the_machines(directory: &Path) -> bool {
    let system = SYSTEM.iter().map(Path::new);
    system.chain([Path::new("/")]).any(|at| at.starts_with(directory))
        || SYSTEM.iter().any(|at| directory.starts_with(at))
        || SHARED.iter().any(|at| directory == Path::new(at))
}

fn one_of(users: std::ops::Range<u32>) -> u32 {
    // Unlike that of others who do the same just now; nothing depends on nobody guessing it.
    let random = RandomState::new().build_hasher().finish();
    users.start + u32::try_from(random % u64::from(users.end - users.start)).unwrap_or_default()
}

/// Gives every entry of `directory` that is `from`'s to `to`. No link is followed and no mount crossed.
fn below(directory: &OwnedFd, device: u64, from: u32, to: u32, depth: usize) -> Result<(), Errno> {
    if depth == 0 {
        return Ok(());
    }
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let found = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => continue,
            found => found?,
        };
        if found.st_dev != device {
            continue;
        }
        if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            below(&openat(directory, name, flags, Mode::empty())?, device, from, to, depth - 1)?;
        } else if from == ROOT && found.st_nlink > 1 {
            // It has a name elsewhere, where it must stay root's.
            continue;
        }
        give(directory, name, &found, from, to)?;
    }
    Ok(())
}

/// User and group, each only where it is `from`'s. Set-user-id bits of a file are lost by it.
fn give(
    directory: &OwnedFd,
    name: &std::ffi::CStr,
    found: &Stat,
    from: u32,
    to: u32,
) -> Result<(), Errno> {
    let user = (found.st_uid == from).then(|| Uid::from_raw(to));
    let group = (found.st_gid == from).then(|| Gid::from_raw(to));
    if user.is_none() && group.is_none() {
        return Ok(());
    }
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
    match chownat(directory, name, user, group, flags) {
        Err(Errno::NOENT) => Ok(()),
        done => done,
    }
}
