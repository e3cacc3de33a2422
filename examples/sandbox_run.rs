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

#[path = "sandbox_run/options.rs"]
mod options;
#[path = "sandbox_run/verify.rs"]
mod verify;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser as _;
use harness_core::{
    Command, Environment, ErrorKind, Exit, Isolation, IsolationLevel, Network, OutputLimit, Result,
    Sandbox as _, Session as _,
};
use harness_sandbox::{CollectLimits, OutputStream, SandboxKind, SandboxOptions, collect};

use options::{Collect, Exec, Level, Options, What};

/// What `timeout` of coreutils says, and what containers say when it is not the command that failed.
const TIMED_OUT: u8 = 124;
const SANDBOX_FAILED: u8 = 125;
/// As for a flag that is not known.
const ASKED_WRONGLY: u8 = 2;

#[tokio::main(flavor = "current_thread")]
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
    if let Some(directory) = &exec.workspace {
        options = options.with_workspace(options::directory(directory)?);
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
    let mut passed = Passed::new(exec.output);
    let output =
        session.exec_watched(&command, &mut |stream, bytes| passed.on(stream, bytes)).await?;
    Box::new(session).close().await?;
    passed.say_what_was_dropped();
    Ok(ExitCode::from(match output.exit {
        Exit::Code(code) => u8::try_from(code).unwrap_or(u8::MAX),
        Exit::Signal(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        Exit::TimedOut => {
            eprintln!("sandbox_run: timed out");
            TIMED_OUT
        }
        Exit::OutOfMemory => {
            eprintln!("sandbox_run: out of memory");
            137
        }
        _ => SANDBOX_FAILED,
    }))
}

/// Output on its way through, each stream up to a limit.
struct Passed {
    left: [u64; 2],
    dropped: [u64; 2],
}

impl Passed {
    fn new(limit: Option<u64>) -> Self {
        Self { left: [limit.unwrap_or(u64::MAX); 2], dropped: [0; 2] }
    }

    fn on(&mut self, stream: OutputStream, bytes: &[u8]) {
        let index = usize::from(stream == OutputStream::Stderr);
        let room = usize::try_from(self.left[index]).unwrap_or(usize::MAX).min(bytes.len());
        let (passed, dropped) = bytes.split_at(room);
        self.left[index] -= passed.len() as u64;
        self.dropped[index] += dropped.len() as u64;
        // Nobody may be listening any more: the command's end is still worth waiting for.
        let _ = match stream {
            OutputStream::Stdout => write_now(&mut std::io::stdout().lock(), passed),
            OutputStream::Stderr => write_now(&mut std::io::stderr().lock(), passed),
        };
    }

    fn say_what_was_dropped(&self) {
        for (name, dropped) in ["stdout", "stderr"].iter().zip(self.dropped) {
            if dropped > 0 {
                eprintln!("sandbox_run: {dropped} bytes of {name} beyond --output were dropped");
            }
        }
    }
}

fn write_now(to: &mut dyn Write, bytes: &[u8]) -> std::io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
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
