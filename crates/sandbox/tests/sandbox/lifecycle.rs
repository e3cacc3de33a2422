//! Who lives how long: time-outs, dropped futures, daemons, sessions, engines.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness_core::{Command, Exit, IsolationLevel, Sandbox};
use harness_sandbox::SandboxKind;

use crate::common::{backend, expect_processes, laws, marker, open, path, processes, run, stdout};

laws!(
    a_timeout_kills_the_whole_tree,
    dropping_exec_kills_the_whole_tree,
    a_kill_spares_other_commands_and_daemons,
    daemons_outlive_their_command_and_not_their_session,
    a_held_pipe_does_not_delay,
    a_writing_daemon_survives,
    stopped_and_forking_trees_end,
    sessions_do_not_see_each_other,
    many_sessions_at_once,
    closing_leaves_nothing,
    dropped_opens_leave_nothing,
    the_engine_may_be_killed,
    overdrawn_memory_is_told_apart,
    memory_that_nobody_owns_is_counted,
);

/// Every way in which a process may try to slip away, each ending in `sleep MARKER`.
fn slippery(marker: &str) -> String {
    format!(
        "trap '' TERM HUP INT\n\
         sleep {marker} &\n\
         setsid sleep {marker} &\n\
         (setsid sh -c 'trap \"\" TERM; (sleep {marker}; :) & exec sleep {marker}' &)\n\
         nohup sleep {marker} >/dev/null 2>&1 &\n\
         (sh -c 'sleep {marker} & kill -STOP $$' &)\n"
    )
}
const SLIPPERY: usize = 6;

