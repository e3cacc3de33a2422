//! From a tar stream to files below the root of the calling process.
//!
//! Paths are resolved as the kernel does it, links included: the root is the new directory, and nothing leads out of it.

use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt as _, chown, fchown, lchown, symlink};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, XattrFlags};
use rustix::fs::{futimens, lsetxattr, mknodat, openat, utimensat};
use tar::{Archive, Entry, EntryType, Header};

/// What a root file system may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of all files together.
    pub(super) bytes: u64,
    /// Entries of the tarball.
    pub(super) entries: u64,
    /// Users and groups: ids below this number.
    pub(super) ids: u64,
}

/// Why a tarball was not unpacked.
#[derive(Debug)]
pub(super) enum Bad {
    /// Its own fault.
    Tarball(String),
    /// The machine's.
    System { doing: String, error: io::Error },
}

impl From<io::Error> for Bad {
    /// What comes from reading: without a number of the system's it is the decoder's word on the content.
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(_) => Self::System { doing: "reading the tarball".to_owned(), error },
            None => Self::Tarball(error.to_string()),
        }
    }
}

/// Unpacks all of `source`.
pub(super) fn extract(source: impl Read, limits: Limits) -> Result<(), Bad> {
    let mut left = limits;
    let mut directories = Vec::new();
    for entry in Archive::new(source).entries()? {
        let mut entry = entry?;
        left.entries = left
            .entries
            .checked_sub(1)
            .ok_or_else(|| Bad::Tarball(format!("it has more than {} entries", limits.entries)))?;
        let path = below_root(&entry.path()?)?;
        let owner = Owner::of(&entry, &path, limits.ids)?;
        let made = place(&mut entry, &path, owner, &mut left.bytes);
        made.map_err(|bad| bad.at(&path, limits))?;
        if entry.header().entry_type().is_dir() {
            directories.push((path, modified(entry.header())));
        }
    }
    // Last, because every file made in a directory changes its time.
    for (path, time) in directories {
        // One that was replaced by something else later has no time to set.
        let _ = utimensat(CWD, &path, &time, AtFlags::SYMLINK_NOFOLLOW);
    }
    Ok(())
}

/// What goes wrong with a single entry.
enum Fault {
    Content(String),
    TooLarge,
    System(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(_) => Self::System(error),
            None => Self::Content(error.to_string()),
        }
    }
}

impl From<rustix::io::Errno> for Fault {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::System(errno.into())
    }
}

impl Fault {
    fn at(self, path: &Path, limits: Limits) -> Bad {
        match self {
            Self::Content(message) => Bad::Tarball(format!("'{}': {message}", path.display())),
            Self::TooLarge => {
                Bad::Tarball(format!("its files take more than {} bytes", limits.bytes))
            }
            Self::System(error) => {
                Bad::System { doing: format!("making '{}'", path.display()), error }
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    fn of<R: Read>(entry: &Entry<'_, R>, path: &Path, ids: u64) -> Result<Self, Bad> {
        let within = |id: u64| {
            let id = Some(id).filter(|id| *id < ids).and_then(|id| u32::try_from(id).ok());
            id.ok_or_else(|| {
                let path = path.display();
                Bad::Tarball(format!("'{path}' belongs to an id that is not below {ids}"))
            })
        };
        let header = entry.header();
        Ok(Self { uid: within(header.uid()?)?, gid: within(header.gid()?)? })
    }
}

/// The absolute path of an entry. What says `..` has no good reason to.
fn below_root(path: &Path) -> Result<PathBuf, Bad> {
    let mut below = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => below.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(Bad::Tarball(format!("'{}' leads upwards", path.display())));
            }
        }
    }
    Ok(below)
}

fn place<R: Read>(
    entry: &mut Entry<'_, R>,
    path: &Path,
    owner: Owner,
    room: &mut u64,
) -> Result<(), Fault> {
    let (kind, mode) = (entry.header().entry_type(), entry.header().mode()? & 0o7777);
    let time = modified(entry.header());
    match kind {
        EntryType::Directory => {
            directory(path)?;
            chown(path, Some(owner.uid), Some(owner.gid))?;
            fs::set_permissions(path, Permissions::from_mode(mode))?;
        }
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            clear(path)?;
            regular(entry, path, owner, room)?;
        }
        EntryType::Symlink => {
            clear(path)?;
            symlink(target(entry)?, path)?;
            lchown(path, Some(owner.uid), Some(owner.gid))?;
            utimensat(CWD, path, &time, AtFlags::SYMLINK_NOFOLLOW)?;
            return Ok(());
        }
        EntryType::Link => {
            let first = below_root(&target(entry)?).map_err(|_| leads_up())?;
            if first != path {
                clear(path)?;
                // Not the file that a link leads to: the link.
                rustix::fs::linkat(CWD, &first, CWD, path, AtFlags::empty())?;
            }
            return Ok(());
        }
        EntryType::Fifo => {
            clear(path)?;
            mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
            chown(path, Some(owner.uid), Some(owner.gid))?;
            fs::set_permissions(path, Permissions::from_mode(mode))?;
        }
        // Devices are the session's own, and a namespace may not make any.
        EntryType::Char | EntryType::Block => return Ok(()),
        EntryType::XGlobalHeader => return Ok(()),
        other => return Err(Fault::Content(format!("entries of kind {other:?} are not known"))),
    }
    attributes(entry, path)?;
    if kind != EntryType::Directory {
        utimensat(CWD, path, &time, AtFlags::empty())?;
    }
    Ok(())
}

