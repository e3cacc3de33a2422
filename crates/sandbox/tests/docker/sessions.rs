//! What is the container backend's own, beyond the laws of every sandbox.

use std::time::Duration;

use harness_core::{Command, Environment, ErrorKind, Exit, Sandbox, SandboxPath, Session};
use harness_sandbox::{ContainerOptions, ContainerSandbox, ContainerUser, HealthCheck, Pull};

use crate::podman::{self, registry_address};
use crate::registry::Registry;
use crate::{block_on, options};

/// Options, or `None` after saying why not.
async fn given() -> Option<ContainerOptions> {
    let why = match options().await {
        Ok(options) => return Some(options),
        Err(why) => why,
    };
    skip(&why);
    None
}

fn skip(why: &str) {
    assert!(std::env::var("HARNESS_TEST_REQUIRE").as_deref() != Ok("all"), "required, but: {why}");
    let _lost = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("SKIPPED: {why}\n"));
}

async fn stdout(session: &dyn Session, script: &str) -> String {
    let output = session.exec(&Command::shell(script)).await.unwrap();
    assert!(output.exit.is_success(), "{script}: {}: {}", output.exit, output.stderr.text());
    output.stdout.text()
}

async fn connect(options: ContainerOptions) -> ContainerSandbox {
    ContainerSandbox::connect(options).await.unwrap()
}

async fn open(sandbox: &ContainerSandbox, environment: &Environment) -> Box<dyn Session> {
    sandbox.open(environment).await.unwrap()
}

#[test]
fn commands_are_nobodys_and_have_no_capability() {
    block_on(async {
        let Some(options) = given().await else { return };
        let session = open(&connect(options).await, &Environment::default()).await;
        let status = stdout(&*session, "cat /proc/self/status").await;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim_start_matches(':').trim().to_owned()
        };
        assert_eq!(field("CapEff"), "0000000000000000");
        assert_eq!(field("CapBnd"), "0000000000000000");
        assert_eq!(field("NoNewPrivs"), "1");
        assert_eq!(field("Seccomp"), "2");
        assert!(field("Uid").starts_with("10001"), "{}", field("Uid"));
        session.close().await.unwrap();
    });
}

/// No task could be verified once: `/tests` and `/logs` could not be made.
#[test]
fn directories_at_the_root_are_made_and_those_of_the_image_stay() {
    block_on(async {
        let Some(options) = given().await else { return };
        let session = open(&connect(options).await, &Environment::default()).await;
        let script = "mkdir -p /logs/verifier /tests && rm -r /logs && mkdir /logs && ls -d /logs /tests; \
                      mv /usr /gone 2>/dev/null || echo kept";
        assert_eq!(stdout(&*session, script).await, "/logs\n/tests\nkept\n");
        session.close().await.unwrap();
    });
}

#[test]
fn there_is_no_network_but_loopback() {
    block_on(async {
        let Some(options) = given().await else { return };
        let session = open(&connect(options).await, &Environment::default()).await;
        let devices = stdout(&*session, "cat /proc/net/dev").await;
        let names: Vec<_> =
            devices.lines().skip(2).filter_map(|line| line.split(':').next()).collect();
        assert_eq!(names.iter().map(|name| name.trim()).collect::<Vec<_>>(), ["lo"]);
        session.close().await.unwrap();
    });
}

#[test]
fn limits_reach_the_kernel() {
    block_on(async {
        let Some(options) = given().await else { return };
        let mut environment = Environment::default();
        environment.limits.memory_bytes = Some(64 << 20);
        environment.limits.processes = Some(40);
        environment.limits.disk_bytes = Some(1 << 20);
        let session = open(&connect(options).await, &environment).await;
        let large = "head -c 3000000 /dev/zero > large; stat -c %s large";
        let size = session.exec(&Command::shell(large)).await.unwrap().stdout.text();
        assert_eq!(size.trim(), "1048576");
        // One process, bounded: it reads 200 MiB into one variable and would end by itself.
        let hungry = Command::shell("head -c 200000000 /dev/zero | tail -c 200000000 | wc -c");
        let output = session.exec(&hungry).await.unwrap();
        assert!(!output.stdout.text().contains("200000000"), "{}", output.stdout.text());
        let forks =
            "for i in $(seq 60); do sleep 30 & done 2>/dev/null; jobs -p | wc -l; kill $(jobs -p)";
        let made = session.exec(&Command::shell(forks)).await.unwrap().stdout.text();
        assert!(made.trim().parse::<u32>().unwrap_or(0) < 40, "{made}");
        session.close().await.unwrap();
    });
}

