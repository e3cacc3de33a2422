//! SIGINT and SIGTERM at any moment: the run ends in good order, leaves nobody behind, and goes on later.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid,
};
use tempfile::TempDir;

use crate::records::{check_nothing_was_done_twice, records};
use crate::rig::{Outcome, amount, each, finish, small};

const HOME: &str = "DURABILITY_SIGNAL_HOME";
const INTERRUPTED: i32 = 130;

/// Not a test of its own: the process that inherits whatever the example leaves behind, and ends when all of it has ended.
#[test]
#[ignore = "run as a child process by the signal test"]
fn runs_the_example_and_waits_for_whatever_it_leaves() {
    let Some(home) = std::env::var_os(HOME) else { return };
    let home = Path::new(&home);
    set_child_subreaper(Some(getpid())).unwrap();
    let file = |name: &str| Stdio::from(fs::File::create(home.join(name)).unwrap());
    let mut child = small(home).stdout(file("out")).stderr(file("err")).spawn().unwrap();
    write_whole(&home.join("pid"), &child.id().to_string());
    let status = child.wait().unwrap();
    write_whole(&home.join("status"), &format!("{:?} {:?}", status.code(), status.signal()));
    // Nobody's children are ours now: the last of them ends this process.
    loop {
        match waitpid(None, WaitOptions::empty()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::CHILD) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

/// So that whoever looks never sees half of it.
fn write_whole(path: &Path, text: &str) {
    let draft = path.with_extension("draft");
    fs::write(&draft, text).unwrap();
    fs::rename(draft, path).unwrap();
}

#[test]
fn interrupted_at_any_moment_a_run_leaves_nobody_behind_and_goes_on_as_if_undisturbed() {
    Outcome::undisturbed();
    each(amount(100, 6), |number| {
        let home = TempDir::new().unwrap();
        let signal = if number.is_multiple_of(2) { Signal::INT } else { Signal::TERM };
        interrupt(home.path(), signal, number);
        let ended = fs::read_to_string(home.path().join("status")).unwrap();
        let said = fs::read_to_string(home.path().join("err")).unwrap();
        let in_good_order = [format!("Some({INTERRUPTED}) None"), "Some(0) None".to_owned()];
        // Before it began to listen, the system ended it: there is nothing to lose yet.
        let at_once = format!("None Some({})", signal.as_raw());
        assert!(in_good_order.contains(&ended) || ended == at_once, "{ended}: {said}");
        assert!(!said.contains("panicked"), "{said}");
        finish(home.path());
        assert_eq!(&Outcome::of(home.path()), Outcome::undisturbed());
        check_nothing_was_done_twice(home.path());
    });
}

fn interrupt(home: &Path, signal: Signal, number: usize) {
    let mut keeper = Command::new(std::env::current_exe().unwrap())
        .args([
            "signals::runs_the_example_and_waits_for_whatever_it_leaves",
            "--exact",
            "--ignored",
        ])
        .env(HOME, home)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = loop {
        match fs::read_to_string(home.join("pid")) {
            Ok(pid) => break pid.parse().ok().and_then(Pid::from_raw).unwrap(),
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    let wanted = number % 40;
    while !home.join("status").exists() && records(home).map_or(0, |records| records.len()) < wanted
    {
        std::thread::sleep(Duration::from_millis(1));
    }
    // The keeper has not waited for it as long as there is no status, so the number is still its own.
    if !home.join("status").exists() {
        let _ended_meanwhile = kill_process(pid, signal);
    }
    // Whatever is left behind would keep the keeper, and this test, waiting for ever.
    assert!(keeper.wait().unwrap().success());
}
