//! Reading and writing single files of a session, whatever an agent planted there.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fchmod, fstat, fstatfs, ftruncate, unlinkat};
use rustix::io::Errno;

use super::place::Place;
use crate::wire::Reply;

/// Opens a regular file for the engine to read: no directory, FIFO, device or kernel file.
pub(super) fn read(place: &Place, path: &str) -> (Reply, Vec<OwnedFd>) {
    let opened = place.open_path(path, OFlags::RDONLY, Mode::empty()).and_then(|fd| {
        let bytes = regular(&fd)?;
        Ok((fd, bytes))
    });
    match opened {
        Ok((fd, bytes)) => (Reply::File { bytes }, vec![fd]),
        Err(errno) => (bad_path(path, errno), Vec::new()),
    }
}

/// Creates or replaces a regular file with the content of `source`, making its parents.
pub(super) fn write(place: &Place, path: &str, mode: u32, source: OwnedFd) -> Reply {
    match open_for_writing(place, path) {
        Err(errno) => match errno {
            Errno::NOSPC | Errno::DQUOT => broken(path, &io::Error::from(errno)),
            errno => bad_path(path, errno),
        },
        Ok(fd) => match fill(fd, mode, source) {
            Ok(()) => Reply::Written,
            Err(error) => broken(path, &error),
        },
    }
}

fn open_for_writing(place: &Place, path: &str) -> rustix::io::Result<OwnedFd> {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("/", path));
    let directory = place.make_directory(parent)?;
    let flags = OFlags::WRONLY | OFlags::CREATE;
    let mode = Mode::from_raw_mode(0o600);
    let fd = match place.open_path(path, flags, mode) {
        // A running program, or a file whose owner forbade himself to write: replaced, not changed.
        Err(Errno::TXTBSY | Errno::ACCESS) => {
            let opened = place.open_path(path, OFlags::PATH, Mode::empty())?;
            regular(&opened)?;
            drop(opened);
            unlinkat(&directory, name, AtFlags::empty())?;
            place.open_path(path, flags | OFlags::EXCL, mode)?
        }
        other => other?,
    };
    regular(&fd)?;
    ftruncate(&fd, 0)?;
    Ok(fd)
}

fn fill(fd: OwnedFd, mode: u32, source: OwnedFd) -> io::Result<()> {
    let mut file = File::from(fd);
    io::copy(&mut File::from(source), &mut file)?;
    // Never setuid or setgid, which would do nothing here anyway.
    Ok(fchmod(&file, Mode::from_raw_mode(mode & 0o1777))?)
}

/// The size of a regular file; anything else is an error that says what it is.
fn regular(fd: &OwnedFd) -> rustix::io::Result<u64> {
    let stat = fstat(fd)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile if fstatfs(fd)?.f_type == libc::PROC_SUPER_MAGIC => Err(Errno::NODEV),
        FileType::RegularFile => Ok(stat.st_size.unsigned_abs()),
        FileType::Directory => Err(Errno::ISDIR),
        _ => Err(Errno::NODEV),
    }
}

pub(super) fn bad_path(path: &str, errno: Errno) -> Reply {
    let why = match errno {
        Errno::NOENT => "does not exist",
        Errno::ISDIR => "is a directory",
        Errno::NOTDIR => "leads through something that is not a directory",
        Errno::NODEV | Errno::NXIO => "is not a regular file",
        Errno::XDEV => "leads out of the session",
        Errno::LOOP => "leads through too many links, or one of the kernel's own",
        Errno::ACCESS | Errno::PERM => "is not accessible",
        Errno::ROFS => "is read-only",
        Errno::NAMETOOLONG => "has a name that is too long",
        other => return broken(path, &io::Error::from(other)),
    };
    Reply::BadPath { missing: errno == Errno::NOENT, message: format!("'{path}' {why}") }
}

fn broken(path: &str, error: &io::Error) -> Reply {
    Reply::Broken { message: format!("'{path}': {error}") }
}
