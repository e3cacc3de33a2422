//! Life on a real Debian, which `.ci/root-file-system` makes with debootstrap: `HARNESS_TEST_TARBALL` names the tarball.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use harness_core::{
    Command, Environment, ExecOutput, Network, ResourceLimits, Sandbox, SandboxPath, Session,
};
use harness_sandbox::{RootFileSystem, RootStore, SandboxKind, SandboxOptions};

use crate::tarball::skip;

/// Unpacked once for all tests of a run; the directory goes with the next `cargo clean`.
fn root() -> Option<RootFileSystem> {
    static ROOT: OnceLock<Option<RootFileSystem>> = OnceLock::new();
    ROOT.get_or_init(|| {
        let Ok(tarball) = std::env::var("HARNESS_TEST_TARBALL") else {
            skip("HARNESS_TEST_TARBALL is not set: .ci/root-file-system makes one");
            return None;
        };
        let store = match std::env::var("HARNESS_TEST_STORE") {
            Ok(store) => PathBuf::from(store),
            Err(_) => PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("roots"),
        };
        match RootStore::new(store).unpack(tarball) {
            Ok(root) => Some(root),
            Err(error) => {
                skip(&error.report());
                None
            }
        }
    })
    .clone()
}

fn sandboxes() -> Vec<(SandboxKind, Arc<dyn Sandbox>)> {
    let Some(root) = root() else { return Vec::new() };
    let kinds = [SandboxKind::Full, SandboxKind::User];
    let built = kinds.into_iter().filter_map(|kind| {
        match SandboxOptions::new(kind).with_root(root.clone()).build() {
            Ok(sandbox) => Some((kind, sandbox)),
            // Control groups are root's.
            Err(_) if kind == SandboxKind::Full && !rustix::process::geteuid().is_root() => None,
            Err(error) => {
                skip(&error.report());
                None
            }
        }
    });
    built.collect()
}

async fn open(sandbox: &Arc<dyn Sandbox>) -> Box<dyn Session> {
    let limits =
        ResourceLimits { setup_timeout: Duration::from_secs(60), ..ResourceLimits::default() };
    let environment = Environment { limits, network: Network::None, ..Environment::default() };
    sandbox.open(&environment).await.unwrap()
}

async fn run(session: &dyn Session, script: &str) -> ExecOutput {
    let command = Command::program(["/bin/bash", "-c", script]);
    session.exec(&command.with_timeout(Duration::from_secs(120))).await.unwrap()
}

/// The output of a script that must succeed.
async fn stdout(kind: SandboxKind, session: &dyn Session, script: &str) -> String {
    let output = run(session, script).await;
    assert!(
        output.exit.is_success(),
        "{kind:?}: {script}: {}: {}{}",
        output.exit,
        output.stdout.text(),
        output.stderr.text()
    );
    output.stdout.text()
}

#[tokio::test]
async fn it_is_the_tarballs_debian_with_root_and_users() {
    for (kind, sandbox) in sandboxes() {
        let session = open(&sandbox).await;
        let script = "set -e; id -u; stat -c %u:%g /etc/shadow; stat -c %a /usr/bin/passwd; . /etc/os-release; echo $ID; \
                      chown 33:34 /tmp; stat -c %u:%g /tmp; setpriv --reuid=33 --regid=33 --clear-groups id -u; \
                      cat /proc/sys/kernel/hostname; ls /dev/null /proc/self/status >/dev/null";
        let expected = "0\n0:42\n4755\ndebian\n33:34\n33\nsandbox\n";
        assert_eq!(stdout(kind, &*session, script).await, expected, "{kind:?}");
        session.close().await.unwrap();
    }
}

