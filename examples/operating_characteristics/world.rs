//! Worlds of tasks and edits whose truth is known, as JSON describes them.

use rand::{Rng, RngExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A benchmark and a pool of edits.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct World {
    /// What the table calls it.
    pub(crate) name: String,
    /// Tasks of the mined split.
    #[serde(default = "defaults::held_in")]
    pub(crate) held_in: usize,
    /// Tasks of the split that gates promotion.
    #[serde(default = "defaults::held_out")]
    pub(crate) held_out: usize,
    /// Tasks that nobody ever runs, on which gains are told.
    #[serde(default = "defaults::unseen")]
    pub(crate) unseen: usize,
    /// Attempts at each task when a harness is measured.
    #[serde(default = "defaults::attempts")]
    pub(crate) attempts: u32,
    /// Proposals a round.
    #[serde(default = "defaults::width")]
    pub(crate) width: usize,
    /// Rounds of the columns that compare equal rounds.
    #[serde(default = "defaults::rounds")]
    pub(crate) rounds: usize,
    /// Trials at which gains are compared.
    #[serde(default = "defaults::budgets")]
    pub(crate) budgets: Vec<usize>,
    /// Pass rates of tasks: a mixture of Beta distributions.
    #[serde(default = "defaults::pass_rates")]
    pub(crate) pass_rates: Vec<Component>,
    /// The share of tasks that are coin tosses instead: pass rates ~ Beta(8, 8).
    #[serde(default)]
    pub(crate) flaky: f64,
    /// What edits do.
    pub(crate) edits: Edits,
    /// Standard deviation, in log-odds, of what each pair of edits in a harness adds everywhere.
    #[serde(default)]
    pub(crate) coupling: f64,
    /// Edits that make trials void.
    #[serde(default)]
    pub(crate) missing: Missing,
}

/// One part of a mixture.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Component {
    /// Its weight, relative to the others'.
    pub(crate) weight: f64,
    /// First shape, positive.
    pub(crate) a: f64,
    /// Second shape, positive.
    pub(crate) b: f64,
}

/// A pool of edits.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Edits {
    /// Each edit shifts the log-odds of every task by N(`mean`, `sd`²), and each task by N(0, `scatter`²) more.
    Uniform {
        /// Mean shift.
        mean: f64,
        /// Standard deviation between edits.
        sd: f64,
        /// Standard deviation between tasks of one edit.
        scatter: f64,
        /// What held-in tasks gain more than others: edits are made from their failures.
        #[serde(default)]
        held_in_bonus: f64,
    },
    /// Tasks may show one of several signatures; each edit is aimed at one of them.
    Targeted {
        /// How many signatures there are.
        signatures: usize,
        /// The share of tasks that show one.
        share: f64,
        /// The pass rate of such a task while nobody has mended its signature.
        before: f64,
        /// Its pass rate when mended.
        after: f64,
        /// How likely an edit mends its target and nothing else.
        mends: f64,
        /// How likely it mends its target and shifts the log-odds of all other tasks by `side_effect`.
        mends_and_hurts: f64,
        /// That shift. Edits that do neither do nothing.
        side_effect: f64,
        /// How likely a failed task is taken for another signature than its own, by miner and validator alike.
        #[serde(default)]
        misread: f64,
    },
}

/// How edits make trials void.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Missing {
    /// The share of edits that do.
    pub(crate) share: f64,
    /// How likely a trial of such an edit is void.
    pub(crate) rate: f64,
}

mod defaults {
    use super::Component;

    pub(crate) fn held_in() -> usize {
        43
    }
    pub(crate) fn held_out() -> usize {
        21
    }
    pub(crate) fn unseen() -> usize {
        600
    }
    pub(crate) fn attempts() -> u32 {
        2
    }
    pub(crate) fn width() -> usize {
        4
    }
    pub(crate) fn rounds() -> usize {
        20
    }
    pub(crate) fn budgets() -> Vec<usize> {
        vec![1_000, 2_000, 4_000, 8_000]
    }
    pub(crate) fn pass_rates() -> Vec<Component> {
        vec![Component { weight: 1.0, a: 0.6, b: 0.6 }]
    }
}

