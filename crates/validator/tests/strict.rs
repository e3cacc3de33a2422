//! The strict gate in small seeded worlds: 43 + 21 tasks, pass rates ~ Beta(0.6, 0.6), two attempts.
//!
//! A debug run looks at few replicates and allows for their sampling error; `STRICT_SEED=9000 STRICT_REPLICATES=400 cargo test -p harness-validator
//! --test strict -- --nocapture` prints the figures of `docs/guides/validation-strict.md`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

use harness_core::{Decision, TaskName, Verdict};
use harness_validator::{
    Arm, Cell, Docket, Evidence, Gate, Hearing, PastDecision, Purchase, Question, Step, StrictGate,
    TaskCells,
};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const HELD_IN: usize = 43;
const HELD_OUT: usize = 21;
const ATTEMPTS: u32 = 2;

/// True pass rates of (incumbent, candidate), by task: held-in first.
type Rates = Vec<(f64, f64)>;

/// Draws a world.
type Making = fn(&mut ChaCha8Rng) -> World;

struct World {
    rates: Rates,
    target: Vec<usize>,
    /// The probability that an attempt of the candidate vanishes although it failed.
    vanish: f64,
    /// The probability that any attempt of either side is void.
    outage: f64,
}

impl World {
    fn new(rates: Rates, target: Vec<usize>) -> Self {
        Self { rates, target, vanish: 0.0, outage: 0.0 }
    }

    fn gain(&self) -> f64 {
        self.rates.iter().map(|(before, after)| after - before).sum::<f64>()
            / self.rates.len() as f64
    }
}

fn beta_0_6(rng: &mut impl Rng) -> f64 {
    loop {
        let (x, y) = (rng.random::<f64>().powf(1.0 / 0.6), rng.random::<f64>().powf(1.0 / 0.6));
        if x + y <= 1.0 && x + y > 0.0 {
            return x / (x + y);
        }
    }
}

fn pool(rng: &mut impl Rng) -> Vec<f64> {
    (0..HELD_IN + HELD_OUT).map(|_| beta_0_6(rng)).collect()
}

fn name(index: usize) -> TaskName {
    TaskName::new(format!("t{index}"))
}

/// Nothing changes.
fn null(rng: &mut impl Rng) -> World {
    let targeted = targets(4, 2);
    let pool = with_target(pool(rng), &targeted, 0.1);
    World::new(pool.into_iter().map(|p| (p, p)).collect(), targeted)
}

fn targets(held_in: usize, held_out: usize) -> Vec<usize> {
    (0..held_in).chain(HELD_IN..HELD_IN + held_out).collect()
}

fn with_target(mut pool: Vec<f64>, target: &[usize], to: f64) -> Vec<f64> {
    target.iter().for_each(|index| pool[*index] = to);
    pool
}

/// The targeted tasks, about as large a share of either split, rise so far that all tasks gain `points` on average.
fn targeted(points: f64, rng: &mut impl Rng) -> World {
    let targeted = targets(4, 2);
    let pool = with_target(pool(rng), &targeted, 0.1);
    let rise = points / 100.0 * pool.len() as f64 / targeted.len() as f64;
    let after =
        |index: usize, p: f64| if targeted.contains(&index) { (p + rise).min(1.0) } else { p };
    let rates = pool.iter().enumerate().map(|(index, p)| (*p, after(index, *p))).collect();
    World::new(rates, targeted)
}

/// Every task moves by the same logits, so that the mean gain is `points`.
fn uniform(points: f64, rng: &mut impl Rng) -> World {
    let pool = pool(rng);
    let moved = |logits: f64| -> Rates {
        let shift = |p: f64| {
            let p = p.clamp(1e-9, 1.0 - 1e-9);
            1.0 / (1.0 + (-((p / (1.0 - p)).ln() + logits)).exp())
        };
        pool.iter().map(|p| (*p, shift(*p))).collect()
    };
    let (mut low, mut high) = (0.0, 20.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        let world = World::new(moved(middle), Vec::new());
        if world.gain() * 100.0 < points { low = middle } else { high = middle }
    }
    World::new(moved(low), Vec::new())
}

