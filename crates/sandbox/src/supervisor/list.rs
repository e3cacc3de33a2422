//! What lies below a path of a session's: regular files and directories, whatever an agent planted there.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use super::files::bad_path;
use super::place::Place;
use crate::wire::{ListedEntry, Reply};

/// A larger tree is refused, not cut: half of what was asked for would pass for the whole.
const ENTRIES: usize = 20_000;
const DEPTH: usize = 64;

/// Lists `path`, a file or a directory. Links, sockets, FIFOs, devices and names that are not UTF-8 are left out.
pub(super) fn list(place: &Place, path: &str) -> Reply {
    let mut walk = Walk { entries: Vec::new() };
    match walk.begin(place, path) {
        Ok(()) => Reply::Listed { entries: walk.entries },
        Err(Errno::TOOBIG) => Reply::BadPath {
            missing: false,
            message: format!("'{path}' holds more than {ENTRIES} entries or {DEPTH} levels"),
        },
        Err(errno) => bad_path(path, errno),
    }
}

struct Walk {
    entries: Vec<ListedEntry>,
}

impl Walk {
    fn begin(&mut self, place: &Place, path: &str) -> rustix::io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        match place.open_path(path, flags, Mode::empty()) {
            Ok(directory) => self.enter(&directory, "", DEPTH),
            Err(Errno::NOTDIR) => {
                let file = place.open_path(path, OFlags::PATH, Mode::empty())?;
                let stat = rustix::fs::fstat(&file)?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                    return Err(Errno::NODEV);
                }
                self.add(String::new(), stat.st_mode, Some(stat.st_size.unsigned_abs()))
            }
            Err(errno) => Err(errno),
        }
    }

    fn add(&mut self, path: String, mode: u32, bytes: Option<u64>) -> rustix::io::Result<()> {
        if self.entries.len() >= ENTRIES {
            return Err(Errno::TOOBIG);
        }
        self.entries.push(ListedEntry { path, mode: mode & 0o777, bytes });
        Ok(())
    }

    fn enter(&mut self, directory: &OwnedFd, above: &str, depth: usize) -> rustix::io::Result<()> {
        if depth == 0 {
            return Err(Errno::TOOBIG);
        }
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if matches!(name, "." | "..") {
                continue;
            }
            let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
            let path = format!("{above}{name}");
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => {
                    self.add(path, stat.st_mode, Some(stat.st_size.unsigned_abs()))?;
                }
                FileType::Directory => {
                    self.add(path.clone(), stat.st_mode, None)?;
                    let flags =
                        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let child = openat(directory, name, flags, Mode::empty())?;
                    self.enter(&child, &format!("{path}/"), depth - 1)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}
