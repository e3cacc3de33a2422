//! Running commands by the daemon's exec, which knows neither time-outs nor trees.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use harness_core::{
    Captured, Command, Error, ErrorKind, ExecOutput, Exit, File, OutputLimit, Result, SandboxPath,
};
use tokio::runtime::Handle;

use super::fault::{self, broken};
use super::files::Files;
use super::options::ContainerUser;
use super::script::{KILL, MARK, SPARE_THE_FIRST, START};
use super::session::unique;
use crate::engine::Kept;

/// How long an output that something still holds open is listened to after its command has ended: until nothing comes for so
/// long, or for twice as long as the daemon took over its last answer, but a few times as long at most.
const GRACE: Duration = Duration::from_millis(50);
const GRACES: u32 = 5;
/// The daemon is asked whether a command has ended after a tenth of its age, within these bounds.
const LOOK: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));
/// Rounds of killing after which a tree counts as unkillable, and its session as broken.
const KILLS: usize = 60;
/// How often the daemon may fail at one killing.
const FAILURES: usize = 8;
/// The largest message of the daemon's that is taken at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// The commands of one container.
#[derive(Debug)]
pub(super) struct Commands {
    docker: Docker,
    container: String,
    user: ContainerUser,
    workdir: SandboxPath,
    variables: BTreeMap<String, String>,
    /// Commands begun and commands ended, trees that are being killed counted as running.
    begun: AtomicU64,
    ended: AtomicU64,
    /// How long the daemon took over its last answer.
    answer_micros: AtomicU64,
    runtime: Handle,
}

impl Commands {
    pub(super) fn new(
        docker: &Docker,
        container: &str,
        user: ContainerUser,
        workdir: SandboxPath,
        variables: BTreeMap<String, String>,
    ) -> Self {
        Self {
            docker: docker.clone(),
            container: container.to_owned(),
            user,
            workdir,
            variables,
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            answer_micros: AtomicU64::new(0),
            runtime: Handle::current(),
        }
    }

    /// Runs a command; dropped half-way, what it started is killed.
    pub(super) async fn run(
        self: &Arc<Self>,
        command: &Command,
        files: &Files,
    ) -> Result<ExecOutput> {
        let begun = Instant::now();
        let tree = Tree::new(self);
        let mark = tree.mark.clone();
        let mut kept = Outputs::new(command.output, &tree.others);
        let running = Running(Some(tree));
        let stdin = self.place_stdin(command, files, &mark).await?;
        let (id, mut output) = self.start(command, &stdin, &mark).await?;
        let deadline = command.timeout.map(|limit| begun + limit);
        let code = self.watch(&id, &mut output, &mut kept, deadline, begun).await?;
        let timed_out = code.is_none();
        if let Some(tree) = running.tree().filter(|_| timed_out) {
            self.kill(tree, &id, &mut output, &mut kept, begun).await?;
        }
        running.end();
        self.drain(&mut output, &mut kept).await;
        let exit = match code {
            _ if timed_out => Exit::TimedOut,
            Some(code) => self.exit(code).await?,
            None => return Err(self.gone()),
        };
        let (stdout, stderr) = kept.into_captured();
        Ok(ExecOutput { exit, stdout, stderr, elapsed: begun.elapsed() })
    }

    /// Kills what a command that ran out of time has started, until the daemon says that it has ended.
    async fn kill(
        &self,
        tree: &Tree,
        id: &str,
        output: &mut BoxStream<'static, Result<LogOutput, bollard::errors::Error>>,
        kept: &mut Outputs,
        begun: Instant,
    ) -> Result<()> {
        for _ in 0..KILLS {
            let known = tree.others.get().is_some();
            tree.kill().await?;
            // No end yet: the daemon had not got as far as starting it when it was looked for.
            let soon = Some(Instant::now() + LOOK.1);
            if self.watch(id, output, kept, soon, begun).await?.is_none() {
                continue;
            }
            if known {
                return Ok(());
            }
            // What the wrapper said before it became the command is perhaps only now on its way.
            self.drain(output, kept).await;
            return tree.kill().await;
        }
        Err(unkillable())
    }

    /// Standard input as a file: the API's attached input loses the output of a command that ends before reading it
    /// (seen with Podman 4.3).
    async fn place_stdin(&self, command: &Command, files: &Files, mark: &str) -> Result<String> {
        let Some(bytes) = &command.stdin else { return Ok(String::new()) };
        let path = format!("/tmp/.stdin-{mark}");
        files.write(&SandboxPath::new(&path)?, File { bytes, mode: 0o600 }).await?;
        Ok(path)
    }