/// Held-in gains ten points, held-out loses so much that the total is equal.
fn hidden_regression(rng: &mut impl Rng) -> World {
    let mut rates: Rates = pool(rng).into_iter().map(|p| (p, p)).collect();
    let gain = move_by(&mut rates[..HELD_IN], 0.1 * HELD_IN as f64, 1.0);
    move_by(&mut rates[HELD_IN..], gain, -1.0);
    World::new(rates, Vec::new())
}

/// Moves tasks up or down, one after the other as far as they go, until `sum` is reached or none is left.
fn move_by(rates: &mut [(f64, f64)], sum: f64, sign: f64) -> f64 {
    let mut left = sum;
    for (before, after) in rates {
        let room = if sign > 0.0 { 0.95 - *before } else { *before - 0.05 };
        let step = room.clamp(0.0, left.max(0.0));
        *after = *before + sign * step;
        left -= step;
    }
    sum - left
}

fn draw(p: f64, rng: &mut ChaCha8Rng) -> Cell {
    if rng.random::<f64>() < p { Cell::Passed } else { Cell::Failed }
}

fn hearing(world: &World) -> Hearing {
    let cells = |from: usize, count: usize| {
        (from..from + count).map(|index| TaskCells::new(name(index))).collect()
    };
    Hearing::of(Evidence {
        attempts: ATTEMPTS,
        target: world.target.iter().map(|index| name(*index)).collect(),
        held_in: cells(0, HELD_IN),
        held_out: cells(HELD_IN, HELD_OUT),
    })
}

/// Judges one candidate, and says how many trials of its own it took.
fn judge(
    gate: &StrictGate,
    world: &World,
    past: Vec<PastDecision>,
    rng: &mut ChaCha8Rng,
) -> (Decision, usize) {
    let mut docket = Docket { hearings: vec![hearing(world)], past: past.into() };
    let mut trials = 0;
    loop {
        match gate.step(&docket) {
            Step::Decide { decision, .. } => return (decision, trials),
            Step::Buy(purchases) => {
                for purchase in &purchases {
                    trials += buy(&mut docket, world, purchase, rng);
                }
            }
        }
    }
}

fn buy(docket: &mut Docket, world: &World, purchase: &Purchase, rng: &mut ChaCha8Rng) -> usize {
    let mut bought = 0;
    for task in &purchase.tasks {
        let index: usize = task.as_str()[1..].parse().unwrap();
        let tasks = docket.hearings[0].evidence.split(purchase.split);
        let cells = tasks.iter().find(|cells| cells.task == *task).unwrap();
        let has =
            if purchase.arm == Arm::Incumbent { cells.beside.len() } else { cells.candidate.len() };
        let (before, after) = world.rates[index];
        for _ in has..purchase.upto as usize {
            let mut cell = draw(if purchase.arm == Arm::Incumbent { before } else { after }, rng);
            let vanishes = purchase.arm != Arm::Incumbent
                && cell == Cell::Failed
                && rng.random::<f64>() < world.vanish;
            if vanishes || rng.random::<f64>() < world.outage {
                cell = Cell::Void;
            }
            docket.add(purchase.arm, purchase.split, task, cell, None);
            bought += usize::from(purchase.arm != Arm::Incumbent);
        }
    }
    bought
}

fn replicates(debug: usize) -> usize {
    std::env::var("STRICT_REPLICATES").ok().and_then(|count| count.parse().ok()).unwrap_or(debug)
}

