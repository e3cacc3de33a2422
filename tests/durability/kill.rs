//! SIGKILL, at every operation on the journal and at any moment between: the resumed run is the undisturbed one.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::records::{check_nothing_was_done_twice, records};
use crate::rig::{Meddling, Outcome, amount, each, finish, meddled, said, small, until_untouched};

const SIGKILL: i32 = 9;

fn check(home: &Path) {
    finish(home);
    assert_eq!(&Outcome::of(home), Outcome::undisturbed());
    check_nothing_was_done_twice(home);
}

#[test]
fn killed_at_every_write_of_the_journal_the_resumed_run_is_the_undisturbed_one() {
    Outcome::undisturbed();
    let kills = until_untouched(amount(1, 17), |n| {
        let home = TempDir::new().unwrap();
        // Every other time in the middle of the write.
        let how = if n.is_multiple_of(2) { Meddling::Tear } else { Meddling::Kill };
        let output = meddled(home.path(), how, n).output().unwrap();
        let killed = output.status.signal() == Some(SIGKILL);
        assert!(killed || output.status.code() == Some(0), "{n}: {}", said(&output));
        check(home.path());
        !killed
    });
    assert!(kills >= amount(60, 3), "only {kills} operations were met");
}

#[test]
fn killed_at_any_moment_the_resumed_run_is_the_undisturbed_one() {
    Outcome::undisturbed();
    let whole = records_of_a_whole_run();
    each(amount(200, 6), |number| {
        let home = TempDir::new().unwrap();
        let mut child = small(home.path()).spawn().unwrap();
        // At any place of the run: when the journal holds so many records, and a moment of any length later.
        let (wanted, later) =
            (number * 7 % whole, Duration::from_micros(number as u64 * 3137 % 20_000));
        while child.try_wait().unwrap().is_none()
            && records(home.path()).map_or(0, |records| records.len()) < wanted
        {
            std::thread::yield_now();
        }
        std::thread::sleep(later);
        child.kill().unwrap();
        child.wait().unwrap();
        check(home.path());
    });
}

fn records_of_a_whole_run() -> usize {
    let home = TempDir::new().unwrap();
    finish(home.path());
    records(home.path()).unwrap().len()
}

#[test]
fn killed_again_and_again_the_run_comes_to_its_end() {
    let home = TempDir::new().unwrap();
    let mut kills = 0;
    // Each session lives for a few operations more than it takes to open, so each gets a little further.
    for n in 15.. {
        let output = meddled(home.path(), Meddling::Kill, n).output().unwrap();
        if output.status.code() == Some(0) {
            break;
        }
        assert_eq!(output.status.signal(), Some(SIGKILL), "{}", said(&output));
        kills += 1;
    }
    assert!(kills > 1);
    check(home.path());
}
