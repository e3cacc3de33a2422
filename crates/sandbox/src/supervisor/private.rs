//! A directory of the host's that belongs to one session: what stands in for a root of its own.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{
    DumpableBehavior, Signal, set_child_subreaper, set_dumpable_behavior,
    set_parent_process_death_signal,
};

use super::command::Bounds;
use super::failure::{Doing as _, Failure};
use super::identity::Identity;
use super::lease::random;
use super::place::Place;
use super::start::Own;
use super::{serve, tree};
use crate::wire::Plan;

/// How long the end of a session's processes is waited for before their directory is removed anyway.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    /// Makes one in a directory of the supervisor's, for its session's user only.
    pub(super) fn create(within: &Path, identity: Option<&Identity>) -> Result<Self, Failure> {
        let name = format!("session-{:016x}", random().doing("drawing a random number")?);
        let path = within.join(name);
        fs::create_dir(&path).doing(&format!("making a directory in {}", within.display()))?;
        let private = Self(path);
        private.hand_over(identity).inspect_err(|_| private.remove())?;
        Ok(private)
    }

    fn hand_over(&self, identity: Option<&Identity>) -> Result<(), Failure> {
        fs::set_permissions(&self.0, Permissions::from_mode(0o700))
            .doing("closing the private directory to others")?;
        match identity {
            None | Some(Identity::Inherited { .. }) => Ok(()),
            Some(other) => std::os::unix::fs::chown(&self.0, Some(other.uid()), Some(other.gid()))
                .doing("giving the private directory to its user"),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Removes it and all below, whatever permissions were left there. No link is followed.
    pub(super) fn remove(&self) {
        remove_tree(&self.0);
    }
}

/// Removes a directory and all below, whatever permissions were left there. No link is followed.
pub(super) fn remove_tree(path: &Path) {
    if fs::remove_dir_all(path).is_err() && open_all(path).is_ok() {
        let _ = fs::remove_dir_all(path);
    }
}

/// Makes every directory below `path` writable for its owner.
fn open_all(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_all(&entry.path())?;
        }
    }
    Ok(())
}

/// An unconfined session in `directory`.
pub(super) fn session(
    socket: &OwnedFd,
    plan: &Plan,
    directory: &Path,
    own: Own,
) -> Result<(), Failure> {
    set_child_subreaper(Some(rustix::process::getpid())).doing("adopting orphans")?;
    set_parent_process_death_signal(Some(Signal::KILL)).doing("tying the session to its parent")?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).doing("becoming undumpable")?;
    let place = Place::open(directory, false, plan)?;
    let outcome = serve::run(socket, place, own, Bounds::default(), Vec::new());
    end_processes();
    outcome
}

/// Ends all that the session started, where no pid namespace does.
pub(super) fn end_processes() {
    tree::end_descendants(PATIENCE);
}
