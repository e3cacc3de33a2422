//! What a session on a root file system has changed of the system, told by looking at its writable layer from outside.
//!
//! An agent is root there and may change all of it, for good reasons or bad ones: what programs everybody runs are now is worth
//! a line beside a verdict.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fgetxattr, openat, readlinkat, statat,
};

use super::failure::{Doing as _, Failure};

/// Where programs and libraries of the system lie.
const SYSTEM: &[&str] = &["bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr"];
/// What programs load or run before they do what they were asked to.
const EVERYWHERE: &[&str] =
    &["etc/ld.so.preload", "etc/environment", "etc/profile", "etc/bash.bashrc"];
/// Looked at before the system's own programs, with where those are.
const FIRST: [&str; 2] = ["usr/local/sbin", "usr/local/bin"];
const PROGRAMS: [&str; 4] = ["usr/sbin", "usr/bin", "sbin", "bin"];

/// Lines told at most; entries looked at; levels; bytes of a file that are compared.
const LINES: usize = 50;
const ENTRIES: usize = 100_000;
const DEPTH: usize = 32;
const BYTES: u64 = 256 << 20;

/// The layers of a session's root, held open from outside of it.
#[derive(Debug)]
pub(super) struct Layers {
    upper: OwnedFd,
    lower: OwnedFd,
}

impl Layers {
    /// Opens them, while they have names.
    pub(super) fn open(upper: &Path, lower: &Path) -> Result<Self, Failure> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let open = |layer: &Path| {
            openat(CWD, layer, flags, Mode::empty()).doing("opening a layer of the session's root")
        };
        Ok(Self { upper: open(upper)?, lower: open(lower)? })
    }

    /// Files of the system that were changed, removed or hidden, and what was planted where every program looks.
    pub(super) fn changes(&self) -> io::Result<Vec<String>> {
        let mut walk = Walk { layers: self, lines: Vec::new(), more: 0, left: ENTRIES };
        for name in SYSTEM {
            walk.look(name, DEPTH)?;
        }
        for path in EVERYWHERE {
            if let Some(upper) = stat(&self.upper, path) {
                walk.judge(path, &upper, true)?;
            }
        }
        walk.first()?;
        let Walk { mut lines, more, left, .. } = walk;
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        if left == 0 {
            lines.push(format!("more than {ENTRIES} files: not all were looked at"));
        }
        Ok(lines)
    }
}

struct Walk<'a> {
    layers: &'a Layers,
    lines: Vec<String>,
    more: usize,
    left: usize,
}

