//! What a gate expects before it has seen anything of a candidate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::TaskName;
use crate::trial::SplitName;

/// A gate's prior: the safe start, and what the run has taught since, of edits and of tasks.
///
/// It is fixed before a candidate's first trial, so that whoever reads a verdict can see how much of it was belief. The tasks of the
/// held-out split are in it: no stage but the validator may see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prior {
    /// What is expected before the run has taught anything.
    pub start: Expected,
    /// For how many edits the safe start counts.
    pub start_edits: f64,
    /// For how many tasks the safe start counts.
    pub start_tasks: f64,
    /// What is expected now.
    pub learnt: Expected,
    /// How many of the run's edits, judged one by one after trials, taught it; 0 where only the safe start speaks of edits.
    pub edits: u32,
    /// The incumbent's pass rate on each gating task, before any trial of it beside the candidates: held-in tasks first.
    pub tasks: Vec<ExpectedRate>,
}

/// What is expected of the next edit, and of a task nobody has attempted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Expected {
    /// The change in pass rate that an edit makes on the tasks it is aimed at.
    pub target: SpikeAndSlab,
    /// The shift in log-odds that such an edit makes on all other tasks.
    pub side_effect: SpikeAndSlab,
    /// The shift in log-odds on every task of an edit that is aimed at nothing.
    pub everywhere: SpikeAndSlab,
    /// The incumbent's pass rates over tasks.
    pub pass_rates: Beta,
}

/// "Does nothing" or "does something": with probability `1 − share` the effect is exactly 0, else it is normal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpikeAndSlab {
    /// How likely an edit does something, 0 to 1.
    pub share: f64,
    /// The mean of what it does then.
    pub mean: f64,
    /// The standard deviation of what it does then.
    pub sd: f64,
}

/// The Beta distribution, on 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Beta {
    /// The weight of passing, positive.
    pub a: f64,
    /// The weight of failing, positive.
    pub b: f64,
}

impl Beta {
    /// Its mean, `a / (a + b)`.
    pub fn mean(self) -> f64 {
        self.a / (self.a + self.b)
    }
}

/// What is believed of one task's pass rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpectedRate {
    /// The task.
    pub task: TaskName,
    /// Its split.
    pub split: SplitName,
    /// The mean of the belief, 0 to 1.
    pub mean: f64,
    /// Its standard deviation: how little is known.
    pub sd: f64,
}
