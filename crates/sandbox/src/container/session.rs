//! One container as core's trait knows it.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bollard::Docker;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder,
};
use harness_core::{
    Command, Error, ErrorKind, ExecOutput, Exit, File, Fingerprint, Result, SandboxPath, Session,
    stamp_by_command,
};
use tokio::io::AsyncWrite;
use tokio::runtime::Handle;

use super::daemon::Daemon;
use super::exec::Commands;
use super::fault::{self, broken};
use super::files::{Files, missing, no_file};
use super::options::ContainerUser;
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
        body: ContainerCreateBody,
        user: ContainerUser,
        workdir: SandboxPath,
        variables: BTreeMap<String, String>,
    ) -> Result<Self> {
        let docker = &daemon.docker;
        let container = Container::start(docker, body).await?;
        let files = Files::new(daemon, &container.name, user, workdir.clone());
        files.make_workdir().await?;
        let commands = Commands::new(docker, &container.name, user, workdir, variables);
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
    /// Where a dropped session's last word is said.
    runtime: Handle,
    removed: bool,
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Container {
    /// Cancelled half-way, it is removed.
    async fn start(docker: &Docker, body: ContainerCreateBody) -> Result<Self> {
        let name = format!("self-harness-{}", unique());
        let mut container = Self {
            docker: docker.clone(),
            name: name.clone(),
            hold: Mutex::default(),
            runtime: Handle::current(),
            removed: false,
        };
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        let created = docker.create_container(Some(options), body).await;
        created.map_err(|refusal| broken("making a container", refusal))?;
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
        self.removed = true;
        Ok(())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.removed {
            return;
        }
        let (docker, name) = (self.docker.clone(), self.name.clone());
        // The end of `hold` does the same where the runtime is gone, only later.
        self.runtime.spawn(async move { remove(&docker, &name).await });
    }
}

/// Ends every process of a container and removes it, whoever else does the same.
async fn remove(docker: &Docker, name: &str) -> Result<()> {
    loop {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match docker.remove_container(name, Some(options)).await {
            Ok(()) => return Ok(()),
            Err(refusal) if fault::is_missing(&refusal) => return Ok(()),
            // Its own removal is under way: look again until it is through.
            Err(refusal) if fault::status(&refusal) == Some(409) => {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            Err(refusal) => return Err(broken("removing a container", refusal)),
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