#[tokio::test]
async fn what_a_session_changes_no_other_sees() {
    let Some(root) = root() else { return };
    for (kind, sandbox) in sandboxes() {
        let session = open(&sandbox).await;
        let change = "set -e; echo changed > /etc/motd; rm /bin/ls; rm -rf /usr/share/doc; mkdir /usr/share/doc; \
                      mv /etc/debian_version /etc/moved; ln /etc/passwd /etc/passwd2; chmod 600 /etc/passwd2; ls() { :; }; ls";
        stdout(kind, &*session, change).await;
        let look = "cat /etc/motd; ls -d /bin/ls 2>&1 | wc -l; cat /etc/moved | wc -l; ls -A /usr/share/doc | wc -l";
        assert!(stdout(kind, &*session, look).await.starts_with("changed\n"));
        let other = open(&sandbox).await;
        let untouched = "grep -c changed /etc/motd; ls -d /bin/ls /etc/debian_version; [ $(ls /usr/share/doc | wc -l) -gt 10 ] && echo many; \
                         [ ! -e /etc/passwd2 ] && stat -c %a /etc/passwd";
        let seen = stdout(kind, &*other, untouched).await;
        assert_eq!(seen, "0\n/bin/ls\n/etc/debian_version\nmany\n644\n", "{kind:?}");
        session.close().await.unwrap();
        other.close().await.unwrap();
    }
    assert!(root.path().join("usr/share/doc/base-files").exists());
}

/// From files, without a network: the packages' own scripts run, one of which makes a user, and one file belongs to its group.
#[tokio::test]
async fn packages_install() {
    for (kind, sandbox) in sandboxes() {
        let session = open(&sandbox).await;
        let script = "set -e; export DEBIAN_FRONTEND=noninteractive; ! command -v tmux; ! getent passwd messagebus; \
                      apt-get install -y -q /opt/packages/*.deb; tmux -V; getent passwd messagebus | cut -d: -f1; \
                      stat -c %U:%G:%a /usr/lib/dbus-1.0/dbus-daemon-launch-helper; dpkg --audit; apt-get remove -y -q tmux; hash -r; ! command -v tmux";
        let said = stdout(kind, &*session, script).await;
        for line in ["tmux 3", "messagebus", "root:messagebus:4754"] {
            assert!(said.lines().any(|said| said.starts_with(line)), "{kind:?}: {line}: {said}");
        }
        session.close().await.unwrap();
    }
}

#[tokio::test]
async fn servers_bind_low_ports_and_drop_to_users_of_their_own() {
    for (kind, sandbox) in sandboxes() {
        let session = open(&sandbox).await;
        let server = "use IO::Socket::INET; my $l = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', LocalPort => 80) \
                      or die $!; $) = '33 33'; $( = 33; $< = $> = 33; die if $> != 33; \
                      while (my $c = $l->accept) { print $c \"served by $>\\n\"; close $c }";
        let path = SandboxPath::new("/srv/server.pl").unwrap();
        let file = harness_core::File { bytes: server.as_bytes(), mode: 0o644 };
        session.write(&path, file).await.unwrap();
        stdout(kind, &*session, "setsid perl /srv/server.pl >/tmp/log 2>&1 &").await;
        let ask = "until exec 3<>/dev/tcp/127.0.0.1/80; do sleep 0.05; done 2>/dev/null; cat <&3";
        assert_eq!(stdout(kind, &*session, ask).await, "served by 33\n", "{kind:?}");
        session.close().await.unwrap();
    }
}

#[tokio::test]
async fn tmux_works() {
    for (kind, sandbox) in sandboxes() {
        let session = open(&sandbox).await;
        let script = "set -e; dpkg -i /opt/packages/tmux*.deb >/dev/null; tmux new-session -d -s agent -x 100 -y 30; \
                      tmux send-keys -t agent 'echo $((6 * 7)) > /tmp/answer; tty > /tmp/terminal' Enter; \
                      until [ -s /tmp/terminal ]; do sleep 0.05; done; cat /tmp/answer; tmux capture-pane -p -t agent | grep -q answer; \
                      tmux kill-server; grep -c /dev/pts/ /tmp/terminal";
        assert_eq!(stdout(kind, &*session, script).await, "42\n1\n", "{kind:?}");
        session.close().await.unwrap();
    }
}

