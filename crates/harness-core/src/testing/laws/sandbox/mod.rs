//! What every sandbox and its sessions keep. The commands of these laws use nothing but bash, coreutils and findutils, and
//! touch nothing but files of their own session.
//!
//! Processes that must be gone are looked for by a mark in their command line, in this machine's `/proc`. Where a session's
//! processes cannot be seen from here (another machine, a hidden process table), the laws about them are skipped.

mod files;
mod isolation;
mod output;
mod processes;
mod stamps;

pub use self::files::*;
pub use self::isolation::*;
pub use self::output::*;
pub use self::processes::*;
pub use self::stamps::*;

use crate::error::{ErrorKind, Result};
use crate::sandbox::{Command, ExecOutput, File, Sandbox, SandboxPath, Session};
use crate::task::Environment;
use crate::testing::laws::{LawResult, PATIENCE, Unkept, broken, ensure, laws_of, promptly};

laws_of! { $
    /// Expands every law of [`Sandbox`](crate::Sandbox) and [`Session`](crate::Session) to a test of its own, in a module of the given
    /// name: `sandbox_laws!(name, block_on, factory)`, where `factory` gives a [`Fixture`](crate::testing::Fixture) of a sandbox.
    sandbox_laws => sandbox [dyn Sandbox];
    bytes_round_trip empty_file_round_trips large_file_round_trips odd_names_round_trip mode_bits_are_set
    missing_file_is_not_found directory_is_not_a_file write_makes_parents write_through_a_file_is_refused
    write_replaces commands_see_what_was_written read_sees_what_commands_wrote
    relative_paths_are_in_the_working_directory locate_names_the_path fifo_does_not_block device_is_refused
    symlink_out_is_not_followed list_finds_what_was_written list_follows_no_link
    stamp_is_stable stamp_sees_a_new_file stamp_sees_a_change stamp_sees_a_removal stamp_sees_a_mode
    exit_code_is_data signal_is_data timeout_is_data missing_program_is_data stdout_and_stderr_are_apart
    invalid_utf8_is_kept truncation_is_counted short_output_is_whole arguments_are_not_parsed
    environment_reaches_commands command_variables_win working_directory_is_honoured stdin_reaches_the_command
    empty_stdin_is_the_end
    timeout_kills_children timeout_kills_new_sessions timeout_kills_double_forks timeout_kills_what_ignores_signals
    session_outlives_a_timeout dropped_exec_kills_the_tree daemon_outlives_its_command
    exec_does_not_wait_for_a_daemon close_kills_daemons dropped_session_kills_daemons end_processes_kills_daemons
    sessions_do_not_see_each_other many_sessions_at_once many_commands_at_once working_directory_starts_empty
    open_applies_no_files engine_variables_are_out_of_sight home_is_out_of_sight nothing_is_written_to_the_host
    isolation_is_constant close_removes_what_was_written dropped_open_leaves_a_working_sandbox
}

async fn open(sandbox: &dyn Sandbox) -> Result<Box<dyn Session>> {
    sandbox.open(&Environment::default()).await
}

async fn close(session: Box<dyn Session>) -> LawResult {
    promptly("closing the session", session.close()).await??;
    Ok(())
}

fn at(path: &str) -> Result<SandboxPath> {
    SandboxPath::new(path)
}

async fn put(session: &dyn Session, path: &str, bytes: &[u8]) -> Result<()> {
    session.write(&at(path)?, File::plain(bytes)).await
}

async fn get(session: &dyn Session, path: &str) -> Result<Vec<u8>> {
    session.read(&at(path)?).await
}

/// Runs a script that must succeed and gives its standard output.
async fn script(session: &dyn Session, script: &str) -> Result<Vec<u8>, Unkept> {
    let output = run(session, &Command::shell(script)).await?;
    ensure!(
        output.exit.is_success(),
        "`{script}` ended with {} and said {:?}",
        output.exit,
        output.stderr.text()
    );
    Ok(output.stdout.bytes())
}

/// Runs a command that must end by itself.
async fn run(session: &dyn Session, command: &Command) -> Result<ExecOutput, Unkept> {
    let doing = format!("running {:?}", command.argv);
    Ok(promptly(&doing, session.exec(command)).await??)
}

fn is_kind<T>(result: &Result<T>, kinds: &[ErrorKind]) -> bool {
    result.as_ref().is_err_and(|error| kinds.contains(&error.kind()))
}

fn seen<T>(result: &Result<T>) -> String {
    match result {
        Ok(_) => "success".to_owned(),
        Err(error) => format!("{:?} ({error})", error.kind()),
    }
}
