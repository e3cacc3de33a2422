//! A session as core's trait knows it.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use harness_core::{
    Captured, Command, Environment, Error, ErrorKind, ExecOutput, Exit, File, Fingerprint, Listed,
    Result, SandboxPath, Session,
};
use tokio::net::unix::pipe;

use super::capture::Stream;
use super::link::{Answer, Link, Ticket, gone};
use super::{Spawner, broken};
use crate::wire::{self, Confinement, Exec, Plan, Reply, Request, Status};

/// The largest file that is read or written whole, in bytes.
const FILE_LIMIT: u64 = 256 * 1024 * 1024;
/// How often a closed session's private directory is looked for.
const REMOVAL_LOOK: Duration = Duration::from_millis(2);
/// How long a session may take to end a command after it was told to, before it counts as broken.
const KILL_PATIENCE: Duration = Duration::from_secs(15);

/// One of a command's two output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Hears what a command prints.
type Watcher<'a> = &'a mut (dyn FnMut(OutputStream, &[u8]) + Send);

/// A session of a [`LocalSandbox`](crate::LocalSandbox).
#[derive(Debug)]
pub struct LocalSession {
    link: Arc<Link>,
    /// The host's path of the private directory; empty where the session has a root of its own.
    root: String,
    plan: Plan,
    workdir: SandboxPath,
    env: BTreeMap<String, String>,
    setup_timeout: Duration,
    /// The supervisor lives for as long as one of its sessions does.
    spawner: Arc<Spawner>,
}

impl LocalSession {
    /// Opens one.
    pub(crate) async fn open(
        spawner: &Arc<Spawner>,
        plan: &Plan,
        environment: &Environment,
    ) -> Result<Self> {
        let patience = environment.limits.setup_timeout;
        let mut session = Self::begin(spawner, plan, &[], patience).await?;
        session.env.extend(environment.env.clone());
        Ok(session)
    }

    async fn begin(
        spawner: &Arc<Spawner>,
        plan: &Plan,
        given: &[OwnedFd],
        patience: Duration,
    ) -> Result<Self> {
        let opening = async {
            let link = Link::new(spawner.request(plan, given).await?)?;
            // Dropped half-way, the socket closes, and what was started ends.
            let root = link.opened(plan.view).await?;
            Ok((Arc::new(link), root))
        };
        let (link, root) = tokio::time::timeout(patience, opening).await.map_err(|_| {
            Error::new(ErrorKind::Sandbox, format!("opening a session took over {patience:?}"))
        })??;
        tokio::spawn(Arc::clone(&link).sort());
        let mut session = Self {
            link,
            root,
            plan: plan.clone(),
            workdir: SandboxPath::new(&plan.workdir)?,
            env: BTreeMap::new(),
            setup_timeout: patience,
            spawner: Arc::clone(spawner),
        };
        session.env = session.base_env();
        Ok(session)
    }

    /// Whether the kernel ends all the rest with the session's first process. Elsewhere that process is the one
    /// that knows what to end.
    fn ends_at_once(&self) -> bool {
        self.plan.confinement == Confinement::Namespace && !self.plan.view
    }

    /// Runs a command as [`Session::exec`] does and gives what it prints to `watcher`, piece by piece, as it comes. How much
    /// is kept beside that, the command says.
    ///
    /// # Errors
    /// As [`Session::exec`].
    pub async fn exec_watched(
        &self,
        command: &Command,
        watcher: Watcher<'_>,
    ) -> Result<ExecOutput> {
        let begun = Instant::now();
        let (mut running, mut stdout, mut stderr) = self.start(command).await?;
        let mut buffers = (vec![0_u8; 32 * 1024], vec![0_u8; 32 * 1024]);
        let limit = command.timeout.unwrap_or(Duration::MAX);
        let deadline = tokio::time::sleep(limit.saturating_sub(begun.elapsed()));
        tokio::pin!(deadline);
        let mut timed_out = false;
        let ended = loop {
            tokio::select! {
                ended = running.end() => break ended?,
                read = stdout.fill(&mut buffers.0) => if read > 0 {
                    watcher(OutputStream::Stdout, &buffers.0[..read]);
                },
                read = stderr.fill(&mut buffers.1) => if read > 0 {
                    watcher(OutputStream::Stderr, &buffers.1[..read]);
                },
                () = &mut deadline => {
                    if timed_out {
                        self.link.kill_session();
                        return Err(gone().while_doing("ending a command that ran out of time"));
                    }
                    timed_out = true;
                    self.link.kill(running.ticket.id);
                    deadline.as_mut().reset(tokio::time::Instant::now() + KILL_PATIENCE);
                }
            }
        };
        let (exit, complaint) = match ended {
            Reply::Exited { .. } if timed_out => (Exit::TimedOut, None),
            Reply::Exited { status: Status::OutOfMemory } => (Exit::OutOfMemory, None),
            Reply::Exited { status: Status::Code(code) } => (Exit::Code(code), None),
            Reply::Exited { status: Status::Signal(signal) } => (Exit::Signal(signal), None),
            Reply::NotStarted { code, message } => (Exit::Code(code), Some(message)),
            other => return Err(unexpected(&other)),
        };
        let elapsed = begun.elapsed();
        let stdout =
            stdout.finish(&mut buffers.0, |bytes| watcher(OutputStream::Stdout, bytes)).await;
        let mut stderr =
            stderr.finish(&mut buffers.1, |bytes| watcher(OutputStream::Stderr, bytes)).await;
        if let Some(message) = complaint {
            watcher(OutputStream::Stderr, message.as_bytes());
            stderr = Captured::whole(message);
        }
        Ok(ExecOutput { exit, stdout, stderr, elapsed })
    }

