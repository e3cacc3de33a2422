//! What a session's processes give up for good: capabilities and limits.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

use super::failure::{Doing as _, Failure};
use crate::wire::Plan;

/// Open files of one process: enough for databases and browsers, too few to exhaust the kernel's table.
const OPEN_FILES: u64 = 20_000;

/// Empties every capability set.
pub(super) fn drop_capabilities() -> Result<(), Failure> {
    clear_ambient_capability_set().doing("clearing the ambient capabilities")?;
    empty_bounding_set();
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none).doing("dropping the capabilities")
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
