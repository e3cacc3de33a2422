//! The program under test, what it leaves, and the library that stands between it and its disk.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};

use serde_json::Value;
use tempfile::TempDir;

/// The smallest run that has everything: a round with a weakness, a proposal, a verdict, and a claim.
const SMALL: [&str; 18] = [
    "--limit",
    "4",
    "--rounds",
    "1",
    "--width",
    "1",
    "--attempts",
    "1",
    "--claim-attempts",
    "1",
    "--steps",
    "5",
    "--gate",
    "paper",
    "--concurrency",
    "2",
    "--seed",
    "1",
];

/// Whether everything is to be tried, and not only samples.
pub(crate) fn full() -> bool {
    std::env::var("DURABILITY").as_deref() == Ok("full")
}

/// `all` in a full run, `some` in an ordinary one.
pub(crate) fn amount(all: usize, some: usize) -> usize {
    if full() { all } else { some }
}

/// The example, which is built beside the tests.
pub(crate) fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let target = tests.parent().and_then(Path::parent).unwrap();
    let program = target.join("examples/terminal_bench");
    assert!(program.exists(), "build it first: cargo build --example terminal_bench");
    program
}

/// The example with an environment of its own, in `home`; these options first.
pub(crate) fn command(home: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.current_dir(home).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.args(["--tasks", concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tasks")]);
    command.args(options).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A small run in the state directory `s` of `home`, or going on there.
pub(crate) fn small(home: &Path) -> Command {
    let mut command = command(home, &SMALL);
    command.args(["--state", "s", "--json"]);
    if home.join("s/journal.sqlite").exists() {
        command.arg("--resume");
    }
    command
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What two runs that came to the same have in common, as text to be compared byte by byte.
///
/// Everything is, but: how many trials were taken from earlier sessions, and what was paid, because a call that was under way when
/// the run was interrupted is counted at its worst case and made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) summary: String,
    pub(crate) harness: String,
}

impl Outcome {
    pub(crate) fn of(home: &Path) -> Self {
        let read = |name: &str| std::fs::read_to_string(home.join("s").join(name)).unwrap();
        let mut summary: Value = serde_json::from_str(&read("summary.json")).unwrap();
        let fields = summary.as_object_mut().unwrap();
        fields.remove("cost");
        fields["trials"].as_object_mut().unwrap().remove("reused");
        Self { summary: summary.to_string(), harness: read("harness.json") }
    }

    /// Of the run that nobody disturbed; made once.
    pub(crate) fn undisturbed() -> &'static Self {
        static OUTCOME: LazyLock<Outcome> = LazyLock::new(|| {
            let home = TempDir::new().unwrap();
            finish(home.path());
            Outcome::of(home.path())
        });
        &OUTCOME
    }
}

/// Lets the run in `home` go to its end.
pub(crate) fn finish(home: &Path) {
    let output = small(home).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

/// What `meddle.c` does to the journal.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Meddling {
    /// SIGKILL before operation n.
    Kill,
    /// Half of write n, then SIGKILL.
    Tear,
    /// No room from operation n on.
    Full,
    /// Sync n fails.
    Sync,
}

impl Meddling {
    fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Tear => "tear",
            Self::Full => "full",
            Self::Sync => "sync",
        }
    }
}

/// The library, compiled once. Rust needs a C compiler to link, so there is one.
fn meddler() -> &'static Path {
    static LIBRARY: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
        let directory = TempDir::new().unwrap();
        let library = directory.path().join("meddle.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/durability/meddle.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&library)
            .arg(source)
            .args(["-ldl", "-lpthread"])
            .status();
        assert!(compiled.unwrap().success(), "{source} does not compile");
        (directory, library)
    });
    &LIBRARY.1
}

/// A small run in `home`, meddled with at operation `n` on its journal.
pub(crate) fn meddled(home: &Path, how: Meddling, n: usize) -> Command {
    let mut command = small(home);
    meddle(&mut command, home, how, n);
    command
}

/// Puts the library between `command` and the journal in the state directory `s` of `home`.
pub(crate) fn meddle(command: &mut Command, home: &Path, how: Meddling, n: usize) {
    command
        .env("LD_PRELOAD", meddler())
        .env("MEDDLE_PREFIX", home.canonicalize().unwrap().join("s/journal."))
        .env("MEDDLE_MODE", how.name())
        .env("MEDDLE_AT", n.to_string())
        .env("MEDDLE_LOG", home.join("meddle.log"));
}

/// What the library met in `home`, a line each; nothing where operation `n` never came.
pub(crate) fn met(home: &Path) -> String {
    std::fs::read_to_string(home.join("meddle.log")).unwrap_or_default()
}

/// Calls `trial` with 1, 1 + `step`, … on as many threads as there are processors, until it says that this was beyond the end.
/// Returns how many were tried.
pub(crate) fn until_untouched(step: usize, trial: impl Fn(usize) -> bool + Sync) -> usize {
    let (next, end) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
    on_all_processors(|| {
        loop {
            let n = 1 + step * next.fetch_add(1, Ordering::SeqCst);
            if n >= end.load(Ordering::SeqCst) {
                return;
            }
            if trial(n) {
                end.fetch_min(n, Ordering::SeqCst);
            }
        }
    });
    end.into_inner() / step
}

/// Calls `trial` with every number below `count`, on as many threads as there are processors.
pub(crate) fn each(count: usize, trial: impl Fn(usize) + Sync) {
    let next = Mutex::new(0..count);
    on_all_processors(|| {
        loop {
            let number = next.lock().unwrap().next();
            let Some(number) = number else { return };
            trial(number);
        }
    });
}

fn on_all_processors(work: impl Fn() + Sync) {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(&work)).collect();
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

/// Says aloud what this machine cannot run, and fails instead where everything is required to run.
pub(crate) fn skip(what: &str, why: &str) {
    assert!(
        std::env::var("HARNESS_TEST_REQUIRE").as_deref() != Ok("all"),
        "{what} cannot run here, and HARNESS_TEST_REQUIRE=all is set: {why}"
    );
    // Not `eprintln!`: the test harness would swallow it.
    let _lost = writeln!(std::io::stderr(), "SKIPPED {what}: {why}");
}
