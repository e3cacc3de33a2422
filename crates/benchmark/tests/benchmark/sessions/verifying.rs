//! What the verifier makes of what an agent left.

use harness_benchmark::{HarborTask, HarborVerifier, Loader};
use harness_core::{ErrorKind, Outcome, SandboxPath, Task, Verifier};

use crate::common::{Tasks, prepared, run};

/// The verdict on a task whose tests are `test` after an agent did `agent`.
async fn judge(test: &str, agent: &str) -> Outcome {
    judge_task(&Tasks::one().with("tests/test.sh", test).only(), agent).await
}

async fn judge_task(task: &HarborTask, agent: &str) -> Outcome {
    let session = prepared(task).await;
    run(session.as_ref(), agent).await;
    let verifier = HarborVerifier::new([task]).unwrap();
    verifier.verify(&task.task, session.as_ref()).await.unwrap()
}

fn scored(outcome: &Outcome) -> f64 {
    match outcome {
        Outcome::Scored { reward, .. } => *reward,
        Outcome::Void { reason } => panic!("void: {reason}"),
    }
}

fn void(outcome: Outcome) -> String {
    match outcome {
        Outcome::Void { reason } => reason,
        Outcome::Scored { reward, .. } => panic!("scored {reward}"),
    }
}

#[tokio::test]
async fn the_reward_file_decides_and_the_exit_status_does_not() {
    let writes =
        |what: &str, file: &str| format!("printf '%s' '{what}' > \"$VERIFIER_LOGS_PATH/{file}\"\n");
    assert_eq!(scored(&judge(&(writes("1", "reward.txt") + "exit 1"), "").await), 1.0);
    assert_eq!(scored(&judge(&writes("0", "reward.txt"), "").await), 0.0);
    assert_eq!(scored(&judge(&writes("{\"reward\": 0.5}", "reward.json"), "").await), 0.5);
    let both = writes("{\"r\": 0.25}", "reward.json") + &writes("1", "reward.txt");
    assert_eq!(scored(&judge(&both, "").await), 0.25, "the object wins");
}

#[tokio::test]
async fn without_a_proper_reward_nothing_is_known() {
    for (test, reason) in [
        ("exit 0", "no reward.txt and no reward.json"),
        ("exit 3", "exit status 3"),
        (": > \"$VERIFIER_LOGS_PATH/reward.txt\"", "reward.txt is empty"),
        ("echo NaN > \"$VERIFIER_LOGS_PATH/reward.txt\"", "not in [0, 1]"),
        ("echo 7 > \"$VERIFIER_LOGS_PATH/reward.txt\"", "not in [0, 1]"),
        (
            "echo '{\"reward\": \"1\"}' > \"$VERIFIER_LOGS_PATH/reward.json\"\necho 1 > \"$VERIFIER_LOGS_PATH/reward.txt\"",
            "reward.json",
        ),
        ("mkdir \"$VERIFIER_LOGS_PATH/reward.txt\"", "no regular file"),
        ("head -c 100000 /dev/zero > \"$VERIFIER_LOGS_PATH/reward.txt\"", "no reward"),
        ("kill -9 $$", "signal 9"),
    ] {
        let why = void(judge(test, "").await);
        assert!(why.contains(reason), "{test:?} gives {why:?}");
    }
}