    async fn start(
        &self,
        command: &Command,
        stdin: &str,
        mark: &str,
    ) -> Result<(String, BoxStream<'static, Result<LogOutput, bollard::errors::Error>>)> {
        let mut variables = self.variables.clone();
        variables.extend(command.env.clone());
        variables.insert(MARK.to_owned(), mark.to_owned());
        check(command, &variables)?;
        let cwd = command.cwd.as_ref().unwrap_or(&self.workdir).within(&self.workdir);
        let wrapper = ["/bin/sh", "-c", START, "sh", cwd.as_str(), stdin];
        let argv = wrapper.into_iter().map(str::to_owned).chain(command.argv.clone()).collect();
        self.exec(self.user, argv, variables).await
    }

    /// Lets everybody make directories at the root, as its owner can without a capability, and before any command of the
    /// session's own. An image that has no `chmod` keeps its root closed.
    pub(super) async fn open_the_root(&self) -> Result<()> {
        let argv = ["/bin/sh", "-c", "chmod 1777 /"].map(str::to_owned).to_vec();
        let (id, mut output) = self.exec(ContainerUser::Root, argv, self.path()).await?;
        let mut kept = Outputs::without_header(OutputLimit { head: 0, tail: 0 });
        self.watch(&id, &mut output, &mut kept, None, Instant::now()).await.map(|_| ())
    }

    /// Where the session's commands are looked for, alone.
    fn path(&self) -> BTreeMap<String, String> {
        let path = self.variables.get_key_value("PATH");
        path.map(|(name, path)| (name.clone(), path.clone())).into_iter().collect()
    }