/// A view of a session on a root file system, as a verifier in shared mode has it.
#[tokio::test]
async fn a_view_looks_into_it() {
    for (kind, sandbox) in sandboxes() {
        let session = open(&sandbox).await;
        stdout(kind, &*session, "echo made > /srv/file").await;
        let view = session.view().await.unwrap().unwrap();
        assert_eq!(stdout(kind, &*view, "cat /srv/file; id -u").await, "made\n0\n", "{kind:?}");
        view.close().await.unwrap();
        session.close().await.unwrap();
    }
}

/// Each way in which an agent that is root can change what the programs of a verifier in shared mode are.
#[tokio::test]
async fn what_an_agent_changes_of_the_system_is_told() {
    let ways = [
        ("cp /bin/true /usr/bin/grep", "/usr/bin/grep was changed"),
        (
            "printf X | dd of=/usr/bin/grep bs=1 seek=4000 conv=notrunc 2>/dev/null",
            "/usr/bin/grep was changed",
        ),
        ("chmod 4777 /usr/bin/cut", "/usr/bin/cut was changed"),
        ("rm /usr/bin/cut", "/usr/bin/cut was removed"),
        ("mv /usr/bin/cut /usr/bin/cat", "/usr/bin/cat was changed"),
        ("rm /bin && ln -s /srv /bin", "/bin was changed"),
        ("echo /srv/evil.so > /etc/ld.so.preload", "/etc/ld.so.preload was planted"),
        ("ln -s /srv/preload /etc/ld.so.preload", "/etc/ld.so.preload was planted"),
        ("echo 'grep() { true; }' >> /etc/bash.bashrc", "/etc/bash.bashrc was changed"),
        ("printf '#!/bin/sh\\n' > /usr/local/bin/grep", "/usr/local/bin/grep stands before"),
        (
            "cp -a /usr/lib/dpkg /srv; rm -r /usr/lib/dpkg; mkdir /usr/lib/dpkg",
            "/usr/lib/dpkg was removed and made anew",
        ),
    ];
    for (kind, sandbox) in sandboxes() {
        for (way, sign) in ways {
            let session = open(&sandbox).await;
            let before = session.changed_system_files().await.unwrap();
            assert_eq!(before, Vec::<String>::new(), "{kind:?}");
            assert!(run(&*session, way).await.exit.is_success(), "{kind:?}: {way}");
            let told = session.changed_system_files().await.unwrap();
            assert!(told.iter().any(|line| line.starts_with(sign)), "{kind:?}: {way}: {told:?}");
            session.close().await.unwrap();
        }
    }
}

/// What work does to a system without changing what its programs are, a package that was not there included.
#[tokio::test]
async fn honest_work_is_not_told() {
    for (kind, sandbox) in sandboxes() {
        let session = open(&sandbox).await;
        let work = "set -e; touch /usr/bin/grep; chown root:root /usr/bin/cut; echo x > /usr/local/bin/my-tool; mkdir /usr/share/mine; \
                    echo y > /etc/motd; dpkg -i /opt/packages/tmux*.deb >/dev/null; ls /usr/bin >/dev/null";
        stdout(kind, &*session, work).await;
        let told = session.changed_system_files().await.unwrap();
        assert_eq!(told, Vec::<String>::new(), "{kind:?}");
        session.close().await.unwrap();
    }
}

/// Far more than anybody would read is counted, not listed.
#[tokio::test]
async fn what_is_told_is_bounded() {
    for (kind, sandbox) in sandboxes() {
        let session = open(&sandbox).await;
        stdout(kind, &*session, "for f in /usr/bin/[a-p]*; do echo >> $f; done 2>/dev/null; true")
            .await;
        let told = session.changed_system_files().await.unwrap();
        assert_eq!(told.len(), 51, "{kind:?}: {told:?}");
        assert!(told[50].starts_with("and "), "{kind:?}");
        session.close().await.unwrap();
    }
}
