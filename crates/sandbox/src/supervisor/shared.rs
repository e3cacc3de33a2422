//! How much memory a session's processes share: what no process owns, and what a watcher of processes alone never sees.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::sys;

/// Bytes that processes share, and those that each of them can be said to hold.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) bytes: u64,
    pub(super) held: BTreeMap<i32, u64>,
}

impl Shared {
    /// Looks at every one of these processes. Memory that is seen in two ways, by its file and in those who map it, is
    /// not counted twice: of the two sums the larger one is told, which never tells too much.
    ///
    /// `private` says that storage and System V memory are this session's own.
    pub(super) fn look(pids: impl Iterator<Item = i32>, private: bool) -> Self {
        let (mut held, mut seen) = (BTreeMap::new(), HashSet::new());
        let (mut mapped, mut files) = (0, 0);
        for pid in pids {
            let (maps, opens) = (mapped_bytes(pid), memory_files(pid, &mut seen));
            mapped += maps;
            files += opens;
            held.insert(pid, maps.max(opens));
        }
        if private {
            files += storage() + segments(&read("/proc/sysvipc/shm"));
        }
        Self { bytes: mapped.max(files), held }
    }
}

/// Destroys the System V segments of a session that nobody is attached to: who made them may have been killed for them, and
/// they would be counted against whoever comes next.
pub(super) fn drop_segments() {
    unattached(&read("/proc/sysvipc/shm")).into_iter().for_each(sys::remove_segment);
}

/// Shared memory of the whole machine, in bytes: grown by somebody where a session's has.
pub(super) fn of_the_machine() -> u64 {
    kibibytes(&read("/proc/meminfo"), "Shmem:")
}

/// What a process maps of shared memory, divided by those who do.
fn mapped_bytes(pid: i32) -> u64 {
    // Walking its pages takes a while: only where there are any.
    match kibibytes(&read(&format!("/proc/{pid}/status")), "RssShmem:") {
        0 => 0,
        _ => kibibytes(&read(&format!("/proc/{pid}/smaps_rollup")), "Pss_Shmem:"),
    }
}

/// What the memory files that a process holds open take, but for those of which somebody before it was told.
fn memory_files(pid: i32, seen: &mut HashSet<(u64, u64)>) -> u64 {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let files = paths.filter(|path| {
        fs::read_link(path)
            .is_ok_and(|target| target.as_os_str().as_encoded_bytes().starts_with(b"/memfd:"))
    });
    let details = files.filter_map(|path| fs::metadata(path).ok());
    let fresh = details.filter(|file| seen.insert((file.dev(), file.ino())));
    fresh.map(|file| file.blocks() * 512).sum()
}

/// What lies in the session's storage, which is memory.
fn storage() -> u64 {
    rustix::fs::statvfs("/")
        .map_or(0, |all| all.f_blocks.saturating_sub(all.f_bfree) * all.f_frsize)
}

/// The resident bytes of the System V segments that the kernel lists.
fn segments(list: &str) -> u64 {
    let bytes = columns(list, ["rss", "rss"]).into_iter().map(|[bytes, _]| bytes);
    bytes.filter_map(|bytes| u64::try_from(bytes).ok()).sum()
}

/// Those that nobody is attached to.
fn unattached(list: &str) -> Vec<i32> {
    let all = columns(list, ["shmid", "nattch"]).into_iter();
    all.filter_map(|[id, users]| i32::try_from(id).ok().filter(|_| users == 0)).collect()
}

/// Two columns of a list that begins with their names.
fn columns(list: &str, names: [&str; 2]) -> Vec<[i64; 2]> {
    let mut lines = list.lines();
    let head: Vec<_> = lines.next().unwrap_or_default().split_whitespace().collect();
    let places = names.map(|name| head.iter().position(|found| *found == name));
    let [Some(first), Some(second)] = places else { return Vec::new() };
    let field = |line: &str, place| line.split_whitespace().nth(place)?.parse::<i64>().ok();
    lines.filter_map(|line| Some([field(line, first)?, field(line, second)?])).collect()
}

fn kibibytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let count = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    count.unwrap_or(0) * 1024
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_found_by_the_names_of_their_columns() {
        let list = "  key shmid perms size nattch rss swap\n 0 3 1600 52428800 1 52428800 0\n 7 4 1600 9 0 4096 0\n";
        assert_eq!((segments(list), unattached(list)), (52_428_800 + 4096, vec![4]));
        for list in ["", "key size\n1 2\n", "shmid nattch rss\nx y z\n"] {
            assert_eq!((segments(list), unattached(list)), (0, Vec::new()), "{list}");
        }
    }

    #[test]
    fn a_memory_file_counts_once() {
        let file = rustix::fs::memfd_create("one", rustix::fs::MemfdFlags::empty()).unwrap();
        let copy = rustix::io::dup(&file).unwrap();
        rustix::io::write(&copy, &vec![1; 1 << 20]).unwrap();
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let mut seen = HashSet::new();
        let bytes = memory_files(own, &mut seen);
        // Other tests may hold some of their own.
        assert!(bytes >= 1 << 20, "{bytes}");
        assert!(seen.contains(&{
            let details = rustix::fs::fstat(&file).unwrap();
            (details.st_dev, details.st_ino)
        }));
    }

    #[test]
    fn this_machine_tells_of_shared_memory() {
        assert!(read("/proc/meminfo").contains("\nShmem:"));
        assert!(read("/proc/self/smaps_rollup").contains("\nPss_Shmem:"));
        assert!(read("/proc/self/status").contains("\nRssShmem:"));
    }
}