async fn a_timeout_kills_the_whole_tree(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    // A machine that is busy may need longer until the whole tree stands.
    for millis in [700, 4_000, 20_000] {
        let marker = marker();
        let script = format!("{} sleep {marker}", slippery(&marker));
        let command = Command::shell(script).with_timeout(Duration::from_millis(millis));
        let mut exec = std::pin::pin!(session.exec(&command));
        let stands = async {
            while processes(&marker).len() != SLIPPERY + 1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let (stood, output) = tokio::select! {
            output = &mut exec => (false, output),
            () = stands => (true, exec.await),
        };
        assert_eq!(output.unwrap().exit, Exit::TimedOut);
        assert_eq!(processes(&marker), Vec::<u32>::new());
        assert_eq!(stdout(&*session, "echo alive").await, "alive\n");
        if stood {
            return;
        }
    }
    panic!("the tree never stood");
}

async fn dropping_exec_kills_the_whole_tree(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    let marker = marker();
    let command = Command::shell(format!("{} sleep {marker}", slippery(&marker)));
    {
        let exec = session.exec(&command);
        tokio::select! {
            output = exec => panic!("{output:?}"),
            () = expect_processes(&marker, SLIPPERY + 1) => {}
        }
    }
    expect_processes(&marker, 0).await;
    assert_eq!(stdout(&*session, "echo alive").await, "alive\n");
}

async fn a_kill_spares_other_commands_and_daemons(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    let (daemon, doomed, other) = (marker(), marker(), marker());
    stdout(&*session, &format!("setsid sleep {daemon} >/dev/null 2>&1 &")).await;
    let slow = Command::shell(slippery(&doomed) + "wait").with_timeout(Duration::from_millis(700));
    let script =
        format!("(setsid sleep {other} &) ; sleep 1.2; pgrep -fc '^sleep {other}'; exit 7");
    let (killed, spared) = tokio::join!(session.exec(&slow), run(&*session, &script));
    assert_eq!(killed.unwrap().exit, Exit::TimedOut);
    assert_eq!(spared.exit, Exit::Code(7));
    assert_eq!(processes(&doomed), Vec::<u32>::new());
    assert_eq!((processes(&daemon).len(), processes(&other).len()), (1, 1));
    session.close().await.unwrap();
    assert_eq!(processes(&daemon).len() + processes(&other).len(), 0);
}

async fn daemons_outlive_their_command_and_not_their_session(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    let marker = marker();
    assert!(run(&*session, &slippery(&marker)).await.exit.is_success());
    expect_processes(&marker, SLIPPERY).await;
    assert_eq!(stdout(&*session, "echo alive").await, "alive\n");
    assert_eq!(processes(&marker).len(), SLIPPERY);
    drop(session);
    expect_processes(&marker, 0).await;
}

async fn a_held_pipe_does_not_delay(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    // Far less than the pipes are held open, and than `run` waits: how soon is for a bench to say.
    let soon = Duration::from_secs(20);
    let begun = Instant::now();
    let output = run(&*session, "sleep 100 & echo started").await;
    assert_eq!(output.stdout.text(), "started\n");
    assert!(begun.elapsed() < soon, "{:?}", begun.elapsed());
    let begun = Instant::now();
    let flood = run(&*session, "yes & echo started >&2").await;
    assert_eq!(flood.stderr.text(), "started\n");
    assert!(begun.elapsed() < soon, "{:?}", begun.elapsed());
}

async fn a_writing_daemon_survives(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    let daemon = "(for i in $(seq 6000); do echo line; echo line >> lines; sleep 0.02; done) &";
    stdout(&*session, daemon).await;
    let mut written = 0;
    for _ in 0..3 {
        let grown = async {
            loop {
                match session.read(&path("lines")).await.map(|bytes| bytes.len()) {
                    Ok(now) if now > written => return now,
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        let grown = tokio::time::timeout(Duration::from_secs(60), grown).await;
        written = grown.unwrap_or_else(|_| panic!("it has stopped at {written}"));
    }
}

async fn stopped_and_forking_trees_end(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    let marker = marker();
    // Forks as fast as it can, each link of the chain dying at once; bounded by its lifetime.
    let hop = format!("hop_{}", marker.replace('.', "_"));
    let script = format!(
        "{hop}() {{ [ $1 -gt 3000 ] || (sleep 0.001; {hop} $(($1 + 1))) & }}; {hop} 0; {hop} 0; \
         kill -STOP $$; sleep {marker}"
    );
    let command = Command::shell(script).with_timeout(Duration::from_millis(300));
    // That it ends at all: without a process table of its own the chain is chased, which takes a loaded machine long. What
    // does not end is an error of the session's after fifteen seconds.
    assert_eq!(session.exec(&command).await.unwrap().exit, Exit::TimedOut);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        stdout(&*session, &format!("pgrep -fc '[{}]{}' || true", &hop[..1], &hop[1..]))
            .await
            .trim(),
        "0"
    );
}

async fn sessions_do_not_see_each_other(sandbox: &Arc<dyn Sandbox>) {
    let (first, second) = (open(sandbox).await, open(sandbox).await);
    stdout(&*first, "echo mine > file; echo mine > $TMPDIR/file").await;
    assert!(second.read(&path("file")).await.is_err());
    assert!(second.read(&path("/tmp/file")).await.is_err());
    assert_eq!(stdout(&*second, "ls -A . $TMPDIR | grep file || true").await, "");
    if sandbox.isolation().backend == "unconfined" {
        return;
    }
    let file = first.locate(&path("/app/file"));
    assert!(!run(&*second, &format!("cat {file}")).await.exit.is_success());
    let marker = marker();
    stdout(&*first, &format!("sleep {marker} >/dev/null 2>&1 &")).await;
    expect_processes(&marker, 1).await;
    run(&*second, &format!("pkill -9 -f 'sleep {marker}'; kill -9 {}", processes(&marker)[0]))
        .await;
    assert_eq!(processes(&marker).len(), 1);
}

async fn many_sessions_at_once(sandbox: &Arc<dyn Sandbox>) {
    let sessions = (0..50).map(|number| async move {
        let session = open(sandbox).await;
        stdout(&*session, &format!("echo {number} > file; sleep 0.2")).await;
        assert_eq!(stdout(&*session, "cat file; ls | wc -l").await, format!("{number}\n1\n"));
        session.close().await.unwrap();
    });
    futures::future::join_all(sessions).await;
}

async fn closing_leaves_nothing(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    let marker = marker();
    stdout(
        &*session,
        &format!("mkdir -p a/b; touch a/b/c; chmod 000 a/b a; {}", slippery(&marker)),
    )
    .await;
    let place = session.locate(&path("."));
    let private = session.locate(&path("/"));
    session.close().await.unwrap();
    assert_eq!(processes(&marker), Vec::<u32>::new());
    if private != "/" {
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::path::Path::new(&place).exists() || std::path::Path::new(&private).exists() {
            assert!(Instant::now() < deadline, "{private} is still there");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn dropped_opens_leave_nothing(sandbox: &Arc<dyn Sandbox>) {
    for micros in (0..4000).step_by(200) {
        let open = open(sandbox);
        let _ = tokio::time::timeout(Duration::from_micros(micros), open).await;
    }
    let session = open(sandbox).await;
    assert_eq!(stdout(&*session, "echo alive").await, "alive\n");
}

async fn overdrawn_memory_is_told_apart(sandbox: &Arc<dyn Sandbox>) {
    let mut environment = harness_core::Environment::default();
    environment.limits.memory_bytes = Some(64 << 20);
    let session = sandbox.open(&environment).await.unwrap();
    let greedy = "my @a; for (1..150) { push @a, 'x' x 1_000_000; select(undef, undef, undef, 0.005) } sleep 20";
    let script = format!("echo begun; perl -e '{greedy}'");
    let (greedy, modest) = tokio::join!(run(&*session, &script), run(&*session, "sleep 2; exit 3"));
    assert_eq!((greedy.exit, greedy.stdout.text().as_str()), (Exit::OutOfMemory, "begun\n"));
    assert_eq!(modest.exit, Exit::Code(3));
}

/// What was kept in memory files and in System V segments once counted as nothing where no control group counts.
async fn memory_that_nobody_owns_is_counted(sandbox: &Arc<dyn Sandbox>) {
    // 319 is memfd_create, on the one architecture that the filter knows.
    let file = "my $n = 'n'; open(my $f, '>&=', syscall(319, $n, 0)) or die; \
                for (1..150) { syswrite($f, 'x' x 1_000_000) // die; select(undef, undef, undef, 0.005) } sleep 60";
    let segment = "my $s = shmget(0, 150_000_000, 0600) // die; \
                   for (0..149) { shmwrite($s, 'x' x 1_000_000, $_ * 1_000_000, 1_000_000) or die; \
                   select(undef, undef, undef, 0.005) } sleep 60";
    let both = [file, segment];
    // Without namespaces there are no System V segments of a session's own.
    let confined = sandbox.isolation().level <= IsolationLevel::User;
    for script in &both[..1 + usize::from(confined)] {
        let mut environment = harness_core::Environment::default();
        environment.limits.memory_bytes = Some(64 << 20);
        let session = sandbox.open(&environment).await.unwrap();
        let output = session.exec(&Command::program(["perl", "-e", script])).await.unwrap();
        assert_eq!(output.exit, Exit::OutOfMemory, "{}", output.stderr.text());
        // Nothing of it is held against those who come next.
        assert_eq!(
            stdout(&*session, "head -c 20M /dev/zero | tail -c 20M | wc -c").await,
            "20971520\n"
        );
        session.close().await.unwrap();
    }
}

/// What to ask for in order to get such a sandbox.
fn kind_of(sandbox: &Arc<dyn Sandbox>) -> &'static str {
    match sandbox.isolation().level {
        IsolationLevel::Full => "full",
        IsolationLevel::User => "user",
        IsolationLevel::Restricted => "landlock",
        _ => "unconfined",
    }
}

/// Starts this test binary again as an engine of its own, kills it, and looks for survivors.
async fn the_engine_may_be_killed(sandbox: &Arc<dyn Sandbox>) {
    let marker = marker();
    let mut engine = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lifecycle::an_engine", "--nocapture", "--test-threads=1"])
        .env("HARNESS_TEST_ENGINE", format!("{} {marker}", kind_of(sandbox)))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(engine.stdout.take().unwrap()).lines();
    let private = lines.find_map(|line| Some(line.unwrap().split_once("ready ")?.1.to_owned()));
    let private = private.unwrap();
    assert_eq!(processes(&marker).len(), 3 * SLIPPERY);
    engine.kill().unwrap();
    engine.wait().unwrap();
    expect_processes(&marker, 0).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while private != "/" && std::path::Path::new(&private).exists() {
        assert!(Instant::now() < deadline, "{private} is still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Not a test by itself: the engine that [`the_engine_may_be_killed`] kills.
#[tokio::test]
async fn an_engine() {
    let Ok(order) = std::env::var("HARNESS_TEST_ENGINE") else { return };
    let (kind, marker) = order.split_once(' ').unwrap();
    let kind: SandboxKind = kind.parse().unwrap();
    let sandbox = backend(kind).unwrap();
    let mut sessions = Vec::new();
    for _ in 0..3 {
        let session = open(&sandbox).await;
        assert!(run(&*session, &slippery(marker)).await.exit.is_success());
        sessions.push(session);
    }
    expect_processes(marker, 3 * SLIPPERY).await;
    println!("ready {}", sessions[0].locate(&path("/")));
    tokio::time::sleep(Duration::from_secs(60)).await;
}
