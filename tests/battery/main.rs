//! The battery: what hostile commands, files and verdicts try, at every level, each beside a control without any sandbox.
//! A probe that does not bite there proves nothing.
//!
//! Everything it touches is its own: directories, processes, sockets and memory that the test makes, on this machine only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by them")]

mod arena;
mod collecting;
mod judged;
mod life;
mod probes;
mod programs;
mod table;
mod tampering;

use std::sync::Arc;
use std::time::{Duration, Instant};

use harness_core::{Command, Environment, ExecOutput, Sandbox};
use harness_sandbox::{SandboxKind, SandboxOptions};

use arena::Arena;
use probes::{PROBES, USABLE};
use table::{Control, Row, is_root};

/// Bounds of every session of the battery; the control has none.
fn bounded(kind: SandboxKind) -> SandboxOptions {
    let options = SandboxOptions::new(kind);
    if kind == SandboxKind::Unconfined {
        return options;
    }
    options.with_processes(48).with_memory(96 << 20).with_disk(16 << 20).with_inodes(2_000)
}

/// Waits for a condition; its bound is no expectation.
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "waiting: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The sandbox of a level, or `None` after saying why not.
pub(crate) fn level(kind: SandboxKind) -> Option<Arc<dyn Sandbox>> {
    let error = match bounded(kind).build() {
        Ok(sandbox) => return Some(sandbox),
        Err(error) => error.report(),
    };
    let required = std::env::var("HARNESS_TEST_REQUIRE").unwrap_or_default();
    let namespaces = matches!(kind, SandboxKind::Full | SandboxKind::User);
    let excused =
        (kind == SandboxKind::Full && !is_root()) || (required == "landlock" && namespaces);
    assert!(required.is_empty() || excused, "required, but: {error}");
    let aloud = format!("SKIPPED battery at {kind:?}: {error}\n");
    let _ = std::io::Write::write_all(&mut std::io::stderr(), aloud.as_bytes());
    None
}

/// Runs a script in a fresh session beside the decoys of `arena`.
async fn attempt(sandbox: &dyn Sandbox, arena: &Arena, script: &str) -> ExecOutput {
    let session = sandbox.open(&Environment::default()).await.unwrap();
    let mut command = Command::shell(script).with_timeout(Duration::from_secs(30));
    command.env = arena.variables();
    let output = session.exec(&command).await;
    let output = output.unwrap_or_else(|error| panic!("{script}: {error:?}"));
    session.close().await.unwrap();
    output
}

/// Every probe at one level; `bites` tells which must.
async fn all_probes(kind: SandboxKind, bites: impl Fn(&table::Probe) -> Option<bool>) {
    let Some(sandbox) = level(kind) else { return };
    let mut wrong = Vec::new();
    for probe in PROBES {
        let Some(expected) = bites(probe) else { continue };
        let arena = Arena::new();
        let output = attempt(sandbox.as_ref(), &arena, probe.script).await;
        if output.exit.is_success() != expected {
            let said = output.stderr.text();
            let said = said.lines().last().unwrap_or_default();
            wrong.push(format!("{}: {}: {} ({said})", probe.family, probe.name, output.exit));
        }
    }
    assert!(wrong.is_empty(), "at {kind:?}, not as expected:\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn without_a_sandbox_every_probe_bites() {
    all_probes(SandboxKind::Unconfined, |probe| {
        (probe.control == Control::Anyone || is_root()).then_some(true)
    })
    .await;
}

#[tokio::test]
async fn level_full_contains_every_probe() {
    all_probes(SandboxKind::Full, |_| Some(false)).await;
}

#[tokio::test]
async fn level_user_contains_every_probe() {
    all_probes(SandboxKind::User, |_| Some(false)).await;
}

#[tokio::test]
async fn level_landlock_contains_what_the_table_says() {
    all_probes(SandboxKind::Landlock, |probe| Some(probe.landlock.bites())).await;
}

#[tokio::test]
async fn work_goes_on_as_usual() {
    let kinds =
        [SandboxKind::Unconfined, SandboxKind::Full, SandboxKind::User, SandboxKind::Landlock];
    let mut wrong = Vec::new();
    for kind in kinds {
        // Ordinary work needs ordinary bounds.
        if level(kind).is_none() {
            continue;
        }
        let sandbox = SandboxOptions::new(kind).build().unwrap();
        let arena = Arena::new();
        for usable in USABLE {
            let refused = usable.sockets && kind == SandboxKind::Landlock;
            let output = attempt(sandbox.as_ref(), &arena, usable.script).await;
            if output.exit.is_success() == refused {
                wrong.push(format!("{kind:?}: {}: {}", usable.name, output.stderr.text()));
            }
        }
    }
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}

#[test]
fn the_table_in_the_documentation_is_this_battery() {
    let mut rows: Vec<Row> = PROBES.iter().map(Row::of).collect();
    rows.extend(life::rows());
    rows.extend(tampering::rows());
    rows.extend(collecting::rows());
    assert!(rows.len() >= 60 && USABLE.len() >= 10);
    table::check(&rows);
}
