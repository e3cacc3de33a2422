//! Session after session, and many at once.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use harness_core::{Command, Environment, File, Sandbox as _, SandboxPath, Session as _};
use harness_sandbox::{LocalSandbox, SandboxKind, SandboxOptions};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::held::{Held, below, groups_of_sessions, own_group, resident};
use crate::scene::{alone, build, order, play, state};

/// How many in one run; `HARNESS_TEST_SESSIONS=10000` is the full size.
fn count() -> usize {
    std::env::var("HARNESS_TEST_SESSIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

/// At once, which is what a loop would do.
const AT_ONCE: usize = 8;
/// What memory may grow by, in KiB, beside a tenth: what an allocator keeps is no leak.
const SLACK: u64 = 8 * 1024;

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

#[test]
fn a_thousand_sessions_at_level_full_leave_nothing() {
    let _alone = alone();
    play("thousands::session_after_session", "full");
}

#[test]
fn a_thousand_sessions_at_level_user_leave_nothing() {
    let _alone = alone();
    play("thousands::session_after_session", "user");
}

#[test]
fn two_hundred_sessions_at_once_within_a_thousand_descriptors() {
    let _alone = alone();
    for kind in ["full", "user", "landlock"] {
        play("thousands::two_hundred_at_once", kind);
    }
}

/// Not a test by itself.
#[test]
fn session_after_session() {
    let Some(kind) = order() else { return };
    let kind: SandboxKind = kind.parse().unwrap();
    let state = state();
    let options = SandboxOptions::new(kind).with_state_directory(state.path());
    let Some(sandbox) = build(options, kind) else { return };
    let memory = || below(std::process::id()).first().map_or(0, |supervisor| resident(*supervisor));
    block_on(async {
        let group = {
            let _session = sandbox.open_local(&Environment::default()).await.unwrap();
            own_group()
        };
        assert_eq!(group.is_some(), kind == SandboxKind::Full);
        let group = group.as_deref();
        rounds(&sandbox, 100).await;
        let before = settled(state.path(), group).await;
        let weighed = (resident(std::process::id()), memory());
        rounds(&sandbox, count()).await;
        before.returns(state.path(), group).await;
        let after = (resident(std::process::id()), memory());
        let fits = |before: u64, after: u64| after <= before + before / 10 + SLACK;
        assert!(
            fits(weighed.0, after.0) && fits(weighed.1, after.1),
            "{weighed:?} to {after:?} KiB"
        );
    });
}

/// Once no control group waits for another session, and two looks in a row have found the same.
async fn settled(state: &Path, group: Option<&OsStr>) -> Held {
    let mut last = Held::now(state, group);
    loop {
        // The runtime's tasks that watch sessions end meanwhile.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = Held::now(state, group);
        if now == last && groups_of_sessions(group) == 0 {
            return now;
        }
        last = now;
    }
}

async fn rounds(sandbox: &LocalSandbox, count: usize) {
    for round in 0..count.div_ceil(AT_ONCE) {
        let sessions = (0..AT_ONCE).map(|index| one(sandbox, round + index));
        futures::future::join_all(sessions).await;
    }
}

/// A session with a file, a command, sometimes a daemon and a time-out, that is closed or dropped.
async fn one(sandbox: &LocalSandbox, number: usize) {
    let session = sandbox.open_local(&Environment::default()).await.unwrap();
    let path = SandboxPath::new("deep/file").unwrap();
    session.write(&path, File::plain(b"content")).await.unwrap();
    let script = match number % 4 {
        0 => "cat deep/file",
        1 => "cat deep/file; setsid sleep 1000 >/dev/null 2>&1 &",
        2 => "mkdir -p a/b/c; cat deep/file | cat",
        _ => "cat deep/file; sleep 1000",
    };
    let mut command = Command::shell(script);
    command.timeout = (number % 4 == 3).then_some(Duration::from_millis(20));
    let output = session.exec(&command).await.unwrap();
    // A time-out may come before the shell has printed anything.
    assert!(number % 4 == 3 || output.stdout.text() == "content", "{output:?}");
    if number.is_multiple_of(3) {
        drop(session);
    } else {
        Box::new(session).close().await.unwrap();
    }
}

/// Not a test by itself.
#[test]
fn two_hundred_at_once() {
    let Some(kind) = order() else { return };
    let kind: SandboxKind = kind.parse().unwrap();
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(1_024), maximum: hard }).unwrap();
    let options = SandboxOptions::new(kind).with_memory(64 << 20).with_disk(8 << 20);
    let Some(sandbox) = build(options, kind) else { return };
    block_on(async {
        let patient = || {
            let mut environment = Environment::default();
            environment.limits.setup_timeout = Duration::from_secs(120);
            environment
        };
        let opened = (0..200).map(|_| async { sandbox.open(&patient()).await.unwrap() });
        let sessions = futures::future::join_all(opened).await;
        let said = sessions.iter().enumerate().map(|(number, session)| async move {
            let command = Command::shell(format!("echo {number} > file; cat file"));
            session.exec(&command).await.unwrap().stdout.text()
        });
        for (number, said) in futures::future::join_all(said).await.into_iter().enumerate() {
            assert_eq!(said, format!("{number}\n"));
        }
        for closed in
            futures::future::join_all(sessions.into_iter().map(harness_core::Session::close)).await
        {
            closed.unwrap();
        }
    });
}
