//! Task directories made on the spot, and a session to try them in.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use harness_benchmark::{HarborTask, Loaded, Loader};
use harness_core::{Command, ErrorKind, Sandbox, Session};
use harness_sandbox::{SandboxKind, build};

pub(crate) const TOML: &str = "version = \"1.0\"\n";
pub(crate) const DOCKERFILE: &str = "FROM debian:bookworm-slim\nWORKDIR /app\nCOPY . /app/\n";
pub(crate) const PASSES: &str = "#!/bin/bash\necho 1 > \"$VERIFIER_LOGS_PATH/reward.txt\"\n";

/// A directory of tasks that is gone when it is dropped.
pub(crate) struct Tasks(tempfile::TempDir);

impl Tasks {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn executable(&self, name: &str, text: &str) {
        let path = self.write(name, text);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn link(&self, name: &str, target: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path().join(name)).unwrap();
    }

    /// A task that loads, and passes whatever was done.
    pub(crate) fn task(&self, name: &str) -> &Self {
        self.write(&format!("{name}/task.toml"), TOML);
        self.write(&format!("{name}/instruction.md"), "Do it.\n");
        self.write(&format!("{name}/environment/Dockerfile"), DOCKERFILE);
        self.write(&format!("{name}/tests/test.sh"), PASSES);
        self
    }

    /// A directory with the one task `t`.
    pub(crate) fn one() -> Self {
        let tasks = Self::new();
        tasks.task("t");
        tasks
    }

    pub(crate) fn with(self, name: &str, text: &str) -> Self {
        self.write(&format!("t/{name}"), text);
        self
    }

    pub(crate) fn load(&self) -> Loaded {
        self.load_with(&Loader::new())
    }

    pub(crate) fn load_with(&self, loader: &Loader) -> Loaded {
        loader.load(self.path()).unwrap_or_else(|error| panic!("{}", error.report()))
    }

    /// The one task.
    pub(crate) fn only(&self) -> HarborTask {
        let mut loaded = self.load();
        assert_eq!(loaded.skipped, []);
        assert_eq!(loaded.tasks.len(), 1);
        loaded.tasks.remove(0)
    }

    /// Why the one task is skipped.
    pub(crate) fn skipped(&self) -> String {
        let loaded = self.load();
        assert!(loaded.tasks.is_empty(), "it was loaded");
        loaded.skipped[0].reason.clone()
    }

    /// What is said about wrong input.
    pub(crate) fn refused(&self) -> String {
        let error = Loader::new().load(self.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        error.report()
    }
}

/// The sandbox that `HARNESS_TEST_SANDBOX` names, or the best that this machine has. Everything that these tests run in it
/// is their own, so that none will do too.
pub(crate) fn sandbox() -> Arc<dyn Sandbox> {
    if let Ok(kind) = std::env::var("HARNESS_TEST_SANDBOX") {
        return build(kind.parse().unwrap()).unwrap();
    }
    build(SandboxKind::Auto).or_else(|_| build(SandboxKind::Unconfined)).unwrap()
}

/// A session in which the task's environment is ready.
pub(crate) async fn prepared(task: &HarborTask) -> Box<dyn Session> {
    let environment = &task.task.environment;
    let session = sandbox().open(environment).await.unwrap();
    environment
        .prepare(session.as_ref())
        .await
        .unwrap_or_else(|error| panic!("{}: {}", task.task.name, error.report()));
    session
}

/// What a script prints, on both streams.
pub(crate) async fn run(session: &dyn Session, script: &str) -> String {
    let command = Command::shell(script).with_timeout(Duration::from_secs(60));
    let output = session.exec(&command).await.unwrap();
    output.stdout.text() + &output.stderr.text()
}
