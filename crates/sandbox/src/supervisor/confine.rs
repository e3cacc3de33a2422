//! What a session's processes give up for good: capabilities and limits.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
};

use super::failure::{Doing as _, Failure};
use crate::wire::Plan;

/// Open files of one process: enough for databases and browsers, too few to exhaust the kernel's table.
const OPEN_FILES: u64 = 20_000;

/// What packages and servers need in a root file system of their own: over its users and files, never over the
/// kernel's. Docker's defaults without raw sockets, device nodes and the audit log.
pub(super) const OF_A_ROOT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::SETFCAP);

/// Worth nothing in a user namespace, and yet a process that has it cannot be traced, nor its files in /proc be
/// opened, by one that has it not: what keeps an agent's daemons out of a verifier's processes.
pub(super) const OF_A_VIEW: CapabilitySet = CapabilitySet::WAKE_ALARM;

/// Empties every capability set.
pub(super) fn drop_capabilities() -> Result<(), Failure> {
    clear_ambient_capability_set().doing("clearing the ambient capabilities")?;
    empty_bounding_set();
    set_all(CapabilitySet::empty())
}

/// Empties every capability set but for `kept`, which programs started as an ordinary user keep too.
pub(super) fn keep_capabilities(kept: CapabilitySet) -> Result<(), Failure> {
    for bit in 0..63 {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        if !kept.contains(one) && remove_capability_from_bounding_set(one).is_err() {
            break;
        }
    }
    set_all(kept)?;
    for one in kept.iter() {
        configure_capability_in_ambient_set(one, true).doing("keeping a capability")?;
    }
    Ok(())
}

fn set_all(capabilities: CapabilitySet) -> Result<(), Failure> {
    let sets = CapabilitySets {
        effective: capabilities,
        permitted: capabilities,
        inheritable: capabilities,
    };
    set_capabilities(None, sets).doing("dropping the capabilities")
}

/// Needs a capability itself, so that an ordinary user outside a user namespace keeps the set, which
/// no_new_privs makes useless anyway.
pub(super) fn empty_bounding_set() {
    for bit in 0..63 {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        if remove_capability_from_bounding_set(one).is_err() {
            break;
        }
    }
}

/// Raises the soft limit of open files to the hard one: a supervisor holds a few for each session.
pub(super) fn raise_open_files() {
    let hard = getrlimit(Resource::Nofile).maximum;
    // Refused nowhere that we know of; if it were, fewer sessions fit.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard });
}

/// Sets resource limits. `own_count` tells that processes of this user elsewhere are not counted.
pub(super) fn limit(plan: &Plan, own_count: bool) -> Result<(), Failure> {
    lower(Resource::Core, 0)?;
    lower(Resource::Nofile, OPEN_FILES)?;
    if own_count {
        lower(Resource::Nproc, plan.processes)?;
    }
    Ok(())
}

/// Bounds the largest file a command may write.
pub(super) fn limit_file_size(bytes: u64) -> std::io::Result<()> {
    Ok(setrlimit(Resource::Fsize, Rlimit { current: Some(bytes), maximum: Some(bytes) })?)
}

fn lower(resource: Resource, limit: u64) -> Result<(), Failure> {
    let ceiling = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let limit = Some(limit.min(ceiling));
    setrlimit(resource, Rlimit { current: limit, maximum: limit }).doing("setting a resource limit")
}

/// The files of a process in which an ordinary user may write its id maps belong to root unless this is set.
pub(super) fn while_dumpable<T>(act: impl FnOnce() -> T) -> Result<T, Failure> {
    set_dumpable_behavior(DumpableBehavior::Dumpable).doing("becoming dumpable")?;
    let done = act();
    set_dumpable_behavior(DumpableBehavior::NotDumpable).doing("becoming undumpable")?;
    Ok(done)
}
