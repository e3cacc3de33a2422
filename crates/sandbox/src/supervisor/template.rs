//! What of the host a session may read: looked up once, used for every session.

use std::fs;
use std::path::Path;

/// Directories at the root that hold the system and nothing of a user's.
pub(super) const SYSTEM: &[&str] = &[
    "usr",
    "bin",
    "sbin",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "nix/store",
    "gnu/store",
    "run/current-system",
];

/// What programs need of /etc, none of it secret. Accounts and name service are synthesised instead.
pub(super) const READABLE_ETC: &[&str] = &[
    "alternatives",
    "bash.bashrc",
    "crypto-policies",
    "debian_version",
    "fonts",
    "java",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "login.defs",
    "mime.types",
    "os-release",
    "perl",
    "pki/tls/certs",
    "pki/ca-trust/extracted",
    "profile",
    "protocols",
    "python3",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
];

/// Devices that are the same for everybody.
pub(super) const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];

/// A file of at most this many bytes is copied: cheaper than a mount.
const COPIED: usize = 4 * 1024;

/// One thing of the host that is shown at the same path, without its leading slash.
#[derive(Debug)]
pub(super) enum Shown {
    Directory(String),
    File(String),
    Copy(String, Vec<u8>),
    Link(String, String),
}

/// What of the lists this host has.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) shown: Vec<Shown>,
}

impl Template {
    pub(super) fn survey() -> Self {
        let etc = READABLE_ETC.iter().map(|name| format!("etc/{name}"));
        let system = SYSTEM.iter().map(|name| (*name).to_owned());
        Self { shown: system.chain(etc).filter_map(survey).collect() }
    }
}

fn survey(path: String) -> Option<Shown> {
    let host = Path::new("/").join(&path);
    let metadata = fs::symlink_metadata(&host).ok()?;
    if metadata.is_symlink() {
        let target = fs::read_link(&host).ok()?.to_str()?.to_owned();
        return Some(Shown::Link(path, target));
    }
    if metadata.is_dir() {
        return Some(Shown::Directory(path));
    }
    match fs::read(&host) {
        Ok(content) if content.len() <= COPIED => Some(Shown::Copy(path, content)),
        _ => Some(Shown::File(path)),
    }
}
