//! The numbers of sandboxes, as ratios of what was measured in the same run:
//! `cargo bench -p harness-sandbox --features tarballs --bench numbers`, with `-- starts` the first of them alone. It
//! measures and prints; it holds nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement may stop")]

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command as Bare;
use std::time::{Duration, Instant};

use harness_core::{Command, Environment, OutputLimit, Sandbox};
use harness_sandbox::{RootStore, SandboxKind, SandboxOptions, build};

const ROUNDS: usize = 150;
const TURNS: usize = 5;
const BWRAP: &str = "--unshare-all --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 \
                     --proc /proc --dev /dev --tmpfs /tmp /bin/true";

/// Wall and processor time.
#[derive(Clone, Copy, Debug)]
struct Cost {
    wall: f64,
    cpu: f64,
}

/// Collects the children of programs that ended before them: `bwrap` leaves before its namespaces' first process, which did
/// most of the work. Its time would be nobody's.
fn collect_orphans() {
    while let Ok(Some(_)) = rustix::process::wait(rustix::process::WaitOptions::NOHANG) {}
}

/// Processor time of this process and of everything below it, in seconds: what lives and what was collected.
fn cpu() -> f64 {
    let fields = |pid: u32| -> Option<Vec<f64>> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, rest) = stat.rsplit_once(')')?;
        Some(rest.split_whitespace().map(|word| word.parse().unwrap_or(0.0)).collect())
    };
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let all: HashMap<u32, Vec<f64>> = pids.filter_map(|pid| Some((pid, fields(pid)?))).collect();
    let parent = |pid: &u32| all.get(pid).map(|fields| fields[1] as u32);
    let ours = |pid: u32| {
        let mut line = std::iter::successors(Some(pid), parent);
        line.any(|pid| pid == std::process::id())
    };
    let costs = all.iter().filter(|(pid, _)| ours(**pid));
    costs.map(|(_, fields)| fields[11..15].iter().sum::<f64>()).sum::<f64>() / 100.0
}

/// What rounds of one act took.
#[derive(Debug, Default)]
struct Series {
    walls: Vec<f64>,
    cpu: f64,
}

impl Series {
    async fn add<F: Future<Output = ()>>(&mut self, rounds: usize, mut act: impl FnMut() -> F) {
        let before = cpu();
        for _ in 0..rounds {
            let begun = Instant::now();
            act().await;
            self.walls.push(begun.elapsed().as_secs_f64());
            collect_orphans();
        }
        // Those of the last rounds: they are ending.
        tokio::time::sleep(Duration::from_millis(50)).await;
        collect_orphans();
        self.cpu += cpu() - before;
    }

    /// The median wall time and the mean processor time of one round.
    fn cost(mut self) -> Cost {
        self.walls.sort_by(f64::total_cmp);
        let rounds = self.walls.len();
        Cost { wall: self.walls[rounds / 2], cpu: self.cpu / rounds as f64 }
    }
}

async fn measure<F: Future<Output = ()>>(rounds: usize, act: impl FnMut() -> F) -> Cost {
    let mut series = Series::default();
    series.add(rounds, act).await;
    series.cost()
}

fn row(name: &str, ours: Cost, theirs: Cost, goal: &str) {
    println!(
        "{name}: wall {:.2} ({:.2} to {:.2} ms), CPU {:.2}; goal {goal}",
        ours.wall / theirs.wall,
        ours.wall * 1e3,
        theirs.wall * 1e3,
        ours.cpu / theirs.cpu
    );
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    starts().await;
    if std::env::args().any(|argument| argument == "starts") {
        return;
    }
    workspace().await;
    many().await;
    output().await;
    unpacking();
}

/// In turns of a few rounds, so that what else the machine does meets all alike.
async fn starts() {
    let environment = Environment::default();
    for kind in [SandboxKind::Full, SandboxKind::User, SandboxKind::Landlock] {
        let Ok(sandbox) = build(kind) else { continue };
        let session = sandbox.open(&environment).await.unwrap();
        let mut bwrap = Series::default();
        let [mut bare, mut start, mut further] = [(); 3].map(|()| Series::default());
        for _ in 0..TURNS {
            bare.add(ROUNDS / TURNS, async || {
                tokio::process::Command::new("/bin/true").output().await.unwrap();
            })
            .await;
            bwrap
                .add(ROUNDS / TURNS, async || {
                    let mut bwrap = Bare::new("bwrap");
                    assert!(bwrap.args(BWRAP.split_whitespace()).status().unwrap().success());
                })
                .await;
            start
                .add(ROUNDS / TURNS, async || {
                    let session = sandbox.open(&environment).await.unwrap();
                    session.exec(&Command::program(["/bin/true"])).await.unwrap();
                    session.close().await.unwrap();
                })
                .await;
            further
                .add(ROUNDS / TURNS, async || {
                    session.exec(&Command::program(["/bin/true"])).await.unwrap();
                })
                .await;
        }
        session.close().await.unwrap();
        let [bare, bwrap, start, further] = [bare, bwrap, start, further].map(Series::cost);
        match kind {
            SandboxKind::Landlock => {
                println!("Landlock has no namespaces, and so no peer in bwrap");
            }
            _ => row(
                &format!("{kind:?}: a session for `true`, to bwrap --unshare-all"),
                start,
                bwrap,
                "0.6",
            ),
        }
        row(&format!("{kind:?}: the same, to a bare fork and exec"), start, bare, "none");
        row(&format!("{kind:?}: a further command, to a bare one"), further, bare, "1.3");
    }
}