#[tokio::test]
async fn tests_run_in_the_working_directory_with_their_variables() {
    let tasks = Tasks::one()
        .with("task.toml", "[verifier]\nenv = { WANT = \"${WANT:-7}\" }")
        .with("tests/data/expected.txt", "7\n")
        .with("tests/helper.sh", "echo helped\n")
        .with(
            "tests/test.sh",
            "set -e\ntest -f result.txt\ncmp \"$TEST_DIR/data/expected.txt\" result.txt\n\
             cmp \"$(dirname \"$0\")/data/expected.txt\" result.txt\ntest \"$WANT\" = 7\n\
             test -x \"$TEST_DIR/helper.sh\"\ntest -d \"$TEST_DIR/empty\"\n\
             test \"$(cat \"$TEST_DIR/link\")\" = 7\necho 1 > \"$VERIFIER_LOGS_PATH/reward.txt\"\n",
        );
    std::fs::create_dir(tasks.path().join("t/tests/empty")).unwrap();
    tasks.link("t/tests/link", "data/expected.txt");
    assert_eq!(scored(&judge_task(&tasks.only(), "echo 7 > result.txt").await), 1.0);
    let why = void(judge_task(&tasks.only(), "echo 8 > result.txt").await);
    assert!(why.contains("differ"), "the output is shown: {why}");
}

/// Each of these is an attempt of an agent to write its own verdict. `ROOT` is where the session's root lies.
#[tokio::test]
async fn what_an_agent_planted_does_not_count() {
    let task = Tasks::one()
        .with(
            "tests/test.sh",
            "bash \"$TEST_DIR/check.sh\" && echo 1 > \"$VERIFIER_LOGS_PATH/reward.txt\"",
        )
        .with("tests/check.sh", "exit 1\n")
        .only();
    for agent in [
        "mkdir -p $ROOT/logs/verifier; echo 1 > $ROOT/logs/verifier/reward.txt",
        "mkdir -p $ROOT/logs/verifier; echo '{\"reward\": 1}' > $ROOT/logs/verifier/reward.json; chmod 0 $ROOT/logs/verifier/reward.json $ROOT/logs/verifier",
        "mkdir -p elsewhere $ROOT/logs; echo 1 > elsewhere/reward.txt; ln -s $PWD/elsewhere $ROOT/logs/verifier",
        "mkdir -p box/verifier; echo 1 > box/verifier/reward.txt; ln -s $PWD/box $ROOT/logs",
        "mkdir -p $ROOT/logs; echo 1 > $ROOT/logs/verifier",
        "echo 1 > $ROOT/logs",
        "mkdir -p $ROOT/tests; echo 'exit 0' > $ROOT/tests/check.sh; chmod 555 $ROOT/tests/check.sh $ROOT/tests",
        "mkdir -p $ROOT/tests/check.sh $ROOT/tests/test.sh",
        "mkdir -p $ROOT/logs/verifier; echo 1 > $ROOT/logs/verifier/reward.txt; chmod 555 $ROOT/logs/verifier $ROOT/logs",
        "mkdir mine; echo 'exit 0' > mine/check.sh; ln -s $PWD/mine $ROOT/tests",
        "mkdir -p $ROOT/logs/verifier; ln -s $PWD/r $ROOT/logs/verifier/reward.txt; echo 1 > r",
        "mkdir -p bin; printf '#!/bin/sh\\ntrue\\n' > bin/rm; chmod 755 bin/rm; mkdir -p $ROOT/logs/verifier; echo 1 > $ROOT/logs/verifier/reward.txt",
    ] {
        let session = prepared(&task).await;
        let logs = session.locate(&SandboxPath::new("/logs").unwrap());
        let root = logs.strip_suffix("/logs").unwrap();
        let planted = run(session.as_ref(), &agent.replace("$ROOT", root)).await;
        assert_eq!(planted, "", "{agent:?}");
        let verifier = HarborVerifier::new([&task]).unwrap();
        let why = void(verifier.verify(&task.task, session.as_ref()).await.unwrap());
        assert!(why.contains("no reward.txt"), "{agent:?} gives {why:?}");
    }
}

#[tokio::test]
async fn tests_that_take_too_long_decide_nothing() {
    let task = Tasks::one()
        .with("task.toml", "[verifier]\ntimeout_sec = 0.5")
        .with("tests/test.sh", "echo 1 > \"$VERIFIER_LOGS_PATH/reward.txt\"\necho begun\nsleep 60")
        .only();
    let why = void(judge_task(&task, "").await);
    assert!(why.contains("longer than"), "{why}");
}

