//! Waiting until what a container serves is there.

use std::time::Duration;

use harness_core::{Command, Error, ErrorKind, Result, Session};

/// A command that must succeed before a session counts as open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// A shell line, run as the session's user.
    pub command: String,
    /// Between the end of one try and the next.
    pub interval: Duration,
    /// How long one try may take.
    pub timeout: Duration,
    /// For how long after the start failures do not count.
    pub start_period: Duration,
    /// Failures in a row, after the start period, that make the session unhealthy.
    pub retries: u32,
}

impl HealthCheck {
    /// The check with the pauses of Harbor's task format: 5 s apart, 30 s each, three failures.
    pub fn new(command: impl Into<String>) -> Self {
        Self {
            command: command.into(),
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            start_period: Duration::ZERO,
            retries: 3,
        }
    }

    /// Runs the check until it succeeds.
    pub(super) async fn wait(&self, session: &dyn Session) -> Result<()> {
        let begun = tokio::time::Instant::now();
        let check = Command::program(["/bin/sh", "-c", &self.command]).with_timeout(self.timeout);
        let mut failures = 0;
        loop {
            let output = session.exec(&check).await?;
            if output.exit.is_success() {
                return Ok(());
            }
            if begun.elapsed() >= self.start_period {
                failures += 1;
            }
            if failures >= self.retries.max(1) {
                let why = format!(
                    "the health check '{}' failed {failures} times, the last with {}: {}",
                    self.command,
                    output.exit,
                    output.stderr.text().trim_end()
                );
                return Err(Error::new(ErrorKind::Sandbox, why));
            }
            tokio::time::sleep(self.interval).await;
        }
    }
}
