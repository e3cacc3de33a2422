//! The sandbox: a daemon, and what an operator said of its containers.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use harness_core::{
    Environment, Error, ErrorKind, Isolation, Result, Sandbox, SandboxPath, Session,
};

use super::daemon::Daemon;
use super::options::{ContainerOptions, ContainerUser};
use super::remover::Remover;
use super::session::ContainerSession;
use super::{create, daemon, image, sweep};

/// Sessions in containers, by the Docker API: Docker Engine or Podman. Backend `docker`.
///
/// No directory, device or socket of the host is in a container, capabilities are dropped, new privileges refused, and
/// the network is off unless both task and operator ask for it. Cheap to clone.
///
/// Dropping the last clone, or the last session if that is later, waits until the containers of dropped sessions are
/// removed, a minute at most: a program that drops its sandbox before it ends leaves none behind.
#[derive(Clone, Debug)]
pub struct ContainerSandbox {
    daemon: Daemon,
    options: Arc<ContainerOptions>,
    isolation: Isolation,
    /// Sessions share it: the last of them and of this sandbox's clones waits until no container is left.
    remover: Arc<Remover>,
}

impl ContainerSandbox {
    /// Reaches the daemon and removes what engines that are gone have left there.
    ///
    /// # Errors
    /// [`ErrorKind::Sandbox`] where no daemon answers, naming the socket and the remedy; [`ErrorKind::InvalidInput`]
    /// for user 0 without [`ContainerUser::Root`].
    pub async fn connect(options: ContainerOptions) -> Result<Self> {
        if let ContainerUser::Ids { uid: 0, .. } = options.user {
            let why = "user 0 is the container's root: say `ContainerUser::Root`";
            return Err(Error::new(ErrorKind::InvalidInput, why));
        }
        let daemon = daemon::connect(options.socket.as_deref()).await?;
        sweep::sweep(&daemon.docker).await;
        let isolation = daemon::isolation(&options, &daemon.info);
        let remover = Arc::new(Remover::new(daemon.socket.clone()));
        Ok(Self { daemon, options: Arc::new(options), isolation, remover })
    }

    /// Builds the Dockerfile of a directory and gives the image's name, for [`Environment::image`]. The same content is
    /// built once.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] with what the build said.
    pub async fn build_image(&self, context: impl AsRef<Path>) -> Result<String> {
        image::build(&self.daemon.docker, context.as_ref()).await
    }
}

#[async_trait]
impl Sandbox for ContainerSandbox {
    fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    async fn open(&self, environment: &Environment) -> Result<Box<dyn Session>> {
        let opening = self.open_within(environment);
        let patience = environment.limits.setup_timeout;
        tokio::time::timeout(patience, opening).await.map_err(|_| {
            Error::new(ErrorKind::Sandbox, format!("opening a session took over {patience:?}"))
        })?
    }
}

impl ContainerSandbox {
    async fn open_within(&self, environment: &Environment) -> Result<Box<dyn Session>> {
        require_below_root(&environment.workdir)?;
        let body = create::body(&self.options, environment, &sweep::owner())?;
        let name = create::image(&self.options, environment)?;
        image::ensure(&self.daemon.docker, name, self.options.pull).await?;
        let variables = create::variables(self.options.user, environment);
        let user = self.options.user;
        let workdir = environment.workdir.clone();
        let remover = Arc::clone(&self.remover);
        let session =
            ContainerSession::start(&self.daemon, remover, body, user, workdir, variables).await?;
        if let Some(health) = &self.options.health {
            health.wait(&session).await?;
        }
        Ok(Box::new(session))
    }
}

fn require_below_root(workdir: &SandboxPath) -> Result<()> {
    if workdir.is_absolute() && workdir.as_str() != "/" {
        return Ok(());
    }
    let why = format!("the working directory '{workdir}' must be an absolute path below the root");
    Err(Error::new(ErrorKind::InvalidInput, why))
}