fn leads_up() -> Fault {
    Fault::Content("it links to something that leads upwards".to_owned())
}

fn target<R: Read>(entry: &Entry<'_, R>) -> Result<PathBuf, Fault> {
    let name = entry.link_name()?;
    let missing = || Fault::Content("a link without a target".to_owned());
    name.map(std::borrow::Cow::into_owned).ok_or_else(missing)
}

/// Makes way for an entry, and the directories above it: later entries replace earlier ones.
fn clear(path: &Path) -> Result<(), Fault> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => match path == Path::new("/") {
            true => Err(Fault::Content("the root must be a directory".to_owned())),
            false => Ok(fs::remove_dir(path)?),
        },
        Ok(_) => Ok(fs::remove_file(path)?),
        Err(_) => Ok(path.parent().map_or(Ok(()), parents)?),
    }
}

fn directory(path: &Path) -> Result<(), Fault> {
    // A link to a directory stays, as `bin` to `usr/bin` must when an archive says `bin/`.
    if fs::metadata(path).is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    clear(path)?;
    Ok(fs::create_dir(path)?)
}

fn parents(path: &Path) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).create(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o755))
}

fn regular<R: Read>(
    entry: &mut Entry<'_, R>,
    path: &Path,
    owner: Owner,
    room: &mut u64,
) -> Result<(), Fault> {
    let mode = Permissions::from_mode(entry.header().mode()? & 0o7777);
    if entry.size() > *room {
        return Err(Fault::TooLarge);
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(CWD, path, flags, Mode::from_raw_mode(0o600))?);
    let wanted = entry.size();
    let written = io::copy(&mut entry.by_ref().take(wanted), &mut file)?;
    if written < wanted {
        return Err(Fault::Content("the tarball ends in the middle of it".to_owned()));
    }
    *room -= written;
    // The owner first: changing it takes set-user-id bits and capabilities away.
    fchown(&file, Some(owner.uid), Some(owner.gid))?;
    file.set_permissions(mode)?;
    futimens(&file, &modified(entry.header()))?;
    Ok(())
}

fn modified(header: &Header) -> Timestamps {
    let seconds = header.mtime().ok().and_then(|seconds| i64::try_from(seconds).ok());
    let time = Timespec { tv_sec: seconds.unwrap_or(0), tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}

/// Sets the extended attributes that mean something in a session.
fn attributes<R: Read>(entry: &mut Entry<'_, R>, path: &Path) -> Result<(), Fault> {
    let Some(extensions) = entry.pax_extensions()? else { return Ok(()) };
    for extension in extensions {
        let extension = extension?;
        let name = extension.key().ok().and_then(|key| key.strip_prefix("SCHILY.xattr."));
        if let Some(name) = name.filter(|name| is_kept(name)) {
            lsetxattr(path, name, extension.value_bytes(), XattrFlags::empty())?;
        }
    }
    Ok(())
}

/// Users' attributes and file capabilities. Those of overlayfs would be orders to the layers that sessions stand on, and
/// those of security modules belong to the host.
fn is_kept(name: &str) -> bool {
    let users = name.starts_with("user.") && !name.starts_with("user.overlay.");
    users || name == "security.capability"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by it")]
    use super::*;

    #[test]
    fn paths_stay_below_the_root() {
        let below = |path: &str| below_root(Path::new(path)).ok();
        assert_eq!(below("./usr/bin/x"), Some(PathBuf::from("/usr/bin/x")));
        assert_eq!(below("/etc//passwd"), Some(PathBuf::from("/etc/passwd")));
        assert_eq!(below("./"), Some(PathBuf::from("/")));
        assert_eq!(below("../x"), None);
        assert_eq!(below("a/../../x"), None);
    }

    #[test]
    fn orders_to_overlayfs_and_the_hosts_labels_are_left_out() {
        assert!(is_kept("user.note") && is_kept("security.capability"));
        for name in
            ["user.overlay.opaque", "trusted.overlay.redirect", "security.selinux", "system.x"]
        {
            assert!(!is_kept(name), "{name}");
        }
    }
}
