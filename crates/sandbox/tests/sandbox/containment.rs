//! What a session must not reach. Each probe also runs unconfined where it must succeed: a probe that
//! does not escape there would prove nothing.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::SocketAddr;
use std::sync::Arc;

use harness_core::{Command, Environment, IsolationLevel, Sandbox};
use harness_sandbox::{SandboxKind, SandboxOptions};

use crate::common::{backend, expect_processes, laws, marker, open, path, processes, run, stdout};

laws!(
    the_isolation_is_stated,
    host_files_are_out_of_reach,
    the_host_network_is_out_of_reach,
    the_environment_is_clean,
    no_descriptor_is_inherited,
);

/// Whether escapes are expected.
fn unconfined(sandbox: &Arc<dyn Sandbox>) -> bool {
    sandbox.isolation().backend == "unconfined"
}

async fn the_isolation_is_stated(sandbox: &Arc<dyn Sandbox>) {
    let isolation = sandbox.isolation();
    let levels: &[IsolationLevel] = match isolation.backend.as_str() {
        "namespace" => &[IsolationLevel::Full, IsolationLevel::User],
        "landlock" => &[IsolationLevel::Restricted],
        _ => &[IsolationLevel::None],
    };
    assert!(levels.contains(&isolation.level), "{isolation}");
    assert!(!isolation.residual.is_empty());
}

