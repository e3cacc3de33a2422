//! Root file systems that sessions stand on.

use std::path::{Path, PathBuf};

/// An unpacked root file system, shared read-only by the sessions that stand on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootFileSystem {
    path: PathBuf,
}

impl RootFileSystem {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
