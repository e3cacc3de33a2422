//! Starting this test binary again to play a part.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use harness_sandbox::{LocalSandbox, SandboxKind, SandboxOptions};

const ORDER: &str = "HARNESS_TEST_SCENE";

/// Scenes are heavy: one at a time.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The command that plays `part`, a test function of this binary, with `order`.
pub(crate) fn actor(part: &str, order: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", part, "--nocapture", "--test-threads=1"])
        .env(ORDER, order)
        .stdin(Stdio::null());
    command
}

/// What a part was ordered to do; `None` when it is run as a test like all others.
pub(crate) fn order() -> Option<String> {
    std::env::var(ORDER).ok()
}

/// Plays a part to its end, which must be a good one.
pub(crate) fn play(part: &str, order: &str) -> String {
    let Output { status, stdout, stderr } = actor(part, order).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{part} {order}: {status}\n{stdout}\n{stderr}");
    stdout.into_owned()
}

/// The sandbox that is asked for, or `None` after saying why not.
pub(crate) fn build(options: SandboxOptions, kind: SandboxKind) -> Option<LocalSandbox> {
    let error = match options.build_local() {
        Ok(sandbox) => return Some(sandbox),
        Err(error) => error.report(),
    };
    let required = std::env::var("HARNESS_TEST_REQUIRE").unwrap_or_default();
    let excused = (kind == SandboxKind::Full && !is_root())
        || (required == "landlock" && kind != SandboxKind::Landlock);
    assert!(required.is_empty() || excused, "required, but: {error}");
    let _ = std::io::stderr().write_all(format!("SKIPPED at {kind:?}: {error}\n").as_bytes());
    None
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A directory for supervisors, which other users may pass through.
pub(crate) fn state() -> tempfile::TempDir {
    let state = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(state.path(), open).unwrap();
    state
}
