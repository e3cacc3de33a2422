//! What a sandbox is: a place where an agent may act, and nothing else can be touched.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::id::Fingerprint;
use crate::task::Environment;

/// Opens isolated sessions.
///
/// # Contract
/// - Nothing written in one session is visible in another, or on the host outside the sandbox's own
///   state directory.
/// - [`Sandbox::isolation`] tells the truth, at once and always: the level is part of a trial's identity.
///   A sandbox that cannot give the level it states refuses to be built, or fails `open`.
/// - Engine secrets, the user's home and environment are not visible in a session.
/// - `open` is cancel-safe: dropping its future leaves nothing behind.
#[async_trait]
pub trait Sandbox: fmt::Debug + Send + Sync {
    /// What this sandbox isolates, and how.
    fn isolation(&self) -> &Isolation;

    /// Opens a session whose working directory exists and is empty. `environment`'s files and
    /// set-up commands are *not* applied here: [`Environment::prepare`] does that through the session.
    ///
    /// # Errors
    /// [`ErrorKind::Sandbox`] when the sandbox fails; [`ErrorKind::InvalidInput`] when the environment asks for
    /// what this sandbox cannot give.
    async fn open(&self, environment: &Environment) -> Result<Box<dyn Session>>;
}

/// One isolated place with a working directory, alive until closed or dropped.
///
/// # Contract
/// - Non-zero exit, signal, time-out and truncated output are `Ok` data; `Err` means that the sandbox
///   itself failed, and is never shown to a model as a command's output.
/// - A command's time-out, and dropping the `exec` future, kill the command's whole process tree, also
///   what ignores signals or forked twice. A daemon left by a command that *returned* lives on until
///   the session closes.
/// - `exec` returns as soon as the command has ended, even while a daemon holds its output open.
/// - Dropping the session ends every process in it and removes what it wrote; `close` does the same
///   and waits for it.
/// - `read` and `write` see the same files as commands do, follow no symbolic link out of the session, and
///   never block on FIFOs or devices.
#[async_trait]
pub trait Session: fmt::Debug + Send + Sync {
    /// How a command inside the session names `path`. The identity where the session has a root of
    /// its own; a path below a private directory where it has not.
    fn locate(&self, path: &SandboxPath) -> String;

    /// Runs a command and waits for its end.
    async fn exec(&self, command: &Command) -> Result<ExecOutput>;

    /// The bytes of a regular file.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] and [`ErrorKind::NotAFile`] (directory, device, too large) speak of the path.
    async fn read(&self, path: &SandboxPath) -> Result<Vec<u8>>;

    /// Creates or replaces a regular file, making missing parent directories.
    ///
    /// # Errors
    /// [`ErrorKind::NotAFile`] when the path is a directory or leads through something that is not one.
    async fn write(&self, path: &SandboxPath, file: File<'_>) -> Result<()>;

    /// A digest of the working directory (names, sizes, modes, modification times): equal stamps mean
    /// that nothing changed. Bounded in work: a very large tree is sampled, which may hide a change but
    /// never invents one. [`stamp_by_command`] serves implementers who have nothing faster.
    async fn stamp(&self) -> Result<Fingerprint>;

    /// What lies at and below `path`: regular files and directories, no links, nothing else. A path that is a file
    /// lists itself.
    ///
    /// # Errors
    /// Those of [`Session::read`]; [`ErrorKind::NotAFile`] also when the tree is too large to be listed whole.
    async fn list(&self, path: &SandboxPath) -> Result<Vec<Listed>> {
        list_by_command(self, path).await
    }

    /// Ends every process of the session, daemons and running commands included, and waits until they are gone.
    /// The files stay, and commands can be run again.
    ///
    /// # Errors
    /// [`ErrorKind::Sandbox`] when it cannot be done; by default, because the sandbox does not know how.
    async fn end_processes(&self) -> Result<()> {
        let why = "this sandbox cannot end all processes of a session and keep its files";
        Err(Error::new(ErrorKind::Sandbox, why))
    }

    /// A session beside this one, for a verifier: it sees the same files, processes and network, but `/tests` and `/logs`
    /// are its own, empty at first and out of reach for the processes of this session, which can neither trace its
    /// processes nor open what they hold. Closing it leaves this one alone.
    ///
    /// `None` where the sandbox has no such thing.
    async fn view(&self) -> Result<Option<Box<dyn Session>>> {
        Ok(None)
    }

    /// What was changed of the system that the session began with: programs and libraries that were changed, removed, or have
    /// another put before them, and what was planted where every program looks, one sentence each, bounded in number. For a
    /// verifier that runs the session's own programs, to tell beside its verdict.
    ///
    /// Empty where commands cannot change the system, and by default, because the sandbox does not know.
    async fn changed_system_files(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Ends every process and removes everything.
    async fn close(self: Box<Self>) -> Result<()>;
}

/// A file or directory that [`Session::list`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where, named as the path that was asked for is.
    pub path: SandboxPath,
    /// Permission bits, without those that change the user.
    pub mode: u32,
    /// Its length; `None` for a directory.
    pub bytes: Option<u64>,
}

/// What a sandbox isolates: recorded with each trial and shown to people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolation {
    /// The backend: `namespace`, `landlock`, `docker`, `unconfined`, …
    pub backend: String,
    /// How strongly it isolates.
    pub level: IsolationLevel,
    /// What it does *not* stop, each a sentence for a person.
    pub residual: Vec<String>,
}

