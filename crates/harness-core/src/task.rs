//! What an agent is asked to do, and the place where it does it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::id::{Fingerprint, TaskName};
use crate::sandbox::{Command, File, SandboxPath, Session};

/// One task: an instruction, an environment, and what the verifier needs to know.
///
/// A task holds nothing of the verifier's secrets: tests and solutions stay with the verifier and the loader.
#[derive(Clone, Debug, Serialize)]
pub struct Task {
    /// Unique in its benchmark.
    pub name: TaskName,
    /// What the agent reads.
    pub instruction: String,
    /// Where the agent works.
    pub environment: Environment,
    /// Files that the task asks for, as declared by its author: what an artifact guard may look for.
    pub outputs: Vec<SandboxPath>,
    /// How long the agent may take; `None` is no limit of the task's own.
    pub agent_timeout: Option<Duration>,
    /// How long the verifier may take.
    pub verifier_timeout: Duration,
    /// Kind of work, such as `version-control`: splits are stratified by it.
    pub category: String,
}

impl Task {
    /// A task with an empty environment in `/app`, ten minutes for the agent and for the verifier.
    pub fn new(name: impl Into<TaskName>, instruction: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            instruction: instruction.into(),
            environment: Environment::default(),
            outputs: Vec::new(),
            agent_timeout: Some(Duration::from_secs(600)),
            verifier_timeout: Duration::from_secs(600),
            category: String::new(),
        }
    }

    /// The digest of all that matters to a trial of it: every field, files by content.
    ///
    /// # Errors
    /// None in practice: every field has a canonical form.
    pub fn fingerprint(&self) -> Result<Fingerprint> {
        Fingerprint::of(self)
    }
}

/// The place a task is done in, before the agent starts.
#[derive(Clone, Debug, Serialize)]
pub struct Environment {
    /// The image the task was written for. A sandbox without images lets the host's system directories
    /// stand in and says so.
    pub image: Option<String>,
    /// Where commands start.
    pub workdir: SandboxPath,
    /// Variables of every command.
    pub env: BTreeMap<String, String>,
    /// Files to place, in order.
    pub files: Vec<Upload>,
    /// Shell lines to run in the working directory once the files are there, in order.
    pub setup: Vec<String>,
    /// What the session may use.
    pub limits: ResourceLimits,
    /// What the session may reach.
    pub network: Network,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            image: None,
            workdir: SandboxPath::new("/app").unwrap_or_else(|_| unreachable!("a constant path")),
            env: BTreeMap::new(),
            files: Vec::new(),
            setup: Vec::new(),
            limits: ResourceLimits::default(),
            network: Network::None,
        }
    }
}

impl Environment {
    /// Places the files and runs the set-up lines in a session that was just opened.
    ///
    /// # Errors
    /// Those of the session, and [`ErrorKind::Sandbox`] naming the set-up line that failed: the task
    /// cannot be attempted here, and no trial is scored.
    pub async fn prepare(&self, session: &dyn Session) -> Result<()> {
        for upload in &self.files {
            let file = File { bytes: &upload.content, mode: upload.mode };
            session.write(&upload.path, file).await?;
        }
        for line in &self.setup {
            let command =
                Command::program(["/bin/sh", "-c", line]).with_timeout(self.limits.setup_timeout);
            let output = session.exec(&command).await?;
            if !output.exit.is_success() {
                let tail = output.stderr.text();
                let why = format!(
                    "the environment's set-up line '{line}' ended with {}: {tail}",
                    output.exit
                );
                return Err(Error::new(ErrorKind::Sandbox, why));
            }
        }
        Ok(())
    }
}

/// A file to place in a session. Serialises by digest, so that a task's identity does not carry its bytes.
#[derive(Clone, Debug, Serialize)]
pub struct Upload {
    /// Where.
    pub path: SandboxPath,
    /// Permission bits.
    pub mode: u32,
    /// The bytes.
    #[serde(serialize_with = "digest_of")]
    pub content: Arc<[u8]>,
}

fn digest_of<S: serde::Serializer>(content: &Arc<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    Fingerprint::of_bytes(content).serialize(serializer)
}

/// What a session may use. `None` leaves the sandbox's own default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceLimits {
    /// Processors, fractions allowed.
    pub cpus: Option<f64>,
    /// Bytes of memory.
    pub memory_bytes: Option<u64>,
    /// Bytes of writable storage.
    pub disk_bytes: Option<u64>,
    /// Processes and threads at once.
    pub processes: Option<u32>,
    /// How long opening the session, placing files and each set-up line may take.
    pub setup_timeout: Duration,
}

impl Default for ResourceLimits {
    fn default() -> Self {
        Self {
            cpus: None,
            memory_bytes: None,
            disk_bytes: None,
            processes: None,
            setup_timeout: Duration::from_secs(600),
        }
    }
}

/// What a session may reach. Loopback inside the session always works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nothing.
    None,
    /// These hosts only.
    Allow(Vec<String>),
    /// Everything.
    Public,
}
