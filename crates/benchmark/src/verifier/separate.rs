//! Carrying what an agent made from its session, where it is dead by now, to a fresh one.

use harness_core::{Environment, Error, ErrorKind, File, Result, Sandbox, SandboxPath, Session};

/// Bytes of all artifacts together.
const MOST_BYTES: u64 = 256 << 20;

/// Ends the agent's processes, opens a fresh session and copies `artifacts` into it.
///
/// # Errors
/// Those of the sandbox and of both sessions; [`ErrorKind::Verifier`] when the artifacts are too large.
pub(super) async fn transfer(
    sandbox: &dyn Sandbox,
    environment: &Environment,
    agents: &dyn Session,
    artifacts: &[SandboxPath],
) -> Result<Box<dyn Session>> {
    agents.end_processes().await?;
    let fresh = sandbox.open(environment).await?;
    environment.prepare(fresh.as_ref()).await?;
    let mut left = MOST_BYTES;
    for artifact in artifacts {
        copy(agents, fresh.as_ref(), artifact, &mut left).await?;
    }
    Ok(fresh)
}

/// What a task declares; all of its working directory when it declares nothing.
pub(super) fn declared(outputs: &[SandboxPath], environment: &Environment) -> Vec<SandboxPath> {
    if outputs.is_empty() { vec![environment.workdir.clone()] } else { outputs.to_vec() }
}

/// An artifact that is missing is for the tests to find.
async fn copy(
    from: &dyn Session,
    to: &dyn Session,
    artifact: &SandboxPath,
    left: &mut u64,
) -> Result<()> {
    let listed = match from.list(artifact).await {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotAFile) => {
            return Ok(());
        }
        other => other?,
    };
    for entry in listed {
        let Some(bytes) = entry.bytes else { continue };
        *left = left.checked_sub(bytes).ok_or_else(too_large)?;
        match from.read(&entry.path).await {
            Ok(content) => {
                to.write(&entry.path, File { bytes: &content, mode: entry.mode | 0o600 }).await?;
            }
            // Not readable for whoever reads: the tests will miss it.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotAFile) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn too_large() -> Error {
    let why = format!("the artifacts hold more than {} MiB", MOST_BYTES >> 20);
    Error::new(ErrorKind::Verifier, why)
}
