//! The judge of Harbor tasks.

mod evidence;
mod placing;
mod reward;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use harness_core::{
    Command, Error, ErrorKind, ExecOutput, Exit, File, Fingerprint, Outcome, OutputLimit, Result,
    SandboxPath, Session, Task, TaskName, Verifier,
};

pub use reward::{RewardFile, read_reward};

pub(crate) use placing::place_fresh;

use crate::harbor::{HarborTask, Tree};

const TESTS: &str = "/tests";
const LOGS: &str = "/logs/verifier";
/// Kept of the test script's output.
const OUTPUT: OutputLimit = OutputLimit { head: 128 * 1024, tail: 256 * 1024 };
/// A reward is a few bytes; more is not one.
const LARGEST_REWARD: usize = 64 * 1024;

/// Judges by the test script of each task, after Harbor's rules.
///
/// `tests/` is placed only now, in a directory that is removed and made anew; so is the directory of the reward, which
/// therefore cannot be written before the tests run. The script's exit status means nothing: the reward file does. A
/// reward that is absent, empty, broken or not in [0, 1], a time-out, and a pytest that never started are *void*, never 0.
///
/// Every task that it may be asked about is given at the start.
///
/// What it cannot stop: the tests run where the agent was. A daemon that the agent left, which some tasks want, runs on
/// beside them and could write the reward after they did.
#[derive(Debug)]
pub struct HarborVerifier {
    tests: BTreeMap<TaskName, Tests>,
}

#[derive(Debug)]
struct Tests {
    tree: Arc<Tree>,
    env: crate::harbor::Variables,
    fingerprint: Fingerprint,
    uses_pytest: bool,
}

impl HarborVerifier {
    /// Knows the tests of `tasks`.
    ///
    /// # Errors
    /// None in practice: every tree has a digest.
    pub fn new<'a>(tasks: impl IntoIterator<Item = &'a HarborTask>) -> Result<Self> {
        let tests = tasks.into_iter().map(|task| {
            let script = task.tests.file(HarborTask::TEST).unwrap_or_default();
            let tests = Tests {
                tree: Arc::clone(&task.tests),
                env: task.verifier_env.clone(),
                fingerprint: task.verifier_fingerprint()?,
                uses_pytest: evidence::runs_pytest(&String::from_utf8_lossy(script)),
            };
            Ok((task.task.name.clone(), tests))
        });
        Ok(Self { tests: tests.collect::<Result<_>>()? })
    }

    fn tests(&self, task: &Task) -> Result<&Tests> {
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
        Ok(self.tests(task)?.fingerprint)
    }

    async fn verify(&self, task: &Task, session: &dyn Session) -> Result<Outcome> {
        let tests = self.tests(task)?;
        let (home, logs) = (SandboxPath::new(TESTS)?, SandboxPath::new(LOGS)?);
        place_fresh(session, &logs, &Tree::default()).await?;
        place_fresh(session, &home, &tests.tree).await?;
        let output = tests.run(task, session, &home, &logs).await?;
        let text = tests.env.redact(output.stdout.text());
        // Kept for whoever looks into the session; the verdict does not depend on it.
        let kept = logs.as_str().to_owned() + "/test-stdout.txt";
        if let Err(error) =
            session.write(&SandboxPath::new(kept)?, File::plain(text.as_bytes())).await
        {
            tracing::debug!(error = %error.report(), task = %task.name, "test-stdout.txt was not kept");
        }
        if output.exit == Exit::TimedOut {
            let limit = task.verifier_timeout.as_secs_f64();
            return Ok(void(format!("the tests took longer than {limit:.0} s"), &text));
        }
        match reward(session, &logs).await? {
            Err(why) => Ok(void(format!("{why} (the tests ended with {})", output.exit), &text)),
            Ok(reward)
                if reward <= 0.0
                    && tests.uses_pytest
                    && !started(session, &logs, &text).await? =>
            {
                Ok(void(
                    "the tests never started: no pytest session, no ctrf.json".to_owned(),
                    &text,
                ))
            }
            Ok(reward) => Ok(Outcome::Scored { reward, evidence: evidence::evidence(&text) }),
        }
    }
}

impl Tests {
    async fn run(
        &self,
        task: &Task,
        session: &dyn Session,
        home: &SandboxPath,
        logs: &SandboxPath,
    ) -> Result<ExecOutput> {
        let script = session.locate(&SandboxPath::new(format!("{home}/{}", HarborTask::TEST))?);
        // One stream, so that what failed stands beside what was printed about it.
        let mut command =
            Command::program(["bash", "-c", "exec bash \"$1\" 2>&1", "bash", &script])
                .with_timeout(task.verifier_timeout)
                .with_output(OUTPUT);
        command
            .env
            .extend(self.env.iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        command.env.insert("VERIFIER_LOGS_PATH".to_owned(), session.locate(logs));
        command.env.insert("TEST_DIR".to_owned(), session.locate(home));
        session.exec(&command).await
    }
}

/// The reward that the tests left; the inner `Err` says why there is none.
async fn reward(
    session: &dyn Session,
    logs: &SandboxPath,
) -> Result<std::result::Result<f64, String>> {
    for (name, form) in [("reward.json", RewardFile::Json), ("reward.txt", RewardFile::Text)] {
        let path = SandboxPath::new(format!("{logs}/{name}"))?;
        match session.read(&path).await {
            Ok(bytes) if bytes.len() > LARGEST_REWARD => {
                return Ok(Err(format!("{name} holds {} bytes, which is no reward", bytes.len())));
            }
            Ok(bytes) => {
                return Ok(read_reward(form, &bytes).map_err(|why| format!("{name} {why}")));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) if error.kind() == ErrorKind::NotAFile => {
                return Ok(Err(format!("{name} is no regular file")));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Err("the tests left no reward.txt and no reward.json".to_owned()))
}

/// Whether pytest came as far as a session. A script that could not even install it writes 0 all the same.
async fn started(session: &dyn Session, logs: &SandboxPath, text: &str) -> Result<bool> {
    if evidence::shows_pytest(text) {
        return Ok(true);
    }
    match session.read(&SandboxPath::new(format!("{logs}/ctrf.json"))?).await {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotAFile) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn void(reason: String, output: &str) -> Outcome {
    let last = evidence::last_lines(output, 5);
    let reason = if last.is_empty() { reason } else { format!("{reason}; last output: {last}") };
    Outcome::Void { reason }
}
