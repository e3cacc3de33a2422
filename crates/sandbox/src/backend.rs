//! The three sandboxes: one mechanism, three confinements.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use harness_core::{
    Environment, Error, ErrorKind, Isolation, IsolationLevel, Network, Result, Sandbox, Session,
};

use crate::engine::{LocalSession, Refusal, Spawner};
use crate::wire::{Confinement, Plan};

/// Storage of a session, in bytes, where the environment names no limit.
const DISK_BYTES: u64 = 1 << 30;
/// Processes and threads of a session where the environment names no limit.
const PROCESSES: u64 = 1024;
/// How long a trial session at construction may take to open.
const PROBE_PATIENCE: Duration = Duration::from_secs(10);

/// What all three share.
#[derive(Clone, Debug)]
struct Local {
    spawner: Arc<Spawner>,
    isolation: Isolation,
    confinement: Confinement,
    state: PathBuf,
    show: Vec<String>,
    public_network: bool,
}

impl Local {
    /// Starts a supervisor and opens a trial session: a sandbox that cannot keep its word is not built.
    fn new(confinement: Confinement, isolation: Isolation) -> Result<Self, Refusal> {
        let refuse = |error: Error| Refusal {
            doing: "starting the supervisor".to_owned(),
            cause: std::io::Error::other(error.report()),
        };
        let spawner = Spawner::start().map_err(refuse)?;
        let local = Self {
            spawner: Arc::new(spawner),
            isolation,
            confinement,
            state: std::env::temp_dir(),
            show: Vec::new(),
            public_network: false,
        };
        let plan = local.plan(&Environment::default()).map_err(refuse)?;
        local.spawner.probe(&plan, PROBE_PATIENCE)?;
        Ok(local)
    }

    fn plan(&self, environment: &Environment) -> Result<Plan> {
        let invalid = |why: String| Err(Error::new(ErrorKind::InvalidInput, why));
        let network = match &environment.network {
            Network::None => false,
            _ if self.confinement == Confinement::Unconfined => true,
            Network::Public if self.public_network => true,
            Network::Public => {
                return invalid(format!(
                    "the environment asks for the public network; the {} sandbox gives it only \
                     when built `with_public_network`, which shares the host's",
                    self.isolation.backend
                ));
            }
            Network::Allow(hosts) => {
                return invalid(format!(
                    "the environment asks for the hosts {}; the {} sandbox cannot let single \
                     hosts through",
                    hosts.join(", "),
                    self.isolation.backend
                ));
            }
        };
        if !environment.workdir.is_absolute() || environment.workdir.as_str() == "/" {
            return invalid(format!(
                "the working directory '{}' must be an absolute path below the root",
                environment.workdir
            ));
        }
        Ok(Plan {
            confinement: self.confinement,
            workdir: environment.workdir.as_str().to_owned(),
            disk_bytes: environment.limits.disk_bytes.unwrap_or(DISK_BYTES),
            processes: environment.limits.processes.map_or(PROCESSES, u64::from),
            memory_bytes: environment.limits.memory_bytes,
            network,
            state: self.state.display().to_string(),
            show: self.show.clone(),
        })
    }

    async fn open(&self, environment: &Environment) -> Result<Box<dyn Session>> {
        let plan = self.plan(environment)?;
        Ok(Box::new(LocalSession::open(&self.spawner, &plan, environment).await?))
    }

    fn allow_public_network(&mut self, with: &str) {
        self.public_network = true;
        self.isolation.residual.push(with.to_owned());
    }
}

macro_rules! sandbox {
    ($name:ident) => {
        #[async_trait]
        impl Sandbox for $name {
            fn isolation(&self) -> &Isolation {
                &self.0.isolation
            }
            async fn open(&self, environment: &Environment) -> Result<Box<dyn Session>> {
                self.0.open(environment).await
            }
        }
    };
}

/// Sessions in Linux namespaces: a root, process table, network, host name and user of their own,
/// without root or a daemon. Backend `namespace`, level [`IsolationLevel::User`].
///
/// Cheap to clone; sessions keep what they need alive.
#[derive(Clone, Debug)]
pub struct NamespaceSandbox(Local);

impl NamespaceSandbox {
    /// Starts a supervisor and tries a session.
    ///
    /// # Errors
    /// [`ErrorKind::Sandbox`] where this machine refuses; the message names the setting that forbids it and
    /// the remedy.
    pub fn new() -> Result<Self> {
        Self::try_new().map_err(|refusal| crate::detect::explain_namespaces(&refusal))
    }