impl Walk<'_> {
    fn tell(&mut self, path: &str, what: &str) {
        if self.lines.len() < LINES {
            self.lines.push(format!("/{} {what}", path.escape_debug()));
        } else {
            self.more += 1;
        }
    }

    /// Looks at `path` in the upper layer, if anything is there.
    fn look(&mut self, path: &str, depth: usize) -> io::Result<()> {
        let Some(upper) = stat(&self.layers.upper, path) else { return Ok(()) };
        if self.left == 0 || depth == 0 {
            return Ok(());
        }
        self.left -= 1;
        let both = |lower: Option<Stat>| lower.is_some_and(|lower| is_directory(&lower));
        if !is_directory(&upper) {
            return self.judge(path, &upper, false);
        }
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(directory) = openat(&self.layers.upper, path, flags, Mode::empty()) else {
            return Ok(());
        };
        match stat(&self.layers.lower, path) {
            None => return Ok(()),
            lower if !both(lower) => self.tell(path, "was replaced by a directory"),
            _ if is_opaque(&directory) => self.tell(path, "was removed and made anew"),
            _ => {}
        }
        for entry in Dir::read_from(&directory)?.flatten() {
            let Ok(name) = entry.file_name().to_str() else { continue };
            if !matches!(name, "." | "..") {
                self.look(&format!("{path}/{name}"), depth - 1)?;
            }
        }
        Ok(())
    }

    /// Compares what is no directory above with what lies below; what is new counts only when `planted` does.
    fn judge(&mut self, path: &str, upper: &Stat, planted: bool) -> io::Result<()> {
        let lower = stat(&self.layers.lower, path);
        match verdict(upper, lower.as_ref()) {
            Verdict::Removed => self.tell(path, "was removed"),
            Verdict::Changed => self.tell(path, "was changed"),
            Verdict::New if planted => self.tell(path, "was planted"),
            Verdict::New | Verdict::Nothing => {}
            Verdict::Content if self.differs(path, upper)? => self.tell(path, "was changed"),
            Verdict::Content => {}
        }
        Ok(())
    }

    fn differs(&self, path: &str, upper: &Stat) -> io::Result<bool> {
        if FileType::from_raw_mode(upper.st_mode) == FileType::Symlink {
            let target = |layer: &OwnedFd| readlinkat(layer, path, Vec::new());
            return Ok(target(&self.layers.upper)? != target(&self.layers.lower)?);
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let open = |layer: &OwnedFd| openat(layer, path, flags, Mode::empty()).map(File::from);
        // What cannot be read has not been compared, and is no longer what it was as far as anybody can tell.
        match (open(&self.layers.upper), open(&self.layers.lower)) {
            (Ok(upper), Ok(lower)) => Ok(!equal(upper.take(BYTES), lower.take(BYTES))?),
            _ => Ok(true),
        }
    }

    /// Programs that stand before the system's own of the same name.
    fn first(&mut self) -> io::Result<()> {
        for place in FIRST {
            let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let Ok(directory) = openat(&self.layers.upper, place, flags, Mode::empty()) else {
                continue;
            };
            for entry in Dir::read_from(&directory)?.flatten().take(ENTRIES) {
                let Ok(name) = entry.file_name().to_str() else { continue };
                let is_there =
                    |place: &&str| stat(&self.layers.lower, &format!("{place}/{name}")).is_some();
                let path = format!("{place}/{name}");
                let new = stat(&self.layers.lower, &path).is_none();
                if !matches!(name, "." | "..") && new && PROGRAMS.iter().any(is_there) {
                    self.tell(&path, "stands before the system's program of that name");
                }
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Nothing,
    New,
    Removed,
    Changed,
    /// Kinds, lengths and permissions are the same: the content tells.
    Content,
}

/// What an entry of the upper layer that is no directory says about the one below it.
fn verdict(upper: &Stat, lower: Option<&Stat>) -> Verdict {
    let kind = |stat: &Stat| FileType::from_raw_mode(stat.st_mode);
    // The mark of overlayfs for what is not there any more.
    let whiteout = kind(upper) == FileType::CharacterDevice && upper.st_rdev == 0;
    let Some(lower) = lower else {
        return if whiteout { Verdict::Nothing } else { Verdict::New };
    };
    if whiteout {
        return Verdict::Removed;
    }
    // Who may write and what runs as another counts; owners are the same two ids in both layers.
    let same = kind(upper) == kind(lower)
        && upper.st_size == lower.st_size
        && upper.st_mode == lower.st_mode;
    if same { Verdict::Content } else { Verdict::Changed }
}

fn stat(layer: &OwnedFd, path: &str) -> Option<Stat> {
    // Links in the middle of a path would lead elsewhere: layers are looked at as they are.
    statat(layer, path, AtFlags::SYMLINK_NOFOLLOW).ok()
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn is_opaque(directory: &OwnedFd) -> bool {
    let mut value = [0_u8; 4];
    fgetxattr(directory, "user.overlay.opaque", &mut value[..])
        .is_ok_and(|length| value[..length].starts_with(b"y"))
}

fn equal(mut one: impl io::Read, mut other: impl io::Read) -> io::Result<bool> {
    let (mut first, mut second) = (vec![0_u8; 64 * 1024], vec![0_u8; 64 * 1024]);
    loop {
        let read = fill(&mut one, &mut first)?;
        if fill(&mut other, &mut second)? != read || first[..read] != second[..read] {
            return Ok(false);
        }
        if read == 0 {
            return Ok(true);
        }
    }
}

/// Reads until the buffer is full or the end is reached.
fn fill(from: &mut impl io::Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by it")]
    use std::fs;

    use super::*;

    #[test]
    fn each_change_is_told_and_what_is_the_same_is_not() {
        let (upper, lower) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for layer in [&upper, &lower] {
            fs::create_dir_all(layer.path().join("usr/bin")).unwrap();
            fs::create_dir_all(layer.path().join("usr/local/bin")).unwrap();
            fs::create_dir_all(layer.path().join("etc")).unwrap();
        }
        let put = |layer: &tempfile::TempDir, path: &str, text: &str| {
            fs::write(layer.path().join(path), text).unwrap();
        };
        for (path, above, below) in [
            ("usr/bin/same", "same", Some("same")),
            ("usr/bin/length", "longer", Some("long")),
            ("usr/bin/content", "abcd", Some("abce")),
            ("usr/bin/new", "new", None),
            ("usr/local/bin/same", "before", None),
            ("usr/local/bin/other", "harmless", None),
            ("etc/ld.so.preload", "/evil.so", None),
            ("etc/motd", "changed", Some("motd")),
        ] {
            put(&upper, path, above);
            below.into_iter().for_each(|below| put(&lower, path, below));
        }
        let layers = Layers::open(upper.path(), lower.path()).unwrap();
        let mut told = layers.changes().unwrap();
        told.sort();
        let expected = [
            "/etc/ld.so.preload was planted",
            "/usr/bin/content was changed",
            "/usr/bin/length was changed",
            "/usr/local/bin/same stands before the system's program of that name",
        ];
        assert_eq!(told, expected);
    }
}