/// A root file system whose /srv is the workspace, under a writable layer, against a copy.
async fn workspace() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root");
    for directory in ["bin", "etc", "srv"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    for number in 0..1_000 {
        fs::write(root.join("srv").join(number.to_string()), vec![b'x'; 4_096]).unwrap();
    }
    let with = |root| SandboxOptions::new(SandboxKind::Full).with_root(root).build();
    let unpacked = harness_sandbox::RootFileSystem::unpacked(&root).unwrap();
    let (Ok(sandbox), Ok(plain)) = (with(unpacked), build(SandboxKind::Full)) else { return };
    let environment = Environment::default();
    let open = async |sandbox: &std::sync::Arc<dyn Sandbox>| {
        sandbox.open(&environment).await.unwrap().close().await.unwrap();
    };
    let fresh = measure(50, async || open(&sandbox).await).await;
    let empty = measure(50, async || open(&plain).await).await;
    let mut copies = 0;
    let copied = measure(50, || {
        copies += 1;
        let to = place.path().join(format!("copy-{copies}"));
        let mut copy = Bare::new("cp");
        copy.arg("-a").arg(root.join("srv")).arg(to);
        async move { assert!(copy.status().unwrap().success()) }
    })
    .await;
    row(
        "a session with 1,000 files below it, opened and closed, to `cp -a` of them",
        fresh,
        copied,
        "0.1 in CPU",
    );
    let beyond = fresh.cpu - empty.cpu;
    println!(
        "  of which beyond a session without them: {:.3} ms CPU, {:.2} of the copy",
        beyond * 1e3,
        beyond / copied.cpu
    );
}

fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

async fn many() {
    let Ok(sandbox) = build(SandboxKind::Full) else { return };
    let before = resident();
    let mut environment = Environment::default();
    environment.limits.setup_timeout = Duration::from_secs(120);
    let opening = (0..200).map(|_| async { sandbox.open(&environment).await.unwrap() });
    let sessions = futures::future::join_all(opening).await;
    let command = Command::shell("echo done");
    futures::future::join_all(sessions.iter().map(|session| session.exec(&command))).await;
    println!("200 sessions at once: the engine's memory grows by {:.1} MiB", resident() - before);
    futures::future::join_all(sessions.into_iter().map(harness_core::Session::close)).await;
}

async fn output() {
    let Ok(sandbox) = build(SandboxKind::Full) else { return };
    let session = sandbox.open(&Environment::default()).await.unwrap();
    let limit = OutputLimit { head: 64 * 1024, tail: 64 * 1024 };
    let flood =
        |bytes: &str| Command::shell(format!("head -c {bytes} /dev/zero")).with_output(limit);
    session.exec(&flood("10M")).await.unwrap();
    let before = resident();
    let begun = Instant::now();
    let output = session.exec(&flood("10G")).await.unwrap();
    println!(
        "10 GiB of output ({} bytes dropped, {:.1} s): the engine's memory grows by {:.2} MiB; goal 8",
        output.stdout.dropped,
        begun.elapsed().as_secs_f64(),
        resident() - before
    );
    session.close().await.unwrap();
}

/// The tarball that `HARNESS_TEST_TARBALL` names, to disk in both cases.
fn unpacking() {
    let Ok(tarball) = std::env::var("HARNESS_TEST_TARBALL") else {
        println!("unpacking: HARNESS_TEST_TARBALL is not set");
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let timed = |act: &dyn Fn(&Path)| {
        let (before, begun) = (cpu(), Instant::now());
        act(place.path());
        Cost { wall: begun.elapsed().as_secs_f64(), cpu: cpu() - before }
    };
    // Twice, so that both read from memory.
    fs::read(&tarball).unwrap();
    let theirs = timed(&|place| {
        fs::create_dir(place.join("tar")).unwrap();
        let mut tar = Bare::new("tar");
        tar.args(["--numeric-owner", "--xattrs", "-xpf", &tarball, "-C"]).arg(place.join("tar"));
        assert!(tar.status().unwrap().success());
        Bare::new("sync").arg("-f").arg(place).status().unwrap();
    });
    let ours = timed(&|place| drop(RootStore::new(place.join("store")).unpack(&tarball).unwrap()));
    row("unpacking a root file system, to `tar` and `sync -f`", ours, theirs, "none");
}
