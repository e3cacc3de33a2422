//! A digest of a directory's tree, bounded in work.

use std::os::fd::OwnedFd;

use harness_core::Fingerprint;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};

use super::place::Place;
use crate::wire::Reply;

/// Entries looked at, and levels descended: what lies beyond is not seen.
const ENTRIES: usize = 20_000;
const DEPTH: usize = 64;

/// Digests names, kinds, sizes, modes and modification times below `path`.
pub(super) fn stamp(place: &Place, path: &str) -> Reply {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut walk = Walk { left: ENTRIES, list: Vec::new() };
    // A working directory that is gone or unreadable has a digest too: that of an empty list.
    if let Ok(directory) = place.open_path(path, flags, Mode::empty()) {
        walk.enter(&directory, DEPTH);
    }
    Reply::Stamp { digest: Fingerprint::of_bytes(&walk.list).to_string() }
}

struct Walk {
    left: usize,
    list: Vec<u8>,
}

impl Walk {
    fn enter(&mut self, directory: &OwnedFd, depth: usize) {
        let Ok(entries) = Dir::read_from(directory) else { return };
        let names = entries.flatten().map(|entry| entry.file_name().to_owned());
        let mut names: Vec<_> =
            names.filter(|name| !matches!(name.to_bytes(), b"." | b"..")).take(self.left).collect();
        self.left -= names.len();
        names.sort_unstable();
        for name in names {
            let Ok(stat) = statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            self.list.extend_from_slice(name.to_bytes_with_nul());
            // A directory's own size depends on the file system's history.
            let size = if is_directory { 0 } else { stat.st_size };
            let times = [stat.st_mtime, stat.st_mtime_nsec.cast_signed(), size];
            times.iter().for_each(|time| self.list.extend_from_slice(&time.to_le_bytes()));
            self.list.extend_from_slice(&stat.st_mode.to_le_bytes());
            if is_directory && depth > 0 {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                if let Ok(child) = openat(directory, &name, flags, Mode::empty()) {
                    self.enter(&child, depth - 1);
                }
            }
            // The end of what lies below it, so that moving an entry up or down shows.
            self.list.push(b'/');
        }
    }
}
