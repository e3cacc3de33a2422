//! The whole loop on Terminal-Bench tasks.
//!
//! ```sh
//! cargo run --release --example terminal_bench                                   # bundled tasks, simulated model
//! cargo run --release --example terminal_bench -- --base-url http://127.0.0.1:8000/v1 --model my-model
//! cargo run --release --example terminal_bench -- --agent oracle --tasks path/to/terminal-bench-2
//! ```
//!
//! Exit status: 0 the run finished; 1 it could not; 2 usage; 3 a budget stopped it (`--resume` goes on); 130 interrupted.

#[path = "common/leaks.rs"]
mod leaks;
#[path = "terminal_bench/options.rs"]
mod options;
#[path = "terminal_bench/parts.rs"]
mod parts;
#[path = "terminal_bench/plan.rs"]
mod plan;
#[path = "common/playbook.rs"]
mod playbook;
#[path = "common/rule.rs"]
mod rule;
#[path = "terminal_bench/runs.rs"]
mod runs;
#[path = "terminal_bench/state.rs"]
mod state;
#[path = "terminal_bench/wire.rs"]
mod wire;

use std::process::ExitCode;

use clap::Parser;
use harness_core::{Error, ErrorKind, Result};
use options::{Agent, Options};
use runs::Rules;
use state::State;

const BUDGET: u8 = 3;
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let options = Options::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    leave_no_core();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: starting the threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(until_interrupted(&options));
    // Whatever still runs belongs to trials that were dropped: nothing waits for it.
    runtime.shutdown_background();
    code
}

/// The key is in this process's memory, so no image of it may be written. One byte is what a system that pipes its cores
/// to a program heeds as well; 0 it ignores.
fn leave_no_core() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limit = Rlimit { current: Some(1), maximum: Some(1) };
    if let Err(error) = setrlimit(Resource::Core, limit) {
        tracing::warn!(%error, "a core of this process could be written");
    }
}

/// Ctrl-C and a termination signal drop the run where it is. What was finished is in the journal, and sessions die with
/// what held them.
async fn until_interrupted(options: &Options) -> ExitCode {
    let mut state = None;
    let ended = tokio::select! {
        // The signals first: they are listened to before anything is begun.
        biased;
        // A plan has nothing to lose, and looks up from nothing: the signals end it as they end any program.
        () = interrupted(), if !options.plan => {
            eprintln!("\ninterrupted: nothing that was finished is lost");
            hint_at_resume(state.as_ref());
            return ExitCode::from(INTERRUPTED);
        }
        ended = run(options, &mut state) => ended,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error.report());
            let code = if error.kind() == ErrorKind::Budget {
                ExitCode::from(BUDGET)
            } else {
                ExitCode::FAILURE
            };
            if matches!(
                error.kind(),
                ErrorKind::Budget | ErrorKind::Infrastructure | ErrorKind::ModelRejected
            ) {
                hint_at_resume(state.as_ref());
            }
            code
        }
    }
}

async fn run(options: &Options, opened: &mut Option<State>) -> Result<()> {
    let tasks = parts::tasks(options)?;
    let rules = match options.agent {
        Agent::Minimal => Some(Rules::read(options, &tasks)?),
        Agent::Oracle | Agent::Nop => None,
    };
    if options.plan {
        return plan::plan(options, &tasks, rules.as_ref());
    }
    let model = wire::model(options, &tasks.tasks).await?;
    let sandbox = parts::sandbox(options, &model).await?;
    let state = opened.insert(State::open(options)?);
    match rules {
        Some(rules) => runs::evolve(options, tasks, rules, model, sandbox, state).await,
        None => runs::measure(options, tasks, model, sandbox, state).await,
    }
}

async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn hint_at_resume(state: Option<&State>) {
    if let Some(state) = state {
        eprintln!(
            "go on with: the same options and --resume --state {}",
            state.directory().display()
        );
    }
}

/// An error that the user can mend.
fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}
