//! Single decisions whose right answer is known.

use std::collections::BTreeSet;

use harness_core::{TaskName, Verdict};
use harness_validator::{
    Docket, Evidence, Gate, GateKind, GatingSplit, Hearing, PastDecision, TaskCells,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::hearing::{attempt, hear};
use crate::world::{Component, Edits, Harness, Missing, World};

/// How a gate did in one scenario.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Answer {
    scenario: &'static str,
    gate: String,
    /// The share of replicates that promoted anything.
    promoted: f64,
    /// Trials of candidate and incumbent, the assessment's left out.
    trials: f64,
}

/// What the candidate's edit does, on 43 + 21 tasks.
#[derive(Clone, Copy)]
enum Effect {
    /// Nothing, sixteen candidates in four rounds.
    SixteenNulls,
    /// So many tasks from 0.1 to 0.9, and nothing else.
    Mends(usize),
    /// So many log-odds everywhere.
    Everywhere(f64),
    /// Five tasks mended, and five that always pass broken.
    Trade,
}

const SCENARIOS: [(&str, Effect); 6] = [
    ("16 null candidates", Effect::SixteenNulls),
    ("targeted, +8 points", Effect::Mends(6)),
    ("targeted, +5 points", Effect::Mends(4)),
    ("uniform, +11 points", Effect::Everywhere(0.95)),
    ("uniform, -5 points", Effect::Everywhere(-0.4)),
    ("regression at an equal total", Effect::Trade),
];

/// Every gate in every scenario.
pub(crate) fn all(replicates: u64, seed: u64) -> Vec<Answer> {
    let gates = ["sequential", "paper", "strict"]
        .into_iter()
        .filter_map(|name| name.parse::<GateKind>().ok());
    let mut answers = Vec::new();
    for kind in gates {
        let gate = kind.gate();
        for (scenario, effect) in SCENARIOS {
            answers.push(answer(
                scenario,
                effect,
                &kind.to_string(),
                gate.as_ref(),
                replicates,
                seed,
            ));
        }
    }
    answers
}

#[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^52")]
fn answer(
    scenario: &'static str,
    effect: Effect,
    name: &str,
    gate: &dyn Gate,
    replicates: u64,
    seed: u64,
) -> Answer {
    let (mut promoted, mut trials) = (0usize, 0usize);
    for replicate in 0..replicates {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(1_000_000 + replicate);
        let (any, bought) = once(effect, gate, &mut rng);
        promoted += usize::from(any);
        trials += bought;
    }
    let mean = |sum: usize| sum as f64 / replicates.max(1) as f64;
    Answer { scenario, gate: name.to_owned(), promoted: mean(promoted), trials: mean(trials) }
}

fn world() -> World {
    World {
        name: String::new(),
        held_in: 43,
        held_out: 21,
        unseen: 1,
        attempts: 2,
        width: 4,
        rounds: 1,
        budgets: Vec::new(),
        pass_rates: vec![Component { weight: 1.0, a: 0.6, b: 0.6 }],
        flaky: 0.0,
        edits: Edits::Uniform { mean: 0.0, sd: 0.0, scatter: 0.0, held_in_bonus: 0.0 },
        coupling: 0.0,
        missing: Missing::default(),
    }
}

/// One run: whether anything was promoted, and the trials it took.
fn once(effect: Effect, gate: &dyn Gate, rng: &mut ChaCha8Rng) -> (bool, usize) {
    let world = world();
    let mut before: Vec<f64> = world.tasks(rng).iter().map(|task| sigmoid(task.log_odds)).collect();
    // Two thirds of what an edit is aimed at are held-in, as of all tasks.
    let aimed = |count: usize| -> Vec<usize> {
        let held_out = count / 3;
        (0..count - held_out).chain(world.held_in..world.held_in + held_out).collect()
    };
    let (rounds, candidates, target, broken) = match effect {
        Effect::SixteenNulls => (4, 4, aimed(6), Vec::new()),
        Effect::Mends(count) => (1, 1, aimed(count), Vec::new()),
        Effect::Everywhere(_) => (1, 1, Vec::new(), Vec::new()),
        Effect::Trade => (1, 1, aimed(5), vec![10, 11, 12, 50, 51]),
    };
    target.iter().for_each(|task| before[*task] = 0.1);
    broken.iter().for_each(|task| before[*task] = 0.97);
    let mut after = before.clone();
    match effect {
        Effect::SixteenNulls => {}
        Effect::Mends(_) => target.iter().for_each(|task| after[*task] = 0.9),
        Effect::Everywhere(shift) => {
            after
                .iter_mut()
                .for_each(|rate| *rate = sigmoid(crate::world::log_odds(*rate) + shift));
        }
        Effect::Trade => {
            target.iter().for_each(|task| after[*task] = 0.9);
            broken.iter().for_each(|task| after[*task] = 0.17);
        }
    }
    let (incumbent, candidate) = (Harness::of_rates(&before), Harness::of_rates(&after));
    let (mut past, mut trials) = (Vec::new(), 0);
    for round in 1..=rounds {
        let evidence = assessed(&world, &incumbent, &target, rng);
        let hearings = vec![Hearing::of(evidence); candidates];
        let mut docket = Docket { hearings, past: std::mem::take(&mut past).into() };
        let harnesses = vec![candidate.clone(); candidates];
        let (decisions, bought) = hear(gate, &mut docket, &incumbent, &harnesses, &world, rng);
        trials += bought;
        if decisions.iter().any(|decision| decision.verdict == Verdict::Promote) {
            return (true, trials);
        }
        past = docket.past.to_vec();
        past.extend(decisions.into_iter().map(|decision| PastDecision { round, decision }));
    }
    (false, trials)
}

fn assessed(
    world: &World,
    incumbent: &Harness,
    target: &[usize],
    rng: &mut ChaCha8Rng,
) -> Evidence {
    let mut evidence = Evidence { attempts: world.attempts, ..Evidence::default() };
    let mut names = BTreeSet::new();
    for task in 0..world.held_in + world.held_out {
        let (split, name) = match task.checked_sub(world.held_in) {
            None => (GatingSplit::HeldIn, format!("in{task}")),
            Some(index) => (GatingSplit::HeldOut, format!("out{index}")),
        };
        let name = TaskName::new(name);
        if target.contains(&task) {
            names.insert(name.clone());
        }
        let assessed = (0..world.attempts).map(|_| attempt(incumbent, task, rng)).collect();
        evidence.split_mut(split).push(TaskCells { assessed, ..TaskCells::new(name) });
    }
    evidence.target = names;
    evidence
}

fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// A table for people.
pub(crate) fn print(answers: &[Answer]) {
    if answers.is_empty() {
        return;
    }
    println!(
        "\n{:14}{:32}{:>10}{:>8}   (43 + 21 tasks, 2 attempts; simulated)",
        "gate", "single decisions", "promoted", "trials"
    );
    for Answer { scenario, gate, promoted, trials } in answers {
        println!("{gate:14}{scenario:32}{:>9.1} %{trials:>8.0}", 100.0 * promoted);
    }
}
