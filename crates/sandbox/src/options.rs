//! How a sandbox is asked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use harness_core::{Error, ErrorKind, Result, Sandbox};

use crate::backend::LocalSandbox;
use crate::detect::{self, SandboxKind};
use crate::floor::Named;
use crate::root::RootFileSystem;

/// What every session of a sandbox has in common. A task may ask for less than the limits named here, never for more.
///
/// ```no_run
/// use harness_sandbox::{SandboxKind, SandboxOptions};
///
/// let sandbox = SandboxOptions::new(SandboxKind::Auto)
///     .with_workspace("/home/me/project")
///     .with_memory(2 << 30)
///     .with_processes(256)
///     .build()?;
/// # Ok::<_, harness_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    pub(crate) kind: SandboxKind,
    pub(crate) state: PathBuf,
    pub(crate) read_only: Vec<PathBuf>,
    pub(crate) workspace: Option<PathBuf>,
    pub(crate) root: Option<RootFileSystem>,
    pub(crate) public_network: bool,
    pub(crate) processes: Option<u32>,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) disk_bytes: Option<u64>,
    pub(crate) inodes: Option<u64>,
    pub(crate) cpus: Option<f64>,
}

impl SandboxOptions {
    /// A sandbox of this kind, with nothing shared and default limits: 1,024 processes, half of the machine's memory,
    /// 1 GiB of storage, one file for each 4 KiB of it, no limit on processor time.
    pub fn new(kind: SandboxKind) -> Self {
        Self {
            kind,
            state: std::env::temp_dir(),
            read_only: Vec::new(),
            workspace: None,
            root: None,
            public_network: false,
            processes: None,
            memory_bytes: None,
            disk_bytes: None,
            inodes: None,
            cpus: None,
        }
    }

    /// Makes private directories below `directory` instead of the system's temporary directory. Supervisors that use the
    /// same one remove what dead ones left there.
    #[must_use]
    pub fn with_state_directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.state = directory.as_ref().to_owned();
        self
    }

    /// Shows a further host directory, read-only and at the same path.
    #[must_use]
    pub fn with_read_only(mut self, directory: impl AsRef<Path>) -> Self {
        self.read_only.push(directory.as_ref().to_owned());
        self
    }

    /// Makes a host directory the working directory of every session: what commands do there is done. It must exist, and
    /// its path be absolute. No set-user-id bit can be set in it.
    #[must_use]
    pub fn with_workspace(mut self, directory: impl AsRef<Path>) -> Self {
        self.workspace = Some(directory.as_ref().to_owned());
        self
    }

    /// Gives every session this root file system, under a writable layer of its own, in the place of the host's system
    /// directories. Commands are root there, with no power outside.
    #[must_use]
    pub fn with_root(mut self, root: RootFileSystem) -> Self {
        self.root = Some(root);
        self
    }

    /// Lets environments that ask for [`Network::Public`](harness_core::Network::Public) have the *host's* network, its
    /// loopback services included. Others still have none.
    #[must_use]
    pub fn with_public_network(mut self) -> Self {
        self.public_network = true;
        self
    }

    /// Processes and threads of a session at once.
    #[must_use]
    pub fn with_processes(mut self, processes: u32) -> Self {
        self.processes = Some(processes);
        self
    }

    /// Bytes of memory of a session's processes together.
    #[must_use]
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.memory_bytes = Some(bytes);
        self
    }

    /// Bytes of a session's storage; without namespaces, of its largest file.
    #[must_use]
    pub fn with_disk(mut self, bytes: u64) -> Self {
        self.disk_bytes = Some(bytes);
        self
    }

    /// Files and directories of a session; without effect without namespaces.
    #[must_use]
    pub fn with_inodes(mut self, inodes: u64) -> Self {
        self.inodes = Some(inodes);
        self
    }

    /// Processors of a session, fractions allowed; only level full limits them.
    #[must_use]
    pub fn with_cpus(mut self, cpus: f64) -> Self {
        self.cpus = Some(cpus);
        self
    }

    pub(crate) fn limits(&self) -> Named {
        let Self { memory_bytes, disk_bytes, processes, cpus, .. } = *self;
        Named { memory_bytes, disk_bytes, processes, cpus }
    }

    /// Refuses what would fail at every level, as if the machine offered none.
    pub(crate) fn check(&self) -> Result<()> {
        self.limits().check()?;
        let invalid = |why: String| Err(Error::new(ErrorKind::InvalidInput, why));
        if !self.state.is_dir() {
            return invalid(format!(
                "sessions need a directory for what they keep, and {} is none: set TMPDIR",
                self.state.display()
            ));
        }
        match self.workspace.iter().chain(&self.read_only).find(|path| path.to_str().is_none()) {
            Some(path) => invalid(format!("the name of {} is no UTF-8: rename it", path.display())),
            None => Ok(()),
        }
    }

    /// Builds the sandbox. Blocks for some milliseconds: a session is tried.
    ///
    /// # Errors
    /// As [`build`](crate::build); [`ErrorKind::InvalidInput`] for a limit that no session could live with, a state
    /// directory that is not there and a path that is no UTF-8.
    pub fn build(self) -> Result<Arc<dyn Sandbox>> {
        Ok(Arc::new(self.build_local()?))
    }

    /// The same as a concrete type, whose sessions can pass output on while a command runs.
    ///
    /// # Errors
    /// As [`build`](crate::build).
    pub fn build_local(self) -> Result<LocalSandbox> {
        detect::build_as(&self)
    }
}