async fn host_files_are_out_of_reach(sandbox: &Arc<dyn Sandbox>) {
    let directory = tempfile::tempdir().unwrap();
    let decoy = directory.path().join("key");
    std::fs::write(&decoy, "a secret").unwrap();
    // Open to every user of the host: not its permissions must protect it.
    for (path, mode) in [(directory.path(), 0o777), (&decoy, 0o666)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let session = open(sandbox).await;
    let decoy_path = decoy.display();
    let read = run(&*session, &format!("cat {decoy_path}")).await;
    assert_eq!(read.exit.is_success(), unconfined(sandbox));
    let written = run(&*session, &format!("echo changed >> {decoy_path}")).await;
    let changed = std::fs::read_to_string(&decoy).unwrap() != "a secret";
    assert_eq!(changed, unconfined(sandbox), "{}", written.stderr.text());
    run(&*session, &format!("rm -rf {}/*", directory.path().display())).await;
    assert_eq!(decoy.exists(), !unconfined(sandbox));
}

async fn the_host_network_is_out_of_reach(sandbox: &Arc<dyn Sandbox>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let session = open(sandbox).await;
    let connect = run(&*session, &format!("exec 3<>/dev/tcp/127.0.0.1/{port}")).await;
    assert_eq!(connect.exit.is_success(), unconfined(sandbox));
    let name = format!("harness-test-{}-{port}", std::process::id());
    let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
    let _abstract = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    let script = format!(
        "use Socket; socket(S, AF_UNIX, SOCK_STREAM, 0) or exit 1; \
         connect(S, pack('S', AF_UNIX) . \"\\0{name}\") or exit 1"
    );
    let connect = session.exec(&Command::program(["perl", "-e", &script])).await.unwrap();
    assert_eq!(connect.exit.is_success(), unconfined(sandbox));
}

async fn the_environment_is_clean(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    let env = session.exec(&Command::program(["env"])).await.unwrap().stdout.text();
    let mut names: Vec<_> = env.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LANG", "PATH", "TERM", "TMPDIR"]);
    // Of no process in sight can an environment be read that holds what this one holds.
    if !unconfined(sandbox) {
        let seen = stdout(&*session, "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'").await;
        assert!(!seen.contains("CARGO"), "{seen}");
        assert_eq!(stdout(&*session, "ls -A ~").await, "");
    }
}

async fn no_descriptor_is_inherited(_: &Arc<dyn Sandbox>) {
    // A descriptor that this process passes on to everything it starts.
    let file = std::fs::File::open("/dev/zero").unwrap();
    let leaked = rustix::io::fcntl_dupfd_cloexec(&file, 40).unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    for kind in
        [SandboxKind::Full, SandboxKind::User, SandboxKind::Landlock, SandboxKind::Unconfined]
    {
        let Some(sandbox) = backend(kind) else { continue };
        let session = open(&sandbox).await;
        let command = "for fd in {0..300}; do [ -e /proc/$$/fd/$fd ] && echo $fd; done; :";
        assert_eq!(stdout(&*session, command).await, "0\n1\n2\n");
    }
}

/// For backends that claim to confine.
mod confined {
    use super::*;

    crate::common::laws!(@confined
        no_process_is_root,
        privileges_are_gone,
        the_first_process_cannot_be_touched,
        forbidden_calls_are_refused,
        keys_and_shared_memory_are_apart,
        system_directories_are_read_only,
    );
}

async fn no_process_is_root(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    let marker = marker();
    stdout(&*session, &format!("sleep {marker} >/dev/null 2>&1 &")).await;
    expect_processes(&marker, 1).await;
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", processes(&marker)[0])).unwrap();
    for field in ["Uid:", "Gid:"] {
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        let ids: Vec<_> = line.split_whitespace().skip(1).collect();
        let pretended = std::fs::read_to_string("/proc/self/uid_map").unwrap();
        let whole = pretended.split_whitespace().nth(2) == Some("4294967295");
        assert!(!whole || !ids.contains(&"0"), "{line}");
    }
}

async fn privileges_are_gone(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    let status = stdout(&*session, "cat /proc/self/status; ulimit -c").await;
    for line in ["CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(status.contains(line), "{line} in {status}");
    }
    assert!(status.contains("Seccomp:\t2"));
    assert!(status.ends_with("\n0\n"));
}

async fn the_first_process_cannot_be_touched(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    // The session's own process, seen from inside: its parent.
    for probe in [
        "cat /proc/$PPID/environ",
        "readlink /proc/$PPID/fd/* /proc/$PPID/exe",
        "cat /proc/$PPID/mem",
    ] {
        let output = run(&*session, probe).await;
        assert_eq!(output.stdout.text(), "", "{probe}");
    }
    let ptrace = "use strict; my $p = getppid(); exit(syscall(101, 16, $p, 0, 0) == 0 ? 0 : 1)";
    if cfg!(target_arch = "x86_64") {
        let output = session.exec(&Command::program(["perl", "-e", ptrace])).await.unwrap();
        assert!(!output.exit.is_success());
    }
    if sandbox.isolation().level <= IsolationLevel::User {
        run(&*session, "kill -9 1; kill -STOP 1; kill -TERM 1; prlimit --pid 1 --nofile=1").await;
        assert_eq!(stdout(&*session, "echo alive").await, "alive\n");
        run(&*session, "kill -9 -1").await;
        assert_eq!(stdout(&*session, "echo alive").await, "alive\n");
    }
}

async fn forbidden_calls_are_refused(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    for command in ["unshare -U true", "unshare -n true", "mount -t tmpfs x /tmp", "chroot / true"]
    {
        assert!(!run(&*session, command).await.exit.is_success(), "{command}");
    }
    if cfg!(not(target_arch = "x86_64")) {
        return;
    }
    // Number and arguments; -1 is what a refused call returns.
    let calls = [
        ("clone, new user namespace", "56, 0x10000011, 0, 0, 0, 0"),
        ("clone3", "435, 0, 0"),
        ("io_uring_setup", "425, 1, 0"),
        ("bpf", "321, 0, 0, 0"),
        ("perf_event_open", "298, 0, 0, 0, 0, 0"),
        ("userfaultfd", "323, 0"),
        ("keyctl", "250, 0, 0"),
        ("TIOCSTI", "16, 0, 0x5412, 0"),
        ("TIOCSTI with a high bit", "16, 0, 0x100005412, 0"),
        ("x32 getpid", "0x40000000 | 39"),
        ("a vsock socket", "41, 40, 1, 0"),
        ("a packet socket", "41, 17, 3, 0"),
        ("a netlink audit socket", "41, 16, 3, 9"),
        ("a call that does not exist yet", "600"),
    ];
    for (name, call) in calls {
        // A family of sockets that is refused looks like one that the kernel lacks.
        let refusals = match name.ends_with("socket") {
            true => "$!{EPERM} || $!{EAFNOSUPPORT}",
            false => "$!{EPERM} || $!{ENOSYS}",
        };
        let script = format!("exit(syscall({call}) == -1 && ({refusals}) ? 0 : 1)");
        let output =
            session.exec(&Command::program(["perl", "-MErrno", "-e", &script])).await.unwrap();
        assert!(output.exit.is_success(), "{name}: {}", output.stderr.text());
    }
}

async fn keys_and_shared_memory_are_apart(sandbox: &Arc<dyn Sandbox>) {
    let (first, second) = (open(sandbox).await, open(sandbox).await);
    run(&*first, "ipcmk -M 64; ipcmk -Q; echo x > /dev/shm/probe-of-the-sandbox-tests").await;
    let seen =
        stdout(&*second, "ipcs | grep -c '^0x' || true; ls /dev/shm 2>/dev/null || true").await;
    assert!(!seen.contains("probe-of-the-sandbox-tests"), "{seen}");
    assert!(!std::path::Path::new("/dev/shm/probe-of-the-sandbox-tests").exists());
    if sandbox.isolation().level <= IsolationLevel::User {
        assert_eq!(seen.trim(), "0");
        // The keys of the user that a session is on the host were once listed, though none could be read.
        let keys = stdout(&*second, "cat /proc/keys /proc/key-users").await;
        assert_eq!(keys, "");
    }
}

async fn system_directories_are_read_only(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    for target in
        ["/usr/probe", "/usr/bin/probe", "/bin/probe", "/etc/ssl/certs/probe", "/etc/hosts"]
    {
        assert!(!run(&*session, &format!("touch {target}")).await.exit.is_success(), "{target}");
    }
    for closed in ["/etc/shadow", "/etc/ssh", "/sys/kernel", "/dev/vda", "/dev/mem", "/boot"] {
        assert!(!run(&*session, &format!("ls {closed}/ || cat {closed}")).await.exit.is_success());
    }
    for knob in ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/vm/drop_caches"]
    {
        assert!(!run(&*session, &format!(": >> {knob}")).await.exit.is_success(), "{knob}");
    }
}

#[tokio::test]
async fn namespaces_have_a_root_and_a_network_of_their_own() {
    let Some(sandbox) = backend(SandboxKind::Namespace) else { return };
    let session = sandbox.open(&Environment::default()).await.unwrap();
    assert_eq!(session.locate(&path("x")), "/app/x");
    let facts =
        stdout(&*session, "hostname; id -u; echo $HOME; ls /home | wc -l; ps ax | wc -l").await;
    let facts: Vec<_> = facts.lines().collect();
    assert_eq!(facts[..4], ["sandbox", "1000", "/root", "0"]);
    assert!(facts[4].trim().parse::<u32>().unwrap() < 8, "{facts:?}");
    stdout(&*session, "mkdir /logs /solution; touch /logs/x; echo x > /dev/shm/x").await;
    let loopback = "use IO::Socket::INET; my $l = IO::Socket::INET->new(Listen => 1, LocalAddr => \
                    '127.0.0.1', LocalPort => 8080) or die; IO::Socket::INET->new('127.0.0.1:8080') or die";
    let output = session.exec(&Command::program(["perl", "-e", loopback])).await.unwrap();
    assert!(output.exit.is_success(), "{}", output.stderr.text());
    assert_eq!(stdout(&*session, "cat <(echo substituted)").await, "substituted\n");
}

/// Network namespaces are made ahead: what one session did in its own, no other must see.
#[tokio::test]
async fn no_network_is_used_twice() {
    let facts = "readlink /proc/self/ns/net; awk '/lo:/ { print $2 + $10 }' /proc/net/dev; \
                 wc -l < /proc/net/tcp";
    let traffic = "use IO::Socket::INET; my $l = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', LocalPort \
                   => 8080) or die; my $c = IO::Socket::INET->new('127.0.0.1:8080') or die; print $c 'x' x 999; close $c";
    for kind in [SandboxKind::Full, SandboxKind::User] {
        let Some(sandbox) = backend(kind) else { continue };
        let own = std::fs::read_link("/proc/self/ns/net").unwrap();
        let mut seen = vec![own.display().to_string()];
        // All of them live, so that no number is given to another namespace.
        let mut sessions = Vec::new();
        for _ in 0..6 {
            let session = open(&sandbox).await;
            let facts = stdout(&*session, facts).await;
            let facts: Vec<&str> = facts.lines().collect();
            assert_eq!(facts[1..], ["0", "1"], "{kind:?}: traffic, and the heading of a table");
            assert!(!seen.iter().any(|other| other == facts[0]), "{kind:?}: {facts:?}, {seen:?}");
            seen.push(facts[0].to_owned());
            let used = session.exec(&Command::program(["perl", "-e", traffic])).await.unwrap();
            assert!(used.exit.is_success(), "{kind:?}: {}", used.stderr.text());
            sessions.push(session);
        }
    }
}

#[tokio::test]
async fn storage_and_processes_are_bounded() {
    let Some(sandbox) = backend(SandboxKind::Namespace) else { return };
    let mut environment = Environment::default();
    environment.limits.disk_bytes = Some(4 << 20);
    environment.limits.processes = Some(40);
    let session = sandbox.open(&environment).await.unwrap();
    let full = run(&*session, "head -c 8M /dev/zero > file").await;
    assert!(full.stderr.text().contains("No space left"), "{}", full.stderr.text());
    let inodes = run(&*session, "rm file; for i in $(seq 3000); do : > f$i || exit 3; done").await;
    assert_eq!(inodes.exit, harness_core::Exit::Code(3));
    let forks = run(&*session, "for i in $(seq 60); do sleep 5 & done").await;
    assert!(forks.stderr.text().contains("Resource temporarily unavailable"), "{forks:?}");
}

/// On a busy machine a command once took all memory before the session's first process had said that it is to be killed first.
#[tokio::test]
async fn a_command_is_killed_first_from_its_beginning() {
    for kind in [SandboxKind::Full, SandboxKind::User] {
        let Some(sandbox) = backend(kind) else { continue };
        let session = open(&sandbox).await;
        let scores = Command::program(["cat", "/proc/self/oom_score_adj", "/proc/1/oom_score_adj"]);
        let own = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap();
        for _ in 0..50 {
            let output = session.exec(&scores).await.unwrap();
            let told = output.stdout.text();
            assert!(told.starts_with("1000\n"), "{kind:?}: {told}");
            // Raised for as long as the start takes, no longer.
            assert!(
                told.ends_with(&format!("\n{own}")) || told == "1000\n1000\n",
                "{kind:?}: {told}"
            );
        }
        let own = format!("until [ $(cat /proc/1/oom_score_adj) = {} ]; do :; done", own.trim());
        stdout(&*session, &own).await;
    }
}

/// Control groups are used again: what one session met there, the next must not.
#[tokio::test]
async fn sessions_one_after_another_have_limits_of_their_own() {
    let Some(sandbox) = backend(SandboxKind::Full) else { return };
    let greedy = "exec perl -e '$x = q(x) x 150_000_000; $y = $x . $x'";
    let many = "exec perl -e 'for (1..45) { my $p = fork; defined $p or last; $p or sleep 600, exit; push @p, $p } \
                kill 9, @p; print scalar @p'";
    for _ in 0..3 {
        for (memory, processes) in [(64 << 20, 30), (1 << 30, 60)] {
            let mut environment = Environment::default();
            environment.limits.memory_bytes = Some(memory);
            environment.limits.processes = Some(processes);
            let session = sandbox.open(&environment).await.unwrap();
            let killed = run(&*session, "kill -9 $$").await.exit;
            assert_eq!(killed, harness_core::Exit::Signal(9));
            let small = processes == 30;
            assert_eq!(run(&*session, greedy).await.exit == harness_core::Exit::OutOfMemory, small);
            let begun: u32 = stdout(&*session, many).await.parse().unwrap();
            assert_eq!(begun < 45, small, "{begun}");
            session.close().await.unwrap();
        }
    }
}

#[tokio::test]
async fn further_directories_are_shown_read_only() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("data"), "shown").unwrap();
    let open_to_all = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(directory.path(), open_to_all).unwrap();
    let shown = directory.path();
    let kinds = [SandboxKind::Full, SandboxKind::User, SandboxKind::Landlock];
    for kind in kinds.into_iter().filter(|kind| backend(*kind).is_some()) {
        let sandbox = SandboxOptions::new(kind).with_read_only(shown).build().unwrap();
        let session = open(&sandbox).await;
        let shown = shown.display();
        assert_eq!(stdout(&*session, &format!("cat {shown}/data")).await, "shown");
        assert!(!run(&*session, &format!("touch {shown}/new")).await.exit.is_success());
    }
}
