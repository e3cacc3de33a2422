//! A small seeded benchmark to try a gate on before anything is spent.

use harness_core::{Decision, TaskName, Verdict};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Plan;
use crate::docket::{Docket, Hearing};
use crate::evidence::{Cell, Evidence, GatingSplit, TaskCells};
use crate::gate::{Arm, Gate, Purchase, Step};

/// What an edit does to the tasks' pass rates.
#[derive(Clone, Copy, Debug)]
pub(super) enum Effect {
    /// Nothing.
    Null,
    /// Moves all tasks by the same logits, so that their mean rises by this.
    Uniform(f64),
    /// Moves the targeted tasks alike, so that the mean of all tasks rises by this.
    Targeted(f64),
}

/// Tasks with pass rates ~ Beta(0.6, 0.6): most are nearly always or nearly never passed, which is what the evaluations of the paper's
/// models look like. Targeted tasks pass one time in ten.
#[derive(Debug)]
pub(super) struct Bench {
    plan: Plan,
    rates: Vec<f64>,
    rng: ChaCha8Rng,
}

/// How a docket ended.
#[derive(Debug, Default)]
pub(super) struct Ended {
    pub(super) decisions: Vec<Decision>,
    /// Trials of both sides.
    pub(super) trials: u64,
}

impl Ended {
    pub(super) fn promoted(&self) -> usize {
        self.decisions.iter().filter(|decision| decision.verdict == Verdict::Promote).count()
    }
}

const ON_TARGET: f64 = 0.1;

impl Bench {
    pub(super) fn new(plan: Plan, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let tasks = (plan.held_in + plan.held_out) as usize;
        let mut rates: Vec<f64> = (0..tasks).map(|_| beta(&mut rng)).collect();
        targets(&plan).for_each(|index| rates[index] = ON_TARGET);
        Self { plan, rates, rng }
    }

    /// Lets the gate hear candidates with these effects together.
    pub(super) fn hear(&mut self, gate: &dyn Gate, effects: &[Effect]) -> Ended {
        let candidates: Vec<Vec<f64>> = effects.iter().map(|effect| self.after(*effect)).collect();
        let hearing = self.hearing();
        let mut docket = Docket { hearings: vec![hearing; effects.len()], ..Docket::default() };
        let mut trials = 0;
        while docket.open().next().is_some() {
            match gate.step(&docket) {
                Step::Decide { candidate, decision } => {
                    docket.hearings[candidate].decision = Some(decision);
                }
                Step::Buy(purchases) => {
                    let bought: u64 = purchases
                        .iter()
                        .map(|purchase| self.buy(&mut docket, purchase, &candidates))
                        .sum();
                    if bought == 0 {
                        break;
                    }
                    trials += bought;
                }
            }
        }
        let decisions =
            docket.hearings.into_iter().filter_map(|hearing| hearing.decision).collect();
        Ended { decisions, trials }
    }

    /// Pass rates under an edit.
    fn after(&self, effect: Effect) -> Vec<f64> {
        let tasks = self.rates.len();
        let shifted = |logits: f64| -> Vec<f64> {
            self.rates.iter().map(|rate| moved(*rate, logits)).collect()
        };
        match effect {
            Effect::Null => self.rates.clone(),
            Effect::Uniform(gain) => {
                let before: f64 = self.rates.iter().sum();
                let wanted = before + gain * tasks as f64;
                let (mut low, mut high) = (0.0, 30.0);
                for _ in 0..40 {
                    let middle = f64::midpoint(low, high);
                    if shifted(middle).iter().sum::<f64>() < wanted {
                        low = middle;
                    } else {
                        high = middle;
                    }
                }
                shifted(low)
            }
            Effect::Targeted(gain) => {
                let targeted: Vec<usize> = targets(&self.plan).collect();
                let rise = gain * tasks as f64 / targeted.len().max(1) as f64;
                let mut rates = self.rates.clone();
                targeted
                    .into_iter()
                    .for_each(|index| rates[index] = (rates[index] + rise).min(1.0));
                rates
            }
        }
    }

    /// A candidate with the incumbent's assessment.
    fn hearing(&mut self) -> Hearing {
        let held_in = self.plan.held_in as usize;
        let mut cells: Vec<TaskCells> = Vec::new();
        for (index, rate) in self.rates.iter().enumerate() {
            let assessed = (0..self.plan.attempts).map(|_| draw(*rate, &mut self.rng)).collect();
            cells.push(TaskCells { assessed, ..TaskCells::new(name(index)) });
        }
        let held_out = cells.split_off(held_in);
        let target = targets(&self.plan).map(name).collect();
        Hearing::of(Evidence { attempts: self.plan.attempts, target, held_in: cells, held_out })
    }

    fn buy(&mut self, docket: &mut Docket, purchase: &Purchase, candidates: &[Vec<f64>]) -> u64 {
        let rates = match purchase.arm {
            Arm::Incumbent => &self.rates,
            Arm::Candidate(index) => &candidates[index],
        };
        let of = match purchase.arm {
            Arm::Incumbent => 0,
            Arm::Candidate(index) => index,
        };
        let offset =
            if purchase.split == GatingSplit::HeldIn { 0 } else { self.plan.held_in as usize };
        let mut bought = 0;
        for task in &purchase.tasks {
            let cells = docket.hearings[of].evidence.split(purchase.split);
            let Some(at) = cells.iter().position(|cells| cells.task == *task) else { continue };
            let has = if purchase.arm == Arm::Incumbent {
                cells[at].beside.len()
            } else {
                cells[at].candidate.len()
            };
            for _ in has..purchase.upto as usize {
                let cell = draw(rates[offset + at], &mut self.rng);
                docket.add(purchase.arm, purchase.split, task, cell, None);
                bought += 1;
            }
        }
        bought
    }
}

/// The tasks that show the targeted weakness: as many as the plan says, shared by the splits in proportion, or a fifth of each.
pub(super) fn targets(plan: &Plan) -> impl Iterator<Item = usize> + use<> {
    let (held_in, held_out) = (plan.held_in as usize, plan.held_out as usize);
    let (of_in, of_out) = match plan.targets {
        None => (held_in.div_ceil(5), held_out.div_ceil(5)),
        Some(asked) => {
            let asked = (asked as usize).min(held_in + held_out);
            let of_in = (asked * held_in).div_ceil((held_in + held_out).max(1));
            (of_in, asked - of_in)
        }
    };
    (0..of_in).chain(held_in..held_in + of_out)
}

fn name(index: usize) -> TaskName {
    TaskName::new(format!("t{index}"))
}

fn moved(rate: f64, logits: f64) -> f64 {
    let rate = rate.clamp(1e-9, 1.0 - 1e-9);
    1.0 / (1.0 + (-((rate / (1.0 - rate)).ln() + logits)).exp())
}

fn draw(rate: f64, rng: &mut ChaCha8Rng) -> Cell {
    if rng.random::<f64>() < rate { Cell::Passed } else { Cell::Failed }
}

/// Beta(0.6, 0.6) by Jöhnk's method (1964), which is quick for shapes below 1.
fn beta(rng: &mut impl Rng) -> f64 {
    loop {
        let (x, y) = (rng.random::<f64>().powf(1.0 / 0.6), rng.random::<f64>().powf(1.0 / 0.6));
        if x + y <= 1.0 && x + y > 0.0 {
            return x / (x + y);
        }
    }
}
