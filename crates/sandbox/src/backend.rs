//! The sandbox of this crate: one mechanism, at several levels.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use harness_core::{
    Environment, Error, ErrorKind, Isolation, IsolationLevel, Network, Result, Sandbox, Session,
};

use crate::engine::{LocalSession, Refusal, Spawner};
use crate::floor::Named;
use crate::options::SandboxOptions;
use crate::wire::{Confinement, Plan, Setup};

/// Storage of a session, in bytes, where nobody names a limit.
const DISK_BYTES: u64 = 1 << 30;
/// One file or directory per this many bytes of storage, as common file systems have it.
const BYTES_PER_INODE: u64 = 4096;
/// Processes and threads of a session where nobody names a limit.
const PROCESSES: u64 = 1024;
/// With the session's first one beside them all that the kernel knows (`PID_MAX_LIMIT`): its control groups refuse more.
const MOST_PROCESSES: u64 = (4 << 20) - 1;
/// How long a trial session at construction may take to open.
const PROBE_PATIENCE: Duration = Duration::from_secs(10);

/// Sessions on this machine, as [`SandboxOptions`] describe them. Cheap to clone; sessions keep what they need
/// alive.
#[derive(Clone, Debug)]
pub struct LocalSandbox {
    spawner: Arc<Spawner>,
    isolation: Isolation,
    confinement: Confinement,
    options: SandboxOptions,
}

impl LocalSandbox {
    /// Starts a supervisor and opens a trial session: a sandbox that cannot keep its word is not built.
    pub(crate) fn try_new(options: SandboxOptions, level: Level) -> Result<Self, Refusal> {
        let refuse = |error: Error| Refusal {
            doing: "starting the supervisor".to_owned(),
            cause: std::io::Error::other(error.report()),
        };
        let confinement = level.confinement();
        let setup = Setup {
            confinement,
            control_groups: level == Level::Full,
            state: options.state.display().to_string(),
            many_ids: options.root.is_some(),
            network: options.public_network,
        };
        let spawner = Arc::new(Spawner::start(setup).map_err(refuse)?);
        let isolation = level.isolation(&options);
        let mut sandbox = Self { spawner, isolation, confinement, options };
        let plan = sandbox.plan(&Environment::default()).map_err(refuse)?;
        let lacks = sandbox.spawner.probe(&plan, PROBE_PATIENCE)?;
        sandbox.isolation.residual.extend(lacks);
        Ok(sandbox)
    }

    /// The same, saying first why nothing stronger was chosen.
    #[must_use]
    pub(crate) fn with_note(mut self, note: String) -> Self {
        self.isolation.residual.insert(0, note);
        self
    }

    /// Opens a session that can also pass a command's output on while it runs.
    ///
    /// # Errors
    /// As [`Sandbox::open`].
    pub async fn open_local(&self, environment: &Environment) -> Result<LocalSession> {
        let plan = self.plan(environment)?;
        LocalSession::open(&self.spawner, &plan, environment).await
    }

    fn plan(&self, environment: &Environment) -> Result<Plan> {
        if !environment.workdir.is_absolute() || environment.workdir.as_str() == "/" {
            let why = format!(
                "the working directory '{}' must be an absolute path below the root",
                environment.workdir
            );
            return Err(Error::new(ErrorKind::InvalidInput, why));
        }
        let (asked, options) = (&environment.limits, &self.options);
        Named::from(asked).check()?;
        let memory_bytes =
            lower(asked.memory_bytes, options.memory_bytes).unwrap_or_else(half_of_the_machine);
        let disk_bytes = lower(asked.disk_bytes, options.disk_bytes).unwrap_or(DISK_BYTES);
        let disk_bytes = match self.isolation.level {
            // Storage is memory there: a session that fills it must find it full before the kernel finds it greedy.
            IsolationLevel::Full | IsolationLevel::User => {
                disk_bytes.min(memory_bytes - memory_bytes / 4)
            }
            _ => disk_bytes,
        };
        let text = |path: &Path| path.display().to_string();
        Ok(Plan {
            confinement: self.confinement,
            workdir: environment.workdir.as_str().to_owned(),
            disk_bytes,
            inodes: options.inodes.unwrap_or((disk_bytes / BYTES_PER_INODE).max(1024)),
            processes: lower(asked.processes.map(u64::from), options.processes.map(u64::from))
                .unwrap_or(PROCESSES)
                .min(MOST_PROCESSES),
            memory_bytes,
            cpus: lower(asked.cpus, options.cpus),
            network: self.network(&environment.network)?,
            show: options.read_only.iter().map(|path| text(path)).collect(),
            workspace: options.workspace.as_deref().map(text),
            root: options.root.as_ref().map(|root| text(root.path())),
            view: false,
        })
    }

