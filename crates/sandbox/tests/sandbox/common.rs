//! Backends to test with, and looking at the host's processes.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness_core::{Command, Environment, ExecOutput, Sandbox, SandboxPath, Session};
use harness_sandbox::{SandboxKind, build};

/// A backend, or `None` after saying why not.
pub(crate) fn backend(kind: SandboxKind) -> Option<Arc<dyn Sandbox>> {
    let error = match build(kind) {
        Ok(sandbox) => return Some(sandbox),
        Err(error) => error.report(),
    };
    let required = std::env::var("HARNESS_TEST_REQUIRE").unwrap_or_default();
    // `landlock` asks for that level and below: what CI requires where user namespaces are masked.
    let weaker = [SandboxKind::Landlock, SandboxKind::Unconfined].contains(&kind);
    // Level full needs control groups, which an ordinary user has only where they were delegated.
    let excused = (required == "landlock" && !weaker)
        || (kind == SandboxKind::Full && !rustix::process::geteuid().is_root());
    assert!(required.is_empty() || excused, "required, but: {error}");
    // Not `eprintln!`: the test harness would swallow it.
    let _lost =
        std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("SKIPPED: {error}\n"));
    None
}

pub(crate) async fn open(sandbox: &Arc<dyn Sandbox>) -> Box<dyn Session> {
    sandbox.open(&Environment::default()).await.unwrap()
}

pub(crate) fn path(path: &str) -> SandboxPath {
    SandboxPath::new(path).unwrap()
}

pub(crate) async fn run(session: &dyn Session, script: &str) -> ExecOutput {
    let command = Command::shell(script).with_timeout(Duration::from_secs(60));
    session.exec(&command).await.unwrap()
}

/// The output of a script that must succeed.
pub(crate) async fn stdout(session: &dyn Session, script: &str) -> String {
    let output = run(session, script).await;
    assert!(output.exit.is_success(), "{script}: {}: {}", output.exit, output.stderr.text());
    output.stdout.text()
}

/// A number of seconds that marks a `sleep` of this test's among all processes.
pub(crate) fn marker() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}.{:05}", 100_000 + std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The host's pids of processes with `argument` on their command line.
pub(crate) fn processes(argument: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|part| part == argument.as_bytes())
        })
        .collect()
}

/// Waits until exactly `count` processes carry the marker.
pub(crate) async fn expect_processes(marker: &str, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while processes(marker).len() != count {
        assert!(Instant::now() < deadline, "{:?} instead of {count}", processes(marker));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// One test per backend and law: `laws!(name, name, …)` for async functions of a session.
macro_rules! laws {
    ($($law:ident),* $(,)?) => {
        mod full { crate::common::laws!(@tests Full, $($law),*); }
        mod user { crate::common::laws!(@tests User, $($law),*); }
        mod landlock { crate::common::laws!(@tests Landlock, $($law),*); }
        mod unconfined { crate::common::laws!(@tests Unconfined, $($law),*); }
    };
    (@confined $($law:ident),* $(,)?) => {
        mod full { crate::common::laws!(@tests Full, $($law),*); }
        mod user { crate::common::laws!(@tests User, $($law),*); }
        mod landlock { crate::common::laws!(@tests Landlock, $($law),*); }
    };
    (@tests $kind:ident, $($law:ident),*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $law() {
            let kind = harness_sandbox::SandboxKind::$kind;
            if let Some(sandbox) = crate::common::backend(kind) {
                super::$law(&sandbox).await;
            }
        })*
    };
}
pub(crate) use laws;
