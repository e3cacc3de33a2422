//! The whole file under one digest, from when it is closed until it is opened for writing again.
//!
//! The hash chain covers every record; it does not cover what is SQLite's own: free pages, unused room in pages, counters.
//! A journal that is closed in good order gets a seal over every byte of it and of its tip, so that whatever
//! changes while nobody writes is found, wherever it is. One that was killed has none, and is checked by its chain.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use harness_core::Result;

use crate::{fault, schema, tip};

/// What a closed journal is, byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seal {
    journal: blake3::Hash,
    tip: blake3::Hash,
}

/// What a seal says of its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sealed {
    /// There is none: the journal is being written, or was not closed in good order.
    Not,
    /// It is the file that was closed.
    Holds,
    /// It is not.
    Broken,
}

impl Seal {
    fn of(file: &Path) -> io::Result<Self> {
        let tip = match digest(&tip::path_beside(file)) {
            // Without a tip it is another journal than with one, and no error of its own.
            Err(error) if error.kind() == io::ErrorKind::NotFound => blake3::hash(b""),
            tip => tip?,
        };
        Ok(Self { journal: digest(file)?, tip })
    }

    fn line(self) -> String {
        let body = format!("{} {}", self.journal.to_hex(), self.tip.to_hex());
        let check = blake3::hash(body.as_bytes()).to_hex();
        format!("{body} {}\n", &check[..16])
    }
}

fn digest(file: &Path) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(file)?)?;
    Ok(hasher.finalize())
}

/// Where the seal of `file` is kept.
fn path_beside(file: &Path) -> PathBuf {
    file.with_extension("seal")
}

/// Seals a file that is closed and has no log any more. Replaces as a whole: a crash leaves the old state or the new one.
pub(crate) fn put(file: &Path) -> io::Result<()> {
    if has_log(file) {
        // Somebody still reads, so SQLite keeps the log, and the file alone is not the journal.
        return Ok(());
    }
    // The tip is under the seal, and was never synced.
    File::open(tip::path_beside(file))?.sync_all()?;
    let (path, draft) = (path_beside(file), file.with_extension("seal-draft"));
    let mut writing = File::create(&draft)?;
    writing.write_all(Seal::of(file)?.line().as_bytes())?;
    writing.sync_all()?;
    fs::rename(draft, path)?;
    sync_directory(file)
}

/// Takes the seal off before the file is written, once it has been checked.
///
/// # Errors
/// [`ErrorKind::Journal`](harness_core::ErrorKind::Journal) when the file is not the one that was closed, or cannot be read.
pub(crate) fn lift(file: &Path) -> Result<()> {
    match check(file)? {
        Sealed::Not => return Ok(()),
        Sealed::Broken => return Err(fault::seal_broken(file, &path_beside(file))),
        Sealed::Holds => {}
    }
    // Gone for good before the first write: a seal that came back after a power cut would call a sound file damaged.
    fs::remove_file(path_beside(file))
        .and_then(|()| sync_directory(file))
        .map_err(|source| fault::failed(file, "taking the seal off", source))
}

/// Compares the file with its seal; reads every byte.
///
/// # Errors
/// [`ErrorKind::Journal`](harness_core::ErrorKind::Journal) when something cannot be read.
pub(crate) fn check(file: &Path) -> Result<Sealed> {
    let failed = |source| fault::failed(file, "checking the seal of", source);
    let Some(line) = read(file).map_err(failed)? else { return Ok(Sealed::Not) };
    let holds =
        !has_log(file) && Seal::of(file).map_err(failed)?.line().as_bytes() == line.as_slice();
    // A writer that came meanwhile has taken it off: what was read is then a file that is being written.
    match (holds, read(file).map_err(failed)?) {
        (_, None) => Ok(Sealed::Not),
        (true, Some(_)) => Ok(Sealed::Holds),
        (false, Some(again)) if again == line => Ok(Sealed::Broken),
        // Sealed anew meanwhile.
        (false, Some(_)) => check(file),
    }
}

fn read(file: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path_beside(file)) {
        Ok(line) => Ok(Some(line)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A reader may have made an empty one.
fn has_log(file: &Path) -> bool {
    fs::metadata(schema::log_beside(file)).is_ok_and(|log| log.len() > 0)
}

fn sync_directory(file: &Path) -> io::Result<()> {
    file.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}
