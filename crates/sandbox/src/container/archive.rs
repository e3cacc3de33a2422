//! Tar archives of few entries: what the API takes and gives instead of paths.

use std::io::Read as _;

use harness_core::{Error, ErrorKind, Result};

/// One regular file or directory to place.
pub(super) struct Entry<'a> {
    /// Relative to where the archive is unpacked.
    pub(super) name: &'a str,
    /// Permission bits.
    pub(super) mode: u32,
    /// The bytes; `None` makes a directory.
    pub(super) bytes: Option<&'a [u8]>,
}

/// An archive of these entries, all owned by `owner`.
pub(super) fn pack(entries: &[Entry<'_>], owner: (u32, u32)) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for entry in entries {
        let bytes = entry.bytes.unwrap_or_default();
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(match entry.bytes {
            Some(_) => tar::EntryType::Regular,
            None => tar::EntryType::Directory,
        });
        header.set_mode(entry.mode);
        header.set_uid(owner.0.into());
        header.set_gid(owner.1.into());
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, entry.name, bytes)?;
    }
    archive.into_inner()
}

/// The bytes of the single regular file in an archive.
pub(super) fn only_file(archive: &[u8]) -> Result<Vec<u8>> {
    let torn = |why: String| Error::new(ErrorKind::Sandbox, format!("a file's archive {why}"));
    let mut archive = tar::Archive::new(archive);
    let entry = archive.entries().and_then(|mut entries| entries.next().transpose());
    let Some(mut entry) = entry.map_err(|error| torn(format!("cannot be read: {error}")))? else {
        return Err(torn("is empty".to_owned()));
    };
    if !entry.header().entry_type().is_file() {
        return Err(Error::new(ErrorKind::NotAFile, "it is no regular file"));
    }
    let mut bytes = Vec::new();
    let read = entry.read_to_end(&mut bytes);
    read.map_err(|error| torn(format!("cannot be read: {error}")))?;
    // A reader of a cut archive reports its end, not its loss.
    if bytes.len() as u64 != entry.size() {
        return Err(torn(format!("ends after {} of {} bytes", bytes.len(), entry.size())));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        pack(&[Entry { name: "file", mode: 0o640, bytes: Some(bytes) }], (7, 8)).unwrap()
    }

    proptest! {
        #[test]
        fn a_file_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            prop_assert_eq!(only_file(&packed(&bytes)).unwrap(), bytes);
        }

        #[test]
        fn a_truncated_archive_is_an_error_and_no_shorter_file(
            bytes in proptest::collection::vec(any::<u8>(), 1..3000),
            cut in any::<prop::sample::Index>(),
        ) {
            let whole = packed(&bytes);
            let kept = cut.index(512 + bytes.len());
            prop_assert!(only_file(&whole[..kept]).is_err());
        }
    }

    #[test]
    fn a_directory_is_no_file() {
        let archive = pack(&[Entry { name: "d", mode: 0o755, bytes: None }], (0, 0)).unwrap();
        assert_eq!(only_file(&archive).unwrap_err().kind(), ErrorKind::NotAFile);
    }
}
