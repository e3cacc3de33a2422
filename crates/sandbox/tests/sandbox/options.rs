//! What the operator shares and bounds.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::{Arc, Mutex};

use harness_core::{Environment, Exit, ResourceLimits, Sandbox, Session as _};
use harness_sandbox::{OutputStream, SandboxKind, SandboxOptions};

use crate::common::{backend, open, run, stdout};

const CONFINING: [SandboxKind; 3] = [SandboxKind::Full, SandboxKind::User, SandboxKind::Landlock];

fn with(
    kind: SandboxKind,
    change: impl Fn(SandboxOptions) -> SandboxOptions,
) -> Option<Arc<dyn Sandbox>> {
    backend(kind)?;
    Some(change(SandboxOptions::new(kind)).build().unwrap())
}

/// A directory that an ordinary user owns, also where the tests run as root.
fn workspace() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("given"), "from the host\n").unwrap();
    if rustix::process::geteuid().is_root() {
        for path in [directory.path().to_owned(), directory.path().join("given")] {
            std::os::unix::fs::chown(path, Some(12_345), Some(12_345)).unwrap();
        }
    }
    directory
}

#[tokio::test]
async fn a_workspace_is_the_hosts_own_directory() {
    for kind in CONFINING {
        let directory = workspace();
        let Some(sandbox) = with(kind, |options| options.with_workspace(directory.path())) else {
            continue;
        };
        let session = open(&sandbox).await;
        let script = "cat given; echo made > made; mkdir d; echo changed >> given; ls";
        assert_eq!(stdout(&*session, script).await, "from the host\nd\ngiven\nmade\n", "{kind:?}");
        let made = directory.path().join("made");
        assert_eq!(fs::read_to_string(&made).unwrap(), "made\n", "{kind:?}");
        let owner = fs::metadata(directory.path()).unwrap().uid();
        assert_eq!(fs::metadata(&made).unwrap().uid(), owner, "{kind:?}: made by its owner");
        session.close().await.unwrap();
        assert!(made.exists(), "{kind:?}: it outlives the session");
    }
}