impl World {
    /// What is wrong with it, naming the key and the remedy.
    pub(crate) fn problem(&self) -> Option<String> {
        let share = |name: &str, value: f64| {
            (!(0.0..=1.0).contains(&value))
                .then(|| format!("'{name}' is {value}: give a number from 0 to 1"))
        };
        if self.held_in == 0 || self.held_out == 0 || self.unseen == 0 {
            return Some("'held_in', 'held_out' and 'unseen' must be at least 1".to_owned());
        }
        if self.attempts == 0 || self.width == 0 || self.rounds == 0 {
            return Some("'attempts', 'width' and 'rounds' must be at least 1".to_owned());
        }
        let positive = |part: &Component| part.a > 0.0 && part.b > 0.0 && part.weight > 0.0;
        if self.pass_rates.is_empty() || !self.pass_rates.iter().all(positive) {
            return Some(
                "'pass_rates' needs parts whose 'weight', 'a' and 'b' are positive".to_owned(),
            );
        }
        let spread = |name: &str, value: f64| {
            (value.is_nan() || value < 0.0)
                .then(|| format!("'{name}' is {value}: give a number that is not negative"))
        };
        let of_edits = match &self.edits {
            Edits::Uniform { sd, scatter, .. } => {
                spread("sd", *sd).or_else(|| spread("scatter", *scatter))
            }
            Edits::Targeted { signatures: 0, .. } => {
                Some("'signatures' must be at least 1".to_owned())
            }
            Edits::Targeted {
                share: of, before, after, mends, mends_and_hurts, misread, ..
            } => share("share", *of)
                .or_else(|| share("before", *before))
                .or_else(|| share("after", *after))
                .or_else(|| share("mends", *mends))
                .or_else(|| share("mends_and_hurts", *mends_and_hurts))
                .or_else(|| share("mends + mends_and_hurts", mends + mends_and_hurts))
                .or_else(|| share("misread", *misread)),
        };
        share("flaky", self.flaky)
            .or_else(|| spread("coupling", self.coupling))
            .or_else(|| share("missing.share", self.missing.share))
            .or_else(|| share("missing.rate", self.missing.rate))
            .or(of_edits)
    }

    /// All tasks: held-in, held-out, unseen, in this order.
    pub(crate) fn tasks(&self, rng: &mut impl Rng) -> Vec<Task> {
        let all = self.held_in + self.held_out + self.unseen;
        (0..all).map(|_| self.task(rng)).collect()
    }

    fn task(&self, rng: &mut impl Rng) -> Task {
        if let Edits::Targeted { signatures, share, before, .. } = self.edits
            && rng.random::<f64>() < share
        {
            let signature = Some(rng.random_range(0..signatures));
            return Task { log_odds: log_odds(before), signature };
        }
        if rng.random::<f64>() < self.flaky {
            return Task { log_odds: log_odds(beta(8.0, 8.0, rng)), signature: None };
        }
        let total: f64 = self.pass_rates.iter().map(|part| part.weight).sum();
        let mut at = rng.random::<f64>() * total;
        let part = self.pass_rates.iter().find(|part| {
            at -= part.weight;
            at <= 0.0
        });
        let part = part.unwrap_or(&self.pass_rates[0]);
        Task { log_odds: log_odds(beta(part.a, part.b, rng)), signature: None }
    }

    /// An edit aimed at `signature`, or at nothing in particular.
    pub(crate) fn edit(
        &self,
        tasks: &[Task],
        signature: Option<usize>,
        rng: &mut impl Rng,
    ) -> Edit {
        let shifts = match (&self.edits, signature) {
            (Edits::Uniform { mean, sd, scatter, held_in_bonus }, _) => {
                let common = mean + sd * normal(rng);
                let shift = |index: usize| {
                    let bonus = if index < self.held_in { *held_in_bonus } else { 0.0 };
                    common + bonus + scatter * normal(rng)
                };
                (0..tasks.len()).map(shift).collect()
            }
            (
                Edits::Targeted { before, after, mends, mends_and_hurts, side_effect, .. },
                Some(aim),
            ) => {
                let luck = rng.random::<f64>();
                let mend = if luck < mends + mends_and_hurts {
                    log_odds(*after) - log_odds(*before)
                } else {
                    0.0
                };
                let others = if (*mends..mends + mends_and_hurts).contains(&luck) {
                    *side_effect
                } else {
                    0.0
                };
                let shift = |task: &Task| if task.signature == Some(aim) { mend } else { others };
                tasks.iter().map(shift).collect()
            }
            (Edits::Targeted { .. }, None) => vec![0.0; tasks.len()],
        };
        let void = if rng.random::<f64>() < self.missing.share { self.missing.rate } else { 0.0 };
        Edit { shifts, charge: normal(rng), void }
    }
}

