//! Files that are whole or absent.

use std::io::Write;
use std::path::Path;

use harness_core::{Error, ErrorKind, Result};

use crate::markdown::markdown;
use crate::summary::Summary;

/// Writes `report.md` and `summary.json` into a state directory, and returns the summary with the report's path in it.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] naming the file that could not be written.
pub fn publish(state: &Path, summary: Summary) -> Result<Summary> {
    let report = state.join("report.md");
    let summary = summary.with_report(&report);
    write_atomically(&report, markdown(&summary).as_bytes())?;
    let mut json = serde_json::to_vec_pretty(&summary).map_err(|source| {
        Error::new(ErrorKind::Contract, "the summary has no JSON form").with_source(source)
    })?;
    json.push(b'\n');
    write_atomically(&state.join("summary.json"), &json)?;
    Ok(summary)
}

/// Replaces a file in one step: whoever reads it sees the old content or the new, also after a crash.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] naming the file and what failed.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        std::fs::create_dir_all(directory)?;
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        open_to_readers(file.as_file())?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|source| {
        let message = format!(
            "writing '{}' failed: make its directory writable, or choose another one",
            path.display()
        );
        Error::new(ErrorKind::InvalidInput, message).with_source(source)
    })
}

/// Temporary files are private; reports are for whoever may read their directory.
fn open_to_readers(file: &std::fs::File) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}
