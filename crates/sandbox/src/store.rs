//! Root file systems from tarballs: each unpacked once, into a directory named after what it came from.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use harness_core::{Error, ErrorKind, Result};

use crate::engine;
use crate::root::RootFileSystem;
use crate::wire::{Order, Reply, Unpack};

/// What a root file system may take where nobody names a limit: a large image's bytes, and files.
const BYTES: u64 = 64 << 30;
const ENTRIES: u64 = 8_000_000;

/// A directory that keeps root file systems unpacked, each under the digest of the tarball that it came from.
///
/// It belongs to one user: an engine that is root keeps owners as the tarball names them and has them translated for each
/// session; an ordinary user's engine gives files to its subordinate ids. What lies there is not checked again: nobody else
/// may write there, and a store that others can write is refused. Nothing is ever removed from it but by its owner, by
/// hand, and not while sessions stand on it.
///
/// ```no_run
/// use harness_sandbox::{RootStore, SandboxKind, SandboxOptions};
///
/// let root = RootStore::new("/var/cache/harness/roots").unpack("debian.tar.xz")?;
/// let sandbox = SandboxOptions::new(SandboxKind::Namespace).with_root(root).build()?;
/// # Ok::<_, harness_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootStore {
    directory: PathBuf,
    bytes: u64,
    entries: u64,
}

impl RootStore {
    /// The store in `directory`, which is made when it is first needed. A root file system in it may take 64 GiB and hold
    /// eight million files.
    pub fn new(directory: impl AsRef<Path>) -> Self {
        Self { directory: directory.as_ref().to_owned(), bytes: BYTES, entries: ENTRIES }
    }

    /// Bytes that the files of one root file system may take.
    #[must_use]
    pub fn with_bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// Files and directories that one root file system may hold.
    #[must_use]
    pub fn with_entries(mut self, entries: u64) -> Self {
        self.entries = entries;
        self
    }

    /// The root file system in `tarball`: plain, or compressed by gzip, xz or zstd, which its first bytes tell.
    ///
    /// Unpacked unless a tarball with the same content was before, by a process of its own that is confined to the new directory;
    /// who comes meanwhile waits. Owners, permissions with set-user-id bits, times, hard links, extended attributes of users
    /// and file capabilities are kept; device nodes are left out, since sessions have devices of their own. Blocks for the
    /// time that reading, and perhaps unpacking, the tarball takes. An engine that is killed meanwhile leaves nothing that
    /// is taken for a root file system: what was begun is removed by whoever unpacks next.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when it is no such tarball, goes beyond the limits, or the store can be written by
    /// others. [`ErrorKind::Sandbox`] when this machine refuses: an ordinary user needs subordinate ids and `newuidmap`.
    pub fn unpack(&self, tarball: impl AsRef<Path>) -> Result<RootFileSystem> {
        let tarball = tarball.as_ref();
        let cannot = |what: &str, path: &Path, error: io::Error| {
            Error::new(ErrorKind::InvalidInput, format!("{what} {}", path.display()))
                .with_source(error)
        };
        let store =
            self.prepare().map_err(|error| cannot("using the store", &self.directory, error))?;
        let mut file =
            regular(tarball).map_err(|error| cannot("reading the tarball", tarball, error))?;
        let digest = digest(&mut file).map_err(|error| cannot("reading", tarball, error))?;
        let unpacked = store.join(&digest);
        if unpacked.symlink_metadata().is_ok() {
            return RootFileSystem::unpacked(unpacked);
        }
        let order = Order::Unpack(Unpack {
            store: store.display().to_string(),
            digest,
            bytes: self.bytes,
            entries: self.entries,
        });
        match engine::order(&order, &[file.as_fd()])? {
            Reply::Unpacked => RootFileSystem::unpacked(unpacked),
            Reply::BadTarball { message } => {
                let why = format!("{}: {message}", tarball.display());
                Err(Error::new(ErrorKind::InvalidInput, why))
            }
            Reply::Failed { doing, errno } => {
                let cause = io::Error::from_raw_os_error(errno);
                Err(Error::new(ErrorKind::Sandbox, doing).with_source(cause))
            }
            other => Err(Error::new(ErrorKind::Sandbox, format!("unexpected answer {other:?}"))),
        }
    }

    /// The store's absolute path, once it is there and nobody else's.
    fn prepare(&self) -> io::Result<PathBuf> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let path = self.directory.canonicalize()?;
        let found = fs::metadata(&path)?;
        let ours = found.uid() == rustix::process::geteuid().as_raw();
        if ours && found.mode() & 0o022 == 0 {
            return Ok(path);
        }
        Err(io::Error::other("it belongs to somebody else, or others may write in it"))
    }
}

fn regular(path: &Path) -> io::Result<File> {
    // A FIFO would have us wait for its writer.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

fn digest(file: &mut File) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file)?;
    Ok(hasher.finalize().to_hex().to_string())
}
