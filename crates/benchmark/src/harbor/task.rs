//! A loaded task, with what its agent must not see.

use std::path::PathBuf;
use std::sync::Arc;

use harness_core::{Fingerprint, Result, Task};
use serde::{Deserialize, Serialize};

use super::tree::Tree;
use super::variables::Variables;

/// A task with its tests and its solution, which stay outside of [`Task`].
#[derive(Clone, Debug)]
pub struct HarborTask {
    /// What the agent and the runner see.
    pub task: Arc<Task>,
    /// Where it was read from.
    pub directory: PathBuf,
    /// What is below `tests/`.
    pub tests: Arc<Tree>,
    /// Variables of the test script, the host's filled in.
    pub verifier_env: Variables,
    /// A solution, where the task ships one.
    pub solution: Option<Arc<Solution>>,
}

impl HarborTask {
    /// The test script's name below `tests/`.
    pub const TEST: &'static str = "test.sh";

    /// The digest of all that decides the verdict.
    pub(crate) fn verifier_fingerprint(&self) -> Result<Fingerprint> {
        Fingerprint::of(&[self.tests.fingerprint()?, self.verifier_env.fingerprint()?])
    }
}

/// What the oracle runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Solution {
    /// What is below `solution/`.
    pub files: Tree,
    /// Variables of the solution script, the host's filled in; they are not stored with it.
    pub env: Variables,
}

impl Solution {
    /// The solution script's name below `solution/`.
    pub const SCRIPT: &'static str = "solve.sh";
}
