//! Views into a session, as verifiers use them.

use std::sync::Arc;
use std::time::Duration;

use harness_core::{Command, File, Sandbox};

use crate::common::{expect_processes, marker, open, path, processes, run, stdout};

mod full {
    crate::common::laws!(@tests Full, a_view_sees_files_and_servers, a_session_cannot_reach_its_view,
        closing_a_view_leaves_the_session, renamed_directories_do_not_move_a_view,
        a_killed_view_does_not_hold_its_session);
}
mod user {
    crate::common::laws!(@tests User, a_view_sees_files_and_servers, a_session_cannot_reach_its_view,
        closing_a_view_leaves_the_session, renamed_directories_do_not_move_a_view,
        a_killed_view_does_not_hold_its_session);
}

async fn a_view_sees_files_and_servers(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    let server = "use IO::Socket::INET; my $l = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', \
                  LocalPort => 8080) or die; while (my $c = $l->accept) { print $c \"served\\n\"; close $c }";
    session.write(&path("server.pl"), File::plain(server.as_bytes())).await.unwrap();
    stdout(&*session, "echo made > file; setsid perl server.pl >/dev/null 2>&1 &").await;
    let view = session.view().await.unwrap().unwrap();
    let script =
        "cat file; until exec 3<>/dev/tcp/127.0.0.1/8080; do sleep 0.05; done 2>/dev/null; cat <&3";
    assert_eq!(stdout(&*view, script).await, "made\nserved\n");
    stdout(&*view, "echo changed > file; pkill -f server.pl").await;
    assert_eq!(stdout(&*session, "cat file").await, "changed\n");
    view.close().await.unwrap();
    session.close().await.unwrap();
}

async fn a_session_cannot_reach_its_view(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    let view = session.view().await.unwrap().unwrap();
    view.write(&path("/logs/verifier/reward.txt"), File::plain(b"0")).await.unwrap();
    view.write(&path("/tests/secret"), File::plain(b"expected")).await.unwrap();
    stdout(&*view, "setsid sleep 60 >/dev/null 2>&1 &").await;
    let reach = "ls /tests /logs/verifier; for p in /proc/[0-9]*; do cat $p/root/tests/secret $p/environ; ls $p/fd/; done; \
                 kill -9 $(pgrep sleep); true";
    let seen = run(&*session, &format!("({reach}) 2>/dev/null")).await.stdout.text();
    assert!(!seen.contains("expected"), "{seen}");
    assert_eq!(stdout(&*view, "pgrep -c sleep").await.trim(), "1", "it was killed from outside");
    assert_eq!(view.read(&path("/logs/verifier/reward.txt")).await.unwrap(), b"0");
    view.close().await.unwrap();
}

async fn closing_a_view_leaves_the_session(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    stdout(&*session, "setsid sleep 300 >/dev/null 2>&1 &").await;
    let view = session.view().await.unwrap().unwrap();
    stdout(&*view, "setsid sleep 301 >/dev/null 2>&1 &").await;
    view.close().await.unwrap();
    assert_eq!(stdout(&*session, "pgrep -fc 'sleep 30[0]'").await.trim(), "1");
    assert_eq!(stdout(&*session, "pgrep -fc 'sleep 30[1]' || true").await.trim(), "0");
    session.close().await.unwrap();
}

/// The session's user owns its root, and can move what lies there; a view has a root of its own.
async fn renamed_directories_do_not_move_a_view(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    stdout(&*session, "mkdir -p /tests /logs; echo planted > /tests/test.sh").await;
    let view = session.view().await.unwrap().unwrap();
    view.write(&path("/tests/test.sh"), File::plain(b"true")).await.unwrap();
    let rename = "mv /tests /tests2; mkdir /tests; echo forged > /tests/test.sh; mv /etc /etc2; mkdir /etc; \
                  echo /app/evil.so > /etc/ld.so.preload; rm /bin; ln -s /app /bin; true";
    run(&*session, rename).await;
    assert_eq!(view.read(&path("/tests/test.sh")).await.unwrap(), b"true");
    let check = Command::program(["/bin/bash", "-c", "cat /tests/test.sh; ls /etc/ld.so.preload"])
        .with_timeout(Duration::from_secs(60));
    let output = view.exec(&check).await.unwrap();
    assert_eq!(output.stdout.text(), "true");
    assert!(output.stderr.text().contains("No such file"), "{}", output.stderr.text());
    view.close().await.unwrap();
}

/// The parent of a process of the host's.
fn parent(pid: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    line.unwrap().trim().parse().unwrap()
}

/// The process between the supervisor and a view, killed, left the view's own one to a supervisor that waited only for
/// those that it had started; the session could not end before, and its closing failed after fifteen seconds.
async fn a_killed_view_does_not_hold_its_session(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    let view = session.view().await.unwrap().unwrap();
    let mark = marker();
    stdout(&*view, &format!("setsid sleep {mark} >/dev/null 2>&1 &")).await;
    expect_processes(&mark, 1).await;
    let serving = parent(processes(&mark)[0]);
    let between = rustix::process::Pid::from_raw(parent(serving).cast_signed()).unwrap();
    rustix::process::kill_process(between, rustix::process::Signal::KILL).unwrap();
    view.close().await.unwrap();
    session.close().await.unwrap();
    expect_processes(&mark, 0).await;
}