    fn network(&self, asked: &Network) -> Result<bool> {
        let invalid = |why: String| Err(Error::new(ErrorKind::InvalidInput, why));
        match asked {
            Network::None => Ok(false),
            _ if self.confinement == Confinement::Unconfined => Ok(true),
            Network::Public if self.options.public_network => Ok(true),
            Network::Public => invalid(format!(
                "the environment asks for the public network; the {} sandbox gives it only \
                 when built `with_public_network`, which shares the host's",
                self.isolation.backend
            )),
            Network::Allow(hosts) => invalid(format!(
                "the environment asks for the hosts {}; the {} sandbox cannot let single \
                 hosts through",
                hosts.join(", "),
                self.isolation.backend
            )),
        }
    }
}

#[async_trait]
impl Sandbox for LocalSandbox {
    fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    async fn open(&self, environment: &Environment) -> Result<Box<dyn Session>> {
        Ok(Box::new(self.open_local(environment).await?))
    }
}

/// A task asks, the operator's options are the ceiling.
fn lower<T: PartialOrd>(asked: Option<T>, ceiling: Option<T>) -> Option<T> {
    match (asked, ceiling) {
        (Some(asked), Some(ceiling)) if asked > ceiling => Some(ceiling),
        (asked, ceiling) => asked.or(ceiling),
    }
}

fn half_of_the_machine() -> u64 {
    let total = rustix::system::sysinfo();
    (total.totalram as u64).saturating_mul(u64::from(total.mem_unit)) / 2
}

/// What of this machine a sandbox uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(crate) enum Level {
    Full,
    User,
    Landlock,
    Unconfined,
}

impl Level {
    fn confinement(self) -> Confinement {
        match self {
            Self::Full | Self::User => Confinement::Namespace,
            Self::Landlock => Confinement::Landlock,
            Self::Unconfined => Confinement::Unconfined,
        }
    }

    fn isolation(self, options: &SandboxOptions) -> Isolation {
        let (backend, level, residual) = match self {
            Self::Full => ("namespace", IsolationLevel::Full, FULL),
            Self::User => ("namespace", IsolationLevel::User, USER),
            Self::Landlock => ("landlock", IsolationLevel::Restricted, LANDLOCK),
            Self::Unconfined => ("unconfined", IsolationLevel::None, UNCONFINED),
        };
        let mut residual: Vec<String> = residual.iter().map(|&text| text.to_owned()).collect();
        if options.root.is_none() && level <= IsolationLevel::User {
            residual.push(HOST_SYSTEM.to_owned());
        }
        if options.public_network {
            residual.push(PUBLIC_NETWORK.to_owned());
        }
        if options.workspace.is_some() {
            residual.push(WORKSPACE.to_owned());
        }
        if options.workspace.is_some() && self == Self::Landlock {
            residual.push(AS_ITS_OWNER.to_owned());
        }
        Isolation { backend: backend.to_owned(), level, residual }
    }
}

const FULL: &[&str] = &[
    "The kernel is shared: a flaw in it is not stopped.",
    "Storage lies in memory and counts as such: it is at most three quarters of the memory limit. A session whose \
     memory is full of small processes may be ended as a whole.",
];
const USER: &[&str] = &[
    "Memory is watched, not bounded: a command may overdraw for a moment before it is killed, and memory files that it \
     hides from the watcher, in an unread socket for one, are not counted. Processor time is not limited; storage, \
     processes and open files are.",
    "The kernel is shared: a flaw in it is not stopped.",
];
const LANDLOCK: &[&str] = &[
    "There is no private root: absolute paths such as /app are the host's; a session's files lie below a private \
     directory.",
    "The host's processes can be seen with their names and arguments, not their environment or memory.",
    "Before Linux 6.12, signals to other processes of the same user are not stopped.",
    "Where the engine is not root, sessions run as its user: permission bits, owners and times of that user's files \
     can be changed, and the existence of paths be found out, though no file's content be read or written; its \
     processes' priorities can be lowered.",
    "Where the engine is not root, the number of processes is not limited; storage is limited per file only, memory \
     is watched, processor time not limited.",
    "No sockets but pairs, so no server inside can be reached, not even over loopback.",
    "The kernel is shared: a flaw in it is not stopped.",
];
const UNCONFINED: &[&str] =
    &["Nothing is stopped: commands can read, change and send whatever the engine's user can."];
const HOST_SYSTEM: &str = "The host's system directories can be read, so installed programs and their versions are \
                           visible; the environment's image is not used.";
const PUBLIC_NETWORK: &str =
    "A task that asks for the public network shares the host's, its loopback services included.";
const WORKSPACE: &str = "The workspace is the host's own directory: what commands do to it is done, without a limit \
                         on its size.";
const AS_ITS_OWNER: &str = "An engine that is root runs its sessions as the owner of the workspace: the number of an \
                            account's processes is not limited, and permission bits, owners and times of its other \
                            files can be changed.";
