//! Scratch measurements: a session and a command in it against a bare spawn and `bwrap`.
#![allow(clippy::unwrap_used, reason = "a scratch measurement may stop")]
use std::time::{Duration, Instant};

use harness_core::{Command, Environment, Sandbox};
use harness_sandbox::{SandboxKind, build};
use rustix::process::getpid;

fn cpu_of(pid: u32) -> f64 {
    // utime + stime + children's, in clock ticks.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest: Vec<f64> = stat
        .rsplit_once(')')
        .map(|(_, r)| r.split_whitespace().map(|w| w.parse().unwrap_or(0.0)).collect())
        .unwrap_or_default();
    rest.get(11..15).map_or(0.0, |v| v.iter().sum::<f64>()) * 10.0
}
fn all_cpu() -> f64 {
    let own = getpid().as_raw_nonzero().get() as u32;
    let mut sum = cpu_of(own);
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else {
            continue;
        };
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let ppid = stat
            .rsplit_once(')')
            .and_then(|(_, r)| r.split_whitespace().nth(1)?.parse::<u32>().ok());
        if ppid == Some(own) {
            sum += cpu_of(pid);
        }
    }
    sum
}
fn median(mut v: Vec<Duration>) -> f64 {
    v.sort();
    v[v.len() / 2].as_secs_f64() * 1e3
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let n = 200;
    if std::env::args().nth(1).as_deref() == Some("loop") {
        let sandbox = build(SandboxKind::Namespace).unwrap();
        for _ in 0..2000 {
            let session = sandbox.open(&Environment::default()).await.unwrap();
            session.close().await.unwrap();
        }
        return;
    }
    let environment = Environment::default();
    let kinds = [SandboxKind::Namespace, SandboxKind::Landlock];
    for round in 0..3 {
        let row = |name: &str, walls: Vec<Duration>, cpu: f64| {
            println!(
                "{round} {name:32} wall {:.3} ms  cpu {:.3} ms",
                median(walls),
                cpu / f64::from(n)
            );
        };
        let (c, mut w) = (all_cpu(), vec![]);
        for _ in 0..n {
            let t = Instant::now();
            std::process::Command::new("/bin/true").status().unwrap();
            w.push(t.elapsed());
        }
        row("bare true", w, all_cpu() - c);
        let (c, mut w) = (all_cpu(), vec![]);
        for _ in 0..n {
            let t = Instant::now();
            tokio::process::Command::new("/bin/true").output().await.unwrap();
            w.push(t.elapsed());
        }
        row("bare true, tokio, captured", w, all_cpu() - c);
        let (c, mut w) = (all_cpu(), vec![]);
        for _ in 0..n {
            let t = Instant::now();
            std::process::Command::new("bwrap").args("--unshare-all --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 --proc /proc --dev /dev --tmpfs /tmp /bin/true".split(' ')).status().unwrap();
            w.push(t.elapsed());
        }
        row("bwrap --unshare-all true", w, all_cpu() - c);
        for kind in kinds {
            let Ok(sandbox) = build(kind) else { continue };
            let (c, mut w) = (all_cpu(), vec![]);
            for _ in 0..n {
                let t = Instant::now();
                let session = sandbox.open(&environment).await.unwrap();
                assert!(
                    session.exec(&Command::program(["/bin/true"])).await.unwrap().exit.is_success()
                );
                session.close().await.unwrap();
                w.push(t.elapsed());
            }
            row(&format!("{kind:?} open+true+close"), w, all_cpu() - c);
            let (c, mut w) = (all_cpu(), vec![]);
            for _ in 0..n {
                let t = Instant::now();
                let session = sandbox.open(&environment).await.unwrap();
                session.close().await.unwrap();
                w.push(t.elapsed());
            }
            row(&format!("{kind:?} open+close"), w, all_cpu() - c);
            let session = sandbox.open(&environment).await.unwrap();
            let mut w = vec![];
            for _ in 0..n {
                let t = Instant::now();
                session.exec(&Command::program(["/bin/true"])).await.unwrap();
                w.push(t.elapsed());
            }
            row(&format!("{kind:?} further command"), w, 0.0);
            session.close().await.unwrap();
        }
    }
}
