//! A directory of its own in which commands are really run: enough of a session for the minimal harness.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use async_trait::async_trait;
use harness_core::{
    Captured, Command, Error, ErrorKind, ExecOutput, Exit, File, Fingerprint, Result, SandboxPath,
    Session,
};
use tempfile::TempDir;

/// Where programs are looked for.
pub(super) const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

#[derive(Debug)]
pub(super) struct Place {
    root: TempDir,
}

impl Place {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("app")).unwrap();
        std::fs::create_dir_all(root.path().join("tmp")).unwrap();
        for (name, content) in files {
            let path = root.path().join("app").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        Self { root }
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.root.path().join("app")
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.directory().join(name)).ok()
    }

    fn host(&self, path: &SandboxPath) -> PathBuf {
        match path.as_str().strip_prefix('/') {
            Some(inside) => self.root.path().join(inside),
            None => self.directory().join(path.as_str()),
        }
    }
}

#[async_trait]
impl Session for Place {
    fn locate(&self, path: &SandboxPath) -> String {
        self.host(path).to_string_lossy().into_owned()
    }

    async fn exec(&self, command: &Command) -> Result<ExecOutput> {
        let began = Instant::now();
        let mut process = tokio::process::Command::new(&command.argv[0]);
        process.args(&command.argv[1..]).current_dir(self.directory()).env_clear();
        process
            .env("PATH", PATH)
            .env("HOME", self.root.path())
            .env("TMPDIR", self.root.path().join("tmp"));
        process.envs(&command.env).stdin(Stdio::null()).kill_on_drop(true);
        let limit = command.timeout.unwrap_or(std::time::Duration::from_secs(60));
        let (exit, stdout, stderr) = match tokio::time::timeout(limit, process.output()).await {
            Ok(output) => {
                let output =
                    output.map_err(|why| Error::new(ErrorKind::Sandbox, why.to_string()))?;
                (Exit::Code(output.status.code().unwrap_or(255)), output.stdout, output.stderr)
            }
            Err(_) => (Exit::TimedOut, Vec::new(), Vec::new()),
        };
        let (stdout, stderr) = (Captured::whole(stdout), Captured::whole(stderr));
        Ok(ExecOutput { exit, stdout, stderr, elapsed: began.elapsed() })
    }

    async fn read(&self, path: &SandboxPath) -> Result<Vec<u8>> {
        std::fs::read(self.host(path))
            .map_err(|why| Error::new(ErrorKind::NotFound, why.to_string()))
    }

    async fn write(&self, path: &SandboxPath, file: File<'_>) -> Result<()> {
        std::fs::write(self.host(path), file.bytes)
            .map_err(|why| Error::new(ErrorKind::NotAFile, why.to_string()))
    }

    async fn stamp(&self) -> Result<Fingerprint> {
        let mut names = Vec::new();
        list(&self.directory(), &mut names);
        names.sort();
        Ok(Fingerprint::of_bytes(names.join("\n").as_bytes()))
    }

    async fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

fn list(directory: &Path, names: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        let modified = metadata.modified().ok();
        names.push(format!("{:?} {} {modified:?}", entry.path(), metadata.len()));
        if metadata.is_dir() {
            list(&entry.path(), names);
        }
    }
}