    pub(crate) fn try_new() -> Result<Self, Refusal> {
        let isolation = Isolation {
            backend: "namespace".to_owned(),
            level: IsolationLevel::User,
            residual: [
                "Memory is watched, not bounded: a command may overdraw for a moment before it is \
                 killed. Processor time is not limited; storage, processes and open files are.",
                "The kernel is shared: a flaw in it is not stopped.",
                "The host's system directories can be read, so installed programs and their versions \
                 are visible; the environment's image is not used.",
            ]
            .map(str::to_owned)
            .to_vec(),
        };
        Local::new(Confinement::Namespace, isolation).map(Self)
    }

    /// Shows a further host directory, read-only and at the same path, in every session.
    #[must_use]
    pub fn with_read_only(mut self, directory: impl AsRef<Path>) -> Self {
        self.0.show.push(directory.as_ref().display().to_string());
        self
    }

    /// Lets environments that ask for [`Network::Public`] have the *host's* network, its loopback
    /// services included. Others still have none.
    #[must_use]
    pub fn with_public_network(mut self) -> Self {
        self.0.allow_public_network(
            "A task that asks for the public network shares the host's, its loopback services included.",
        );
        self
    }
}
sandbox!(NamespaceSandbox);

/// Sessions confined by Landlock and a system-call filter to a private directory: for machines that forbid
/// user namespaces. Backend `landlock`, level [`IsolationLevel::Restricted`].
#[derive(Clone, Debug)]
pub struct LandlockSandbox(Local);

impl LandlockSandbox {
    /// Starts a supervisor and tries a session.
    ///
    /// # Errors
    /// [`ErrorKind::Sandbox`] where this kernel has no Landlock or a parent's filter refuses.
    pub fn new() -> Result<Self> {
        Self::try_new().map_err(|refusal| crate::detect::explain_landlock(&refusal))
    }

    pub(crate) fn try_new() -> Result<Self, Refusal> {
        let isolation = Isolation {
            backend: "landlock".to_owned(),
            level: IsolationLevel::Restricted,
            residual: [
                "There is no private root: absolute paths such as /app are the host's; a session's \
                 files lie below a private directory.",
                "The host's processes can be seen with their names and arguments, not their \
                 environment or memory.",
                "Before Linux 6.12, signals to other processes of the same user are not stopped.",
                "Where the engine is not root, sessions run as its user: permission bits, owners and \
                 times of that user's files can be changed, and the existence of paths be found out, \
                 though no file's content be read or written; its processes' priorities can be lowered.",
                "Where the engine is not root, the number of processes is not limited; storage is limited \
                 per file only, memory is watched, processor time not limited.",
                "No sockets but pairs, so no server inside can be reached, not even over loopback.",
                "The kernel is shared: a flaw in it is not stopped.",
            ]
            .map(str::to_owned)
            .to_vec(),
        };
        Local::new(Confinement::Landlock, isolation).map(Self)
    }

    /// The same, saying first why nothing stronger was chosen.
    #[must_use]
    pub(crate) fn with_note(mut self, note: String) -> Self {
        self.0.isolation.residual.insert(0, note);
        self
    }

    /// Makes the private directories below `directory` instead of the system's temporary directory.
    #[must_use]
    pub fn with_state_directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.0.state = directory.as_ref().to_owned();
        self
    }

    /// Lets commands read a further host directory.
    #[must_use]
    pub fn with_read_only(mut self, directory: impl AsRef<Path>) -> Self {
        self.0.show.push(directory.as_ref().display().to_string());
        self
    }

    /// Lets environments that ask for [`Network::Public`] use the host's network.
    #[must_use]
    pub fn with_public_network(mut self) -> Self {
        self.0.allow_public_network(
            "A task that asks for the public network shares the host's, its loopback services included.",
        );
        self
    }
}
sandbox!(LandlockSandbox);

/// Sessions that isolate *nothing*: a private directory and a clean environment, and commands that can do
/// whatever the engine's user can. Backend `unconfined`, level [`IsolationLevel::None`].
#[derive(Clone, Debug)]
pub struct UnconfinedSandbox(Local);

impl UnconfinedSandbox {
    /// For whoever has read what this type says, and runs only commands he trusts.
    ///
    /// # Errors
    /// [`ErrorKind::Sandbox`] when the supervisor cannot be started.
    pub fn i_accept_no_isolation() -> Result<Self> {
        let isolation = Isolation {
            backend: "unconfined".to_owned(),
            level: IsolationLevel::None,
            residual: vec![
                "Nothing is stopped: commands can read, change and send whatever the engine's user can."
                    .to_owned(),
            ],
        };
        Local::new(Confinement::Unconfined, isolation).map(Self).map_err(
            |Refusal { doing, cause }| Error::new(ErrorKind::Sandbox, doing).with_source(cause),
        )
    }

    /// Makes the private directories below `directory` instead of the system's temporary directory.
    #[must_use]
    pub fn with_state_directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.0.state = directory.as_ref().to_owned();
        self
    }
}
sandbox!(UnconfinedSandbox);
