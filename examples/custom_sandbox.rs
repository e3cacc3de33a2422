//! `offline.rs` with a sandbox of your own: here shelves of files in memory, with the two or three commands that your agents
//! need. A sandbox over `kubectl exec`, a remote host or a microVM has the same six methods.

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use harness_core::minimal::ArtifactGuard;
use harness_core::{
    Captured, Command, DocumentEdit, Environment, Error, ErrorKind, ExecOutput, Exit, File,
    Fingerprint, Isolation, IsolationLevel, MinimalHarness, Operation, Result, Sandbox,
    SandboxPath, Session,
};
use serde_json::json;

#[derive(Debug)]
struct Shelves {
    isolation: Isolation,
    opened: Arc<Mutex<u64>>,
}

#[async_trait]
impl Sandbox for Shelves {
    fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    async fn open(&self, environment: &Environment) -> Result<Box<dyn Session>> {
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Ok(Box::new(Shelf { workdir: environment.workdir.clone(), files: Mutex::default() }))
    }
}

/// One session: dropping it forgets everything.
#[derive(Debug)]
struct Shelf {
    workdir: SandboxPath,
    files: Mutex<BTreeMap<SandboxPath, Vec<u8>>>,
}

impl Shelf {
    fn files(&self) -> MutexGuard<'_, BTreeMap<SandboxPath, Vec<u8>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Session for Shelf {
    fn locate(&self, path: &SandboxPath) -> String {
        path.within(&self.workdir).to_string()
    }

    /// Knows `[ -s FILE ]`, which is how a declared output is looked for. Anything else is a command that is not found: data for
    /// the agent, not an error of the sandbox.
    async fn exec(&self, command: &Command) -> Result<ExecOutput> {
        let script = command.argv.last().map(String::as_str).unwrap_or_default();
        let wanted = script.strip_prefix("[ -s '").and_then(|rest| rest.strip_suffix("' ]"));
        let exit = match wanted {
            Some(path) => {
                let there = self
                    .files()
                    .get(&SandboxPath::new(path)?)
                    .is_some_and(|bytes| !bytes.is_empty());
                Exit::Code(i32::from(!there))
            }
            None => Exit::Code(127),
        };
        Ok(ExecOutput {
            exit,
            stdout: Captured::default(),
            stderr: Captured::default(),
            elapsed: Duration::ZERO,
        })
    }

    async fn read(&self, path: &SandboxPath) -> Result<Vec<u8>> {
        let missing = || Error::new(ErrorKind::NotFound, format!("'{path}' is not on the shelf"));
        self.files().get(&path.within(&self.workdir)).cloned().ok_or_else(missing)
    }

    async fn write(&self, path: &SandboxPath, file: File<'_>) -> Result<()> {
        self.files().insert(path.within(&self.workdir), file.bytes.to_vec());
        Ok(())
    }

    async fn stamp(&self) -> Result<Fingerprint> {
        let files: Vec<(String, Fingerprint)> = self
            .files()
            .iter()
            .map(|(path, bytes)| (path.to_string(), Fingerprint::of_bytes(bytes)))
            .collect();
        Fingerprint::of(&files)
    }

    async fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let guard = ArtifactGuard { message: "It is missing: write it.".into(), max_refusals: 3 };
    let edit = Operation::Replace { at: "/controls/artifact_guard".into(), value: json!(guard) };
    let opened = Arc::new(Mutex::new(0));
    let isolation =
        Isolation { backend: "shelves".into(), level: IsolationLevel::Full, residual: Vec::new() };

    let mut engine = common::scripted(MinimalHarness::default(), vec![DocumentEdit::one(edit)])?
        .sandbox(Shelves { isolation, opened: Arc::clone(&opened) }) // the one line that differs
        .build()
        .await?;
    let report = engine.run().await?;
    common::print(&report);
    println!("sessions opened: {}", opened.lock().unwrap_or_else(PoisonError::into_inner));
    assert_eq!(engine.lineage().promotions().len(), 1);
    Ok(())
}
