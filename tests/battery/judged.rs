//! The judge of Harbor tasks on real sessions: what shared verification tells of tampering, and what separate verification carries.

use std::fs;
use std::sync::Arc;

use harness_benchmark::HarborVerifier;
use harness_benchmark::harbor::{HarborTask, Loader};
use harness_core::{Environment, Outcome, Sandbox, Session, Verifier as _};
use harness_sandbox::{RootStore, SandboxKind, SandboxOptions};

use crate::level;
use crate::tampering::run;

/// A task with these tests, and these artifacts.
fn task(tests: &str, artifacts: &str) -> HarborTask {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join("t").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("task.toml", &format!("version = \"1.0\"\nartifacts = {artifacts}\n"));
    write("instruction.md", "Do it.\n");
    write("environment/Dockerfile", "FROM debian:bookworm-slim\nWORKDIR /app\nCOPY . /app/\n");
    write("tests/test.sh", tests);
    let mut loaded = Loader::new().load(directory.path()).unwrap();
    assert!(loaded.skipped.is_empty(), "{:?}", loaded.skipped);
    loaded.tasks.remove(0)
}

const REWARD: &str = "\"$VERIFIER_LOGS_PATH/reward.txt\"";

async fn agent(sandbox: &dyn Sandbox, script: &str) -> Box<dyn Session> {
    let session = sandbox.open(&Environment::default()).await.unwrap();
    run(session.as_ref(), ["bash", "--norc", "-c"], script).await;
    session
}

fn evidence(outcome: Outcome) -> (f64, Vec<String>) {
    match outcome {
        Outcome::Scored { reward, evidence } => (reward, evidence),
        void => panic!("{void:?}"),
    }
}

/// The sandboxes of both levels with namespaces, on a Debian of their own where one was made.
fn on_a_root() -> Vec<(SandboxKind, Arc<dyn Sandbox>)> {
    let kinds =
        [SandboxKind::Full, SandboxKind::User].into_iter().filter(|kind| level(*kind).is_some());
    let Ok(tarball) = std::env::var("HARNESS_TEST_TARBALL") else {
        assert!(
            std::env::var("HARNESS_TEST_REQUIRE").unwrap_or_default().is_empty(),
            "required, but: HARNESS_TEST_TARBALL is not set"
        );
        let aloud = "SKIPPED: HARNESS_TEST_TARBALL is not set: .ci/root-file-system makes one\n";
        let _ = std::io::Write::write_all(&mut std::io::stderr(), aloud.as_bytes());
        return Vec::new();
    };
    let store = std::env::var("HARNESS_TEST_STORE")
        .unwrap_or_else(|_| concat!(env!("CARGO_TARGET_TMPDIR"), "/roots").to_owned());
    let root = RootStore::new(store).unpack(tarball).unwrap();
    kinds
        .map(|kind| (kind, SandboxOptions::new(kind).with_root(root.clone()).build().unwrap()))
        .collect()
}

