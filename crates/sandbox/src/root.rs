//! Root file systems that sessions stand on.

use std::path::{Path, PathBuf};

use harness_core::{Error, ErrorKind, Result};

/// An unpacked root file system, shared read-only by the sessions that stand on it.
///
/// `RootStore` (feature `tarballs`) makes them from tarballs. What somebody else has unpacked must have the owners that sessions
/// see translated: those of the tarball for an engine that is root (`tar --numeric-owner --xattrs -xpf` as root), the
/// subordinate ids of an ordinary user's. Images from registries will become such directories, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootFileSystem {
    path: PathBuf,
}

impl RootFileSystem {
    /// The one that lies unpacked at `directory`. It must not be changed while sessions stand on it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when it is no directory with a `bin` and an `etc`.
    pub fn unpacked(directory: impl AsRef<Path>) -> Result<Self> {
        let directory = directory.as_ref();
        let there = |name: &str| directory.join(name).symlink_metadata().is_ok();
        match directory.canonicalize() {
            Ok(path) if there("bin") && there("etc") => Ok(Self { path }),
            _ => {
                let why = format!("{} is no unpacked root file system", directory.display());
                Err(Error::new(ErrorKind::InvalidInput, why))
            }
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