/// A task with its truth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    /// Of passing, under the seed harness.
    pub(crate) log_odds: f64,
    /// The signature it shows.
    pub(crate) signature: Option<usize>,
}

/// An edit with its truth.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    /// What it adds to each task's log-odds.
    shifts: Vec<f64>,
    /// Two edits add the product of their charges, times the world's coupling, everywhere.
    charge: f64,
    /// How likely a trial with it is void.
    void: f64,
}

/// A harness: the seed with some edits.
#[derive(Clone, Debug)]
pub(crate) struct Harness {
    log_odds: Vec<f64>,
    /// The sum of the charges of its edits.
    charge: f64,
    /// How likely a trial is void.
    pub(crate) void: f64,
}

impl Harness {
    /// The seed harness.
    pub(crate) fn seed(tasks: &[Task]) -> Self {
        Self { log_odds: tasks.iter().map(|task| task.log_odds).collect(), charge: 0.0, void: 0.0 }
    }

    /// One of these pass rates.
    pub(crate) fn of_rates(rates: &[f64]) -> Self {
        Self {
            log_odds: rates.iter().map(|rate| log_odds(*rate)).collect(),
            charge: 0.0,
            void: 0.0,
        }
    }

    /// With one more edit. A signature is mended once: a second mend of it adds nothing.
    pub(crate) fn with(&self, edit: &Edit, world: &World) -> Self {
        let interaction = world.coupling * self.charge * edit.charge;
        let cap = match &world.edits {
            Edits::Targeted { after, .. } => log_odds(*after),
            Edits::Uniform { .. } => f64::INFINITY,
        };
        let add = |(log_odds, shift): (&f64, &f64)| {
            let shifted = log_odds + shift;
            // Only a mend reaches so far: side effects are small and negative.
            let mended = if *shift > 0.0 { shifted.min(cap.max(*log_odds)) } else { shifted };
            mended + interaction
        };
        Self {
            log_odds: self.log_odds.iter().zip(&edit.shifts).map(add).collect(),
            charge: self.charge + edit.charge,
            void: self.void + (1.0 - self.void) * edit.void,
        }
    }

    /// How likely it passes a task.
    pub(crate) fn rate(&self, task: usize) -> f64 {
        1.0 / (1.0 + (-self.log_odds[task]).exp())
    }

    /// Its true pass rate over the unseen tasks, in points.
    #[expect(clippy::cast_precision_loss, reason = "counts of tasks are far below 2^52")]
    pub(crate) fn unseen(&self, world: &World) -> f64 {
        let first = world.held_in + world.held_out;
        let sum: f64 = (first..self.log_odds.len()).map(|task| self.rate(task)).sum();
        100.0 * sum / world.unseen as f64
    }
}

/// Of a pass rate, kept off the ends.
pub(crate) fn log_odds(rate: f64) -> f64 {
    let rate = rate.clamp(1e-6, 1.0 - 1e-6);
    (rate / (1.0 - rate)).ln()
}

fn normal(rng: &mut impl Rng) -> f64 {
    // Box and Muller's transform; 1 − u is never 0.
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (2.0 * std::f64::consts::PI * rng.random::<f64>()).cos()
}

fn beta(a: f64, b: f64, rng: &mut impl Rng) -> f64 {
    let (x, y) = (gamma(a, rng), gamma(b, rng));
    if x + y > 0.0 { x / (x + y) } else { f64::from(u8::from(rng.random::<f64>() < a / (a + b))) }
}

/// Marsaglia and Tsang's method (ACM TOMS 2000), boosted for shapes below 1.
fn gamma(shape: f64, rng: &mut impl Rng) -> f64 {
    if shape < 1.0 {
        return gamma(shape + 1.0, rng) * (1.0 - rng.random::<f64>()).powf(1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let z = normal(rng);
        let v = (1.0 + c * z).powi(3);
        let u = 1.0 - rng.random::<f64>();
        if v > 0.0 && u.ln() < 0.5 * z * z + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}