#[tokio::test]
async fn no_set_user_id_bit_is_left_in_a_workspace() {
    for kind in CONFINING {
        let directory = workspace();
        let Some(sandbox) = with(kind, |options| options.with_workspace(directory.path())) else {
            continue;
        };
        let session = open(&sandbox).await;
        // The last by `openat2`, which hides the mode from a filter.
        let tries = "cp /bin/true a; chmod 4755 a; cp /bin/true b; chmod 2755 b; \
                     perl -e 'my $how = pack(\"QQQ\", 0102, 04755, 0); my $n = \"c\"; syscall(437, -100, $n, $how, 24)'; true";
        stdout(&*session, tries).await;
        for entry in fs::read_dir(directory.path()).unwrap().flatten() {
            assert_eq!(
                entry.metadata().unwrap().permissions().mode() & 0o6000,
                0,
                "{kind:?}: {entry:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_task_gets_at_most_what_the_operator_allows() {
    let Some(sandbox) = with(SandboxKind::User, |options| options.with_disk(2 << 20)) else {
        return;
    };
    for (asked, fits) in [(None, false), (Some(8 << 20), false), (Some(1 << 20), false)] {
        let limits = ResourceLimits { disk_bytes: asked, ..ResourceLimits::default() };
        let environment = Environment { limits, ..Environment::default() };
        let session = sandbox.open(&environment).await.unwrap();
        let filled = run(&*session, "head -c 3M /dev/zero > file").await;
        assert_eq!(filled.exit.is_success(), fits, "{asked:?}");
    }
}

#[tokio::test]
async fn the_kernel_bounds_processes_memory_and_processors() {
    let Some(sandbox) = with(SandboxKind::Full, |options| {
        options.with_processes(20).with_memory(64 << 20).with_cpus(0.2)
    }) else {
        return;
    };
    let session = open(&sandbox).await;
    let forks = run(&*session, "for i in {1..40}; do sleep 3 & done").await;
    assert!(forks.stderr.text().contains("Resource temporarily unavailable"), "{forks:?}");
    session.end_processes().await.unwrap();
    let greedy = run(&*session, "perl -e '$x = \"x\" x (100 << 20); print 1'").await;
    assert_eq!((greedy.exit, greedy.stdout.text().as_str()), (Exit::OutOfMemory, ""));
    // Files lie in memory as well: their file system is full before that.
    let files = run(&*session, "head -c 100M /dev/zero > file").await;
    assert!(files.stderr.text().contains("No space left"), "{files:?}");
    // A fifth of a processor: two seconds of work in one second of time do not fit.
    let busy = "perl -e 'my $t = time + 2; 1 while time < $t; my ($u, $s) = times; print $u + $s'";
    let used: f64 = stdout(&*session, busy).await.parse().unwrap();
    assert!(used < 1.2, "{used} s of processor time in about 2 s");
}

#[tokio::test]
async fn control_groups_vanish_with_their_sessions_and_supervisors() {
    let Some(sandbox) = backend(SandboxKind::Full) else { return };
    let session = open(&sandbox).await;
    // Seen from the host: the group of a process of the session's.
    let mark = crate::common::marker();
    stdout(&*session, &format!("sleep {mark} >/dev/null 2>&1 &")).await;
    crate::common::expect_processes(&mark, 1).await;
    let pid = crate::common::processes(&mark)[0];
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let line = groups
        .lines()
        .find(|line| line.contains(":pids:"))
        .or(groups.lines().find(|line| line.starts_with("0::")));
    let group = line.unwrap().rsplit(':').next().unwrap().to_owned();
    assert!(group.contains("/harness-sandbox-"), "{groups}");
    // From inside, nothing above it is seen.
    let inside = stdout(&*session, "cat /proc/self/cgroup").await;
    assert!(!inside.contains("harness-sandbox-"), "{inside}");
    let directory = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"]
        .map(|mount| std::path::PathBuf::from(format!("{mount}{group}")))
        .into_iter()
        .find(|directory| directory.exists())
        .unwrap();
    session.close().await.unwrap();
    vanishes(&directory).await;
    drop(sandbox);
    vanishes(directory.parent().unwrap()).await;
}

async fn vanishes(path: &std::path::Path) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while path.exists() {
        assert!(std::time::Instant::now() < deadline, "{} is still there", path.display());
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn output_is_heard_while_a_command_runs() {
    if backend(SandboxKind::Auto).is_none() {
        return;
    }
    let sandbox = SandboxOptions::new(SandboxKind::Auto).build_local().unwrap();
    let session = sandbox.open_local(&Environment::default()).await.unwrap();
    let heard = Mutex::new(Vec::new());
    let mut watcher = |stream: OutputStream, bytes: &[u8]| {
        heard.lock().unwrap().push((stream, String::from_utf8_lossy(bytes).into_owned()));
    };
    // Ends only when somebody has heard its first word and made the file.
    let command = harness_core::Command::shell(
        "echo first; until [ -e go ]; do sleep 0.01; done; echo last >&2",
    )
    .with_timeout(std::time::Duration::from_secs(60));
    let answer = async {
        while heard.lock().unwrap().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        let go = harness_core::SandboxPath::new("go").unwrap();
        session.write(&go, harness_core::File::plain(b"")).await.unwrap();
    };
    let (output, ()) = tokio::join!(session.exec_watched(&command, &mut watcher), answer);
    assert_eq!(output.unwrap().exit, Exit::Code(0));
    let heard = heard.into_inner().unwrap();
    assert_eq!(heard.first(), Some(&(OutputStream::Stdout, "first\n".to_owned())));
    assert_eq!(heard.last(), Some(&(OutputStream::Stderr, "last\n".to_owned())));
}

/// A supervisor that was killed leaves a directory; the next one removes it, and leaves that of a living one alone.
#[tokio::test]
async fn the_next_supervisor_sweeps_what_a_killed_one_left() {
    let state = tempfile::tempdir().unwrap();
    fs::set_permissions(state.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let dead = state.path().join("harness-sandbox-00000000deadbeef");
    fs::create_dir(&dead).unwrap();
    fs::create_dir(dead.join("session-1")).unwrap();
    fs::write(dead.join("session-1/file"), "left").unwrap();
    let build = || {
        let options = SandboxOptions::new(SandboxKind::Unconfined);
        options.with_state_directory(state.path()).build().unwrap()
    };
    let living = build();
    let session = open(&living).await;
    stdout(&*session, "echo mine > file").await;
    let next = build();
    vanishes(&dead).await;
    assert_eq!(stdout(&*session, "cat file").await, "mine\n");
    session.close().await.unwrap();
    drop((living, next));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while fs::read_dir(state.path()).unwrap().count() > 0 {
        assert!(std::time::Instant::now() < deadline, "supervisors leave directories behind");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
