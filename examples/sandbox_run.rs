//! Sandboxes by hand: run a command in a fresh session, copy an untrusted tree out, judge declared artifacts.
//!
//! ```console
//! $ cargo run --release --example sandbox_run -- exec --workspace DIR --memory 1000000000 -- make test
//! $ cargo run --release --example sandbox_run -- exec --root debian.tar.xz -- apt-get install -y ./some.deb
//! $ cargo run --release --example sandbox_run -- collect --from DIR --to NEW
//! $ cargo run --release --example sandbox_run -- verify --workspace DIR --tests DIR --artifact answer.txt
//! ```
//!
//! `exec` exits as its command did, with 128 + n when signal n ended it, 124 when it ran out of time, 137 when it ran out of
//! memory, 125 when the sandbox failed, 2 for what was asked wrongly. `collect` exits with 125 for a tree beyond its limits. `verify` exits with 0 for a reward of 1 and nothing else.

#[path = "sandbox_run/lent.rs"]
mod lent;
#[path = "sandbox_run/options.rs"]
mod options;
#[path = "sandbox_run/passed.rs"]
mod passed;
#[path = "sandbox_run/verify.rs"]
mod verify;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use harness_core::{
    Command, Environment, Error, ErrorKind, Exit, Isolation, IsolationLevel, Network, OutputLimit,
    Result, Sandbox as _, Session as _,
};
use harness_sandbox::{CollectLimits, OutputStream, SandboxKind, SandboxOptions, collect, detect};
use tokio::signal::unix::{Signal, SignalKind, signal};

use lent::Lent;
use options::{Collect, Exec, Level, Options, What};
use passed::Passed;

/// What `timeout` of coreutils says, and what containers say when it is not the command that failed.
const TIMED_OUT: u8 = 124;
const SANDBOX_FAILED: u8 = 125;
/// As for a flag that is not known.
const ASKED_WRONGLY: u8 = 2;

#[tokio::main(worker_threads = 1)]
async fn main() -> ExitCode {
    let what = Options::parse().what;
    // What is wrong with a tree is nobody's wrong flag.
    let collecting = matches!(what, What::Collect(_));
    let done = match what {
        What::Exec(exec) => run(exec).await,
        What::Collect(wanted) => copy(&wanted),
        What::Verify(verify) => verify::run(verify).await,
    };
    done.unwrap_or_else(|error| {
        eprintln!("sandbox_run: {}", error.report());
        let asked_wrongly = error.kind() == ErrorKind::InvalidInput && !collecting;
        ExitCode::from(if asked_wrongly { ASKED_WRONGLY } else { SANDBOX_FAILED })
    })
}

/// What the session is, and below the strongest level why, and what is left.
fn tell(isolation: &Isolation) {
    eprintln!("sandbox_run: {isolation}");
    if isolation.level > IsolationLevel::Full {
        isolation.residual.iter().for_each(|line| eprintln!("sandbox_run: - {line}"));
    }
}

async fn run(exec: Exec) -> Result<ExitCode> {
    let kind = match (exec.level, &exec.root) {
        // The weakest that is ever chosen has no root of its own.
        (Level::Auto, Some(_)) => SandboxKind::Namespace,
        (level, _) => level.into(),
    };
    let mut options = SandboxOptions::new(kind);
    if let Some(root) = &exec.root {
        options = options.with_root(options::root(root, &exec.store)?);
    }
    let mut interrupts = Interrupts::noticed()?;
    // Given back when all else is over.
    let mut _lent = None;
    if let Some(directory) = &exec.workspace {
        let directory = options::directory(directory)?;
        _lent = lent(&directory, kind)?;
        options = options.with_workspace(directory);
    }
    if let Some(processes) = exec.pids {
        options = options.with_processes(processes);
    }
    if let Some(bytes) = exec.memory {
        options = options.with_memory(bytes);
    }
    if let Some(bytes) = exec.disk {
        options = options.with_disk(bytes);
    }
    if exec.network {
        options = options.with_public_network();
    }
    let sandbox = options.build_local()?;
    tell(sandbox.isolation());
    let network = if exec.network { Network::Public } else { Network::None };
    let environment = Environment { network, ..Environment::default() };
    let session = sandbox.open_local(&environment).await?;
    // Passed on as it comes, so that none of it need be kept.
    let mut command = Command::program(exec.command).with_output(OutputLimit { head: 0, tail: 0 });
    command.timeout = exec.timeout;
    let mut passed = Passed::new(exec.output, exec.timeout);
    let queue = passed.queue();
    // A task of its own: this one may be waiting for whoever reads the output.
    let mut asked = tokio::spawn(async move {
        let signal = interrupts.one().await;
        queue.hurry();
        ExitCode::from(128 + signal)
    });
    let mut pass = |stream: OutputStream, bytes: &[u8]| passed.on(stream, bytes);
    let mut signalled = None;
    let output = tokio::select! {
        output = session.exec_watched(&command, &mut pass) => Some(output?),
        asked = &mut asked => { signalled = Some(asked); None }
    };
    Box::new(session).close().await?;
    let read = passed.finish(output.as_ref().is_none_or(|output| output.exit == Exit::TimedOut));
    if signalled.is_none() && asked.is_finished() {
        signalled = Some(asked.await);
    }
    let (None, Some(output)) = (&signalled, output) else {
        let code = signalled.and_then(std::result::Result::ok);
        return Ok(code.unwrap_or(ExitCode::from(SANDBOX_FAILED)));
    };
    let tell = |what: &str| {
        if read {
            eprintln!("sandbox_run: {what}");
        }
    };
    Ok(ExitCode::from(match output.exit {
        Exit::Code(code) => u8::try_from(code).unwrap_or(u8::MAX),
        Exit::Signal(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        Exit::TimedOut => {
            tell("timed out");
            TIMED_OUT
        }
        Exit::OutOfMemory => {
            tell("out of memory");
            137
        }
        _ => SANDBOX_FAILED,
    }))
}

/// What root owns in `workspace`, where the session could not work in it otherwise.
fn lent(workspace: &Path, kind: SandboxKind) -> Result<Option<Lent>> {
    let no_id_map = match kind {
        SandboxKind::Landlock => true,
        SandboxKind::Auto => detect().best() == Some(IsolationLevel::Restricted),
        _ => false,
    };
    let lent = if no_id_map { Lent::of(workspace)? } else { None };
    if let Some(Lent { user, .. }) = &lent {
        let path = workspace.display();
        eprintln!("sandbox_run: what root owns in {path} belongs to user {user} meanwhile");
    }
    Ok(lent)
}

/// What asks this program to end, noticed from the beginning so that nothing stays lent.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    fn noticed() -> Result<Self> {
        let noticed = |kind| {
            signal(kind).map_err(|error| {
                Error::new(ErrorKind::Sandbox, "listening to signals").with_source(error)
            })
        };
        Ok(Self {
            interrupt: noticed(SignalKind::interrupt())?,
            terminate: noticed(SignalKind::terminate())?,
        })
    }

    /// The signal's number.
    async fn one(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
        }
    }
}

fn copy(wanted: &Collect) -> Result<ExitCode> {
    let done = collect(&wanted.from, &wanted.to, CollectLimits::default())?;
    println!("{} files, {} directories, {} bytes", done.files, done.directories, done.bytes);
    for line in &done.left_out {
        println!("left out: {line}");
    }
    if done.left_out_count > done.left_out.len() as u64 {
        println!("left out: {} in all", done.left_out_count);
    }
    Ok(ExitCode::SUCCESS)
}
