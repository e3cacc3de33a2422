//! Which host user a session runs as: never the host's root.

use std::fs;

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use super::failure::{Doing as _, Failure};

/// Host user ids for sessions of an engine that runs as root: 2^30 of them, far above those of any
/// account or of the usual subordinate ranges.
const FIRST: u32 = 0x4000_0000;
const COUNT: u32 = 0x3000_0000;

/// The ids of a session on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// Those of the engine: an ordinary user has no others to give.
    Inherited { uid: u32, gid: u32 },
    /// An id that nobody else has, as uid and as gid.
    Assigned(u32),
}

impl Identity {
    /// The identity of a new session.
    pub(super) fn choose() -> Result<Self, Failure> {
        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        if uid != 0 {
            return Ok(Self::Inherited { uid, gid });
        }
        let map = fs::read_to_string("/proc/self/uid_map").doing("reading the user id map")?;
        match assignable(&map) {
            Some((first, count)) => Ok(Self::Assigned(first + random()? % count)),
            // A root that is root only in its own user namespace, and has no other id there.
            None if is_pretended(&map) => Ok(Self::Inherited { uid, gid }),
            None => Err(Failure::new(
                "finding a host user that is not root (run the engine as an ordinary user)",
                Errno::PERM,
            )),
        }
    }

    pub(super) fn uid(self) -> u32 {
        match self {
            Self::Inherited { uid, .. } => uid,
            Self::Assigned(id) => id,
        }
    }

    pub(super) fn gid(self) -> u32 {
        match self {
            Self::Inherited { gid, .. } => gid,
            Self::Assigned(id) => id,
        }
    }
}

fn random() -> Result<u32, Failure> {
    let mut bytes = [0_u8; 4];
    getrandom(&mut bytes, GetRandomFlags::empty()).doing("drawing a random number")?;
    Ok(u32::from_ne_bytes(bytes))
}

/// The range of ids, valid in this user namespace, that sessions may get: `(first, count)`.
fn assignable(map: &str) -> Option<(u32, u32)> {
    let (first, count) = extents(map).map(|(inside, _, count)| (inside, count)).max()?;
    let end = u64::from(first) + u64::from(count);
    if end >= u64::from(FIRST) + u64::from(COUNT) {
        return Some((FIRST, COUNT));
    }
    // A container's map, typically 65 536 long: its upper end, below `nobody`.
    let spare = count.saturating_sub(60_000).min(4_000);
    (spare > 0).then_some((first + 60_000, spare))
}

/// Whether uid 0 here is another user outside.
fn is_pretended(map: &str) -> bool {
    extents(map).any(|(inside, outside, _)| inside == 0 && outside != 0)
}

fn extents(map: &str) -> impl Iterator<Item = (u32, u32, u32)> {
    map.lines().filter_map(|line| {
        let mut numbers = line.split_whitespace().map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_initial_namespace_has_a_range_of_its_own() {
        assert_eq!(assignable("         0          0 4294967295\n"), Some((FIRST, COUNT)));
    }

    #[test]
    fn a_container_gives_its_upper_end() {
        assert_eq!(assignable("0 100000 65536\n"), Some((60_000, 4_000)));
    }

    #[test]
    fn a_single_id_gives_none() {
        assert_eq!(assignable("0 1000 1\n"), None);
        assert!(is_pretended("0 1000 1\n"));
        assert!(!is_pretended("0 0 1\n"));
    }
}
