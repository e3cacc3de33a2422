//! Process trees: what ends with a command, what ends with its session, and what outlives which.

use std::time::Duration;

use futures_timer::Delay;

use super::*;
use crate::sandbox::Exit;
use crate::testing::laws::{skipped, unique};

/// A time-out kills the children that the command waits for.
pub async fn timeout_kills_children(sandbox: &dyn Sandbox) -> LawResult {
    timeout_kills(sandbox, |spin| format!("{spin} & wait")).await
}

/// A time-out kills children that left for a process group and session of their own.
pub async fn timeout_kills_new_sessions(sandbox: &dyn Sandbox) -> LawResult {
    timeout_kills(sandbox, |spin| format!("setsid {spin} & wait; sleep 600")).await
}

/// A time-out kills grandchildren whose parents have ended.
pub async fn timeout_kills_double_forks(sandbox: &dyn Sandbox) -> LawResult {
    timeout_kills(sandbox, |spin| format!("(setsid bash -c '{spin} &' &); sleep 600")).await
}

/// A time-out kills what ignores every signal that can be ignored.
pub async fn timeout_kills_what_ignores_signals(sandbox: &dyn Sandbox) -> LawResult {
    let script = |spin: &str| format!("trap '' TERM INT HUP QUIT; {spin} & wait; sleep 600");
    timeout_kills(sandbox, script).await
}

/// Runs a script around a marked process until it times out; the marked process must be gone then.
async fn timeout_kills(sandbox: &dyn Sandbox, wrap: impl Fn(&str) -> String) -> LawResult {
    let session = open(sandbox).await?;
    let mark = Mark::new();
    let command = Command::shell(wrap(&mark.spin())).with_timeout(Duration::from_secs(1));
    let (output, seen) = futures::join!(run(&*session, &command), mark.appears());
    seen?;
    let exit = output?.exit;
    ensure!(exit == Exit::TimedOut, "the command ended with {exit} instead of timing out");
    mark.is_gone("the command timed out").await?;
    close(session).await
}

/// After a time-out the session takes further commands, and its files are there.
pub async fn session_outlives_a_timeout(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    put(&*session, "kept", b"still here").await?;
    let slow = Command::shell("sleep 600").with_timeout(Duration::from_millis(100));
    run(&*session, &slow).await?;
    let shown = script(&*session, "cat kept").await?;
    ensure!(shown == b"still here", "after a time-out the files are not what they were");
    close(session).await
}

/// Dropping the future of `exec` kills the command's tree; the session goes on.
pub async fn dropped_exec_kills_the_tree(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    let mark = Mark::new();
    let command = Command::shell(format!("setsid {} & wait; sleep 600", mark.spin()));
    {
        let exec = session.exec(&command);
        let appears = mark.appears();
        futures::pin_mut!(exec, appears);
        match futures::future::select(exec, appears).await {
            futures::future::Either::Left((output, _)) => {
                return broken(format!("the command ended early: {output:?}"));
            }
            futures::future::Either::Right((seen, _)) => seen?,
        }
    }
    mark.is_gone("the future of `exec` was dropped").await?;
    script(&*session, "true").await?;
    close(session).await
}

/// A process left in the background by a command that returned lives on.
pub async fn daemon_outlives_its_command(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    let mark = leave_daemon(&*session).await?;
    script(&*session, "true").await?;
    // Whatever would sweep it away has had its chance with the next command.
    ensure!(mark.count() > 0, "a daemon did not outlive the command that started it");
    close(session).await
}

/// `exec` comes back when its command ends, though a daemon still holds the command's output open.
pub async fn exec_does_not_wait_for_a_daemon(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    let output = run(&*session, &Command::shell("sleep 600 & echo done")).await?;
    let shown = output.stdout.text();
    ensure!(shown == "done\n", "a command with a daemon on its output left {shown:?}");
    close(session).await
}

/// When `close` returns, every process of the session has ended.
pub async fn close_kills_daemons(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    let mark = leave_daemon(&*session).await?;
    close(session).await?;
    mark.is_gone("the session was closed").await
}

/// Dropping a session ends its processes as well.
pub async fn dropped_session_kills_daemons(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    let mark = leave_daemon(&*session).await?;
    drop(session);
    mark.is_gone("the session was dropped").await
}

/// All processes end, files stay, and commands can be run again. Skipped where the sandbox says that it cannot do that.
pub async fn end_processes_kills_daemons(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    let mark = leave_daemon(&*session).await?;
    put(&*session, "kept", b"content").await?;
    match promptly("ending all processes", session.end_processes()).await? {
        Err(error) => return skipped(error.report()),
        Ok(()) => ensure!(mark.count() == 0, "{} processes still run", mark.count()),
    }
    ensure!(get(&*session, "kept").await? == b"content", "the files were not kept");
    script(&*session, "true").await?;
    close(session).await
}

/// Leaves a marked process in the background of a command, which returns once the process was seen to live.
async fn leave_daemon(session: &dyn Session) -> Result<Mark, Unkept> {
    let mark = Mark::new();
    let spin = mark.spin();
    let leave = format!(
        "setsid {spin} >/dev/null 2>&1 </dev/null & until [ -e go ]; do sleep 0.02; done; rm go"
    );
    let (left, seen) = futures::join!(script(session, &leave), async {
        let seen = mark.appears().await;
        put(session, "go", b"").await?;
        seen
    });
    seen?;
    left?;
    Ok(mark)
}

/// A unique word in the command line of processes, by which they are found in the host's process table.
struct Mark(String);

impl Mark {
    fn new() -> Self {
        Self(unique("law"))
    }

    /// A command that runs until it is killed (ten minutes at most, should nothing kill it), under this mark.
    fn spin(&self) -> String {
        format!("bash -c \"for i in {{1..6000}}; do sleep 0.1; done\" {}", self.0)
    }

    /// How many living processes carry the mark as an argument of its own. A script that merely mentions it does not count.
    fn count(&self) -> usize {
        let Ok(processes) = std::fs::read_dir("/proc") else { return 0 };
        let lines = processes
            .flatten()
            .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
        lines
            .filter(|line| line.split(|byte| *byte == 0).any(|arg| arg == self.0.as_bytes()))
            .count()
    }

    /// Waits until a process carries the mark.
    async fn appears(&self) -> LawResult {
        for _ in 0..PATIENCE.as_millis() / 10 {
            if self.count() > 0 {
                return Ok(());
            }
            Delay::new(Duration::from_millis(10)).await;
        }
        skipped("the session's processes cannot be seen in this machine's /proc")
    }

    /// Waits until no process carries the mark: a killed one takes a moment to die.
    async fn is_gone(&self, since: &str) -> LawResult {
        for _ in 0..300 {
            if self.count() == 0 {
                return Ok(());
            }
            Delay::new(Duration::from_millis(10)).await;
        }
        broken(format!("{} processes still run though {since}", self.count()))
    }
}
