//! What a directory is read as.

use std::collections::BTreeMap;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use harness_benchmark::Loader;
use harness_core::{Network, SandboxPath};

use crate::common::{DOCKERFILE, TOML, Tasks};

const FULL: &str = r#"
schema_version = "1.4"
artifacts = ["/app/out.txt", { source = "plan/b.sh", destination = "b" }]
future_key = { anything = true }

[task]
name = "org/first"
version = "3"

[metadata]
category = "servers"
difficulty = "hard"
requires = ["sh"]
odd = [1, 2]

[agent]
timeout_sec = 90

[verifier]
timeout_sec = 30.5
env = { MODEL = "${MODEL:-small}", API_KEY = "${API_KEY}" }

[solution]
env = { MODE = "solve" }

[environment]
build_timeout_sec = 45.0
docker_image = "somebody/prebuilt:1"
cpus = 2
memory = "2G"
storage_mb = 512
env = { GREETING = "hi ${NAME}" }
network_mode = "no-network"
gpus = 0
os = "Linux"
"#;

#[test]
fn every_key_has_its_place() {
    let tasks = Tasks::one().with("task.toml", FULL).with("solution/solve.sh", "true\n");
    let host = [("API_KEY", "k"), ("NAME", "you")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let loaded = tasks.load_with(&Loader::new().with_variables(host.into()));
    let found = &loaded.tasks[0];
    let task = &found.task;
    assert_eq!(task.name.as_str(), "org/first");
    assert_eq!(task.category, "servers");
    assert_eq!(task.agent_timeout, Some(Duration::from_secs(90)));
    assert_eq!(task.verifier_timeout, Duration::from_millis(30_500));
    assert_eq!(task.outputs, ["/app/out.txt", "plan/b.sh"].map(|it| SandboxPath::new(it).unwrap()));
    let environment = &task.environment;
    assert_eq!(environment.image.as_deref(), Some("debian:bookworm-slim"));
    assert_eq!(environment.env, BTreeMap::from([("GREETING".to_owned(), "hi you".to_owned())]));
    assert_eq!(environment.network, Network::None);
    assert_eq!(environment.limits.cpus, Some(2.0));
    assert_eq!(environment.limits.memory_bytes, Some(2 << 30));
    assert_eq!(environment.limits.disk_bytes, Some(512 << 20));
    assert_eq!(environment.limits.setup_timeout, Duration::from_secs(45));
    let env: Vec<_> = found.verifier_env.iter().collect();
    assert_eq!(env, [("API_KEY", "k"), ("MODEL", "small")]);
    assert!(found.solution.as_ref().unwrap().files.file("solve.sh").is_some());
    assert!(!format!("{found:?}").contains("\"k\""), "keys are not shown");
}

#[test]
fn a_task_that_says_nothing_has_the_defaults_of_the_format() {
    let task = Tasks::one().only().task;
    assert_eq!(task.name.as_str(), "t");
    assert_eq!(task.agent_timeout, None);
    assert_eq!(task.verifier_timeout, Duration::from_secs(600));
    assert_eq!(task.environment.limits.setup_timeout, Duration::from_secs(600));
    assert_eq!(task.environment.network, Network::None);
    assert_eq!((task.category.as_str(), task.outputs.len()), ("", 0));
}

#[test]
fn an_agent_does_not_see_the_canary() {
    let task = Tasks::one().with("instruction.md", "<!-- CANARY 1 -->\n\nDo it.\n").only();
    assert_eq!(task.task.instruction, "Do it.\n");
}

#[test]
fn a_directory_is_one_task_or_a_sorted_list() {
    let tasks = Tasks::new();
    tasks.task("b").task("a").task("c/nested");
    tasks.write("README.md", "not a task");
    tasks.write(".git/config", "");
    tasks.write("shared/data.txt", "");
    let names: Vec<String> = tasks.load().tasks.iter().map(|it| it.task.name.to_string()).collect();
    assert_eq!(names, ["a", "b"]);
    let one = Loader::new().load(tasks.path().join("c/nested")).unwrap();
    assert_eq!(one.tasks[0].task.name.as_str(), "nested");
}

/// What is wrong, and what the message must name.
#[test]
fn wrong_input_is_refused_with_file_key_and_remedy() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("task.toml", "[agent\n", &["t/task.toml", "line 1", "valid TOML"]),
        (
            "task.toml",
            "[agent]\ntimeout_sec = \"x\"",
            &["task.toml", "`agent.timeout_sec`", "\"x\""],
        ),
        ("task.toml", "[agent]\ntimeout_sec = -1", &["`agent.timeout_sec`", "-1", "600.0"]),
        ("task.toml", "[verifier]\ntimeout_sec = nan", &["`verifier.timeout_sec`"]),
        ("task.toml", "[verifier]\nenv = { A = 1 }", &["`verifier.env.A`", "a string"]),
        ("task.toml", "agent = 3", &["`agent`", "a table"]),
        ("task.toml", "[metadata]\nrequires = \"git\"", &["`metadata.requires`"]),
        ("task.toml", "[environment]\nmemory = \"much\"", &["`environment.memory`", "memory_mb"]),
        (
            "task.toml",
            "[environment]\nmemory = \"2G\"\nmemory_mb = 1",
            &["`environment.memory_mb`"],
        ),
        ("task.toml", "[environment]\nstorage_mb = 0", &["`environment.storage_mb`"]),
        ("task.toml", "[environment]\ncpus = inf", &["`environment.cpus`"]),
        ("task.toml", "[environment]\nworkdir = \"../up\"", &["`environment.workdir`", "'..'"]),
        (
            "task.toml",
            "[environment]\nnetwork_mode = \"some\"",
            &["`environment.network_mode`", "no-network"],
        ),
        (
            "task.toml",
            "[environment]\nallowed_hosts = [\"a.org\"]",
            &["`environment.allowed_hosts`"],
        ),
        (
            "task.toml",
            "[environment]\nnetwork_mode = \"allowlist\"\nallowed_hosts = [\"https://a.org\"]",
            &["`environment.allowed_hosts`", "https://a.org"],
        ),
        ("task.toml", "artifacts = [\"../x\"]", &["`artifacts`"]),
        ("task.toml", "artifacts = [3]", &["`artifacts`"]),
        ("instruction.md", "# canary\n\n", &["t/instruction.md", "is empty"]),
        ("environment/Dockerfile", "RUN true\n", &["environment/Dockerfile", "line 1", "FROM"]),
        ("environment/Dockerfile", "\n", &["environment/Dockerfile", "FROM"]),
        ("environment/Dockerfile", "FROM debian\nCOPY ../tests /app/\n", &["line 2", "leads out"]),
        ("environment/Dockerfile", "FROM debian\nSHELL bash\n", &["line 2", "SHELL"]),
    ];
    for (file, text, named) in cases {
        let refused = Tasks::one().with(file, text).refused();
        for name in *named {
            assert!(refused.contains(name), "{text:?} gives {refused:?}, which lacks {name:?}");
        }
    }
}

