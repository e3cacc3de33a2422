//! Wall clocks that are wrong, stand still or jump: the run is the same, and no limit fires.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::records::check_nothing_was_done_twice;
use crate::rig::{Outcome, finish, said, skip, small};

/// Debian's library that stands between a program and its wall clock; the monotonic one is left alone.
fn faketime() -> Option<PathBuf> {
    let library = fs::read_dir("/usr/lib").ok()?.filter_map(|entry| {
        let library = entry.ok()?.path().join("faketime/libfaketimeMT.so.1");
        library.exists().then_some(library)
    });
    let library = library.last();
    if library.is_none() {
        skip("wrong clocks", "Debian's package faketime is not installed");
    }
    library
}

fn with_clock(home: &Path, library: &Path) -> Command {
    let mut command = small(home);
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1")
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_TIMESTAMP_FILE", home.join("clock"));
    command
}

#[test]
fn whatever_the_wall_clock_says_the_run_is_the_same() {
    let Some(library) = faketime() else { return };
    for clock in ["-1d", "2020-02-29 23:59:59", "+8000d"] {
        let home = TempDir::new().unwrap();
        fs::write(home.path().join("clock"), clock).unwrap();
        let output = with_clock(home.path(), &library).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{clock}: {}", said(&output));
        assert_eq!(&Outcome::of(home.path()), Outcome::undisturbed(), "{clock}");
    }
}

#[test]
fn a_clock_that_jumps_a_day_back_and_forth_changes_nothing() {
    let Some(library) = faketime() else { return };
    let home = TempDir::new().unwrap();
    let clock = home.path().join("clock");
    fs::write(&clock, "+1d").unwrap();
    let mut child = with_clock(home.path(), &library).spawn().unwrap();
    for jump in ["-1d", "+1d"].into_iter().cycle() {
        if child.try_wait().unwrap().is_some() {
            break;
        }
        // Replaced as a whole, so that no reader sees an empty file.
        fs::write(clock.with_extension("draft"), jump).unwrap();
        fs::rename(clock.with_extension("draft"), &clock).unwrap();
        std::thread::yield_now();
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(&Outcome::of(home.path()), Outcome::undisturbed());
}

#[test]
fn a_run_is_resumed_although_the_clock_went_back() {
    let Some(library) = faketime() else { return };
    let home = TempDir::new().unwrap();
    fs::write(home.path().join("clock"), "+1d").unwrap();
    let stopped = with_clock(home.path(), &library).args(["--max-trials", "3"]).output().unwrap();
    assert_eq!(stopped.status.code(), Some(3), "{}", said(&stopped));
    finish(home.path());
    assert_eq!(&Outcome::of(home.path()), Outcome::undisturbed());
    check_nothing_was_done_twice(home.path());
}