/// How strongly a sandbox isolates, strongest first.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IsolationLevel {
    /// A root, process table, network and user of its own, with hard limits on memory, processes and CPU.
    Full,
    /// The same, with limits that are watched instead of enforced by the kernel.
    User,
    /// No root of its own: the kernel refuses paths outside a private directory.
    Restricted,
    /// No isolation at all.
    None,
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            IsolationLevel::Full => "full",
            IsolationLevel::User => "user",
            IsolationLevel::Restricted => "restricted",
            IsolationLevel::None => "no isolation",
        };
        write!(f, "{} ({level})", self.backend)
    }
}

/// A path as a session understands it: absolute, or relative to the working directory.
///
/// It is normalised: no empty, `.` or `..` component, no NUL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SandboxPath(String);

impl SandboxPath {
    /// Parses and normalises.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for an empty path, a NUL, or a `..` component.
    pub fn new(path: impl AsRef<str>) -> Result<Self> {
        let path = path.as_ref();
        let refuse = |why: &str| {
            Err(Error::new(
                ErrorKind::InvalidInput,
                format!("the path '{}' {why}", path.escape_debug()),
            ))
        };
        if path.is_empty() {
            return refuse("is empty");
        }
        if path.contains('\0') {
            return refuse("holds a NUL");
        }
        let parts: Vec<&str> =
            path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if parts.contains(&"..") {
            return refuse("has a '..' component");
        }
        let root = if path.starts_with('/') { "/" } else { "" };
        let body = parts.join("/");
        Ok(Self(if root.is_empty() && body.is_empty() {
            ".".to_owned()
        } else {
            format!("{root}{body}")
        }))
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it starts at the session's root.
    pub fn is_absolute(&self) -> bool {
        self.0.starts_with('/')
    }

    /// `self` when absolute, else below `directory`.
    #[must_use]
    pub fn within(&self, directory: &Self) -> Self {
        match self.0.as_str() {
            _ if self.is_absolute() => self.clone(),
            "." => directory.clone(),
            relative => directory.join(relative),
        }
    }

    /// How a person in `directory` would name it: relative where it lies below, unchanged elsewhere.
    pub fn relative_to<'a>(&'a self, directory: &Self) -> &'a str {
        let below = self.0.strip_prefix(&directory.0).and_then(|rest| rest.strip_prefix('/'));
        below.filter(|rest| !rest.is_empty()).unwrap_or(&self.0)
    }

    fn join(&self, relative: &str) -> Self {
        match self.0.as_str() {
            "/" => Self(format!("/{relative}")),
            "." => Self(relative.to_owned()),
            base => Self(format!("{base}/{relative}")),
        }
    }
}