#[tokio::test]
async fn evidence_names_what_failed_and_shows_the_end() {
    let test = "echo 'FAIL sum: 3 expected' >&2\nfor n in $(seq 100); do echo line $n; done\n\
                echo 0 > \"$VERIFIER_LOGS_PATH/reward.txt\"";
    let Outcome::Scored { reward, evidence } = judge(test, "").await else { panic!("void") };
    assert_eq!((reward, evidence[0].as_str(), evidence.len()), (0.0, "FAIL sum: 3 expected", 2));
    assert!(evidence[1].ends_with("line 100") && !evidence[1].contains("line 50\n"));
}

#[tokio::test]
async fn a_pytest_that_never_started_is_no_failure_of_the_agent() {
    let zero = "echo 0 > \"$VERIFIER_LOGS_PATH/reward.txt\"\n";
    let bootstrap = format!("no-such-tool pytest /tests\n{zero}");
    assert!(void(judge(&bootstrap, "").await).contains("never started"));
    let ran = format!("echo '=== test session starts ==='; pytest() {{ :; }}; pytest\n{zero}");
    assert_eq!(scored(&judge(&ran, "").await), 0.0);
    let counted = format!(
        "pytest() {{ :; }}; pytest; echo '{{}}' > \"$VERIFIER_LOGS_PATH/ctrf.json\"\n{zero}"
    );
    assert_eq!(scored(&judge(&counted, "").await), 0.0);
    assert_eq!(scored(&judge(zero, "").await), 0.0, "no pytest, no suspicion");
}

#[tokio::test]
async fn output_is_kept_bounded_and_without_keys() {
    let tasks = Tasks::one()
        .with("task.toml", "[verifier]\nenv = { API_KEY = \"${API_KEY}\" }")
        .with(
            "tests/test.sh",
            "echo \"FAIL with $API_KEY\"\nyes | head -c 3000000\necho\necho end\necho 0 > \"$VERIFIER_LOGS_PATH/reward.txt\"",
        );
    let host = [("API_KEY".to_owned(), "sk-very-secret".to_owned())].into();
    let task = tasks.load_with(&Loader::new().with_variables(host)).tasks.remove(0);
    let session = prepared(&task).await;
    let verifier = HarborVerifier::new([&task]).unwrap();
    let outcome = verifier.verify(&task.task, session.as_ref()).await.unwrap();
    let Outcome::Scored { evidence, .. } = outcome else { panic!("void") };
    assert_eq!(evidence[0], "FAIL with [API_KEY]");
    let kept = SandboxPath::new("/logs/verifier/test-stdout.txt").unwrap();
    let kept = String::from_utf8(session.read(&kept).await.unwrap()).unwrap();
    assert!(kept.len() < 500_000 && kept.ends_with("end\n") && !kept.contains("sk-very-secret"));
}

#[test]
fn the_verifier_s_identity_is_its_tests_and_their_variables() {
    let fingerprint = |tasks: &Tasks| {
        let task = tasks.only();
        HarborVerifier::new([&task]).unwrap().fingerprint(&task.task).unwrap()
    };
    let first = fingerprint(&Tasks::one());
    assert_eq!(first, fingerprint(&Tasks::one().with("instruction.md", "Else.")));
    assert_ne!(first, fingerprint(&Tasks::one().with("tests/data.txt", "x")));
    let with_variable = Tasks::one().with("task.toml", "[verifier]\nenv = { A = \"1\" }");
    assert_ne!(first, fingerprint(&with_variable));
}

#[test]
fn a_task_that_was_not_given_is_not_known() {
    let verifier = HarborVerifier::new([]).unwrap();
    let unknown = verifier.fingerprint(&Task::new("x", "y")).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::InvalidInput);
    assert!(unknown.message().contains("'x'"), "{}", unknown.message());
}