/// Seeded by the test, moved by `STRICT_SEED` for figures on seeds that nobody tuned on.
fn generator(seed: u64) -> ChaCha8Rng {
    let moved = std::env::var("STRICT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    ChaCha8Rng::seed_from_u64(seed + moved)
}

/// The share of worlds in which the candidate gets this verdict, and its mean number of trials.
fn share(
    count: usize,
    verdict: Verdict,
    seed: u64,
    world: impl Fn(&mut ChaCha8Rng) -> World,
) -> (f64, f64) {
    let gate = StrictGate::default();
    let mut rng = generator(seed);
    let (mut hits, mut trials) = (0, 0);
    for _ in 0..count {
        let world = world(&mut rng);
        let (decision, took) = judge(&gate, &world, Vec::new(), &mut rng);
        hits += usize::from(decision.verdict == verdict);
        trials += took;
    }
    (hits as f64 / count as f64, trials as f64 / count as f64)
}

/// Two standard errors of a share.
fn slack(share: f64, count: usize) -> f64 {
    2.0 * (share * (1.0 - share) / count as f64).sqrt()
}

#[test]
fn a_run_of_null_candidates_rarely_promotes_anything() {
    let count = replicates(20);
    let gate = StrictGate::default();
    let mut rng = generator(501);
    let (mut runs, mut trials) = (0, 0);
    for _ in 0..count {
        let mut past = Vec::new();
        for round in 0..16 {
            let world = null(&mut rng);
            let (decision, took) = judge(&gate, &world, past.clone(), &mut rng);
            trials += took;
            past.push(PastDecision { round, decision });
        }
        runs += usize::from(past.iter().any(|past| past.decision.verdict == Verdict::Promote));
    }
    let rate = runs as f64 / count as f64;
    println!(
        "null: {:.1} % of runs promote, {:.0} trials a candidate",
        100.0 * rate,
        trials as f64 / (16 * count) as f64
    );
    assert!(rate <= 0.05 + slack(0.05, count), "{rate}");
}

#[test]
fn real_gains_are_found() {
    let count = replicates(12);
    let wald = |world: &World| {
        let (mut better, mut worse) = (0.0, 0.0);
        for (before, after) in &world.rates {
            better += (1.0 - before) * after / world.rates.len() as f64;
            worse += before * (1.0 - after) / world.rates.len() as f64;
        }
        let level = StrictGate::default().ledger.next(&[]);
        Question { better, worse, level, power: 0.9 }.pairs_if_it_helps()
    };
    let cases: [(&str, f64, Making); 3] = [
        ("targeted +8", 0.95, |rng| targeted(8.0, rng)),
        ("targeted +5", 0.80, |rng| targeted(5.0, rng)),
        ("uniform +11", 0.90, |rng| uniform(11.0, rng)),
    ];
    for (index, (what, goal, world)) in cases.into_iter().enumerate() {
        let (found, trials) = share(count, Verdict::Promote, 601 + index as u64, world);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let bound = (0..50).map(|_| wald(&world(&mut rng))).sum::<f64>() / 50.0;
        println!(
            "{what}: found {:.1} %, {trials:.0} trials a candidate, Wald's bound {bound:.0}",
            100.0 * found
        );
        assert!(found >= goal - slack(goal, count), "{what}: {found}");
    }
}

#[test]
fn a_regression_behind_an_equal_total_is_refused() {
    let count = replicates(20);
    let (promoted, trials) = share(count, Verdict::Promote, 701, hidden_regression);
    println!("hidden regression: refused {:.1} %, {trials:.0} trials", 100.0 * (1.0 - promoted));
    assert!(promoted <= 0.05 + slack(0.05, count), "{promoted}");
}

#[test]
fn failures_that_vanish_buy_nothing_and_an_outage_decides_nothing() {
    let count = replicates(20);
    let vanishing = |rng: &mut ChaCha8Rng| World { vanish: 0.35, ..null(rng) };
    let (promoted, _) = share(count, Verdict::Promote, 801, vanishing);
    assert!(promoted == 0.0, "{promoted}");
    let outage =
        |rng: &mut ChaCha8Rng| World { outage: 0.4, target: Vec::new(), ..targeted(8.0, rng) };
    let (open, _) = share(count, Verdict::Inconclusive, 802, outage);
    assert!(open == 1.0, "{open}");
}

#[test]
fn the_ledger_is_in_the_decisions() {
    let gate = StrictGate::default();
    let mut rng = ChaCha8Rng::seed_from_u64(901);
    let mut past = Vec::new();
    for round in 0..3 {
        let (decision, _) = judge(&gate, &null(&mut rng), past.clone(), &mut rng);
        past.push(PastDecision { round, decision });
    }
    let levels: Vec<f64> = past
        .iter()
        .map(|past| past.decision.finding.as_ref().unwrap().stake.unwrap().level)
        .collect();
    assert!(levels.iter().all(|level| (level - 0.05 * 0.9 / 16.0).abs() < 1e-12), "{levels:?}");
}