impl fmt::Display for SandboxPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SandboxPath {
    type Error = Error;
    fn try_from(path: String) -> Result<Self> {
        Self::new(path)
    }
}

impl From<SandboxPath> for String {
    fn from(path: SandboxPath) -> Self {
        path.0
    }
}

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments. The program is looked up on the session's `PATH`.
    pub argv: Vec<String>,
    /// Where; the session's working directory when `None`.
    pub cwd: Option<SandboxPath>,
    /// Variables on top of the environment's.
    pub env: BTreeMap<String, String>,
    /// Bytes on standard input; `None` is an empty input, never a terminal.
    pub stdin: Option<Arc<[u8]>>,
    /// When to kill it; `None` leaves it to the caller.
    pub timeout: Option<Duration>,
    /// How much of each output stream is kept.
    pub output: OutputLimit,
}

impl Command {
    /// `bash -c script`: no login shell, no rc files.
    pub fn shell(script: impl Into<String>) -> Self {
        Self::program(["bash".to_owned(), "-c".to_owned(), script.into()])
    }

    /// A program with arguments.
    pub fn program(argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            cwd: None,
            env: BTreeMap::new(),
            stdin: None,
            timeout: None,
            output: OutputLimit::default(),
        }
    }

    /// The same, killed after `timeout`.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The same, in another directory.
    #[must_use]
    pub fn with_cwd(mut self, cwd: SandboxPath) -> Self {
        self.cwd = Some(cwd);
        self
    }

    /// The same, with one more variable.
    #[must_use]
    pub fn with_env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// The same, with bytes on standard input.
    #[must_use]
    pub fn with_stdin(mut self, bytes: impl Into<Arc<[u8]>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// The same, keeping another amount of output.
    #[must_use]
    pub fn with_output(mut self, output: OutputLimit) -> Self {
        self.output = output;
        self
    }
}

/// How many bytes of an output stream are kept from its beginning and from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputLimit {
    /// Bytes kept from the beginning.
    pub head: usize,
    /// Bytes kept from the end.
    pub tail: usize,
}

impl Default for OutputLimit {
    /// 256 KiB of each.
    fn default() -> Self {
        Self { head: 256 * 1024, tail: 256 * 1024 }
    }
}

/// How a command ended, by the kernel's word.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It returned this status, 0 to 255.
    Code(i32),
    /// A signal ended it. Never a success.
    Signal(i32),
    /// Its time-out killed it.
    TimedOut,
    /// The memory limit killed it.
    OutOfMemory,
}

impl Exit {
    /// Whether it returned 0.
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(signal) => write!(f, "killed by signal {signal}"),
            Self::TimedOut => f.write_str("timed out"),
            Self::OutOfMemory => f.write_str("out of memory"),
        }
    }
}

/// What a command left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecOutput {
    /// How it ended.
    pub exit: Exit,
    /// Its standard output.
    pub stdout: Captured,
    /// Its standard error.
    pub stderr: Captured,
    /// How long it ran.
    pub elapsed: Duration,
}

/// A bounded copy of an output stream: its head, its tail, and how much between them was dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// The first bytes.
    pub head: Vec<u8>,
    /// The last bytes; empty when nothing was dropped.
    pub tail: Vec<u8>,
    /// How many bytes between them were dropped.
    pub dropped: u64,
}

impl Captured {
    /// A stream of which nothing was dropped.
    pub fn whole(bytes: impl Into<Vec<u8>>) -> Self {
        Self { head: bytes.into(), tail: Vec::new(), dropped: 0 }
    }

    /// As text, invalid UTF-8 replaced, with a mark where bytes were dropped.
    pub fn text(&self) -> String {
        let head = String::from_utf8_lossy(&self.head);
        if self.dropped == 0 {
            return head.into_owned() + &String::from_utf8_lossy(&self.tail);
        }
        format!(
            "{head}\n[… {} bytes left out …]\n{}",
            self.dropped,
            String::from_utf8_lossy(&self.tail)
        )
    }

    /// All bytes that were kept.
    pub fn bytes(&self) -> Vec<u8> {
        [self.head.as_slice(), self.tail.as_slice()].concat()
    }
}

