//! Judging what an agent left, in a session that it never saw.

use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use harness_benchmark::TestScript;
use harness_benchmark::harbor::{Entry, Tree};
use harness_core::{
    Command, Environment, Error, ErrorKind, File, Outcome, Result, SandboxPath, Session,
};
use harness_sandbox::{CollectLimits, SandboxOptions, collect, collect_only};

use crate::options::{Verify, directory};

/// Not passed, and not judged.
const FAILED: u8 = 1;
const VOID: u8 = 3;

pub(crate) async fn run(verify: Verify) -> Result<ExitCode> {
    let tests = Arc::new(Tree::load(&directory(&verify.tests)?)?);
    if tests.file("test.sh").is_none() {
        let why = format!("{} holds no test.sh: put one there", verify.tests.display());
        return Err(Error::new(ErrorKind::InvalidInput, why));
    }
    let workspace = directory(&verify.workspace)?;
    let wanted = verify.artifact.iter().map(|name| below(name)).collect::<Result<Vec<_>>>()?;
    let artifacts = match artifacts(&workspace, &wanted) {
        Ok(artifacts) => artifacts,
        // What an agent left is no fault of whoever asks.
        Err(error) if error.kind() == ErrorKind::InvalidInput => {
            return Ok(told(Outcome::Void { reason: error.to_string() }));
        }
        Err(error) => return Err(error),
    };
    let sandbox = SandboxOptions::new(verify.level.into()).build()?;
    crate::tell(sandbox.isolation());
    let session = sandbox.open(&Environment::default()).await?;
    place(session.as_ref(), &artifacts).await?;
    let script = TestScript::new(tests).with_timeout(verify.timeout);
    let outcome = script.judge(session.as_ref()).await?;
    session.close().await?;
    Ok(told(outcome))
}

fn told(outcome: Outcome) -> ExitCode {
    match outcome {
        Outcome::Scored { reward, evidence } => {
            evidence.iter().for_each(|line| println!("{line}"));
            println!("reward {reward}");
            if reward == 1.0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
        }
        Outcome::Void { reason } => {
            println!("not judged: {reason}");
            ExitCode::from(VOID)
        }
    }
}

/// The declared part of the workspace, by the safe walk: nothing of it is opened by its name in place, and what was not
/// declared is not looked at.
fn artifacts(workspace: &Path, wanted: &[PathBuf]) -> Result<Tree> {
    let cannot = |error: std::io::Error| {
        Error::new(ErrorKind::Sandbox, "making a temporary directory").with_source(error)
    };
    let copy = tempfile::tempdir().map_err(cannot)?;
    let to = copy.path().join("workspace");
    let limits = CollectLimits::default();
    let done = match wanted {
        [] => collect(workspace, &to, limits),
        wanted => collect_only(workspace, &to, limits, wanted),
    }?;
    done.left_out.iter().for_each(|line| eprintln!("sandbox_run: left out {line}"));
    Tree::load(&to)
}

/// A path below the workspace.
fn below(name: &str) -> Result<PathBuf> {
    let plain = Path::new(name).components().filter(|part| *part != Component::CurDir);
    let path: PathBuf = plain.collect();
    let leads_out = path.components().any(|part| !matches!(part, Component::Normal(_)));
    if leads_out || path.as_os_str().is_empty() {
        let why = format!("the artifact '{name}' must be a path below the workspace");
        return Err(Error::new(ErrorKind::InvalidInput, why));
    }
    Ok(path)
}

async fn place(session: &dyn Session, artifacts: &Tree) -> Result<()> {
    for (path, entry) in artifacts.iter() {
        match entry {
            Entry::File { mode, content } => {
                let file = File { bytes: content, mode: *mode };
                session.write(&SandboxPath::new(path)?, file).await?;
            }
            Entry::Directory => make_directory(session, path).await?,
            // The safe walk leaves links out.
            _ => {}
        }
    }
    Ok(())
}

async fn make_directory(session: &dyn Session, path: &str) -> Result<()> {
    let made = session.exec(&Command::program(["mkdir", "-p", "--", path])).await?;
    if made.exit.is_success() {
        return Ok(());
    }
    let why = format!("making the directory '{path}': {}", made.stderr.text());
    Err(Error::new(ErrorKind::Sandbox, why))
}
