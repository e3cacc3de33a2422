//! Copying an untrusted tree out: descriptor-relative, without links, capped.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use harness_core::{Error, ErrorKind, Result};
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat, openat2};

/// At most so much is copied; a tree beyond it is refused whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollectLimits {
    /// Bytes of all files together, holes counted.
    pub bytes: u64,
    /// Files and directories.
    pub entries: u64,
    /// Directories within each other.
    pub depth: usize,
}

impl Default for CollectLimits {
    /// 1 GiB, 100,000 entries, 64 levels.
    fn default() -> Self {
        Self { bytes: 1 << 30, entries: 100_000, depth: 64 }
    }
}

/// What [`collect`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Regular files copied.
    pub files: u64,
    /// Directories made, the topmost not counted.
    pub directories: u64,
    /// Bytes copied.
    pub bytes: u64,
    /// What was left out, with the reason: at most [`Collected::NAMED`] of it.
    pub left_out: Vec<String>,
    /// How much was left out in all.
    pub left_out_count: u64,
}

impl Collected {
    /// So many entries of what was left out are named.
    pub const NAMED: usize = 100;
}

/// Copies the regular files and directories of `from`, which somebody hostile may have written and may still be
/// changing, to `to`, which must not exist.
///
/// No symbolic link is followed and no mount crossed. Links, FIFOs, sockets, devices and names that are not plain text are
/// left out and reported. Files get their bytes and the permission bits of an ordinary file; never an owner, a
/// set-user-id bit or an attribute. Nothing half-copied stays: the tree appears at `to` whole, at the end.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] when `from` is no directory, `to` exists, or the tree is beyond `limits`;
/// [`ErrorKind::Sandbox`] when reading or writing fails.
pub fn collect(from: &Path, to: &Path, limits: CollectLimits) -> Result<Collected> {
    copy_tree(from, to, limits, &[])
}

/// The same for only those files and directories that are named by `wanted`, paths below `from`; what there is beside them
/// is not looked at, and counts for no limit. What is named and is not there is no error.
///
/// # Errors
/// As [`collect`]; [`ErrorKind::InvalidInput`] when nothing is named.
pub fn collect_only(
    from: &Path,
    to: &Path,
    limits: CollectLimits,
    wanted: &[PathBuf],
) -> Result<Collected> {
    if wanted.is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, "nothing to collect is named"));
    }
    copy_tree(from, to, limits, wanted)
}

fn copy_tree(
    from: &Path,
    to: &Path,
    limits: CollectLimits,
    wanted: &[PathBuf],
) -> Result<Collected> {
    let invalid = |why: String| Err(Error::new(ErrorKind::InvalidInput, why));
    if fs::symlink_metadata(to).is_ok() {
        return invalid(format!("{} exists: name a directory that does not", to.display()));
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let source = match openat(CWD, from, flags, Mode::empty()) {
        Ok(source) => source,
        Err(errno) => return invalid(format!("{} is no directory: {errno}", from.display())),
    };
    let beside = unfinished(to)?;
    let copied = Walk { limits, wanted, done: Collected::default() }.whole(&source, &beside);
    let renamed = copied.and_then(|done| {
        fs::rename(&beside, to).map_err(|error| Failure::Io(to.to_owned(), error))?;
        Ok(done)
    });
    renamed.map_err(|failure| {
        // What there is of it is ours alone.
        let _ = fs::remove_dir_all(&beside);
        failure.into_error(from)
    })
}

/// A directory beside `to` for what is not finished, closed to others.
fn unfinished(to: &Path) -> Result<PathBuf> {
    let name = to.file_name().map(|name| name.to_string_lossy().into_owned());
    let Some(name) = name else {
        let why = format!("{} does not name a directory to make", to.display());
        return Err(Error::new(ErrorKind::InvalidInput, why));
    };
    let beside = to.with_file_name(format!(".{name}.{}.unfinished", std::process::id()));
    let making = |error| {
        let doing = format!("making {}", beside.display());
        Error::new(ErrorKind::Sandbox, doing).with_source(error)
    };
    fs::create_dir(&beside).map_err(making)?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o700)).map_err(making)?;
    Ok(beside)
}

enum Failure {
    TooMuch(String),
    Io(PathBuf, io::Error),
}

impl Failure {
    fn into_error(self, from: &Path) -> Error {
        match self {
            Self::TooMuch(what) => {
                let why = format!("{} holds more than {what}", from.display());
                Error::new(ErrorKind::InvalidInput, why)
            }
            Self::Io(path, error) => {
                let doing = format!("copying {:?}", path.display().to_string());
                Error::new(ErrorKind::Sandbox, doing).with_source(error)
            }
        }
    }
}

struct Walk<'a> {
    limits: CollectLimits,
    /// Everything, where nothing is named.
    wanted: &'a [PathBuf],
    done: Collected,
}

