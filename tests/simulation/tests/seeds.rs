//! Many seeds, each a whole run disturbed in its own way: see the crate's documentation.

#![allow(clippy::unwrap_used, reason = "clippy knows only functions marked as tests")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use simulation::{Plan, check, disturbed};

/// As many seeds as the environment says; a few in an ordinary run.
fn seeds() -> u64 {
    match std::env::var("SIMULATION_SEEDS") {
        Ok(count) => count.parse().unwrap(),
        Err(_) => 60,
    }
}

/// One seed, for whoever looks into it: `SIMULATION_SEED=7 cargo test -p simulation one_seed -- --nocapture`.
#[test]
fn one_seed() {
    let Ok(seed) = std::env::var("SIMULATION_SEED") else { return };
    println!("{:#?}", check(&Plan::of(seed.parse().unwrap())));
}

#[test]
fn whatever_happens_the_result_is_the_undisturbed_one() {
    let (next, count) = (AtomicU64::new(0), seeds());
    let work = || {
        let mut failed = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= count || failed.len() >= 5 {
                return failed;
            }
            failed.extend(check(&Plan::of(seed)).err().map(|violations| (seed, violations)));
        }
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let failed: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    for (seed, violations) in &failed {
        eprintln!("seed {seed}:\n{}", violations.join("\n"));
    }
    assert!(
        failed.is_empty(),
        "of {count} seeds these failed: {:?}",
        failed.iter().map(|f| f.0).collect::<Vec<_>>()
    );
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in (0..seeds()).step_by(50) {
        let plan = Plan::of(seed);
        assert_eq!(disturbed(&plan).unwrap(), disturbed(&plan).unwrap(), "seed {seed}");
    }
}
