//! What of a tarball is found again in the directory that is made of it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use tar::EntryType;

use crate::tarball::{Scene, minimal};

/// The id on the host that a user of the tarball's has, by asking for one of an owner that is known.
fn owner(path: &Path) -> (u32, u32) {
    let found = fs::symlink_metadata(path).unwrap();
    (found.uid(), found.gid())
}

#[test]
fn owners_modes_times_and_links_are_kept() {
    let Some(scene) = Scene::new() else { return };
    let mut tarball = minimal();
    tarball
        .entry(EntryType::Directory, "etc/sub", 0o2751, (33, 34), b"")
        .entry(EntryType::Regular, "bin/su", 0o4755, (0, 0), b"privileged")
        .entry(EntryType::Regular, "etc/sub/theirs", 0o640, (33, 34), b"theirs")
        .entry(EntryType::Fifo, "etc/fifo", 0o600, (33, 0), b"")
        .link(EntryType::Link, "bin/also-su", "bin/su")
        .link(EntryType::Symlink, "bin/linked", "/etc/nowhere");
    let root = scene.unpack("root.tar", &tarball.bytes()).unwrap();
    let at = |path: &str| root.path().join(path);
    let found = |path: &str| fs::symlink_metadata(at(path)).unwrap();
    assert_eq!(found("bin/su").mode() & 0o7777, 0o4755);
    assert_eq!(found("etc/sub").mode() & 0o7777, 0o2751);
    assert_eq!(found("etc/sub/theirs").mode() & 0o7777, 0o640);
    assert_eq!(found("bin/su").ino(), found("bin/also-su").ino());
    assert_eq!(found("bin/su").nlink(), 2);
    assert_eq!(fs::read_link(at("bin/linked")).unwrap(), Path::new("/etc/nowhere"));
    for path in ["bin/su", "etc/sub", "etc/sub/theirs", "bin/linked", "etc/fifo", "etc"] {
        assert_eq!(found(path).mtime(), 1_000_000_000, "{path}");
    }
    assert_eq!(owner(&at("etc/sub")), owner(&at("etc/sub/theirs")));
    let (root_user, www) = (owner(&at("bin/su")).0, owner(&at("etc/sub")).0);
    assert_eq!(root_user, rustix::process::geteuid().as_raw());
    match root_user {
        0 => assert_eq!(owner(&at("etc/sub")), (33, 34)),
        // A subordinate id: what `/etc/subuid` says, and never one of the host's.
        _ => assert!(www > 65_536, "{www}"),
    }
    assert_eq!(owner(&at("etc/fifo")).0, www);
}

#[test]
fn extended_attributes_of_users_are_kept_and_orders_to_overlayfs_are_not() {
    let Some(scene) = Scene::new() else { return };
    // Version 2 of the kernel's format: effective, net_bind_service permitted.
    let capability: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut tarball = minimal();
    tarball
        .attributes(&[
            ("user.note", b"kept"),
            ("user.overlay.opaque", b"y"),
            ("security.selinux", b"label"),
            ("security.capability", &capability),
        ])
        .file("bin/server", b"content");
    let root = scene.unpack("root.tar", &tarball.bytes()).unwrap();
    let path = root.path().join("bin/server");
    let get = |name: &str| {
        let mut value = [0_u8; 64];
        rustix::fs::getxattr(&path, name, &mut value[..]).map(|length| value[..length].to_vec())
    };
    assert_eq!(get("user.note").unwrap(), b"kept");
    assert!(get("user.overlay.opaque").is_err());
    assert!(get("security.selinux").is_err() || get("security.selinux").unwrap() != b"label");
    // Version 3 where the writer was root in a user namespace only: it names that root.
    assert!(get("security.capability").unwrap().len() >= 20);
}

#[test]
fn every_compression_gives_the_same() {
    let Some(scene) = Scene::new() else { return };
    let mut tarball = minimal();
    let content: Vec<u8> = (0..200_000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
    tarball.file("etc/content", &content);
    let plain = tarball.bytes();
    for (name, bytes) in [
        ("plain", plain.clone()),
        ("gzip", gzip(&plain)),
        ("two members of gzip", [gzip(&plain[..1000]), gzip(&plain[1000..])].concat()),
        ("xz", xz(&plain)),
        ("zstd", zstd(&plain)),
        ("two frames of zstd", [zstd(&plain[..1000]), zstd(&plain[1000..])].concat()),
    ] {
        let root = scene.unpack("root", &bytes).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert!(fs::read(root.path().join("etc/content")).unwrap() == content, "{name}");
    }
    // Each has its own digest, and the probe is there as well.
    assert_eq!(scene.stored().len(), 7);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::default();
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

#[test]
fn a_tarball_is_unpacked_once() {
    let Some(scene) = Scene::new() else { return };
    let mut tarball = minimal();
    tarball.file("etc/content", b"first");
    let bytes = tarball.bytes();
    let first = scene.unpack("one.tar", &bytes).unwrap();
    let made = fs::metadata(first.path()).unwrap().ino();
    let again = scene.unpack("another-name.tar", &bytes).unwrap();
    assert_eq!(first, again);
    assert_eq!(fs::metadata(again.path()).unwrap().ino(), made);
    let mut changed = minimal();
    changed.file("etc/content", b"second");
    assert_ne!(scene.unpack("one.tar", &changed.bytes()).unwrap(), first);
    assert_eq!(fs::read(first.path().join("etc/content")).unwrap(), b"first");
}

#[test]
fn those_who_unpack_at_once_get_the_same() {
    let Some(scene) = Scene::new() else { return };
    let mut tarball = minimal();
    for number in 0..500 {
        tarball.file(&format!("etc/{number}"), b"content");
    }
    let path = scene.write("root.tar", &tarball.bytes());
    let roots: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> =
            (0..4).map(|_| scope.spawn(|| scene.store.unpack(&path).unwrap())).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(roots.iter().all(|root| *root == roots[0]));
    assert_eq!(fs::read_dir(roots[0].path().join("etc")).unwrap().count(), 500);
    assert_eq!(scene.stored().len(), 2, "{:?}", scene.stored());
}