#[test]
fn missing_files_are_named() {
    for (file, remedy) in [
        ("task.toml", "write one"),
        ("instruction.md", "what the agent is to do"),
        ("tests/test.sh", "reward.txt"),
        ("environment/Dockerfile", "docker_image"),
    ] {
        let tasks = Tasks::one();
        tasks.remove(&format!("t/{file}"));
        let refused = tasks.refused();
        assert!(refused.contains(&format!("t/{file}")), "{refused}");
        assert!(refused.contains("is missing") && refused.contains(remedy), "{refused}");
    }
    let empty = Tasks::new();
    assert!(empty.refused().contains("there is no task in"));
    let nowhere = Loader::new().load(empty.path().join("nowhere")).unwrap_err();
    assert!(nowhere.report().contains("nowhere"));
}

#[test]
fn two_tasks_of_one_name_are_refused() {
    let tasks = Tasks::new();
    tasks.task("a").task("b");
    tasks.write("b/task.toml", "[task]\nname = \"a\"");
    let refused = tasks.refused();
    assert!(refused.contains("/b") && refused.contains("'a'"), "{refused}");
}

/// Found in a copy of Terminal-Bench 2 without its largest files: one task without a file that its Dockerfile copies kept all the others
/// from being loaded.
#[test]
fn a_file_that_is_missing_for_a_copy_skips_its_own_task_only() {
    let tasks = Tasks::one().with("environment/Dockerfile", "FROM debian\nCOPY weights.pt /app/\n");
    let skipped = tasks.skipped();
    assert_eq!(
        skipped,
        "environment/Dockerfile line 2 copies 'weights.pt', which is not in environment/"
    );
}