    async fn exec(
        &self,
        user: ContainerUser,
        argv: Vec<String>,
        variables: BTreeMap<String, String>,
    ) -> Result<(String, BoxStream<'static, Result<LogOutput, bollard::errors::Error>>)> {
        let options = CreateExecOptions {
            cmd: Some(argv),
            env: Some(variables.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            user: Some(user.text()),
            working_dir: Some("/".to_owned()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let created = self.docker.create_exec(&self.container, options).await;
        let id = created.map_err(|refusal| self.refused("making a command", refusal))?.id;
        let options =
            StartExecOptions { output_capacity: Some(CHUNK), ..StartExecOptions::default() };
        match self.docker.start_exec(&id, Some(options)).await {
            Ok(StartExecResults::Attached { output, .. }) => Ok((id, output)),
            Ok(StartExecResults::Detached) => Err(self.gone()),
            Err(refusal) => Err(self.refused("starting a command", refusal)),
        }
    }

    /// Reads output until the command has ended, and gives its status; `None` at the deadline.
    async fn watch(
        &self,
        id: &str,
        output: &mut BoxStream<'static, Result<LogOutput, bollard::errors::Error>>,
        kept: &mut Outputs,
        deadline: Option<Instant>,
        begun: Instant,
    ) -> Result<Option<i64>> {
        let mut open = true;
        let mut look = Instant::now() + LOOK.0;
        loop {
            let next = deadline.map_or(look, |deadline| deadline.min(look));
            tokio::select! {
                chunk = output.next(), if open => {
                    open = kept.take(chunk);
                    // However much comes: a daemon may flood what its command has left.
                    if open && Instant::now() < next { continue }
                }
                () = tokio::time::sleep_until(next.into()) => {}
            }
            let pause = (begun.elapsed() / 10).clamp(LOOK.0, LOOK.1);
            if let Some(code) = self.ended(id).await? {
                return Ok(Some(code));
            }
            look = Instant::now() + if open { pause } else { LOOK.0 };
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Ok(None);
            }
        }
    }

    /// Takes what of an output is still on its way: a daemon that is busy tells of an end before it has passed all on.
    async fn drain(
        &self,
        output: &mut BoxStream<'static, Result<LogOutput, bollard::errors::Error>>,
        kept: &mut Outputs,
    ) {
        let answer = Duration::from_micros(self.answer_micros.load(Ordering::Relaxed));
        let quiet = GRACE.max(answer * 2);
        let last = Instant::now() + quiet * GRACES;
        while Instant::now() < last {
            let Ok(chunk) = tokio::time::timeout(quiet, output.next()).await else { return };
            if !kept.take(chunk) {
                return;
            }
        }
    }

    /// The status of a command that has ended.
    async fn ended(&self, id: &str) -> Result<Option<i64>> {
        let asked = Instant::now();
        let seen = self.docker.inspect_exec(id).await;
        let micros = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.answer_micros.store(micros, Ordering::Relaxed);
        let seen = seen.map_err(|refusal| self.refused("looking after a command", refusal))?;
        Ok(seen.exit_code.filter(|_| seen.running == Some(false)))
    }

    async fn exit(&self, code: i64) -> Result<Exit> {
        let code = i32::try_from(code).unwrap_or(-1);
        // 128 and a signal's number is all that the API tells of one.
        let exit =
            if (129..=192).contains(&code) { Exit::Signal(code - 128) } else { Exit::Code(code) };
        if exit == Exit::Signal(9) && self.ran_out_of_memory().await? {
            return Ok(Exit::OutOfMemory);
        }
        Ok(exit)
    }

    async fn ran_out_of_memory(&self) -> Result<bool> {
        let seen = self.docker.inspect_container(&self.container, None).await;
        let seen = seen.map_err(|refusal| self.refused("looking after a container", refusal))?;
        Ok(seen.state.and_then(|state| state.oom_killed) == Some(true))
    }

    /// Ends whatever commands have started, daemons included.
    pub(super) async fn end_all(&self) -> Result<()> {
        let script = format!("{SPARE_THE_FIRST}{KILL}");
        for _ in 0..KILLS {
            if self.killed(["/bin/sh", "-c", &script]).await? == 0 {
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::Sandbox, "the processes of a session cannot be ended"))
    }

    /// One round of killing what carries a mark; how many there were.
    async fn kill_once(&self, mark: &str, others: &str) -> Result<usize> {
        self.killed(["/bin/sh", "-c", KILL, "sh", mark, others]).await
    }

    async fn killed<const N: usize>(&self, argv: [&str; N]) -> Result<usize> {
        let argv = argv.map(str::to_owned).to_vec();
        let (id, mut output) = self.exec(self.user, argv, self.path()).await?;
        let mut kept = Outputs::without_header(OutputLimit { head: 64, tail: 0 });
        self.watch(&id, &mut output, &mut kept, None, Instant::now()).await?;
        while kept.take(output.next().await) {}
        let (stdout, _) = kept.into_captured();
        stdout.text().trim().parse().map_err(|_| {
            Error::new(ErrorKind::Sandbox, "what a command started cannot be looked for")
        })
    }

    fn refused(&self, doing: &str, refusal: bollard::errors::Error) -> Error {
        // 409: the container is there, and has ended.
        match fault::status(&refusal) {
            Some(404 | 409) => self.gone().while_doing(doing),
            _ => broken(doing, refusal),
        }
    }

    fn gone(&self) -> Error {
        let why = format!("the session's container '{}' is gone", self.container);
        Error::new(ErrorKind::Sandbox, why)
    }
}

fn check(command: &Command, variables: &BTreeMap<String, String>) -> Result<()> {
    let texts = variables.iter().flat_map(|(name, value)| [name, value]);
    if command.argv.is_empty() || command.argv.iter().chain(texts).any(|text| text.contains('\0')) {
        let why = "a command needs a program, and neither arguments nor variables hold NULs";
        return Err(Error::new(ErrorKind::InvalidInput, why));
    }
    if variables.keys().any(|name| name.is_empty() || name.contains('=')) {
        let why = "a variable's name is empty or holds '='";
        return Err(Error::new(ErrorKind::InvalidInput, why));
    }
    Ok(())
}

/// A command that was begun: dropped before its end, what it started is killed.
struct Running(Option<Tree>);

impl Running {
    fn end(mut self) {
        if let Some(tree) = self.0.take() {
            tree.is_over();
        }
    }

    fn tree(&self) -> Option<&Tree> {
        self.0.as_ref()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(tree) = self.0.take() else { return };
        let runtime = tree.commands.runtime.clone();
        runtime.spawn(async move {
            // The daemon may not have got as far as starting the command when its future was dropped: look twice.
            let _ = tree.kill().await;
            tokio::time::sleep(GRACE).await;
            let _ = tree.kill().await;
            tree.is_over();
        });
    }
}

/// What a command started.
struct Tree {
    commands: Arc<Commands>,
    mark: String,
    /// The `/proc` entries that were there before it, as soon as they are known.
    others: Arc<OnceLock<String>>,
    /// How many commands had been begun and had ended with this one's beginning.
    at: (u64, u64),
}

impl Tree {
    fn new(commands: &Arc<Commands>) -> Self {
        let begun = commands.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let ended = commands.ended.load(Ordering::SeqCst);
        let commands = Arc::clone(commands);
        Self { commands, mark: unique(), others: Arc::default(), at: (begun, ended) }
    }

    /// Kills round after round until nothing is left.
    async fn kill(&self) -> Result<()> {
        let mut failures = 0;
        for _ in 0..KILLS {
            // What has wiped its environment can be told only by being new, and only while nobody else is at work.
            let others = self.others.get().filter(|_| self.is_alone());
            let others = others.map_or("", String::as_str);
            match self.commands.kill_once(&self.mark, others).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(failure) if failures >= FAILURES => return Err(failure),
                // A daemon that is busy may fail at starting what kills, or lose what it says.
                Err(_) => {
                    failures += 1;
                    tokio::time::sleep(LOOK.1).await;
                }
            }
        }
        Err(unkillable())
    }

    fn is_alone(&self) -> bool {
        let (begun, ended) = self.at;
        begun == ended + 1 && self.commands.begun.load(Ordering::SeqCst) == begun
    }

    fn is_over(&self) {
        self.commands.ended.fetch_add(1, Ordering::SeqCst);
    }
}

fn unkillable() -> Error {
    Error::new(ErrorKind::Sandbox, "what a command started cannot be killed")
}

/// Both streams of a command, and the line that its wrapper says first.
struct Outputs {
    /// What came of that line, until it is whole.
    begun: Vec<u8>,
    header: Arc<OnceLock<String>>,
    stdout: Kept,
    stderr: Kept,
}

impl Outputs {
    /// The wrapper's line goes to `header`.
    fn new(limit: OutputLimit, header: &Arc<OnceLock<String>>) -> Self {
        let header = Arc::clone(header);
        Self { begun: Vec::new(), header, stdout: Kept::new(limit), stderr: Kept::new(limit) }
    }

