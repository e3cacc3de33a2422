//! What the gate expected, before it saw a candidate.

use harness_core::{Beta, Expected, ExpectedRate, Prior, RoundReport, SpikeAndSlab};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RoundSummary;
use crate::text::{counted, percent};

/// The prior of a round: the safe start, and what the run has taught since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PriorSummary {
    /// What is expected before the run has taught anything.
    pub start: Expected,
    /// For how many edits the safe start counts.
    pub start_edits: f64,
    /// For how many tasks the safe start counts.
    pub start_tasks: f64,
    /// What was expected in this round.
    pub learnt: Expected,
    /// How many of the run's edits, judged one by one after trials, taught it.
    pub edits: u32,
    /// The incumbent's pass rate on each gating task, before any trial of it beside the candidates.
    pub tasks: Vec<TaskRateSummary>,
}

/// What is believed of one task's pass rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskRateSummary {
    /// The task.
    pub task: String,
    /// `held-in` or `held-out`.
    pub split: String,
    /// The mean of the belief, 0 to 1.
    pub mean: f64,
    /// Its standard deviation: how little is known.
    pub sd: f64,
}

impl PriorSummary {
    /// Of a round: all candidates that were heard together met the same one.
    pub(super) fn of(report: &RoundReport) -> Option<Self> {
        let findings = report.judged.iter().filter_map(|judged| judged.decision.finding.as_ref());
        findings.filter_map(|finding| finding.prior.as_deref()).next().map(Self::from)
    }

    /// What it rests on: `the safe start (worth 60 edits, 6 tasks), 4 edits and 26 tasks of this run`.
    pub fn rests_on(&self) -> String {
        format!(
            "the safe start (worth {} edits, {} tasks), {} and {} of this run",
            self.start_edits,
            self.start_tasks,
            counted(u64::from(self.edits), "edit"),
            counted(self.tasks.len() as u64, "task")
        )
    }

    /// What is expected, and why, in a sentence.
    pub fn in_words(&self) -> String {
        format!("{}; by {}", self.parts().join("; "), self.rests_on())
    }

    /// What is expected of edits with an aim, of edits without one, and of tasks: a part of a sentence each.
    pub fn parts(&self) -> [String; 3] {
        let Expected { target, side_effect, everywhere, pass_rates } = &self.learnt;
        [
            format!(
                "{} of edits act where they are aimed, by {}, and {} elsewhere, by {}",
                percent(Some(target.share)),
                in_points(target),
                percent(Some(side_effect.share)),
                in_log_odds(side_effect)
            ),
            format!("one aimed at nothing acts by {}", in_log_odds(everywhere)),
            format!("tasks pass at {}", distribution(*pass_rates)),
        ]
    }
}

impl From<&Prior> for PriorSummary {
    fn from(prior: &Prior) -> Self {
        let task = |ExpectedRate { task, split, mean, sd }: &ExpectedRate| TaskRateSummary {
            task: task.to_string(),
            split: split.to_string(),
            mean: *mean,
            sd: *sd,
        };
        Self {
            start: prior.start,
            start_edits: prior.start_edits,
            start_tasks: prior.start_tasks,
            learnt: prior.learnt,
            edits: prior.edits,
            tasks: prior.tasks.iter().map(task).collect(),
        }
    }
}

impl RoundSummary {
    /// What the gate expected before the round's candidates and why, in a sentence; `None` where it has no prior, or nothing came to a trial.
    pub fn prior_in_words(&self) -> Option<String> {
        let prior = self.prior.as_ref()?;
        Some(format!("expected before any trial: {}", prior.in_words()))
    }
}

/// `+50.0 ± 30.0 points`.
pub(crate) fn in_points(effect: &SpikeAndSlab) -> String {
    format!("{:+.1} ± {:.1} points", 100.0 * effect.mean, 100.0 * effect.sd)
}

/// `-0.70 ± 0.40 log-odds`.
pub(crate) fn in_log_odds(effect: &SpikeAndSlab) -> String {
    format!("{:+.2} ± {:.2} log-odds", effect.mean, effect.sd)
}

/// `Beta(0.41, 0.52), mean 44.1 %`.
pub(crate) fn distribution(rates: Beta) -> String {
    format!("Beta({:.2}, {:.2}), mean {}", rates.a, rates.b, percent(Some(rates.mean())))
}