    /// The whole environment of a command, before the task's and its own variables.
    fn base_env(&self) -> BTreeMap<String, String> {
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let inside = |path: &str| format!("{}{path}", self.root);
        [
            ("PATH", path.to_owned()),
            ("HOME", inside("/root")),
            ("TMPDIR", inside("/tmp")),
            ("LANG", "C.UTF-8".to_owned()),
            ("TERM", "dumb".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    fn absolute(&self, path: &SandboxPath) -> String {
        path.within(&self.workdir).as_str().to_owned()
    }

    fn resolve(&self, command: &Command) -> Result<Exec> {
        let mut env = self.env.clone();
        env.extend(command.env.clone());
        let names = env.iter().flat_map(|(name, value)| [name, value]);
        if command.argv.is_empty() || command.argv.iter().chain(names).any(|s| s.contains('\0')) {
            let why = "a command needs a program, and neither arguments nor variables hold NULs";
            return Err(Error::new(ErrorKind::InvalidInput, why));
        }
        if env.keys().any(|name| name.is_empty() || name.contains('=')) {
            let why = "a variable's name is empty or holds '='";
            return Err(Error::new(ErrorKind::InvalidInput, why));
        }
        let cwd = self.absolute(command.cwd.as_ref().unwrap_or(&self.workdir));
        Ok(Exec { argv: command.argv.clone(), env: env.into_iter().collect(), cwd })
    }

    async fn start(&self, command: &Command) -> Result<(Running<'_>, Stream, Stream)> {
        let exec = self.resolve(command)?;
        let pipes = || -> std::io::Result<_> {
            let (stdout_reader, stdout) = std::io::pipe()?;
            let (stderr_reader, stderr) = std::io::pipe()?;
            let watched = |reader| pipe::Receiver::from_owned_fd(OwnedFd::from(reader));
            let (stdout_reader, stderr_reader) = (watched(stdout_reader)?, watched(stderr_reader)?);
            let mut fds = vec![OwnedFd::from(stdout), OwnedFd::from(stderr)];
            if let Some(bytes) = &command.stdin {
                fds.push(wire::memory_file("stdin", bytes)?);
            }
            Ok((fds, stdout_reader, stderr_reader))
        };
        let (fds, stdout, stderr) = pipes().map_err(|error| broken("making pipes", error))?;
        let borrowed: Vec<_> = fds.iter().map(OwnedFd::as_fd).collect();
        let ticket = self.link.send(Request::Exec(exec), &borrowed).await?;
        let running = Running { link: &self.link, ticket, ended: false };
        let stream = |reader| Stream::new(reader, command.output);
        Ok((running, stream(stdout), stream(stderr)))
    }
}

/// A command that was started: dropped before its end, it is killed.
struct Running<'a> {
    link: &'a Link,
    ticket: Ticket,
    ended: bool,
}

impl Running<'_> {
    async fn end(&mut self) -> Result<Reply> {
        let (reply, _) = self.ticket.answer().await?;
        self.ended = true;
        Ok(reply)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.link.forget(self.ticket.id);
            self.link.kill(self.ticket.id);
        }
    }
}

#[async_trait]
impl Session for LocalSession {
    fn locate(&self, path: &SandboxPath) -> String {
        format!("{}{}", self.root, self.absolute(path))
    }

    async fn exec(&self, command: &Command) -> Result<ExecOutput> {
        self.exec_watched(command, &mut |_, _| {}).await
    }

    async fn read(&self, path: &SandboxPath) -> Result<Vec<u8>> {
        let request = Request::Read { path: self.absolute(path) };
        match self.link.call(request, &[]).await? {
            (Reply::File { bytes }, mut fds) => match fds.pop() {
                Some(_) if bytes > FILE_LIMIT => Err(too_large(path)),
                Some(fd) => read_whole(fd, path).await,
                None => Err(broken("reading a file", std::io::Error::other("no descriptor"))),
            },
            answer => Err(refused(answer)),
        }
    }

