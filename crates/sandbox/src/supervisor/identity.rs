//! Which host user a session runs as: never the host's root.

use std::fs;
use std::sync::OnceLock;

use rustix::io::Errno;

use super::failure::{Doing as _, Failure};
use super::lease::random;

/// Host user ids for sessions of an engine that runs as root: some 2^30 of them, far above those of any
/// account or of the usual subordinate ranges, in blocks for one session each.
const FIRST: u32 = 0x4000_0000;
const BLOCKS: u32 = 0x3000;
/// As many ids as a root file system knows.
pub(super) const BLOCK: u32 = 0x1_0000;

/// The ids of a session on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// Those of the engine, an ordinary user, and the subordinate ones that the administrator gave it.
    Inherited { uid: u32, gid: u32, subordinate: Option<Subordinate> },
    /// Ids that nobody else has: `first` and, when `whole`, the block that begins there.
    Assigned { first: u32, whole: bool },
    /// A user other than root whose directory is shared with the session.
    Owner { uid: u32, gid: u32 },
}

/// Ranges of ids that `newuidmap` and `newgidmap` have mapped for this supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subordinate {
    pub(super) uids: (u32, u32),
    pub(super) gids: (u32, u32),
}

impl Identity {
    /// The identity of a new session, unlike those of `taken`.
    pub(super) fn choose<'a>(
        taken: &(impl Iterator<Item = &'a Self> + Clone),
        subordinate: Option<Subordinate>,
    ) -> Result<Self, Failure> {
        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        if uid != 0 {
            return Ok(Self::Inherited { uid, gid, subordinate });
        }
        let map = own_map()?;
        match assignable(map) {
            Some(range) => loop {
                let chosen = range.draw()?;
                if !taken.clone().any(|other| *other == chosen) {
                    return Ok(chosen);
                }
            },
            // A root that is root only in its own user namespace, and has no other id there.
            None if is_pretended(map) => Ok(Self::Inherited { uid, gid, subordinate: None }),
            None => Err(Failure::new(
                "finding a host user that is not root (run the engine as an ordinary user)",
                Errno::PERM,
            )),
        }
    }

    pub(super) fn uid(&self) -> u32 {
        match self {
            Self::Inherited { uid, .. } | Self::Owner { uid, .. } => *uid,
            Self::Assigned { first, .. } => *first,
        }
    }

    pub(super) fn gid(&self) -> u32 {
        match self {
            Self::Inherited { gid, .. } | Self::Owner { gid, .. } => *gid,
            Self::Assigned { first, .. } => *first,
        }
    }

    /// The maps of a session whose only user is `inside`: uids, gids.
    pub(super) fn single(&self, inside: u32) -> (String, String) {
        (format!("{inside} {} 1", self.uid()), format!("{inside} {} 1", self.gid()))
    }

    /// The maps of a session with users of its own, beginning with root.
    pub(super) fn many(&self) -> Result<(String, String), Failure> {
        match self {
            Self::Assigned { first, whole: true } => {
                let map = format!("0 {first} {BLOCK}");
                Ok((map.clone(), map))
            }
            Self::Inherited { uid, gid, subordinate: Some(Subordinate { uids, gids }) } => {
                let map =
                    |own: &u32, (first, count): (u32, u32)| format!("0 {own} 1\n1 {first} {count}");
                Ok((map(uid, *uids), map(gid, *gids)))
            }
            _ => Err(Failure::new(
                "finding subordinate ids for a root file system (give this user a range in /etc/subuid and \
                 /etc/subgid and install newuidmap, package `uidmap`)",
                Errno::PERM,
            )),
        }
    }

    /// Whether processes elsewhere never count against this user's limit.
    pub(super) fn is_exclusive(&self) -> bool {
        match self {
            Self::Assigned { .. } => true,
            // A directory given to one of the ids that are kept for sessions, which are nobody's account.
            Self::Owner { uid, .. } => {
                own_map().ok().and_then(assignable).is_some_and(|range| range.holds(*uid))
            }
            Self::Inherited { .. } => false,
        }
    }
}

/// The map of the supervisor's own user namespace, which it never leaves again.
fn own_map() -> Result<&'static str, Failure> {
    static MAP: OnceLock<String> = OnceLock::new();
    if let Some(map) = MAP.get() {
        return Ok(map);
    }
    let map = fs::read_to_string("/proc/self/uid_map").doing("reading the user id map")?;
    Ok(MAP.get_or_init(|| map))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Assignable {
    first: u32,
    count: u32,
    step: u32,
}

impl Assignable {
    fn holds(self, uid: u32) -> bool {
        uid >= self.first
            && u64::from(uid - self.first) < u64::from(self.count) * u64::from(self.step)
    }

    fn draw(self) -> Result<Identity, Failure> {
        let random = random().doing("drawing a random number")?;
        let index = (random % u64::from(self.count)) as u32;
        let first = self.first + index * self.step;
        Ok(Identity::Assigned { first, whole: self.step == BLOCK })
    }
}

/// The ids, valid in this user namespace, that sessions may get.
fn assignable(map: &str) -> Option<Assignable> {
    let (first, count) = extents(map).map(|(inside, _, count)| (inside, count)).max()?;
    let end = u64::from(first) + u64::from(count);
    if end >= u64::from(FIRST) + u64::from(BLOCKS) * u64::from(BLOCK) {
        return Some(Assignable { first: FIRST, count: BLOCKS, step: BLOCK });
    }
    // A container's map, typically 65 536 long: its upper end, below `nobody`, one id a session.
    let spare = count.saturating_sub(60_000).min(4_000);
    (spare > 0).then_some(Assignable { first: first + 60_000, count: spare, step: 1 })
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
    fn the_initial_namespace_has_blocks_of_its_own() {
        let range = Assignable { first: FIRST, count: BLOCKS, step: BLOCK };
        assert_eq!(assignable("         0          0 4294967295\n"), Some(range));
    }

    #[test]
    fn a_container_gives_its_upper_end() {
        let range = Assignable { first: 60_000, count: 4_000, step: 1 };
        assert_eq!(assignable("0 100000 65536\n"), Some(range));
    }

    #[test]
    fn what_is_drawn_is_held_and_no_account_is() {
        for map in ["0 0 4294967295\n", "0 100000 65536\n"] {
            let range = assignable(map).unwrap();
            for _ in 0..100 {
                assert!(range.holds(range.draw().ok().unwrap().uid()));
            }
            assert!(![0, 1000, 59_999, 65_534].into_iter().any(|uid| range.holds(uid)));
            assert!(!range.holds(u32::MAX));
        }
    }

    #[test]
    fn a_single_id_gives_none() {
        assert_eq!(assignable("0 1000 1\n"), None);
        assert!(is_pretended("0 1000 1\n"));
        assert!(!is_pretended("0 0 1\n"));
    }

    #[test]
    fn a_root_file_system_needs_many_ids() {
        let one = Identity::Assigned { first: 7, whole: false };
        assert!(one.many().is_err());
        let subordinate = Some(Subordinate { uids: (100_000, 65_535), gids: (200_000, 65_535) });
        let many = Identity::Inherited { uid: 1000, gid: 1001, subordinate }.many();
        let expected =
            ("0 1000 1\n1 100000 65535".to_owned(), "0 1001 1\n1 200000 65535".to_owned());
        assert_eq!(many.ok(), Some(expected));
    }
}
