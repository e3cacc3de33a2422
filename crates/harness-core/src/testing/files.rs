//! Files in memory, as a session's `read`, `write` and `stamp` see them.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result};
use crate::id::Fingerprint;
use crate::sandbox::SandboxPath;

/// A file with its permission bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// The content.
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Counts up with every write: an equal content written anew is a change.
    version: u64,
}

/// Files by absolute path, under a working directory. A directory exists while a file is below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InMemoryFiles {
    workdir: SandboxPath,
    files: BTreeMap<SandboxPath, StoredFile>,
    writes: u64,
}

impl InMemoryFiles {
    /// No files, and an existing working directory.
    pub fn new(workdir: SandboxPath) -> Self {
        Self { workdir, files: BTreeMap::new(), writes: 0 }
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or [`ErrorKind::NotAFile`] for a directory.
    pub fn read(&self, path: &SandboxPath) -> Result<&StoredFile> {
        let path = path.within(&self.workdir);
        if self.is_directory(&path) {
            return Err(Error::new(ErrorKind::NotAFile, format!("'{path}' is a directory")));
        }
        let missing = || Error::new(ErrorKind::NotFound, format!("'{path}' does not exist"));
        self.files.get(&path).ok_or_else(missing)
    }

    /// Creates or replaces a file.
    ///
    /// # Errors
    /// [`ErrorKind::NotAFile`] for a directory, or a path through a file.
    pub fn write(
        &mut self,
        path: &SandboxPath,
        bytes: impl Into<Vec<u8>>,
        mode: u32,
    ) -> Result<()> {
        let path = path.within(&self.workdir);
        let refuse = |why: &str| Err(Error::new(ErrorKind::NotAFile, format!("'{path}' {why}")));
        if self.is_directory(&path) {
            return refuse("is a directory");
        }
        if self.files.keys().any(|file| is_below(&path, file)) {
            return refuse("leads through a file");
        }
        self.writes += 1;
        let file = StoredFile { bytes: bytes.into(), mode, version: self.writes };
        self.files.insert(path, file);
        Ok(())
    }

    /// Removes a file; whether there was one.
    pub fn remove(&mut self, path: &SandboxPath) -> bool {
        self.files.remove(&path.within(&self.workdir)).is_some()
    }

    /// All files by absolute path, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&SandboxPath, &StoredFile)> {
        self.files.iter()
    }

    /// The digest of the working directory.
    pub(super) fn stamp(&self) -> Result<Fingerprint> {
        let below = self.files.iter().filter(|(path, _)| is_below(path, &self.workdir));
        let facts: Vec<_> =
            below.map(|(path, file)| (path, file.bytes.len(), file.mode, file.version)).collect();
        Fingerprint::of(&facts)
    }

    fn is_directory(&self, path: &SandboxPath) -> bool {
        path == &self.workdir
            || is_below(&self.workdir, path)
            || self.files.keys().any(|file| is_below(file, path))
    }
}

fn is_below(path: &SandboxPath, directory: &SandboxPath) -> bool {
    let rest = path.as_str().strip_prefix(directory.as_str());
    rest.is_some_and(|rest| directory.as_str() == "/" && !rest.is_empty() || rest.starts_with('/'))
}