#[test]
fn what_cannot_be_given_is_skipped_with_its_reason() {
    let toml: &[(&str, &str)] = &[
        ("[environment]\ngpus = 1", "GPU"),
        ("[environment]\nos = \"windows\"", "windows"),
        ("[environment]\ntpu = { type = \"v5\", topology = \"2x2\" }", "TPU"),
        ("[[environment.mcp_servers]]\nname = \"m\"", "MCP"),
        ("[environment]\nnetwork_mode = \"public\"", "public network"),
        ("[environment]\nallow_internet = true", "public network"),
        ("[environment]\nnetwork_mode = \"allowlist\"\nallowed_hosts = [\"A.org.\"]", "a.org"),
        ("[agent]\nnetwork_mode = \"public\"", "agent needs another network"),
        ("[agent]\nuser = \"agent\"", "another user"),
        ("[verifier]\nenvironment_mode = \"separate\"", "container of its own"),
        ("[verifier]\nenv = { K = \"${ABSENT_KEY}\" }", "ABSENT_KEY"),
        ("[[steps]]\nname = \"one\"", "several steps"),
        ("[metadata]\nrequires = [\"sh\", \"no-such-program\"]", "'no-such-program'"),
    ];
    for (text, reason) in toml {
        let skipped = Tasks::one().with("task.toml", text).skipped();
        assert!(skipped.contains(reason), "{text:?} gives {skipped:?}");
    }
    for (file, reason) in [
        ("environment/docker-compose.yaml", "several containers"),
        ("trajectory.json", "earlier trajectory"),
        ("tests/Dockerfile", "container of its own"),
    ] {
        let skipped = Tasks::one().with(file, "").skipped();
        assert!(skipped.contains(reason), "{file} gives {skipped:?}");
    }
    let old = Tasks::new();
    old.write("t/task.yaml", "instruction: x");
    assert!(old.skipped().contains("Terminal-Bench 1"));
}

#[test]
fn tests_that_need_a_network_are_no_tests_without_one() {
    let tests = "#!/bin/bash\napt-get install -y curl\nuvx pytest /tests\n";
    let tasks = Tasks::one().with("tests/test.sh", tests);
    assert!(tasks.skipped().contains("tests/test.sh installs packages"), "{}", tasks.skipped());
    let online = tasks.load_with(&Loader::new().with_public_network());
    assert_eq!(online.tasks.len(), 1);
}

#[test]
fn one_skipped_task_does_not_stop_the_others() {
    let tasks = Tasks::new();
    tasks.task("a").task("b");
    tasks.write("a/environment/Dockerfile", "FROM alpine\n");
    let loaded = tasks.load();
    assert_eq!(loaded.tasks.len(), 1);
    assert_eq!(loaded.skipped[0].name.as_str(), "a");
    assert_eq!(loaded.names().count(), 2);
}

#[test]
fn what_the_sandbox_offers_decides_about_the_network() {
    let network = |toml: &str, loader: Loader| {
        let tasks = Tasks::one().with("task.toml", toml);
        tasks.load_with(&loader).tasks.first().map(|it| it.task.environment.network.clone())
    };
    let public = || Loader::new().with_public_network();
    assert_eq!(network(TOML, public()), Some(Network::Public));
    assert_eq!(network("[environment]\nallow_internet = false", public()), Some(Network::None));
    let allow = "[environment]\nnetwork_mode = \"allowlist\"\nallowed_hosts = [\"A.org.\", \"::1\", \"10.0.0.0/8\"]";
    let hosts = ["a.org", "::1", "10.0.0.0/8"].map(str::to_owned).to_vec();
    assert_eq!(network(allow, public()), None);
    assert_eq!(network(allow, Loader::new().with_allowed_hosts()), Some(Network::Allow(hosts)));
}

#[test]
fn links_out_of_the_task_are_refused_and_named() {
    for (link, target) in [
        ("t/tests/out", "/etc/hostname"),
        ("t/tests/up", "../../other/task.toml"),
        ("t/solution/out", "../../other"),
        ("t/environment/tests", "../tests/test.sh"),
        ("t/environment/a/deep", "../../../other/task.toml"),
    ] {
        let tasks = Tasks::one();
        tasks.task("other");
        tasks.link(link, target);
        let refused = tasks.refused();
        assert!(refused.contains(link) && refused.contains("leads out of"), "{refused}");
    }
    let tasks = Tasks::one();
    tasks.remove("t/task.toml");
    tasks.write("secret.toml", TOML);
    tasks.link("t/task.toml", "../secret.toml");
    assert!(tasks.refused().contains("leads out of"));
    // Through a chain whose first link stays inside.
    let tasks = Tasks::one();
    tasks.link("t/tests/a", "b");
    tasks.link("t/tests/b", "../../x");
    assert!(tasks.refused().contains("leads out of"));
}

