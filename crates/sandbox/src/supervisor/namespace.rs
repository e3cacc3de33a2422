//! A session in namespaces of its own: the first process of its pid namespace, with a private root.

use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::process::{
    DumpableBehavior, Gid, Signal, Uid, set_dumpable_behavior, set_parent_process_death_signal,
};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::failure::{Doing as _, Failure};
use super::place::Place;
use super::spawner::Materials;
use super::{confine, landlock, mounts, serve};
use crate::sys;
use crate::wire::{Confinement, Plan};

/// The user and group inside. Never 0: programs that ask "am I root?" would try what cannot work.
pub(super) const ID: u32 = 1000;

/// Confines the calling process, which has just been cloned into its namespaces, and serves.
pub(super) fn session(
    socket: &OwnedFd,
    mapped: &OwnedFd,
    plan: &Plan,
    materials: &Materials,
) -> Result<(), Failure> {
    wait_for_ids(mapped)?;
    become_user()?;
    rustix::system::sethostname(b"sandbox").doing("naming the host")?;
    if !plan.network {
        loopback()?;
    }
    mounts::enter_private_root(plan, &materials.template)?;
    // A second line behind the filter; absent where /proc is.
    let _ = fs::write("/proc/sys/user/max_user_namespaces", "0");
    let place = Place::open(Path::new("/"), true, plan)?;
    confine::limit(plan, true)?;
    confine::drop_capabilities()?;
    landlock::scope()?;
    materials.filter.apply(Confinement::Namespace, plan.network)?;
    serve::run(socket, place, plan, None)
}

fn wait_for_ids(mapped: &OwnedFd) -> Result<(), Failure> {
    let mut byte = [0_u8];
    match rustix::io::read(mapped, &mut byte).doing("waiting for the id maps")? {
        1 => Ok(()),
        _ => Err(Failure::new("waiting for the id maps", rustix::io::Errno::PIPE)),
    }
}

fn become_user() -> Result<(), Failure> {
    let (uid, gid) = (Uid::from_raw(ID), Gid::from_raw(ID));
    // Refused where the groups could not be mapped: an ordinary user keeps its own.
    let _ = set_thread_groups(&[]);
    set_thread_res_gid(gid, gid, gid).doing("setting the group")?;
    set_thread_res_uid(uid, uid, uid).doing("setting the user")?;
    // After the change of user, which resets both.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).doing("becoming undumpable")?;
    set_parent_process_death_signal(Some(Signal::KILL)).doing("tying the session to its parent")?;
    Ok(())
}

fn loopback() -> Result<(), Failure> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .doing("opening a socket for the loopback interface")?;
    sys::loopback_up(socket.as_fd()).doing("switching the loopback interface on")
}