/// A file to write: its bytes and its permission bits.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// The content.
    pub bytes: &'a [u8],
    /// Permission bits, such as `0o644`.
    pub mode: u32,
}

impl<'a> File<'a> {
    /// A plain file, `0o644`.
    pub fn plain(bytes: &'a [u8]) -> Self {
        Self { bytes, mode: 0o644 }
    }

    /// An executable file, `0o755`.
    pub fn executable(bytes: &'a [u8]) -> Self {
        Self { bytes, mode: 0o755 }
    }
}

/// [`Session::stamp`] by `find` and `cksum` inside the session: for implementers who have nothing faster.
///
/// # Errors
/// As [`Session::exec`]; [`ErrorKind::Sandbox`] when the command itself fails.
pub async fn stamp_by_command(session: &dyn Session) -> Result<Fingerprint> {
    let list = Command::shell(
        "find . -xdev -printf '%p %y %s %m %T@\\n' 2>/dev/null | LC_ALL=C sort | cksum",
    );
    let output = session.exec(&list.with_timeout(Duration::from_secs(20))).await?;
    if !output.exit.is_success() {
        let why = format!("listing the working directory: {}", output.exit);
        return Err(Error::new(ErrorKind::Sandbox, why));
    }
    Ok(Fingerprint::of_bytes(&output.stdout.bytes()))
}

/// [`Session::list`] by `find` inside the session: for implementers who have nothing better.
///
/// # Errors
/// As [`Session::exec`] and [`Session::list`].
pub async fn list_by_command<S: Session + ?Sized>(
    session: &S,
    path: &SandboxPath,
) -> Result<Vec<Listed>> {
    let script = "cd \"$(dirname \"$1\")\" && set -- \"$(basename \"$1\")\" && [ ! -L \"$1\" ] && [ -e \"$1\" ] && \
                  find \"./$1\" -xdev \\( -type f -o -type d \\) -printf '%y %m %s %P\\0'";
    let argv = ["/bin/sh", "-c", script, "sh", &session.locate(path)];
    let output =
        session.exec(&Command::program(argv).with_timeout(Duration::from_secs(60))).await?;
    if !output.exit.is_success() {
        return Err(Error::new(ErrorKind::NotFound, format!("'{path}' cannot be listed")));
    }
    if output.stdout.dropped > 0 {
        return Err(Error::new(
            ErrorKind::NotAFile,
            format!("'{path}' holds too much to be listed"),
        ));
    }
    let text = output.stdout.text();
    let lines = text.split('\0').filter(|line| !line.is_empty());
    lines.filter_map(|line| listed(line, path).transpose()).collect()
}

/// One line of `find`; the directory that was asked for is not in its own list.
fn listed(line: &str, asked: &SandboxPath) -> Result<Option<Listed>> {
    let broken = || Error::new(ErrorKind::Sandbox, format!("an odd line of find: {line:?}"));
    let mut fields = line.splitn(4, ' ');
    let mut next = || fields.next().ok_or_else(broken);
    let (kind, mode, bytes, below) = (next()?, next()?, next()?, next()?);
    let is_directory = kind == "d";
    if is_directory && below.is_empty() {
        return Ok(None);
    }
    let below = if below.is_empty() { "." } else { below };
    let mode = u32::from_str_radix(mode, 8).map_err(|_| broken())? & 0o777;
    let bytes: u64 = bytes.parse().map_err(|_| broken())?;
    let path = SandboxPath::new(below)?.within(asked);
    Ok(Some(Listed { path, mode, bytes: (!is_directory).then_some(bytes) }))
}

macro_rules! forward_sandbox {
    ($pointer:ident) => {
        #[async_trait]
        impl<S: Sandbox + ?Sized> Sandbox for $pointer<S> {
            fn isolation(&self) -> &Isolation {
                (**self).isolation()
            }
            async fn open(&self, environment: &Environment) -> Result<Box<dyn Session>> {
                (**self).open(environment).await
            }
        }
    };
}
forward_sandbox!(Arc);
forward_sandbox!(Box);
