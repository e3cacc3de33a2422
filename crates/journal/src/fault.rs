//! What can be wrong with a journal, said so that a person can act.

use std::path::Path;

use harness_core::{Error, ErrorKind};

/// The journal at `file` could not be used while `doing`.
pub(crate) fn failed(
    file: &Path,
    doing: &str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    let message = format!("{doing} the journal {}", file.display());
    Error::new(ErrorKind::Journal, message).with_source(source)
}

/// Record `seq` is not what was appended.
pub(crate) fn damaged(file: &Path, seq: i64, how: &str) -> Error {
    let message = format!(
        "record {seq} of the journal {} {how}: the journal was damaged or altered, and nothing from here on can be \
         trusted; restore the file from a copy, or start in another state directory",
        file.display()
    );
    Error::new(ErrorKind::Journal, message)
}

/// Fewer records are left than were acknowledged.
pub(crate) fn lost(file: &Path, left: i64, acknowledged: i64) -> Error {
    let message = format!(
        "the journal {} ends with record {left}, but record {acknowledged} was acknowledged: its end was lost; restore \
         the file, or, if it is an older copy put back on purpose, remove {} and accept that the rest is run again",
        file.display(),
        crate::tip::path_beside(file).display()
    );
    Error::new(ErrorKind::Journal, message)
}

/// A journal that was closed in good order is another file now.
pub(crate) fn seal_broken(file: &Path, seal: &Path) -> Error {
    let message = format!(
        "the journal {} is not, byte for byte, the file that was closed: it was damaged or altered since, if only where no \
         record lies; restore it from a copy, or, if it was changed on purpose, remove {} and rely on its hash chain alone",
        file.display(),
        seal.display()
    );
    Error::new(ErrorKind::Journal, message)
}

/// A later version of this crate wrote it.
pub(crate) fn newer(file: &Path, found: i64, known: i64) -> Error {
    let message = format!(
        "the journal {} has schema version {found}, and this program knows versions up to {known}: use a newer program; \
         the file was not touched",
        file.display()
    );
    Error::new(ErrorKind::Journal, message)
}

/// It is some other program's file.
pub(crate) fn foreign(file: &Path) -> Error {
    let message = format!(
        "{} is not a journal of this program: use another state directory; the file was not touched",
        file.display()
    );
    Error::new(ErrorKind::Journal, message)
}
