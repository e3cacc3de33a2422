//! One container as core's trait knows it.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bollard::Docker;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{AttachContainerOptionsBuilder, CreateContainerOptionsBuilder};
use harness_core::{
    Command, Error, ErrorKind, ExecOutput, Exit, File, Fingerprint, Result, SandboxPath, Session,
    stamp_by_command,
};
use tokio::io::AsyncWrite;

use super::daemon::Daemon;
use super::exec::Commands;
use super::fault::{self, broken};
use super::files::{Files, missing, no_file};
use super::options::ContainerUser;
use super::remover::{Left, Remover, remove};
use super::script::{COPY_OUT, MOVE_IN};

/// A session of a [`ContainerSandbox`](super::ContainerSandbox)'s.
#[derive(Debug)]
pub(super) struct ContainerSession {
    files: Files,
    commands: Arc<Commands>,
    container: Container,
}

impl ContainerSession {
    /// Makes a container and its working directory.
    pub(super) async fn start(
        daemon: &Daemon,
        remover: Arc<Remover>,
        body: ContainerCreateBody,
        user: ContainerUser,
        workdir: SandboxPath,
        variables: BTreeMap<String, String>,
    ) -> Result<Self> {
        let docker = &daemon.docker;
        let container = Container::start(docker, remover, body).await?;
        let files = Files::new(daemon, &container.name, user, workdir.clone());
        files.make_workdir().await?;
        let commands = Commands::new(docker, &container.name, user, workdir, variables);
        if !files.opens_the_root().await? {
            commands.open_the_root().await?;
        }
        Ok(Self { files, commands: Arc::new(commands), container })
    }
}

#[async_trait]
impl Session for ContainerSession {
    fn locate(&self, path: &SandboxPath) -> String {
        self.files.absolute(path)
    }

    async fn exec(&self, command: &Command) -> Result<ExecOutput> {
        self.commands.run(command, &self.files).await
    }

    async fn read(&self, path: &SandboxPath) -> Result<Vec<u8>> {
        if !self.files.is_pattern(path) {
            return self.files.read(path).await;
        }
        let plain = plain_path()?;
        self.by_command(COPY_OUT, path, &plain).await?;
        let bytes = self.files.read(&plain).await;
        self.exec(&Command::program(["rm", "-f", "--", plain.as_str()])).await?;
        bytes
    }

    async fn write(&self, path: &SandboxPath, file: File<'_>) -> Result<()> {
        if !self.files.is_pattern(path) {
            return self.files.write(path, file).await;
        }
        let plain = plain_path()?;
        self.files.write(&plain, file).await?;
        self.by_command(MOVE_IN, path, &plain).await
    }

    async fn stamp(&self) -> Result<Fingerprint> {
        stamp_by_command(self).await
    }

    async fn end_processes(&self) -> Result<()> {
        self.commands.end_all().await
    }

    async fn close(mut self: Box<Self>) -> Result<()> {
        self.container.remove().await
    }
}

impl ContainerSession {
    /// Carries a file whose name the daemon would take for a pattern between its place and a plain one.
    async fn by_command(
        &self,
        script: &str,
        path: &SandboxPath,
        plain: &SandboxPath,
    ) -> Result<()> {
        let place = self.locate(path);
        let command = Command::program(["/bin/sh", "-c", script, "sh", &place, plain.as_str()]);
        match self.exec(&command).await?.exit {
            Exit::Code(0) => Ok(()),
            Exit::Code(3) => Err(no_file(path, "is no regular file, or leads through one")),
            Exit::Code(4) => Err(missing(path)),
            exit => {
                let why = format!("carrying '{path}' by a command: {exit}");
                Err(Error::new(ErrorKind::Sandbox, why))
            }
        }
    }
}

fn plain_path() -> Result<SandboxPath> {
    SandboxPath::new(format!("/tmp/.file-{}", unique()))
}

/// The engine's end of the first process's standard input.
type Hold = Pin<Box<dyn AsyncWrite + Send>>;

/// A container that ends with this value.
struct Container {
    docker: Docker,
    name: String,
    /// Held open for as long as the session lives: its end is the container's.
    hold: Mutex<Option<Hold>>,
    /// Where what is left goes when this is dropped.
    remover: Arc<Remover>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The daemon was asked to make it.
    Unborn,
    Made,
    /// It never was, or is no longer.
    Gone,
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Container {
    /// Cancelled half-way, it is removed.
    async fn start(
        docker: &Docker,
        remover: Arc<Remover>,
        body: ContainerCreateBody,
    ) -> Result<Self> {
        let name = format!("self-harness-{}", unique());
        let mut container = Self {
            docker: docker.clone(),
            name: name.clone(),
            hold: Mutex::default(),
            remover,
            state: State::Unborn,
        };
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        let created = docker.create_container(Some(options), body).await;
        if let Err(refusal) = created {
            // An answer is certain; without one the daemon may be making it all the same.
            if fault::status(&refusal).is_some() {
                container.state = State::Gone;
            }
            return Err(broken("making a container", refusal));
        }
        container.state = State::Made;
        let options = AttachContainerOptionsBuilder::default().stdin(true).stream(true).build();
        let attached = docker.attach_container(&name, Some(options)).await;
        let hold = attached.map_err(|refusal| broken("holding a container", refusal))?.input;
        *container.hold.get_mut().unwrap_or_else(PoisonError::into_inner) = Some(hold);
        let started = docker.start_container(&name, None).await;
        started.map_err(|refusal| broken("starting a container", refusal))?;
        Ok(container)
    }

    async fn remove(&mut self) -> Result<()> {
        remove(&self.docker, &self.name).await?;
        self.state = State::Gone;
        Ok(())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.state != State::Gone {
            let unborn = self.state == State::Unborn;
            self.remover.take(Left { name: self.name.clone(), unborn });
        }
    }
}

/// A name that no other session of this daemon has.
pub(super) fn unique() -> String {
    let mut bytes = [0_u8; 16];
    // Waits only in the first moments after a boot, and fails only where the kernel has no generator.
    let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    if filled.is_err() {
        bytes = u128::from(std::process::id()).to_be_bytes();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
