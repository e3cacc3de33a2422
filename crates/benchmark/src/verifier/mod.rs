//! The judge of Harbor tasks.

mod environment;
mod evidence;
mod placing;
mod reward;
mod script;
mod separate;
mod signs;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use harness_core::{
    Error, ErrorKind, Fingerprint, Outcome, Result, Sandbox, Session, Task, TaskName, Verifier,
};

pub use reward::{RewardFile, read_reward};
pub use script::TestScript;

pub(crate) use placing::place_fresh;

use crate::harbor::HarborTask;

/// Judges by the test script of each task, after Harbor's rules.
///
/// `tests/` is placed only now, in a directory that is made anew; so is the directory of the reward, which therefore cannot
/// be written before the tests run. The script's exit status means nothing: the reward file does. A reward that is absent,
/// empty, broken or not in [0, 1], a time-out, and a pytest that never started are *void*, never 0.
///
/// **Shared** (by default): the tests run beside the servers that the agent left, in a [view](Session::view) of its
/// session where the sandbox has one. There the agent's processes can neither reach the tests nor the reward, nor trace the
/// processes of the tests. What stays possible: they can answer as a server would, change the workspace while it is being
/// checked, and stop what the tests start below it. On a root file system of its own the agent is root, and the tests use its
/// programs: those that it changed, a planted `/etc/ld.so.preload`, and a reward file that was there early are told in the
/// evidence, and change no verdict.
///
/// **Separate** ([`HarborVerifier::separate`]): every process of the agent is dead before anything is copied, and the tests run
/// in a fresh session that holds the task's environment and the artifacts that it declares.
///
/// Every task that it may be asked about is given at the start.
#[derive(Debug)]
pub struct HarborVerifier {
    tests: BTreeMap<TaskName, Known>,
    separate: Option<Arc<dyn Sandbox>>,
}

#[derive(Debug)]
struct Known {
    script: TestScript,
    fingerprint: Fingerprint,
}

impl HarborVerifier {
    /// Knows the tests of `tasks`.
    ///
    /// # Errors
    /// None in practice: every tree has a digest.
    pub fn new<'a>(tasks: impl IntoIterator<Item = &'a HarborTask>) -> Result<Self> {
        let tests = tasks.into_iter().map(|task| {
            let script =
                TestScript::new(Arc::clone(&task.tests)).with_env(task.verifier_env.clone());
            let known = Known { script, fingerprint: task.verifier_fingerprint()? };
            Ok((task.task.name.clone(), known))
        });
        Ok(Self { tests: tests.collect::<Result<_>>()?, separate: None })
    }

    /// Judges in fresh sessions of `sandbox`. Tasks whose tests talk to a server that the agent left cannot be judged so.
    #[must_use]
    pub fn separate(mut self, sandbox: Arc<dyn Sandbox>) -> Self {
        self.separate = Some(sandbox);
        self
    }

    fn known(&self, task: &Task) -> Result<&Known> {
        self.tests.get(&task.name).ok_or_else(|| {
            let message = format!(
                "the verifier does not know the task '{}': give it the tasks that were loaded",
                task.name
            );
            Error::new(ErrorKind::InvalidInput, message)
        })
    }
}

#[async_trait]
impl Verifier for HarborVerifier {
    fn fingerprint(&self, task: &Task) -> Result<Fingerprint> {
        let fingerprint = self.known(task)?.fingerprint;
        match self.separate {
            None => Ok(fingerprint),
            Some(_) => Fingerprint::of(&(fingerprint, "separate")),
        }
    }

    async fn verify(&self, task: &Task, session: &dyn Session) -> Result<Outcome> {
        let script = self.known(task)?.script.clone().with_timeout(task.verifier_timeout);
        let signs = match &self.separate {
            None => signs::before(session).await?,
            // Nothing of what the agent did to its system comes along.
            Some(_) => Vec::new(),
        };
        let own = match &self.separate {
            None => session.view().await?,
            Some(sandbox) => {
                let artifacts = separate::declared(&task.outputs, &task.environment);
                let sandbox = sandbox.as_ref();
                Some(separate::transfer(sandbox, &task.environment, session, &artifacts).await?)
            }
        };
        let Some(own) = own else {
            return Ok(signs::told(script.judge(session).await?, signs));
        };
        let outcome = script.judge(own.as_ref()).await;
        script::keep_output(own.as_ref(), session).await;
        let closed = own.close().await;
        let outcome = outcome?;
        closed?;
        Ok(signs::told(outcome, signs))
    }
}