#[tokio::test]
async fn changed_system_files_are_told_in_shared_mode() {
    let task = task(&format!("echo 0 > {REWARD}\n"), "[]");
    let verifier = HarborVerifier::new([&task]).unwrap();
    for (kind, sandbox) in on_a_root() {
        for (script, sign) in [
            ("cp /bin/true /usr/bin/grep", "before the tests: /usr/bin/grep was changed"),
            (
                "echo /srv/x.so > /etc/ld.so.preload",
                "before the tests: /etc/ld.so.preload was planted",
            ),
            ("true", ""),
        ] {
            let session = agent(sandbox.as_ref(), script).await;
            let outcome = verifier.verify(&task.task, session.as_ref()).await.unwrap();
            let (reward, told) = evidence(outcome);
            let told: Vec<_> = told.into_iter().filter(|line| line.starts_with("before")).collect();
            let expected: Vec<_> =
                Some(sign.to_owned()).into_iter().filter(|s| !s.is_empty()).collect();
            assert_eq!((reward, told), (0.0, expected), "{kind:?}: {script}");
            session.close().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_reward_written_early_is_told_in_shared_mode_and_has_no_effect() {
    let task = task(&format!("echo 0 > {REWARD}\n"), "[]");
    let verifier = HarborVerifier::new([&task]).unwrap();
    for kind in [SandboxKind::Full, SandboxKind::User, SandboxKind::Landlock] {
        if level(kind).is_none() {
            continue;
        }
        let sandbox = SandboxOptions::new(kind).build().unwrap();
        for (script, file) in [
            ("mkdir -p $LOGS; echo 1 > $LOGS/reward.txt", "reward.txt"),
            ("mkdir -p $LOGS; echo '{\"reward\": 1}' > $LOGS/reward.json", "reward.json"),
            ("mkdir -p $LOGS; mkfifo $LOGS/reward.txt", "reward.txt"),
        ] {
            let session = agent(sandbox.as_ref(), script).await;
            let outcome = verifier.verify(&task.task, session.as_ref()).await.unwrap();
            let (reward, told) = evidence(outcome);
            assert_eq!(reward, 0.0, "{kind:?}: {script}");
            let sign =
                format!("before the tests: /logs/verifier/{file} was there, which had no effect");
            assert!(told.contains(&sign), "{kind:?}: {script}: {told:?}");
            session.close().await.unwrap();
        }
    }
}

/// What is declared comes along with its content, and programs stay programs; nothing else does, and nobody lives.
#[tokio::test]
async fn separate_verification_carries_what_is_declared_and_nothing_else() {
    let tests = format!(
        "cd /app\n[ \"$(cat answer.txt)\" = right ] && [ \"$(cat made/deep/part)\" = part ] && [ \"$(./made/tool)\" = ran ] \\\n\
         && [ ! -e other ] && [ ! -e made/link ] && ! pgrep -f 'sleep 345[6]' && [ ! -e /tmp/left ] \\\n\
         && echo 1 > {REWARD} || {{ ls -laR /app; echo 0 > {REWARD}; }}\n"
    );
    // Without a root of its own, /app is the host's: the level below namespaces is asked by another test of this battery.
    let task = task(&tests, "[\"/app/answer.txt\", \"/app/made\", \"/app/missing\"]");
    for kind in [SandboxKind::Full, SandboxKind::User] {
        if level(kind).is_none() {
            continue;
        }
        let sandbox = SandboxOptions::new(kind).build().unwrap();
        let verifier = HarborVerifier::new([&task]).unwrap().separate(Arc::clone(&sandbox));
        let made = "mkdir -p made/deep; echo right > answer.txt; echo part > made/deep/part; printf '#!/bin/sh\\necho ran\\n' > made/tool; \
                    chmod +x made/tool; ln -s /etc/passwd made/link; echo x > other; echo x > /tmp/left; setsid sleep 3456 >/dev/null 2>&1 &";
        let session = agent(sandbox.as_ref(), made).await;
        let (reward, told) = evidence(verifier.verify(&task.task, session.as_ref()).await.unwrap());
        assert_eq!(reward, 1.0, "{kind:?}: {told:?}");
        session.close().await.unwrap();
    }
}

/// It was `/tests` at every level, which without a private root is no directory: pytest refused to begin.
#[tokio::test]
async fn what_pytest_is_told_of_the_tests_is_where_they_are() {
    let tests = format!(
        "told=${{PYTEST_ADDOPTS#--confcutdir=}}; told=${{told%% *}}\n\
         [ -d \"$told\" ] && [ \"$told\" -ef \"$TEST_DIR\" ] && [ -f \"$told/pytest.ini\" ] && echo 1 > {REWARD} || echo 0 > {REWARD}\n"
    );
    let task = task(&tests, "[]");
    let verifier = HarborVerifier::new([&task]).unwrap();
    for kind in [SandboxKind::Full, SandboxKind::User, SandboxKind::Landlock] {
        if level(kind).is_none() {
            continue;
        }
        let sandbox = SandboxOptions::new(kind).build().unwrap();
        let session = agent(sandbox.as_ref(), "true").await;
        let outcome = verifier.verify(&task.task, session.as_ref()).await.unwrap();
        assert_eq!(evidence(outcome).0, 1.0, "{kind:?}");
        session.close().await.unwrap();
    }
}
