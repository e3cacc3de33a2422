//! Whoever is killed while unpacking leaves nothing that would be taken for a root file system.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness_sandbox::RootStore;

use crate::tarball::{Scene, minimal, stored};

const FILES: usize = 4_000;
const KILLS: usize = 4;

/// Not a test by itself: the engine that is killed.
#[test]
fn an_engine_that_unpacks() {
    let Ok(order) = std::env::var("HARNESS_TEST_UNPACK") else { return };
    let (store, tarball) = order.split_once('\n').unwrap();
    println!("begins");
    RootStore::new(store).unpack(tarball).unwrap();
    println!("done");
}

fn engine(store: &Path, tarball: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "interrupted::an_engine_that_unpacks", "--nocapture", "--test-threads=1"])
        .env("HARNESS_TEST_UNPACK", format!("{}\n{}", store.display(), tarball.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until so many files of a root file system that is being made are there; `false` when it is complete before.
fn wait_for_files(store: &Path, wanted: usize, engine: &mut std::process::Child) -> bool {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        let made = fs::read_dir(store.join("unpacking/root/etc")).map_or(0, Iterator::count);
        if made > wanted {
            return true;
        }
        if engine.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("{wanted} files never came");
}

#[test]
fn an_interrupted_unpacking_leaves_nothing_half_done() {
    let Some(scene) = Scene::new() else { return };
    let mut tarball = minimal();
    for number in 0..FILES {
        tarball.file(&format!("etc/{number}"), b"content");
    }
    let path = scene.write("large.tar", &tarball.bytes());
    let store = scene.directory.path().join("store");
    let complete = stored(&store);
    let mut interrupted = 0;
    for kill in 0..KILLS {
        let mut engine = engine(&store, &path);
        let mut lines = BufReader::new(engine.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with("begins")));
        if !wait_for_files(&store, kill * FILES / (2 * KILLS), &mut engine) {
            // Too fast to be caught: the machine's merit, and nothing to look at.
            break;
        }
        engine.kill().unwrap();
        engine.wait().unwrap();
        let named: Vec<_> =
            stored(&store).into_iter().filter(|path| !path.ends_with("unpacking")).collect();
        assert_eq!(named, complete, "half of it has got a name");
        interrupted += 1;
    }
    assert!(interrupted > 0, "no engine was caught while it unpacked");
    let root = scene.store.unpack(&path).unwrap();
    assert_eq!(fs::read_dir(root.path().join("etc")).unwrap().count(), FILES);
    assert!(!store.join("unpacking").exists());
}
