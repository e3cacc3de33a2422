//! A sandbox without processes: sessions over files in memory, commands answered by a closure.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::files::InMemoryFiles;
use crate::error::{Error, ErrorKind, Result};
use crate::id::Fingerprint;
use crate::sandbox::{
    Captured, Command, ExecOutput, Exit, File, Isolation, IsolationLevel, Sandbox, SandboxPath,
    Session,
};
use crate::task::Environment;

type Answer = dyn Fn(&Command, &mut InMemoryFiles) -> Result<ExecOutput> + Send + Sync;

/// A [`ScriptedSandbox`] whose every command ends with status 127, "not found": for harnesses and verifiers that only
/// read and write.
pub type InMemorySandbox = ScriptedSandbox;

/// Sessions over files in memory. A command is answered by a closure that may read and change the session's files.
///
/// Keeps the contract of files, stamps and sessions; a command keeps of its own what the closure gives it. Clones share the
/// count of open sessions.
#[derive(Clone)]
pub struct ScriptedSandbox {
    isolation: Isolation,
    answer: Arc<Answer>,
    open: Arc<AtomicUsize>,
}

impl ScriptedSandbox {
    /// Answers commands by `answer`.
    pub fn new(
        answer: impl Fn(&Command, &mut InMemoryFiles) -> Result<ExecOutput> + Send + Sync + 'static,
    ) -> Self {
        let isolation = Isolation {
            backend: "in-memory".to_owned(),
            level: IsolationLevel::Full,
            residual: Vec::new(),
        };
        Self { isolation, answer: Arc::new(answer), open: Arc::default() }
    }

    /// The same under another word about its isolation.
    #[must_use]
    pub fn isolated(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// How many sessions are neither closed nor dropped.
    pub fn open_sessions(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// What a command leaves that prints `stdout` and ends with `code`.
    pub fn output(code: i32, stdout: impl Into<Vec<u8>>) -> ExecOutput {
        ExecOutput {
            exit: Exit::Code(code),
            stdout: Captured::whole(stdout),
            stderr: Captured::default(),
            elapsed: Duration::ZERO,
        }
    }
}

impl Default for ScriptedSandbox {
    fn default() -> Self {
        Self::new(|command, _| {
            let program = command.argv.first().map_or("", String::as_str);
            let stderr = Captured::whole(format!("{program}: not found\n"));
            Ok(ExecOutput { stderr, ..Self::output(127, "") })
        })
    }
}

impl fmt::Debug for ScriptedSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedSandbox")
            .field("isolation", &self.isolation)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Sandbox for ScriptedSandbox {
    fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    async fn open(&self, environment: &Environment) -> Result<Box<dyn Session>> {
        if !environment.workdir.is_absolute() {
            let message =
                format!("the working directory '{}' must be absolute", environment.workdir);
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let files = Mutex::new(InMemoryFiles::new(environment.workdir.clone()));
        self.open.fetch_add(1, Ordering::SeqCst);
        let open = Open(Arc::clone(&self.open));
        Ok(Box::new(InMemorySession { files, answer: Arc::clone(&self.answer), _open: open }))
    }
}

struct InMemorySession {
    files: Mutex<InMemoryFiles>,
    answer: Arc<Answer>,
    _open: Open,
}

/// Counts a session for as long as it lives.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl InMemorySession {
    fn files(&self) -> MutexGuard<'_, InMemoryFiles> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for InMemorySession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemorySession").field("files", &self.files).finish_non_exhaustive()
    }
}

#[async_trait]
impl Session for InMemorySession {
    fn locate(&self, path: &SandboxPath) -> String {
        path.as_str().to_owned()
    }

    async fn exec(&self, command: &Command) -> Result<ExecOutput> {
        let output = (self.answer)(command, &mut self.files())?;
        let limit = command.output;
        Ok(ExecOutput {
            stdout: cut(output.stdout, limit.head, limit.tail),
            stderr: cut(output.stderr, limit.head, limit.tail),
            ..output
        })
    }

    async fn read(&self, path: &SandboxPath) -> Result<Vec<u8>> {
        self.files().read(path).map(|file| file.bytes.clone())
    }

    async fn write(&self, path: &SandboxPath, file: File<'_>) -> Result<()> {
        self.files().write(path, file.bytes, file.mode)
    }

    async fn stamp(&self) -> Result<Fingerprint> {
        self.files().stamp()
    }

    async fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// Keeps head and tail of a whole stream; one that the script cut itself stays as it is.
fn cut(stream: Captured, head: usize, tail: usize) -> Captured {
    let total = stream.head.len();
    if stream.dropped > 0 || !stream.tail.is_empty() || total <= head + tail {
        return stream;
    }
    Captured {
        tail: stream.head[total - tail..].to_vec(),
        dropped: (total - head - tail) as u64,
        head: stream.head[..head].to_vec(),
    }
}
