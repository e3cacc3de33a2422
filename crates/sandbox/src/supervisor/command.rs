//! Starting a session's commands.

use std::ffi::{CString, NulError};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;

use rustix::process::{chdir, getpid, set_child_subreaper, setsid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use seccompiler::{BpfProgram, apply_filter};

use super::confine;
use super::place::Place;
use crate::sys;
use crate::wire::{Exec, Reply};

/// The exit status a shell gives for a command that it cannot find, and for one it cannot start.
const NOT_FOUND: i32 = 127;
const NOT_STARTED: i32 = 126;

/// What commands are bounded by beside what the session's own process is.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    /// The largest file, where no file system bounds it.
    pub(super) file_bytes: Option<u64>,
    /// A further system-call filter.
    pub(super) filter: Option<BpfProgram>,
}

/// Starts `exec` with `fds` as stdout, stderr and perhaps stdin; returns its pid.
///
/// # Errors
/// What is wrong with the command: data for whoever asked for it, not a failure of the session.
pub(super) fn start(
    place: &Place,
    exec: &Exec,
    fds: Vec<OwnedFd>,
    bounds: &Bounds,
) -> Result<i32, Reply> {
    let Some(program) = exec.argv.first() else {
        return Err(not_started("", &io::Error::from(ErrorKind::InvalidInput)));
    };
    let cwd = place.host_path(&exec.cwd);
    if !cwd.is_dir() {
        let message = format!("the working directory {} does not exist\n", exec.cwd);
        return Err(Reply::NotStarted { code: NOT_STARTED, message });
    }
    let mut fds = fds.into_iter();
    let (Some(stdout), Some(stderr)) = (fds.next(), fds.next()) else {
        return Err(Reply::Broken { message: "a command came without its pipes".to_owned() });
    };
    let stdin = match fds.next() {
        Some(stdin) => stdin,
        None => place.null().try_clone_to_owned().map_err(|error| not_started(program, &error))?,
    };
    let (argv, env) = strings(exec).map_err(|error| not_started(program, &error.into()))?;
    let started = sys::spawn(&argv, &env, &mut || {
        dup2_stdin(&stdin)?;
        dup2_stdout(&stdout)?;
        dup2_stderr(&stderr)?;
        chdir(&cwd)?;
        prepare(bounds)
    });
    started.map_err(|error| not_started(program, &error))
}

/// Arguments and environment as the kernel takes them.
fn strings(exec: &Exec) -> Result<(Vec<CString>, Vec<CString>), NulError> {
    let argv = exec.argv.iter().map(|argument| CString::new(argument.as_str()));
    let env = exec.env.iter().map(|(name, value)| CString::new(format!("{name}={value}")));
    Ok((argv.collect::<Result<_, _>>()?, env.collect::<Result<_, _>>()?))
}

/// A terminal-less session of its own, and the reaper of its orphans: a process that forks twice stays in
/// the command's tree for as long as the command runs, so that the tree can be killed exactly.
fn prepare(bounds: &Bounds) -> io::Result<()> {
    setsid()?;
    set_child_subreaper(Some(getpid()))?;
    if let Some(bytes) = bounds.file_bytes {
        confine::limit_file_size(bytes)?;
    }
    bounds.filter.as_ref().map_or(Ok(()), |filter| apply_filter(filter).map_err(io::Error::other))
}

fn not_started(program: &str, error: &io::Error) -> Reply {
    let (code, why) = match error.kind() {
        ErrorKind::NotFound => (NOT_FOUND, "command not found".to_owned()),
        _ => (NOT_STARTED, error.to_string()),
    };
    Reply::NotStarted { code, message: format!("{program}: {why}\n") }
}
