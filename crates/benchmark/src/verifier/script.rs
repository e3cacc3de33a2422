//! Running a test script in a session and reading the reward that it leaves.

use std::sync::Arc;
use std::time::Duration;

use harness_core::{
    Command, ErrorKind, ExecOutput, Exit, File, Outcome, OutputLimit, Result, SandboxPath, Session,
};

use super::placing::place_fresh;
use super::reward::{RewardFile, read_reward};
use super::{environment, evidence};
use crate::harbor::{HarborTask, Tree, Variables};

const TESTS: &str = "/tests";
pub(super) const LOGS: &str = "/logs/verifier";
/// Where the tests live: what an agent left in its own home has no effect on them.
const HOME: &str = "/logs/home";
/// Kept of the test script's output.
const OUTPUT: OutputLimit = OutputLimit { head: 128 * 1024, tail: 256 * 1024 };
/// A reward is a few bytes; more is not one.
const LARGEST_REWARD: usize = 64 * 1024;

/// Tests that judge a session by `test.sh`, after Harbor's rules: the script's exit status means nothing, the reward file
/// does.
#[derive(Clone, Debug)]
pub struct TestScript {
    tests: Arc<Tree>,
    env: Variables,
    timeout: Duration,
    uses_pytest: bool,
}

impl TestScript {
    /// The tests of a directory that holds `test.sh`, ten minutes for them.
    pub fn new(tests: Arc<Tree>) -> Self {
        let script = tests.file(HarborTask::TEST).unwrap_or_default();
        let uses_pytest = evidence::runs_pytest(&String::from_utf8_lossy(script));
        Self { tests, env: Variables::default(), timeout: Duration::from_secs(600), uses_pytest }
    }

    /// The same with variables of its own.
    #[must_use]
    pub fn with_env(mut self, env: Variables) -> Self {
        self.env = env;
        self
    }

    /// The same with another limit on its time.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Places the tests, runs them and reads the reward.
    ///
    /// # Errors
    /// Those of the session. A reward that is absent or broken, a time-out, and a pytest that never started are
    /// [`Outcome::Void`].
    pub async fn judge(&self, session: &dyn Session) -> Result<Outcome> {
        let (home, logs) = (SandboxPath::new(TESTS)?, SandboxPath::new(LOGS)?);
        place_fresh(session, &logs, &Tree::default()).await?;
        place_fresh(session, &SandboxPath::new(HOME)?, &Tree::default()).await?;
        place_fresh(session, &home, &self.tests).await?;
        environment::shield_pytest(session, &home, &self.tests).await?;
        let output = self.run(session, &home, &logs).await?;
        let text = self.env.redact(output.stdout.text());
        keep(session, text.as_bytes()).await;
        if output.exit == Exit::TimedOut {
            let limit = self.timeout.as_secs_f64();
            return Ok(void(format!("the tests took longer than {limit:.0} s"), &text));
        }
        match reward(session, &logs).await? {
            Err(why) => Ok(void(format!("{why} (the tests ended with {})", output.exit), &text)),
            Ok(reward)
                if reward <= 0.0 && self.uses_pytest && !started(session, &logs, &text).await? =>
            {
                let why = "the tests never started: no pytest session, no ctrf.json";
                Ok(void(why.to_owned(), &text))
            }
            Ok(reward) => Ok(Outcome::Scored { reward, evidence: evidence::evidence(&text) }),
        }
    }

    async fn run(
        &self,
        session: &dyn Session,
        home: &SandboxPath,
        logs: &SandboxPath,
    ) -> Result<ExecOutput> {
        let script = session.locate(&SandboxPath::new(format!("{home}/{}", HarborTask::TEST))?);
        // One stream, so that what failed stands beside what was printed about it. No rc file is read.
        let line = "exec /bin/bash --noprofile --norc \"$1\" 2>&1";
        let mut command =
            Command::program(["/bin/bash", "--noprofile", "--norc", "-c", line, "bash", &script])
                .with_timeout(self.timeout)
                .with_output(OUTPUT);
        let tests = session.locate(home);
        command
            .env
            .extend(environment::shielded(&session.locate(&SandboxPath::new(HOME)?), &tests));
        command
            .env
            .extend(self.env.iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        command.env.insert("VERIFIER_LOGS_PATH".to_owned(), session.locate(logs));
        command.env.insert("TEST_DIR".to_owned(), tests);
        session.exec(&command).await
    }
}

fn output_path() -> Result<SandboxPath> {
    SandboxPath::new(format!("{LOGS}/test-stdout.txt"))
}

/// Kept for whoever looks into the session; the verdict does not depend on it.
async fn keep(session: &dyn Session, text: &[u8]) {
    let written = match output_path() {
        Ok(path) => session.write(&path, File::plain(text)).await,
        Err(error) => Err(error),
    };
    if let Err(error) = written {
        tracing::debug!(error = %error.report(), "test-stdout.txt was not kept");
    }
}

/// Copies the tests' output from the session that they ran in to the agent's.
pub(super) async fn keep_output(from: &dyn Session, to: &dyn Session) {
    let Ok(path) = output_path() else { return };
    if let Ok(text) = from.read(&path).await {
        keep(to, &text).await;
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
