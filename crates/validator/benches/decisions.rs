//! What judging costs: decisions a second, and memory, of each gate in a run that has 100, 10,000 or 1,000,000 trials on record.
//!
//! `cargo bench -p harness-validator --bench decisions`. A step is the gate looking at everything and saying what to do next; a decision is a whole
//! hearing of four candidates divided by four, trials for free. A run of so many trials has made one decision for every two hundred of them.
#![allow(
    missing_docs,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark prints small counts"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use harness_core::{Decision, Estimate, Finding, Stake, Verdict};
use harness_validator::{
    Arm, Cell, Docket, Evidence, Gate, GateKind, GatingSplit, Hearing, PastDecision, Purchase,
    Step, Tally, TaskCells,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const TASKS: [(GatingSplit, usize); 2] = [(GatingSplit::HeldIn, 43), (GatingSplit::HeldOut, 21)];
const CANDIDATES: u32 = 4;
const TRIALS_A_DECISION: u64 = 200;
/// Long enough for two digits, short enough to wait for.
const LONGEST: Duration = Duration::from_secs(2);

fn main() {
    println!(
        "| gate | trials on record | past decisions | a step | a decision | decisions / s | memory of the docket |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for trials in [100, 10_000, 1_000_000] {
        for kind in [GateKind::Paper, GateKind::Sequential, GateKind::Strict] {
            let before = resident();
            let docket = docket(trials);
            let memory = resident().saturating_sub(before);
            let gate = kind.gate();
            let step = per_call(|| {
                black_box(gate.step(black_box(&docket)));
            });
            // Each hearing has a past of its own, as in a run: what it teaches is worked out once in it.
            let whole = per_call(|| {
                let past = docket.past.to_vec().into();
                black_box(hearing(gate.as_ref(), Docket { past, ..docket.clone() }));
            });
            let decision = whole / CANDIDATES;
            println!(
                "| {kind} | {trials} | {} | {step:.1?} | {decision:.1?} | {:.0} | {memory} KiB |",
                docket.past.len(),
                1.0 / decision.as_secs_f64()
            );
        }
    }
}

/// The mean time of a call, over as many as fit.
fn per_call(mut call: impl FnMut()) -> Duration {
    call();
    let begun = Instant::now();
    let mut calls = 0;
    while calls == 0 || begun.elapsed() < LONGEST && calls < 10_000 {
        call();
        calls += 1;
    }
    begun.elapsed() / calls
}

fn docket(trials: u64) -> Docket {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let past: Vec<PastDecision> =
        (0..trials / TRIALS_A_DECISION).map(|index| past(index, &mut rng)).collect();
    let tasks: usize = TASKS.iter().map(|(_, count)| count).sum();
    let earlier = u32::try_from(trials / 4 / tasks as u64).unwrap_or(u32::MAX);
    let mut evidence = Evidence { attempts: 2, ..Evidence::default() };
    for (split, count) in TASKS {
        for index in 0..count {
            let rate: f64 = rng.random();
            let mut draw = || cell(rng.random::<f64>() < rate);
            let cells = TaskCells {
                earlier: Tally { passed: (f64::from(earlier) * rate) as u32, scored: earlier },
                assessed: vec![draw(), draw()],
                ..TaskCells::new(format!("{split}-{index}").as_str().into())
            };
            if index % 5 == 0 {
                evidence.target.insert(cells.task.clone());
            }
            evidence.split_mut(split).push(cells);
        }
    }
    Docket { hearings: vec![Hearing::of(evidence); CANDIDATES as usize], past: past.into() }
}

fn cell(passed: bool) -> Cell {
    if passed { Cell::Passed } else { Cell::Failed }
}

/// A decision such as a run makes: one in four promotes.
fn past(index: u64, rng: &mut ChaCha8Rng) -> PastDecision {
    let helps = index.is_multiple_of(4);
    let mut estimate = |mean: f64| Estimate {
        mean: mean + 0.1 * (rng.random::<f64>() - 0.5),
        variance: 0.01,
        null_variance: 0.005,
    };
    let finding = Finding {
        edits: 1,
        aimed_at: std::collections::BTreeSet::new(),
        target: Some(estimate(if helps { 0.4 } else { 0.0 })),
        elsewhere: Some(estimate(0.0)),
        gain: 0.02,
        gain_sd: 0.01,
        stake: Some(Stake { level: 0.0001, e_value: 1.0 }),
        prior: None,
    };
    let decision = Decision {
        verdict: if helps { Verdict::Promote } else { Verdict::Reject },
        reason: "so it was".to_owned(),
        evidence: None,
        finding: Some(Box::new(finding)),
    };
    PastDecision { round: u32::try_from(index / 4 + 1).unwrap_or(u32::MAX), decision }
}

/// Lets the gate buy until everything is decided, every attempt a coin toss.
fn hearing(gate: &dyn Gate, mut docket: Docket) -> Docket {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    while docket.open().next().is_some() {
        match gate.step(&docket) {
            Step::Decide { candidate, decision } => {
                docket.hearings[candidate].decision = Some(decision);
            }
            Step::Buy(purchases) => {
                purchases.iter().for_each(|purchase| buy(&mut docket, purchase, &mut rng));
            }
        }
    }
    docket
}

fn buy(docket: &mut Docket, purchase: &Purchase, rng: &mut ChaCha8Rng) {
    let of = if let Arm::Candidate(index) = purchase.arm { index } else { 0 };
    for task in &purchase.tasks {
        let cells = docket.hearings[of].evidence.split(purchase.split);
        let Some(cells) = cells.iter().find(|cells| cells.task == *task) else { continue };
        let has = match purchase.arm {
            Arm::Incumbent => cells.beside.len(),
            Arm::Candidate(_) => cells.candidate.len(),
        };
        for _ in has..purchase.upto as usize {
            docket.add(purchase.arm, purchase.split, task, cell(rng.random()), None);
        }
    }
}

/// Memory of this process, in KiB; 0 where the system does not tell.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