    fn without_header(limit: OutputLimit) -> Self {
        Self::new(limit, &Arc::new(OnceLock::from(String::new())))
    }

    /// Takes what came; `false` at the end of the stream.
    fn take<E>(&mut self, chunk: Option<Result<LogOutput, E>>) -> bool {
        match chunk {
            Some(Ok(LogOutput::StdOut { message } | LogOutput::Console { message })) => {
                self.stdout(&message);
            }
            Some(Ok(LogOutput::StdErr { message })) => self.stderr.push(&message),
            Some(Ok(LogOutput::StdIn { .. })) => {}
            Some(Err(_)) | None => return false,
        }
        true
    }

    fn stdout(&mut self, mut bytes: &[u8]) {
        if self.header.get().is_none() {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            self.begun
                .extend_from_slice(bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default());
            if end.is_some() {
                let line = String::from_utf8(std::mem::take(&mut self.begun));
                // Nobody else sets it.
                let _ = self.header.set(line.unwrap_or_default());
            }
            bytes = end.and_then(|end| bytes.get(end + 1..)).unwrap_or_default();
        }
        self.stdout.push(bytes);
    }

    fn into_captured(self) -> (Captured, Captured) {
        (self.stdout.into_captured(), self.stderr.into_captured())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(parts: &[&[u8]]) -> Outputs {
        let mut outputs = Outputs::new(OutputLimit::default(), &Arc::default());
        parts.iter().for_each(|part| outputs.stdout(part));
        outputs
    }

    proptest! {
        #[test]
        fn the_first_line_is_the_wrappers_however_the_stream_is_cut(
            output in proptest::collection::vec(any::<u8>(), 0..60),
            cut in any::<prop::sample::Index>(),
        ) {
            let stream = [b"/proc/1 /proc/7\n".as_slice(), &output].concat();
            let (left, right) = stream.split_at(cut.index(stream.len() + 1));
            let outputs = said(&[left, right]);
            prop_assert_eq!(outputs.header.get().unwrap(), "/proc/1 /proc/7");
            prop_assert_eq!(outputs.into_captured().0.bytes(), output);
        }
    }

    #[test]
    fn an_unfinished_first_line_tells_nothing_of_other_processes() {
        assert_eq!(said(&[b"/proc/1 /pro"]).header.get(), None);
    }
}
