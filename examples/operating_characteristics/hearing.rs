//! A docket heard by a real gate, with trials that are drawn instead of run.

use harness_core::{Decision, TaskName};
use harness_validator::{Arm, Cell, Docket, Gate, GatingSplit, Step};
use rand::{Rng, RngExt};

use crate::world::{Harness, World};

/// Draws one attempt.
pub(crate) fn attempt(harness: &Harness, task: usize, rng: &mut impl Rng) -> Cell {
    if rng.random::<f64>() < harness.void {
        return Cell::Void;
    }
    if rng.random::<f64>() < harness.rate(task) { Cell::Passed } else { Cell::Failed }
}

/// Where a task stands among all tasks, by its name: `in3`, `out3`.
pub(crate) fn index_of(world: &World, task: &TaskName) -> usize {
    let name = task.as_str();
    let number = |text: &str| text.parse::<usize>().unwrap_or_default();
    match name.strip_prefix("in") {
        Some(index) => number(index),
        None => world.held_in + number(name.trim_start_matches("out")),
    }
}

/// Lets `gate` decide on every candidate, and says how many trials it bought.
pub(crate) fn hear(
    gate: &dyn Gate,
    docket: &mut Docket,
    incumbent: &Harness,
    candidates: &[Harness],
    world: &World,
    rng: &mut impl Rng,
) -> (Vec<Decision>, usize) {
    let mut trials = 0;
    while docket.open().next().is_some() {
        match gate.step(docket) {
            Step::Decide { candidate, decision } => {
                docket.hearings[candidate].decision = Some(decision);
            }
            Step::Buy(purchases) => {
                let before = trials;
                for purchase in purchases {
                    for task in &purchase.tasks {
                        let harness = match purchase.arm {
                            Arm::Incumbent => incumbent,
                            Arm::Candidate(index) => &candidates[index],
                        };
                        let has = count(docket, purchase.arm, purchase.split, task);
                        for _ in has..purchase.upto as usize {
                            let cell = attempt(harness, index_of(world, task), rng);
                            docket.add(purchase.arm, purchase.split, task, cell, None);
                            trials += 1;
                        }
                    }
                }
                assert!(trials > before, "the gate asks for nothing new: it would never decide");
            }
        }
    }
    let decisions = docket.hearings.iter().filter_map(|hearing| hearing.decision.clone()).collect();
    (decisions, trials)
}

fn count(docket: &Docket, arm: Arm, split: GatingSplit, task: &TaskName) -> usize {
    let hearing = match arm {
        Arm::Incumbent => &docket.hearings[0],
        Arm::Candidate(index) => &docket.hearings[index],
    };
    let cells = hearing.evidence.split(split).iter().find(|cells| cells.task == *task);
    cells.map_or(0, |cells| match arm {
        Arm::Incumbent => cells.beside.len(),
        Arm::Candidate(_) => cells.candidate.len(),
    })
}
