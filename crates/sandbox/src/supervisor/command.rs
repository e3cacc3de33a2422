//! Starting a session's commands.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use rustix::process::{getpid, set_child_subreaper, setsid};
use seccompiler::{BpfProgram, apply_filter, sock_filter};

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
    let Some((program, arguments)) = exec.argv.split_first() else {
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
    let mut command = Command::new(program);
    command.args(arguments).env_clear().current_dir(cwd);
    command.envs(exec.env.iter().map(|(name, value)| (name, value)));
    command.stdin(File::from(stdin)).stdout(Stdio::from(stdout)).stderr(Stdio::from(stderr));
    let (file_bytes, filter) = (bounds.file_bytes, bounds.filter.clone());
    sys::before_exec(&mut command, move || prepare(file_bytes, filter.as_deref()));
    match command.spawn() {
        Ok(child) => Ok(child.id().cast_signed()),
        Err(error) => Err(not_started(program, &error)),
    }
}

/// A terminal-less session of its own, and the reaper of its orphans: a process that forks twice stays in
/// the command's tree for as long as the command runs, so that the tree can be killed exactly.
fn prepare(file_bytes: Option<u64>, filter: Option<&[sock_filter]>) -> io::Result<()> {
    setsid()?;
    set_child_subreaper(Some(getpid()))?;
    if let Some(bytes) = file_bytes {
        confine::limit_file_size(bytes)?;
    }
    filter.map_or(Ok(()), |filter| apply_filter(filter).map_err(io::Error::other))
}

fn not_started(program: &str, error: &io::Error) -> Reply {
    let (code, why) = match error.kind() {
        ErrorKind::NotFound => (NOT_FOUND, "command not found".to_owned()),
        _ => (NOT_STARTED, error.to_string()),
    };
    Reply::NotStarted { code, message: format!("{program}: {why}\n") }
}