#[test]
fn links_within_the_task_are_kept_or_followed() {
    let tasks = Tasks::one().with("solution/answer.txt", "42").with("tests/data.txt", "d");
    tasks.link("t/tests/answer.txt", "../solution/answer.txt");
    tasks.link("t/tests/same.txt", "data.txt");
    let tests = tasks.only().tests;
    assert_eq!(tests.file("answer.txt"), Some(b"42".as_slice()));
    let same = tests.iter().find(|(path, _)| *path == "same.txt").unwrap().1;
    assert_eq!(*same, harness_benchmark::harbor::Entry::Link { target: "data.txt".to_owned() });
}

#[test]
fn what_is_no_file_is_refused_without_waiting_for_it() {
    let tasks = Tasks::one();
    let _socket = UnixListener::bind(tasks.path().join("t/tests/socket")).unwrap();
    assert!(tasks.refused().contains("t/tests/socket"));
}

#[test]
fn an_image_without_a_dockerfile_gets_the_files_of_its_environment() {
    let tasks = Tasks::one()
        .with("task.toml", "[environment]\ndocker_image = \"ubuntu:24.04\"\nworkdir = \"/work\"")
        .with("environment/a/b.txt", "b");
    tasks.remove("t/environment/Dockerfile");
    let task = tasks.only().task;
    assert_eq!(task.environment.workdir.as_str(), "/work");
    assert_eq!(task.environment.image.as_deref(), Some("ubuntu:24.04"));
    assert_eq!(task.environment.files[0].path.as_str(), "a/b.txt");
    let other = Tasks::one().with("task.toml", "[environment]\ndocker_image = \"me/mine:1\"");
    other.remove("t/environment/Dockerfile");
    assert!(other.skipped().contains("me/mine:1"));
    // With a Dockerfile, that is what counts: a prebuilt image is only its result.
    let both = Tasks::one().with("task.toml", "[environment]\ndocker_image = \"me/mine:1\"");
    assert_eq!(both.only().task.environment.image.as_deref(), Some("debian:bookworm-slim"));
}

#[test]
fn the_identity_of_a_task_is_its_content() {
    let base = || Tasks::one().with("environment/data.txt", "1");
    let fingerprint = |tasks: &Tasks| tasks.only().task.fingerprint().unwrap();
    let first = fingerprint(&base());
    assert_eq!(first, fingerprint(&base()), "the place on the disk does not matter");
    assert_ne!(first, fingerprint(&base().with("environment/data.txt", "2")));
    assert_ne!(first, fingerprint(&base().with("instruction.md", "Else.")));
    assert_ne!(
        first,
        fingerprint(&base().with("environment/Dockerfile", &format!("{DOCKERFILE}RUN true\n")))
    );
    assert_eq!(
        first,
        fingerprint(&base().with("tests/test.sh", "other")),
        "tests are the verifier's"
    );
}

/// For whoever plays solutions and judges nothing: what this machine cannot offer is an empty directory.
#[test]
fn tasks_that_cannot_be_judged_here_are_loaded_for_their_solutions() {
    let tasks = Tasks::one()
        .with("environment/Dockerfile", "FROM debian\nRUN apt-get update\n")
        .with("solution/solve.sh", "./tool\n")
        .with("solution/tool", "#!/bin/sh\n");
    assert_eq!(tasks.load_with(&Loader::new()).skipped.len(), 1);
    let loaded = tasks.load_with(&Loader::new().for_solutions());
    assert_eq!((loaded.tasks.len(), loaded.skipped.len()), (1, 0));
    let found = &loaded.tasks[0];
    assert!(found.solution.as_ref().unwrap().files.file("tool").is_some());
    let environment = &found.task.environment;
    assert!(
        environment.image.is_none() && environment.files.is_empty() && environment.setup.is_empty()
    );
    // What is wrong is wrong for everybody.
    let broken = tasks.with("task.toml", "no toml");
    assert!(Loader::new().for_solutions().load(broken.path()).is_err());
}
