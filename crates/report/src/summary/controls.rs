//! The controls of a run.

use harness_core::{
    BeatSampling, ControlArm, Controls, NoiseFloor, RoundReport, RunReport, Sampling,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Change, Rate};
use crate::interval::Interval;
use crate::text::{counted, percent, points};

/// What the same gate said of candidates that are known to be nothing, and what the same trials bought without evolution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ControlsSummary {
    /// The control candidates, as if each had been proposed in the first round.
    pub arms: Vec<ControlSummary>,
    /// How far two measurements of one harness differ; null when no task had two attempts.
    pub noise_floor: Option<FloorSummary>,
    /// The seed harness sampled; null without a claim to compare with.
    pub sampling: Option<SamplingSummary>,
    /// Whether evolution beat sampling: `yes`, `no`, or `open` when it cannot be told.
    pub beat_sampling: String,
    /// The same in a sentence.
    pub beat_sampling_in_words: String,
}

/// One control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ControlSummary {
    /// Which one.
    pub name: String,
    /// The edit; null for A/A, and where the harness offers none.
    pub edit: Option<Value>,
    /// `promote`, `reject` or `inconclusive`; null when the harness offers no such edit.
    pub verdict: Option<String>,
    /// Why.
    pub reason: String,
    /// Outcomes on the mined split.
    pub held_in: Option<Change>,
    /// The same on the split that gates promotion.
    pub held_out: Option<Change>,
}

/// How noisy the tasks are under the seed harness, by A/A.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FloorSummary {
    /// The change in pass rate that one in twenty measurements of a harness shows against another of the same harness.
    pub change: f64,
    /// The mean variance of one attempt around its task's own pass rate.
    pub within_task: f64,
    /// Attempts at each task in one measurement.
    pub attempts: u32,
    /// Promotions of the run whose observed gain is below that change.
    pub promotions_below: u32,
}

/// Best-of-n of the seed harness on the sealed tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SamplingSummary {
    /// Trials that evolution took.
    pub evolution_trials: u64,
    /// Attempts at each task that as many trials buy.
    pub attempts: u32,
    /// Trials that were run: a solved task needs no more.
    pub trials: u64,
    /// Sealed tasks.
    pub tasks: u64,
    /// Of these, solved by one of the attempts.
    pub solved: u64,
    /// The last harness at one attempt, in the claim.
    pub evolved: Option<f64>,
    /// The last harness's pass rate minus the share that sampling solved, with a 95 % interval.
    pub difference: Option<Interval>,
}

impl ControlsSummary {
    /// Of a run that had controls.
    pub(super) fn of(run: &RunReport) -> Option<Self> {
        let Controls { arms, sampling } = run.controls.as_ref()?;
        let floor = arms.iter().find_map(|arm| arm.floor);
        let (beat_sampling, beat_sampling_in_words) = beat(sampling.as_ref(), run);
        Some(Self {
            arms: arms.iter().map(ControlSummary::of).collect(),
            noise_floor: floor.map(|floor| FloorSummary::of(&floor, run)),
            sampling: sampling.as_ref().map(|sampling| SamplingSummary::of(sampling, run)),
            beat_sampling,
            beat_sampling_in_words,
        })
    }

    /// What A/A says of the tasks, in a sentence.
    pub fn floor_in_words(&self) -> String {
        let Some(floor) = &self.noise_floor else {
            return "noise floor: unknown, no task had two scored attempts".to_owned();
        };
        let below = match floor.promotions_below {
            0 => "no promotion gained less".to_owned(),
            below => format!("{} gained less than that", counted(u64::from(below), "promotion")),
        };
        format!(
            "noise floor: measured twice at {} a task, one harness differs from itself by {:.1} points or more in one of twenty \
             comparisons; {below}",
            counted(u64::from(floor.attempts), "attempt"),
            100.0 * floor.change
        )
    }
}

impl ControlSummary {
    fn of(arm: &ControlArm) -> Self {
        let decision = arm.decision.as_ref();
        let evidence = decision.and_then(|decision| decision.evidence.as_ref());
        let change = |pair: &harness_core::Pair| Change {
            incumbent: Rate::of(&pair.incumbent),
            candidate: Rate::of(&pair.candidate),
        };
        Self {
            name: arm.kind.as_str().to_owned(),
            edit: arm.edit.clone(),
            verdict: decision.map(|decision| decision.verdict.as_str().to_owned()),
            reason: decision.map_or_else(
                || "left out: the harness offers no such edit".to_owned(),
                |decision| decision.reason.clone(),
            ),
            held_in: evidence.map(|evidence| change(&evidence.held_in)),
            held_out: evidence.map(|evidence| change(&evidence.held_out)),
        }
    }
}

impl FloorSummary {
    fn of(floor: &NoiseFloor, run: &RunReport) -> Self {
        let below = |round: &&RoundReport| gain(round).is_some_and(|gain| gain < floor.change());
        Self {
            change: floor.change(),
            within_task: floor.within_task,
            attempts: floor.attempts,
            promotions_below: u32::try_from(run.rounds.iter().filter(below).count())
                .unwrap_or(u32::MAX),
        }
    }
}

/// The observed gain of a promotion, in pass rate over both splits.
#[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^52")]
fn gain(round: &RoundReport) -> Option<f64> {
    let evidence = round.composition.as_ref()?.evidence.as_ref()?;
    let scored = evidence.held_in.candidate.scored + evidence.held_out.candidate.scored;
    let change = evidence.held_in.change() + evidence.held_out.change();
    (scored > 0).then(|| change as f64 / scored as f64)
}

impl SamplingSummary {
    fn of(sampling: &Sampling, run: &RunReport) -> Self {
        Self {
            evolution_trials: sampling.evolution,
            attempts: sampling.attempts,
            trials: sampling.trials,
            tasks: sampling.tasks,
            solved: sampling.solved,
            evolved: claimed(run),
            difference: sampling.difference.map(Interval::from),
        }
    }
}

/// The last harness's pass rate at one attempt, in the claim.
fn claimed(run: &RunReport) -> Option<f64> {
    run.claim.as_ref().and_then(|claim| claim.after.pass_rate())
}

fn beat(sampling: Option<&Sampling>, run: &RunReport) -> (String, String) {
    let Some(sampling) = sampling else {
        let words = "did evolution beat sampling? open: without a sealed split there is nothing to compare on";
        return ("open".to_owned(), words.to_owned());
    };
    let answer = match sampling.answer() {
        BeatSampling::Yes => "yes",
        BeatSampling::No => "no",
        BeatSampling::Open => "open",
    };
    let change = sampling.pairs.change().zip(sampling.difference);
    let change = change.map_or_else(
        || "no pair of trials could be scored".to_owned(),
        |(change, interval)| points(change, interval.into()),
    );
    let words = format!(
        "did evolution beat sampling? {answer}: the seed harness, sampled up to {} at each task with the verifier choosing (as many \
         trials as evolution took), solves {} of {}; the last harness passes {} at one attempt: {change}",
        counted(u64::from(sampling.attempts), "time"),
        sampling.solved,
        counted(sampling.tasks, "sealed task"),
        percent(claimed(run))
    );
    (answer.to_owned(), words)
}
