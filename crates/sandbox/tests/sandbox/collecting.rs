//! Copying a hostile tree out. Each surprise is also met by a naive copy, the control: `std::fs` follows it.

use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use harness_core::ErrorKind;
use harness_sandbox::{CollectLimits, collect, collect_only};

struct Trees {
    directory: tempfile::TempDir,
}

impl Trees {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("from")).unwrap();
        Self { directory }
    }

    fn from(&self) -> PathBuf {
        self.directory.path().join("from")
    }

    fn to(&self) -> PathBuf {
        self.directory.path().join("to")
    }

    fn put(&self, path: &str, content: &str) {
        let path = self.from().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn collect(&self) -> harness_core::Result<harness_sandbox::Collected> {
        collect(&self.from(), &self.to(), CollectLimits::default())
    }

    /// Nothing but `from` and what `names` says is left beside it.
    fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn files_and_directories_arrive() {
    let trees = Trees::new();
    trees.put("a/b/c.txt", "deep");
    trees.put("empty", "");
    trees.put("run.sh", "true");
    let script = trees.from().join("run.sh");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o4777)).unwrap();
    let done = trees.collect().unwrap();
    assert_eq!((done.files, done.directories, done.bytes), (3, 2, 8));
    assert_eq!(done.left_out_count, 0);
    assert_eq!(fs::read_to_string(trees.to().join("a/b/c.txt")).unwrap(), "deep");
    assert_eq!(mode(&trees.to().join("run.sh")), 0o755, "no bit that changes the user");
    assert_eq!(mode(&trees.to().join("empty")), 0o644);
}

#[test]
fn links_are_left_out_and_named() {
    let trees = Trees::new();
    let secret = trees.directory.path().join("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("key"), "decoy").unwrap();
    symlink(secret.join("key"), trees.from().join("file")).unwrap();
    symlink(&secret, trees.from().join("directory")).unwrap();
    symlink("/proc/self/root", trees.from().join("magic")).unwrap();
    // The control: a naive reader gets it.
    assert_eq!(fs::read_to_string(trees.from().join("directory/key")).unwrap(), "decoy");
    let done = trees.collect().unwrap();
    assert_eq!((done.files, done.left_out_count), (0, 3), "{:?}", done.left_out);
    assert_eq!(fs::read_dir(trees.to()).unwrap().count(), 0);
}

#[test]
fn a_root_that_is_a_link_is_refused() {
    let trees = Trees::new();
    symlink("/etc", trees.directory.path().join("link")).unwrap();
    let refused =
        collect(&trees.directory.path().join("link"), &trees.to(), CollectLimits::default());
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn fifos_and_sockets_do_not_block() {
    let trees = Trees::new();
    let fifo = trees.from().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(trees.from().join("socket")).unwrap();
    trees.put("file", "x");
    let done = trees.collect().unwrap();
    assert_eq!((done.files, done.left_out_count), (1, 2), "{:?}", done.left_out);
}

#[test]
fn a_sparse_bomb_is_refused_and_nothing_stays() {
    let trees = Trees::new();
    trees.put("good", "x");
    let bomb = fs::File::create(trees.from().join("bomb")).unwrap();
    bomb.write_all_at(b"x", 1 << 40).unwrap();
    let limits = CollectLimits { bytes: 1 << 20, ..CollectLimits::default() };
    let refused = collect(&trees.from(), &trees.to(), limits).unwrap_err();
    assert!(refused.to_string().contains("1048576 bytes"), "{refused}");
    assert_eq!(trees.left(), ["from"]);
}

/// A large file that nobody had named once kept what was named from being judged.
#[test]
fn only_what_is_named_is_looked_at() {
    let trees = Trees::new();
    trees.put("answer.txt", "42");
    trees.put("out/deep/file", "x");
    trees.put("out/other", "x");
    let bomb = fs::File::create(trees.from().join("bomb")).unwrap();
    bomb.write_all_at(b"x", 1 << 40).unwrap();
    let wanted = ["answer.txt", "out/deep", "absent"].map(PathBuf::from);
    let limits = CollectLimits::default();
    let done = collect_only(&trees.from(), &trees.to(), limits, &wanted).unwrap();
    assert_eq!((done.files, done.directories, done.left_out_count), (2, 2, 0));
    assert_eq!(fs::read_to_string(trees.to().join("out/deep/file")).unwrap(), "x");
    assert!(!trees.to().join("out/other").exists() && !trees.to().join("bomb").exists());
}

#[test]
fn depth_and_number_are_capped() {
    let trees = Trees::new();
    trees.put(&format!("{}file", "d/".repeat(70)), "x");
    let refused = trees.collect().unwrap_err();
    assert!(refused.to_string().contains("64 levels"), "{refused}");
    let trees = Trees::new();
    (0..20).for_each(|number| trees.put(&format!("f{number}"), "x"));
    let limits = CollectLimits { entries: 19, ..CollectLimits::default() };
    assert!(collect(&trees.from(), &trees.to(), limits).is_err());
    let limits = CollectLimits { entries: 20, ..CollectLimits::default() };
    assert_eq!(collect(&trees.from(), &trees.to(), limits).unwrap().files, 20);
}

#[test]
fn odd_names_are_left_out_and_escaped() {
    use std::os::unix::ffi::OsStrExt as _;
    let trees = Trees::new();
    for name in [&b"line\nbreak"[..], b"esc\x1b[31m", b"\xff\xfe", "right\u{202e}left".as_bytes()] {
        fs::write(trees.from().join(std::ffi::OsStr::from_bytes(name)), "x").unwrap();
    }
    trees.put("blank and ümlaut", "x");
    let done = trees.collect().unwrap();
    assert_eq!((done.files, done.left_out_count), (1, 4));
    assert!(done.left_out.iter().all(|line| !line.contains(['\n', '\x1b'])), "{:?}", done.left_out);
}

#[test]
fn a_target_that_exists_is_refused() {
    let trees = Trees::new();
    fs::create_dir(trees.to()).unwrap();
    assert_eq!(trees.collect().unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// A name that keeps changing between a directory and a link out never leads out.
#[test]
fn a_race_between_directory_and_link_leads_nowhere() {
    let trees = Trees::new();
    let secret = trees.directory.path().join("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("key"), "decoy").unwrap();
    let (real, link) = (trees.from().join("real"), trees.from().join("swap"));
    fs::create_dir(&real).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = fs::remove_dir(&link);
                let _ = symlink(&secret, &link);
                let _ = fs::remove_file(&link);
                let _ = fs::create_dir(&link);
            }
        });
        for round in 0..200 {
            let to = trees.directory.path().join(format!("to{round}"));
            // It may also fail, when an entry vanishes under it.
            if collect(&trees.from(), &to, CollectLimits::default()).is_ok() {
                assert!(!to.join("swap/key").exists(), "round {round}");
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
