//! A process of our own is killed while it appends; what it was told is on disk must be there.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use futures::executor::block_on;
use harness_core::{Journal, Record};
use harness_journal::SqliteJournal;

use crate::records::{numbered, read};

const DIRECTORY: &str = "HARNESS_JOURNAL_CRASH_DIRECTORY";

/// Not a test of its own: the process that [`acknowledged_records_survive_kill_9`] kills.
#[test]
#[ignore = "run as a child process by the crash test"]
fn appends_until_it_is_killed() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let journal = SqliteJournal::open(directory).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let journal = &journal;
            scope.spawn(move || {
                for number in 0_u64.. {
                    let number = thread * 1_000_000 + number;
                    block_on(journal.append(&numbered(number))).unwrap();
                    writeln!(std::io::stdout().lock(), "ack {number}").unwrap();
                }
            });
        }
    });
}

fn start(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["crash::appends_until_it_is_killed", "--exact", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills the child after `acknowledged` records, and returns all it said it had.
fn kill_after(mut child: Child, acknowledged: usize) -> Vec<Record> {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let number = |line: std::io::Result<String>| {
        line.ok()?.strip_prefix("ack ")?.parse::<u64>().ok().map(numbered)
    };
    let mut records: Vec<Record> = lines.by_ref().filter_map(number).take(acknowledged).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    // What was still in the pipe was acknowledged too.
    records.extend(lines.filter_map(number));
    records
}

#[test]
fn acknowledged_records_survive_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    for kill in 0..12_usize {
        all.extend(kill_after(start(directory.path()), 1 + kill * 7));
        // The lock is free at once, and everything that was acknowledged is there, in this life and the ones before.
        drop(SqliteJournal::open(directory.path()).unwrap());
        let found = read(directory.path()).unwrap();
        let lost = all.iter().filter(|record| !found.contains(record)).count();
        assert_eq!(lost, 0, "of {} acknowledged", all.len());
    }
    assert!(all.len() > 400);
}

#[test]
fn a_holder_in_another_process_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let child = start(directory.path());
    let holder = child.id();
    let mut child = child;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.by_ref().map_while(Result::ok).find(|line| line.starts_with("ack ")).unwrap();
    let refused = SqliteJournal::open(directory.path()).unwrap_err();
    assert!(refused.message().contains(&format!("process {holder} since ")), "{refused}");
    child.kill().unwrap();
    child.wait().unwrap();
    SqliteJournal::open(directory.path()).unwrap();
}
