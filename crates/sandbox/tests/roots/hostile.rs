//! Tarballs that mean harm.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use harness_core::ErrorKind;
use harness_sandbox::RootStore;
use tar::EntryType;

use crate::tarball::{Scene, Tarball, minimal};

/// Refused as the tarball's fault, with these words, and nothing left of it.
fn refused(scene: &Scene, store: &RootStore, bytes: &[u8], words: &str) {
    let before = scene.stored();
    let error = store.unpack(scene.write("hostile.tar", bytes)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{}", error.report());
    assert!(error.report().contains(words), "{} instead of {words}", error.report());
    assert_eq!(scene.stored(), before, "{words}: something was left");
}

fn with(change: impl FnOnce(&mut Tarball)) -> Vec<u8> {
    let mut tarball = minimal();
    change(&mut tarball);
    tarball.bytes()
}

#[test]
fn what_leads_out_is_refused_or_leads_nowhere() {
    let Some(scene) = Scene::new() else { return };
    let outside = scene.directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("victim"), "untouched").unwrap();
    let store = &scene.store;
    let upwards = with(|tarball| {
        tarball.raw("etc/../../../x", EntryType::Regular, 0);
    });
    refused(&scene, store, &upwards, "leads upwards");
    let linked = with(|tarball| {
        tarball.link(EntryType::Link, "etc/x", "../../x");
    });
    refused(&scene, store, &linked, "leads upwards");
    // Below the root that the kernel knows for the process that unpacks, these are other places.
    let through = with(|tarball| {
        let outside = outside.to_str().unwrap();
        tarball
            .link(EntryType::Symlink, "out", outside)
            .file("out/made", b"by the tarball")
            .link(EntryType::Symlink, "up", "../../../../../../../../../..")
            .file(&format!("up{outside}/made-too"), b"by the tarball");
    });
    // The link leads to a directory that is not there within the new root: it is made there, or refused.
    let outcome = scene.unpack("through.tar", &through);
    let left: Vec<_> = fs::read_dir(&outside).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, ["victim"], "{outcome:?}");
    let hard = with(|tarball| {
        let victim = outside.join("victim");
        tarball.link(EntryType::Link, "etc/victim", victim.to_str().unwrap());
    });
    assert!(scene.unpack("hard.tar", &hard).is_err());
    assert_eq!(fs::read(outside.join("victim")).unwrap(), b"untouched");
}

#[test]
fn limits_hold() {
    let Some(scene) = Scene::new() else { return };
    let bytes = with(|tarball| {
        for number in 0..20 {
            tarball.file(&format!("etc/{number}"), &[b'x'; 1000]);
        }
    });
    refused(&scene, &scene.store.clone().with_bytes(19_999), &bytes, "more than 19999 bytes");
    refused(&scene, &scene.store.clone().with_entries(21), &bytes, "more than 21 entries");
    assert!(
        scene
            .store
            .clone()
            .with_bytes(20_000)
            .with_entries(22)
            .unpack(scene.write("a", &bytes))
            .is_ok()
    );
    // What a header promises is not believed, and costs nothing.
    let promised = with(|tarball| {
        tarball.raw("etc/huge", EntryType::Regular, 1 << 40);
    });
    refused(&scene, &scene.store, &promised, "bytes");
    let short = with(|tarball| {
        tarball.raw("etc/short", EntryType::Regular, 1 << 20);
    });
    refused(&scene, &scene.store, &short, "");
}

#[test]
fn owners_beyond_the_map_are_refused() {
    let Some(scene) = Scene::new() else { return };
    let bytes = with(|tarball| {
        tarball.entry(EntryType::Regular, "etc/x", 0o644, (65_536, 0), b"");
    });
    refused(&scene, &scene.store, &bytes, "not below 65536");
}

#[test]
fn what_is_no_tarball_is_refused() {
    let Some(scene) = Scene::new() else { return };
    let whole = with(|tarball| {
        tarball.file("etc/content", &[b'y'; 5000]);
    });
    refused(&scene, &scene.store, &whole[..2000], "");
    refused(&scene, &scene.store, &[b'z'; 4096], "");
    refused(&scene, &scene.store, b"\x1f\x8bgarbage", "");
    refused(&scene, &scene.store, b"\xfd7zXZ\0garbage", "");
    refused(&scene, &scene.store, b"\x28\xb5\x2f\xfdgarbage", "");
    // Nothing in it: no root file system.
    let error = scene.unpack("empty.tar", &[0; 1024]).unwrap_err();
    assert!(error.report().contains("no unpacked root file system"), "{}", error.report());
    let fifo = scene.directory.path().join("fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let error = scene.store.unpack(&fifo).unwrap_err();
    assert!(error.report().contains("not a regular file"), "{}", error.report());
}

#[test]
fn devices_are_left_out() {
    let Some(scene) = Scene::new() else { return };
    let bytes = with(|tarball| {
        tarball.raw("etc/memory", EntryType::Char, 0).raw("etc/disk", EntryType::Block, 0);
        tarball.file("etc/last", b"");
    });
    let root = scene.unpack("devices.tar", &bytes).unwrap();
    let names: Vec<_> =
        fs::read_dir(root.path().join("etc")).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(names, ["last"]);
}

#[test]
fn a_store_that_others_can_write_is_refused() {
    let Some(scene) = Scene::new() else { return };
    let open = scene.directory.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let path = scene.write("root.tar", &minimal().bytes());
    let error = RootStore::new(&open).unpack(path).unwrap_err();
    assert!(error.report().contains("others may write"), "{}", error.report());
}
