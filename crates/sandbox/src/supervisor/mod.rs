//! The supervisor: what a re-executed copy of the program runs instead of its `main`.
//!
//! One thread, an empty environment, no descriptors but its socket. The *spawner* ([`spawner`])
//! clones one process per session; that process confines itself ([`namespace`], [`landlock`]) and
//! then serves the engine's requests ([`serve`]).

mod cgroup;
mod changed;
mod command;
mod confine;
mod failure;
mod files;
mod filter;
mod identity;
mod landlock;
mod lease;
mod list;
mod materials;
mod memory;
mod mounts;
mod namespace;
mod network;
mod place;
mod private;
mod score;
mod serve;
mod shared;
mod spawner;
mod stamp;
mod start;
mod sweep;
mod template;
mod tree;
#[cfg(feature = "tarballs")]
mod unpack;
mod view;

use std::fs::File;
use std::io::Read as _;

use crate::sys;
use crate::wire::MARKER;

/// Called before `main`: returns at once unless this process is to be the supervisor.
pub(crate) fn enter() {
    if !is_supervisor() {
        return;
    }
    sys::exit_now(i32::from(spawner::run().is_err()));
}

/// Read from the kernel, not from the constructor's arguments: not every C library passes them.
fn is_supervisor() -> bool {
    let mut start = [0_u8; MARKER.len() + 1];
    let read = File::open("/proc/self/cmdline").and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start.strip_suffix(b"\0") == Some(MARKER.as_bytes())
}
