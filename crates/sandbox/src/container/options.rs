//! What an operator says of the containers.

use std::path::PathBuf;

use super::HealthCheck;

/// How a [`ContainerSandbox`](super::ContainerSandbox) makes its sessions.
///
/// Limits that a task does not name come from here; a task's own win.
#[derive(Clone, Debug)]
pub struct ContainerOptions {
    /// The daemon's socket; `None` takes `DOCKER_HOST`'s default place, then Podman's.
    pub socket: Option<PathBuf>,
    /// The image of tasks that name none.
    pub image: Option<String>,
    /// When to ask a registry for an image.
    pub pull: Pull,
    /// Whose commands they are.
    pub user: ContainerUser,
    /// Bytes of memory, swap included.
    pub memory_bytes: u64,
    /// Processors, fractions allowed.
    pub cpus: f64,
    /// Processes and threads at once.
    pub processes: u32,
    /// Bytes of the largest file that a command may write.
    pub file_bytes: u64,
    /// What must succeed in a new session before it counts as open.
    pub health: Option<HealthCheck>,
    /// Gives environments that ask for the public network the daemon's default one.
    pub public_network: bool,
}

impl Default for ContainerOptions {
    /// 2 GiB of memory, one processor, 512 processes, files of 1 GiB, no network, an ordinary user.
    fn default() -> Self {
        Self {
            socket: None,
            image: None,
            pull: Pull::default(),
            user: ContainerUser::default(),
            memory_bytes: 2 << 30,
            cpus: 1.0,
            processes: 512,
            file_bytes: 1 << 30,
            health: None,
            public_network: false,
        }
    }
}

/// When to ask a registry for an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pull {
    /// When the daemon has no image of that name.
    #[default]
    Missing,
    /// Before every session, so that a tag that moved is followed.
    Always,
    /// Never: an image that is not there is an error.
    Never,
}

/// Whose a container's commands are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerUser {
    /// These ids, in the container and, unless the daemon remaps them, on the host.
    Ids {
        /// The user; 0 is refused, [`ContainerUser::Root`] says it aloud.
        uid: u32,
        /// The group.
        gid: u32,
    },
    /// The container's root: what installing packages takes. Where the daemon neither runs without root nor remaps ids, it
    /// is the *host's* root without capabilities, and the isolation says so.
    Root,
}

impl Default for ContainerUser {
    fn default() -> Self {
        Self::Ids { uid: 10_001, gid: 10_001 }
    }
}

impl ContainerUser {
    /// User and group as numbers.
    pub(super) fn ids(self) -> (u32, u32) {
        match self {
            Self::Ids { uid, gid } => (uid, gid),
            Self::Root => (0, 0),
        }
    }

    /// As the API writes it.
    pub(super) fn text(self) -> String {
        let (uid, gid) = self.ids();
        format!("{uid}:{gid}")
    }
}
