//! A verifier that does what it is told to.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::error::{ErrorKind, Result};
use crate::id::Fingerprint;
use crate::sandbox::{SandboxPath, Session};
use crate::task::Task;
use crate::trial::Outcome;
use crate::verifier::Verifier;

type Verify =
    dyn for<'a> Fn(&'a Task, &'a dyn Session) -> BoxFuture<'a, Result<Outcome>> + Send + Sync;

/// Judges by a closure over the task and what the session holds.
#[derive(Clone)]
pub struct ScriptedVerifier {
    name: String,
    verify: Arc<Verify>,
}

impl ScriptedVerifier {
    /// Judges by `verify`; `name` stands for what it does, in its fingerprint.
    pub fn new(
        name: impl Into<String>,
        verify: impl for<'a> Fn(&'a Task, &'a dyn Session) -> BoxFuture<'a, Result<Outcome>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self { name: name.into(), verify: Arc::new(verify) }
    }

    /// Passes when the file holds exactly these bytes. What it holds instead is the evidence.
    pub fn expecting(path: SandboxPath, wanted: impl Into<Vec<u8>>) -> Self {
        let wanted = Arc::new(wanted.into());
        let name = format!("{path} holds {}", Fingerprint::of_bytes(&wanted));
        Self::new(name, move |_, session| {
            let (path, wanted) = (path.clone(), Arc::clone(&wanted));
            async move {
                let evidence = match session.read(&path).await {
                    Ok(bytes) if bytes == *wanted => {
                        return Ok(Outcome::Scored { reward: 1.0, evidence: Vec::new() });
                    }
                    Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                    Err(error) if error.kind() == ErrorKind::NotFound => error.message().to_owned(),
                    Err(error) => return Err(error),
                };
                Ok(Outcome::Scored { reward: 0.0, evidence: vec![evidence] })
            }
            .boxed()
        })
    }
}

#[async_trait]
impl Verifier for ScriptedVerifier {
    fn fingerprint(&self, task: &Task) -> Result<Fingerprint> {
        Fingerprint::of(&(&self.name, task.fingerprint()?))
    }

    async fn verify(&self, task: &Task, session: &dyn Session) -> Result<Outcome> {
        (self.verify)(task, session).await
    }
}

impl fmt::Debug for ScriptedVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScriptedVerifier")
    }
}
