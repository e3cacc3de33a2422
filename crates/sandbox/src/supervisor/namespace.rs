//! A session in namespaces of its own: the first process of its pid namespace, with a private root.

use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::process::{
    DumpableBehavior, Gid, Signal, Uid, set_dumpable_behavior, set_parent_process_death_signal,
};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use serde::{Deserialize, Serialize};

use super::changed::Layers;
use super::command::Bounds;
use super::failure::{Doing as _, Failure};
use super::filter::Filter;
use super::mounts::{Given, Translated};
use super::place::Place;
use super::start::Own;
use super::template::Template;
use super::{confine, landlock, mounts, serve};
use crate::sys;
use crate::wire::{self, Confinement, Plan};

/// The user and group inside. Not 0: programs that ask "am I root?" would try what cannot work. In a root file
/// system of its own it is 0, because there it can.
pub(super) const ID: u32 = 1000;

/// From the spawner: the ids are mapped, and mounts that only it could make travel along.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Go {
    pub(super) workspace: bool,
    pub(super) lower: bool,
}

/// Confines the calling process, which has just been cloned into its namespaces, and serves.
pub(super) fn session(
    socket: &OwnedFd,
    plan: &Plan,
    template: &Template,
    given: &Given,
    filter: &Filter,
    own: Own,
) -> Result<(), Failure> {
    // The spawner writes the id maps meanwhile: none of this needs them. Only now that the process is in its own control
    // groups, which become the top of what is seen of them.
    sys::unshare(libc::CLONE_NEWCGROUP).doing("hiding the control groups")?;
    rustix::system::sethostname(b"sandbox").doing("naming the host")?;
    let translated = wait(own.go.as_ref())?;
    become_user(if plan.root.is_some() { 0 } else { ID })?;
    let layers = mounts::enter_private_root(plan, template, given, &translated)?;
    // A second line behind the filter; absent where /proc is.
    let _ = fs::write("/proc/sys/user/max_user_namespaces", "0");
    confine_and_serve(socket, plan, filter, own, layers)
}

/// What a view and the session that it looks into have in common.
pub(super) fn confine_and_serve(
    socket: &OwnedFd,
    plan: &Plan,
    filter: &Filter,
    own: Own,
    layers: Option<Layers>,
) -> Result<(), Failure> {
    let place = Place::open(Path::new("/"), true, plan)?.with_layers(layers);
    confine::limit(plan, true)?;
    if plan.root.is_some() {
        confine::keep_capabilities(confine::OF_A_ROOT)?;
    } else if plan.view {
        confine::keep_capabilities(confine::OF_A_VIEW)?;
    } else {
        confine::drop_capabilities()?;
    }
    // A view's tests may have to stop a server of the session's.
    let lacks = if plan.view { None } else { landlock::scope()? };
    filter.apply(Confinement::Namespace, plan.network, plan.root.is_some())?;
    let filter = plan.workspace.as_ref().map(|_| filter.beside_a_workspace());
    serve::run(socket, place, own, Bounds { file_bytes: None, filter }, lacks.into_iter().collect())
}

fn wait(go: Option<&OwnedFd>) -> Result<Translated, Failure> {
    let received = go.map_or(Ok(None), |go| wire::receive::<Go>(go.as_fd()));
    let received = received.doing("waiting for the id maps")?;
    let Some((go, fds)) = received else {
        return Err(Failure::new("waiting for the id maps", rustix::io::Errno::PIPE));
    };
    let mut fds = fds.into_iter();
    let mut next = |there: bool| there.then(|| fds.next()).flatten();
    Ok(Translated { workspace: next(go.workspace), lower: next(go.lower) })
}

pub(super) fn become_user(id: u32) -> Result<(), Failure> {
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    // Refused where the groups could not be mapped: an ordinary user keeps its own.
    let _ = set_thread_groups(&[]);
    set_thread_res_gid(gid, gid, gid).doing("setting the group")?;
    set_thread_res_uid(uid, uid, uid).doing("setting the user")?;
    // After the change of user, which resets both.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).doing("becoming undumpable")?;
    set_parent_process_death_signal(Some(Signal::KILL)).doing("tying the session to its parent")?;
    Ok(())
}
