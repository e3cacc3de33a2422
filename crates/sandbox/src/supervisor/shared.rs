//! How much memory a session's processes share: what no process owns, and what a watcher of processes alone never sees.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;

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
    let mut lines = list.lines();
    let place =
        lines.next().and_then(|head| head.split_whitespace().position(|name| name == "rss"));
    let Some(place) = place else { return 0 };
    lines.filter_map(|line| line.split_whitespace().nth(place)?.parse::<u64>().ok()).sum()
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
    fn segments_are_found_by_the_name_of_their_column() {
        let list = "  key shmid perms size cpid rss swap\n 0 1 1600 52428800 3 52428800 0\n 7 2 1600 9 4 4096 0\n";
        assert_eq!(segments(list), 52_428_800 + 4096);
        assert_eq!((segments(""), segments("key size\n1 2\n")), (0, 0));
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