impl Walk<'_> {
    fn whole(mut self, source: &OwnedFd, target: &Path) -> Result<Collected, Failure> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = openat(CWD, target, flags, Mode::empty());
        let target_fd = opened.map_err(|errno| Failure::Io(target.to_owned(), errno.into()))?;
        self.enter(source, &target_fd, Path::new(""), self.limits.depth)?;
        Ok(self.done)
    }

    fn enter(
        &mut self,
        source: &OwnedFd,
        target: &OwnedFd,
        above: &Path,
        depth: usize,
    ) -> Result<(), Failure> {
        if depth == 0 {
            return Err(Failure::TooMuch(format!("{} levels", self.limits.depth)));
        }
        let failed = |errno: rustix::io::Errno| Failure::Io(above.to_owned(), errno.into());
        for entry in Dir::read_from(source).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let bytes = entry.file_name().to_bytes();
            if matches!(bytes, b"." | b"..") {
                continue;
            }
            match entry.file_name().to_str().ok().filter(|name| is_plain(name)) {
                Some(name) => self.take(source, target, name, above, depth)?,
                None => self.leave(
                    &above.join(entry.file_name().to_string_lossy().as_ref()),
                    "an odd name",
                ),
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        source: &OwnedFd,
        target: &OwnedFd,
        name: &str,
        above: &Path,
        depth: usize,
    ) -> Result<(), Failure> {
        let path = above.join(name);
        if !self.wants(&path) {
            return Ok(());
        }
        // Neither waits for a writer nor takes a terminal.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = match open_beneath(source.as_fd(), name, flags) {
            Ok(opened) => opened,
            Err(errno) => {
                self.leave(&path, &format!("not opened: {errno}"));
                return Ok(());
            }
        };
        // Of what was opened, not of what the name means by now.
        let stat = fstat(&opened).map_err(|errno| Failure::Io(path.clone(), errno.into()))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                self.count()?;
                // Without reading it to its end: a hole costs nobody anything.
                if u64::try_from(stat.st_size).is_ok_and(|size| size > self.bytes_left()) {
                    return Err(self.too_many_bytes());
                }
                self.copy(&opened, target, name, &path, stat.st_mode & 0o111 != 0)
            }
            FileType::Directory => {
                self.count()?;
                self.done.directories += 1;
                let made = mkdirat(target, name, Mode::from_raw_mode(0o755)).and_then(|()| {
                    open_beneath(target.as_fd(), name, OFlags::DIRECTORY | OFlags::CLOEXEC)
                });
                let made = made.map_err(|errno| Failure::Io(path.clone(), errno.into()))?;
                self.enter(&opened, &made, &path, depth - 1)
            }
            _ => {
                self.leave(&path, "neither a file nor a directory");
                Ok(())
            }
        }
    }

    fn copy(
        &mut self,
        source: &OwnedFd,
        target: &OwnedFd,
        name: &str,
        path: &Path,
        executable: bool,
    ) -> Result<(), Failure> {
        let mode = Mode::from_raw_mode(if executable { 0o755 } else { 0o644 });
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let failed = |error: io::Error| Failure::Io(path.to_owned(), error);
        let made = openat(target, name, flags, mode).map_err(|errno| failed(errno.into()))?;
        let reader = File::from(source.try_clone().map_err(failed)?);
        let left = self.bytes_left();
        // One byte beyond tells a tree that is too large, whatever sizes it claims.
        let copied = io::copy(&mut reader.take(left.saturating_add(1)), &mut File::from(made));
        let copied = copied.map_err(failed)?;
        if copied > left {
            return Err(self.too_many_bytes());
        }
        self.done.files += 1;
        self.done.bytes += copied;
        Ok(())
    }

    /// Whether it is named, lies below what is, or leads to it.
    fn wants(&self, path: &Path) -> bool {
        let related = |wanted: &PathBuf| path.starts_with(wanted) || wanted.starts_with(path);
        self.wanted.is_empty() || self.wanted.iter().any(related)
    }

    fn bytes_left(&self) -> u64 {
        self.limits.bytes - self.done.bytes
    }

    fn too_many_bytes(&self) -> Failure {
        Failure::TooMuch(format!("{} bytes", self.limits.bytes))
    }

    fn count(&self) -> Result<(), Failure> {
        if self.done.files + self.done.directories >= self.limits.entries {
            return Err(Failure::TooMuch(format!("{} files and directories", self.limits.entries)));
        }
        Ok(())
    }

    fn leave(&mut self, path: &Path, why: &str) {
        self.done.left_out_count += 1;
        if self.done.left_out.len() < Collected::NAMED {
            // Escaped: a name may hold what a terminal obeys.
            self.done.left_out.push(format!("{:?}: {why}", path.to_string_lossy()));
        }
    }
}

/// One component, never a link, never on another file system.
fn open_beneath(at: BorrowedFd<'_>, name: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    for _ in 0..100 {
        match openat2(at, name, flags | OFlags::NOFOLLOW, Mode::empty(), resolve) {
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            other => return other,
        }
    }
    Err(rustix::io::Errno::AGAIN)
}

/// What every tool shows as it is: no control character, nothing that turns the direction of writing.
fn is_plain(name: &str) -> bool {
    let turns = |letter: char| matches!(letter, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !name.chars().any(|letter| letter.is_control() || turns(letter))
}
