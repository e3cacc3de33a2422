//! Tarballs to unpack, and where to.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use harness_core::ErrorKind;
use harness_sandbox::{RootFileSystem, RootStore};
use tar::{Builder, EntryType, Header};

/// A directory of the test's with a store in it.
pub(crate) struct Scene {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) store: RootStore,
}

impl Scene {
    /// `None`, after saying why, where this user cannot unpack anything.
    pub(crate) fn new() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let store = RootStore::new(directory.path().join("store"));
        let scene = Self { directory, store };
        match scene.unpack("probe.tar", &minimal().bytes()) {
            Ok(_) => Some(scene),
            Err(error) if error.kind() == ErrorKind::Sandbox => {
                skip(&error.report());
                None
            }
            Err(error) => panic!("{}", error.report()),
        }
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn unpack(&self, name: &str, bytes: &[u8]) -> harness_core::Result<RootFileSystem> {
        self.store.unpack(self.write(name, bytes))
    }

    /// What the store holds.
    pub(crate) fn stored(&self) -> Vec<PathBuf> {
        stored(&self.directory.path().join("store"))
    }
}

pub(crate) fn stored(store: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(store).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Says aloud that something is not tested, or fails where nothing may be skipped.
pub(crate) fn skip(why: &str) {
    let required = std::env::var("HARNESS_TEST_REQUIRE").unwrap_or_default();
    assert!(required.is_empty() || required == "landlock", "required, but: {why}");
    // Not `eprintln!`: the test harness would swallow it.
    let _ = std::io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes());
}

pub(crate) struct Tarball(Builder<Vec<u8>>);

/// What a root file system must have.
pub(crate) fn minimal() -> Tarball {
    let mut tarball = Tarball(Builder::new(Vec::new()));
    for name in ["bin", "etc"] {
        tarball.entry(EntryType::Directory, name, 0o755, (0, 0), b"");
    }
    tarball
}

impl Tarball {
    pub(crate) fn entry(
        &mut self,
        kind: EntryType,
        path: &str,
        mode: u32,
        owner: (u64, u64),
        content: &[u8],
    ) -> &mut Self {
        let mut header = header(kind, mode, owner);
        header.set_size(content.len() as u64);
        self.0.append_data(&mut header, path, content).unwrap();
        self
    }

    pub(crate) fn file(&mut self, path: &str, content: &[u8]) -> &mut Self {
        self.entry(EntryType::Regular, path, 0o644, (0, 0), content)
    }

    pub(crate) fn link(&mut self, kind: EntryType, path: &str, target: &str) -> &mut Self {
        let mut header = header(kind, 0o777, (0, 0));
        header.set_size(0);
        self.0.append_link(&mut header, path, target).unwrap();
        self
    }

    /// An entry with a name as it is, which a builder would refuse.
    pub(crate) fn raw(&mut self, name: &str, kind: EntryType, size: u64) -> &mut Self {
        let mut header = header(kind, 0o644, (0, 0));
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(size);
        header.set_cksum();
        self.0.append(&header, std::io::empty()).unwrap();
        self
    }

    /// Extended attributes of the entry that comes next.
    pub(crate) fn attributes(&mut self, pairs: &[(&str, &[u8])]) -> &mut Self {
        let names = pairs.iter().map(|(name, value)| (format!("SCHILY.xattr.{name}"), *value));
        let named: Vec<_> = names.collect();
        let pairs = named.iter().map(|(name, value)| (name.as_str(), *value));
        self.0.append_pax_extensions(pairs).unwrap();
        self
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

fn header(kind: EntryType, mode: u32, owner: (u64, u64)) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner.0);
    header.set_gid(owner.1);
    header.set_mtime(1_000_000_000);
    header
}