#[test]
fn root_is_had_only_by_name_and_is_told() {
    block_on(async {
        let Some(options) = given().await else { return };
        let user = ContainerUser::Ids { uid: 0, gid: 0 };
        let silent = ContainerOptions { user, ..options.clone() };
        let refused = ContainerSandbox::connect(silent).await.unwrap_err();
        assert!(refused.to_string().contains("ContainerUser::Root"), "{refused}");
        let sandbox = connect(ContainerOptions { user: ContainerUser::Root, ..options }).await;
        let told = sandbox.isolation().residual.join("\n");
        assert!(told.contains("host's root"), "{told}");
        let session = open(&sandbox, &Environment::default()).await;
        assert_eq!(stdout(&*session, "id -u; touch /etc/mine && echo wrote").await, "0\nwrote\n");
        session.close().await.unwrap();
    });
}

#[test]
fn a_tree_that_wiped_its_environment_dies_with_its_time_out() {
    block_on(async {
        let Some(options) = given().await else { return };
        let session = open(&connect(options).await, &Environment::default()).await;
        let hidden = "env -i setsid sleep 86399 & env -i setsid sleep 86398 & sleep 86397";
        let command = Command::shell(hidden).with_timeout(Duration::from_secs(2));
        assert_eq!(session.exec(&command).await.unwrap().exit, Exit::TimedOut);
        let left = stdout(&*session, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").await;
        assert!(!left.contains("8639"), "{left}");
        session.close().await.unwrap();
    });
}

/// A command whose time was over before the daemon had started it was once waited for to its own end.
#[test]
fn a_command_that_ran_out_of_time_before_it_was_started_ends() {
    block_on(async {
        let Some(options) = given().await else { return };
        let session = open(&connect(options).await, &Environment::default()).await;
        for millis in [0, 1, 10, 50, 100] {
            let command = Command::shell("env -i setsid sleep 86394 & sleep 86393");
            let command = command.with_timeout(Duration::from_millis(millis));
            assert_eq!(session.exec(&command).await.unwrap().exit, Exit::TimedOut);
            let left = stdout(&*session, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").await;
            assert!(!left.contains("8639"), "{millis} ms: {left}");
        }
        session.close().await.unwrap();
    });
}

/// A tree that had wiped its environment once outlived a command that was given up.
#[test]
fn a_tree_that_wiped_its_environment_dies_with_a_command_that_is_dropped() {
    block_on(async {
        let Some(options) = given().await else { return };
        let session = open(&connect(options).await, &Environment::default()).await;
        let beat = "n=0; while [ $n -lt 3000 ]; do n=$((n+1)); echo $n >beat; sleep 0.1; done";
        let command = Command::shell(format!("env -i /bin/sh -c '{beat}' & sleep 86391"));
        let path = SandboxPath::new("beat").unwrap();
        let seen = async || session.read(&path).await.unwrap_or_default();
        // Long begun: what the command's wrapper said has been heard.
        let well_begun = async {
            let count = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().parse::<u32>();
            while count(seen().await).unwrap_or(0) < 20 {}
        };
        tokio::select! {
            ended = session.exec(&command) => panic!("{ended:?}"),
            () = well_begun => {}
        }
        // By no command, beside which nobody could tell whose a new process is.
        let still = async {
            loop {
                // Empty, perhaps: killed between the two steps of writing it.
                let before = session.read(&path).await.unwrap();
                tokio::time::sleep(Duration::from_secs(2)).await;
                if session.read(&path).await.unwrap() == before {
                    break;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), still).await.unwrap();
        session.close().await.unwrap();
    });
}

#[test]
fn a_command_that_left_a_flood_behind_returns() {
    block_on(async {
        let Some(options) = given().await else { return };
        let session = open(&connect(options).await, &Environment::default()).await;
        let command = Command::shell("yes & exit 7").with_timeout(Duration::from_secs(60));
        assert_eq!(session.exec(&command).await.unwrap().exit, Exit::Code(7));
        session.close().await.unwrap();
    });
}

#[test]
fn ending_all_processes_leaves_files_and_session() {
    block_on(async {
        let Some(options) = given().await else { return };
        for user in [ContainerUser::default(), ContainerUser::Root] {
            let sandbox = connect(ContainerOptions { user, ..options.clone() }).await;
            let session = open(&sandbox, &Environment::default()).await;
            let daemons = "echo kept > file; setsid sleep 86396 & env -i setsid sleep 86395 &";
            stdout(&*session, daemons).await;
            session.end_processes().await.unwrap();
            let left = stdout(&*session, "cat file; cat /proc/[0-9]*/cmdline | tr '\\0' ' '").await;
            assert!(left.starts_with("kept") && !left.contains("8639"), "{user:?}: {left}");
            session.close().await.unwrap();
        }
    });
}

#[test]
fn a_session_opens_when_its_health_check_succeeds() {
    block_on(async {
        let Some(options) = given().await else { return };
        let interval = Duration::from_millis(10);
        // Healthy at the third look.
        let line = "echo x >> /tmp/looks; [ \"$(wc -l < /tmp/looks)\" -ge 3 ]";
        let health = HealthCheck { interval, retries: 5, ..HealthCheck::new(line) };
        let sandbox = connect(ContainerOptions { health: Some(health), ..options.clone() }).await;
        let session = open(&sandbox, &Environment::default()).await;
        assert_eq!(stdout(&*session, "wc -l < /tmp/looks").await.trim(), "3");
        session.close().await.unwrap();
        let never = HealthCheck { interval, ..HealthCheck::new("echo sick >&2; false") };
        let sandbox = connect(ContainerOptions { health: Some(never), ..options }).await;
        let refused = sandbox.open(&Environment::default()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Sandbox);
        assert!(
            refused.to_string().contains("failed 3 times") && refused.to_string().contains("sick")
        );
    });
}

#[test]
fn an_image_that_is_not_there_is_named() {
    block_on(async {
        let Some(options) = given().await else { return };
        let image = Some("localhost:1/nobody/nothing:1".to_owned());
        let environment = Environment { image, ..Environment::default() };
        let sandbox = connect(ContainerOptions { pull: Pull::Never, ..options.clone() }).await;
        let refused = sandbox.open(&environment).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        assert!(refused.to_string().contains("nobody/nothing"), "{refused}");
        // Nothing listens on port 1 of this machine.
        let refused = connect(options).await.open(&environment).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Sandbox);
        assert!(refused.to_string().contains("nobody/nothing"), "{refused}");
    });
}

#[test]
fn an_image_is_pulled_from_a_registry() {
    block_on(async {
        let Some(options) = given().await else { return };
        let registry = match Registry::start() {
            Ok(registry) => registry,
            Err(why) => return skip(&why),
        };
        let name = format!("{}/pulled:1", registry_address());
        let image = options.image.as_deref().unwrap();
        podman::run(&["tag", image, &name]);
        podman::run(&["push", "--quiet", &name]);
        // Named alone, an image loses all its names.
        podman::run(&["rmi", &name]);
        let environment = Environment { image: Some(name), ..Environment::default() };
        let session = open(&connect(options).await, &environment).await;
        assert_eq!(stdout(&*session, "echo from the registry").await, "from the registry\n");
        session.close().await.unwrap();
        drop(registry);
    });
}

#[test]
fn a_build_that_fails_says_why() {
    block_on(async {
        let Some(options) = given().await else { return };
        let context = tempfile::tempdir().unwrap();
        std::fs::write(context.path().join("Dockerfile"), "FROM scratch\nCOPY absent /\n").unwrap();
        let refused = connect(options).await.build_image(context.path()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        assert!(refused.to_string().contains("absent"), "{refused}");
    });
}

#[test]
fn a_command_in_a_lost_container_is_the_sandboxs_failure() {
    block_on(async {
        let Some(options) = given().await else { return };
        let session = open(&connect(options).await, &Environment::default()).await;
        // The daemon's name for it shows in its own table of mounts.
        let mounts = stdout(&*session, "cat /proc/self/mountinfo").await;
        let id = mounts.split("containers/").nth(1).and_then(|rest| rest.split('/').next());
        podman::run(&["rm", "--force", id.unwrap()]);
        let failed = session.exec(&Command::shell("true")).await.unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::Sandbox);
        session.close().await.unwrap();
    });
}

#[test]
fn a_link_loop_is_no_file() {
    block_on(async {
        let Some(options) = given().await else { return };
        let session = open(&connect(options).await, &Environment::default()).await;
        stdout(&*session, "ln -s b a; ln -s a b").await;
        let read = session.read(&SandboxPath::new("a").unwrap()).await.unwrap_err();
        assert!(matches!(read.kind(), ErrorKind::NotFound | ErrorKind::NotAFile), "{read}");
        session.close().await.unwrap();
    });
}

/// A run once ended with a container left: the removal of a dropped session was a task on a runtime that ended with the run, and
/// a container whose making was cancelled can come to be after its removal has found nothing.
#[test]
fn an_engine_that_dropped_its_sandbox_leaves_no_container() {
    let Some(options) = block_on(given()) else { return };
    let mut engine = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sessions::an_engine", "--nocapture", "--test-threads=1"])
        .env(ENGINE, options.socket.unwrap())
        .env("HARNESS_TEST_IMAGE", options.image.unwrap())
        .spawn()
        .unwrap();
    let pid = engine.id();
    assert!(engine.wait().unwrap().success());
    // Its name on the label: boot, process, start.
    let format = "{{.Names}} {{.Labels}}";
    let all = podman::said(&["ps", "--all", "--format", format]);
    let left: Vec<_> = all.lines().filter(|line| line.contains(&format!("/{pid}/"))).collect();
    assert!(left.is_empty(), "{left:?}");
}

const ENGINE: &str = "HARNESS_TEST_ENGINE_SOCKET";

/// Not a test by itself: the engine, whose owner sees that its sessions were there.
#[test]
fn an_engine() {
    let Ok(socket) = std::env::var(ENGINE) else { return };
    let options = ContainerOptions {
        socket: Some(socket.into()),
        image: std::env::var("HARNESS_TEST_IMAGE").ok(),
        ..ContainerOptions::default()
    };
    for round in 1..=3 {
        // Another runtime each time, gone before the sandbox is dropped.
        let sandbox = block_on(async {
            let sandbox = connect(options.clone()).await;
            let environment = Environment::default();
            let session = open(&sandbox, &environment).await;
            let other = open(&sandbox, &environment).await;
            let all = podman::said(&["ps", "--format", "{{.Labels}}"]);
            let mine = format!("/{}/", std::process::id());
            assert_eq!(all.lines().filter(|line| line.contains(&mine)).count(), 2, "{all}");
            stdout(&*session, "sleep 1000 >/dev/null 2>&1 &").await;
            drop(session);
            // Cancelled somewhere on its way.
            for millis in [1, 5, 20, 60, 150] {
                let patience = Duration::from_millis(millis * round);
                let _ = tokio::time::timeout(patience, sandbox.open(&environment)).await;
            }
            drop(other);
            sandbox
        });
        drop(sandbox);
    }
}