    async fn write(&self, path: &SandboxPath, file: File<'_>) -> Result<()> {
        if file.bytes.len() as u64 > FILE_LIMIT {
            return Err(too_large(path));
        }
        let content = wire::memory_file("content", file.bytes)
            .map_err(|error| broken("handing a file over", error))?;
        let request = Request::Write { path: self.absolute(path), mode: file.mode };
        match self.link.call(request, &[content.as_fd()]).await? {
            (Reply::Written, _) => Ok(()),
            answer => Err(refused(answer)),
        }
    }

    async fn stamp(&self) -> Result<Fingerprint> {
        let request = Request::Stamp { path: self.workdir.as_str().to_owned() };
        match self.link.call(request, &[]).await? {
            (Reply::Stamp { digest }, _) => digest.parse(),
            answer => Err(refused(answer)),
        }
    }

    async fn list(&self, path: &SandboxPath) -> Result<Vec<Listed>> {
        let request = Request::List { path: self.absolute(path) };
        let entries = match self.link.call(request, &[]).await? {
            (Reply::Listed { entries }, _) => entries,
            answer => return Err(refused(answer)),
        };
        let listed = entries.into_iter().map(|entry| {
            let below = if entry.path.is_empty() { "." } else { &entry.path };
            Ok(Listed {
                path: SandboxPath::new(below)?.within(path),
                mode: entry.mode,
                bytes: entry.bytes,
            })
        });
        listed.collect()
    }

    async fn changed_system_files(&self) -> Result<Vec<String>> {
        if self.plan.root.is_none() || self.plan.view {
            return Ok(Vec::new());
        }
        match self.link.call(Request::Changes, &[]).await? {
            (Reply::Changed { lines }, _) => Ok(lines),
            answer => Err(refused(answer)),
        }
    }

    async fn end_processes(&self) -> Result<()> {
        match self.link.call(Request::EndProcesses, &[]).await? {
            (Reply::ProcessesEnded, _) => Ok(()),
            answer => Err(refused(answer)),
        }
    }

    async fn view(&self) -> Result<Option<Box<dyn Session>>> {
        if !self.ends_at_once() {
            return Ok(None);
        }
        let given = match self.link.call(Request::Namespaces, &[]).await? {
            (Reply::Namespaces, fds) => fds,
            answer => return Err(refused(answer)),
        };
        let plan = Plan { view: true, show: Vec::new(), workspace: None, ..self.plan.clone() };
        let mut view = Self::begin(&self.spawner, &plan, &given, self.setup_timeout).await?;
        // The engine's word, not the agent's.
        view.env.clone_from(&self.env);
        Ok(Some(Box::new(view)))
    }

    async fn close(self: Box<Self>) -> Result<()> {
        let process = self.link.take_process().map(|process| {
            if self.ends_at_once() {
                let _ = rustix::process::pidfd_send_signal(&process, rustix::process::Signal::KILL);
            }
            // No pipe, in truth: only its readiness is used.
            pipe::Receiver::from_owned_fd_unchecked(process)
        });
        self.link.hang_up();
        let waiting = async {
            if let Some(process) = process {
                process?.readable().await?;
            }
            // Removed by the supervisor, which tells nobody.
            while !self.root.is_empty() && std::path::Path::new(&self.root).exists() {
                tokio::time::sleep(REMOVAL_LOOK).await;
            }
            Ok(())
        };
        match tokio::time::timeout(KILL_PATIENCE, waiting).await {
            Ok(ended) => ended.map_err(|error| broken("waiting for a session's end", error)),
            Err(_) => Err(Error::new(ErrorKind::Sandbox, "a session does not end")),
        }
    }
}

impl Drop for LocalSession {
    fn drop(&mut self) {
        match self.ends_at_once() {
            true => self.link.kill_session(),
            false => self.link.hang_up(),
        }
    }
}

async fn read_whole(fd: OwnedFd, path: &SandboxPath) -> Result<Vec<u8>> {
    let read = move || {
        let mut bytes = Vec::new();
        // One byte beyond the limit tells that the file has grown meanwhile.
        std::fs::File::from(fd).take(FILE_LIMIT + 1).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    let read = tokio::task::spawn_blocking(read).await;
    let bytes = read
        .map_err(std::io::Error::other)
        .flatten()
        .map_err(|error| broken("reading a file", error))?;
    if bytes.len() as u64 > FILE_LIMIT { Err(too_large(path)) } else { Ok(bytes) }
}

fn too_large(path: &SandboxPath) -> Error {
    let why = format!("'{path}' is larger than {} MiB", FILE_LIMIT >> 20);
    Error::new(ErrorKind::NotAFile, why)
}

fn refused((reply, _): Answer) -> Error {
    match reply {
        Reply::BadPath { missing: true, message } => Error::new(ErrorKind::NotFound, message),
        Reply::BadPath { missing: false, message } => Error::new(ErrorKind::NotAFile, message),
        other => unexpected(&other),
    }
}

fn unexpected(reply: &Reply) -> Error {
    match reply {
        Reply::Broken { message } => Error::new(ErrorKind::Sandbox, message.clone()),
        other => Error::new(ErrorKind::Sandbox, format!("unexpected answer {other:?}")),
    }
}
