//! The machine-readable summary of a run, and of a measurement without evolution.

mod controls;
mod drift;
mod measurement;
pub(crate) mod prior;
pub(crate) mod rates;
mod rounds;
mod worth;

use std::path::Path;

use harness_core::{RunReport, StopReason, TrialCounts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::controls::{ControlSummary, ControlsSummary, FloorSummary, SamplingSummary};
pub use self::drift::DriftSummary;
pub use self::measurement::{AttemptSummary, MeasurementSummary, TaskSummary};
pub use self::prior::{PriorSummary, TaskRateSummary};
pub use self::rates::{Conclusion, PassRates, Rate, SplitRates};
pub use self::rounds::{Change, CitationSummary, ProposalSummary, RoundSummary, WeaknessSummary};
pub use self::worth::WorthSummary;

/// What a run did, for programs: the last line of `--json`, and `summary.json` in the state directory.
///
/// Texts in it come from models and tasks; they are data, whoever reads them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// First and last harness.
    pub harness: Endpoints,
    /// Who thought, as `provider:name`.
    pub model: String,
    /// Who mined and proposed; the same as `model` unless the operator asked for another.
    pub improver: String,
    /// Whether a simulated model had a part in it: then no figure here says anything about a real one.
    pub simulated: bool,
    /// Where trials ran: backend and level.
    pub isolation: String,
    /// The rounds, oldest first.
    pub rounds: Vec<RoundSummary>,
    /// Pass rates by split, before and after.
    pub pass_rates: PassRates,
    /// What the controls said; null in a run without.
    #[serde(default)]
    pub controls: Option<ControlsSummary>,
    /// What each retained edit is worth, where they were taken out at the end; empty where they were not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub worth: Vec<WorthSummary>,
    /// How many trials there were.
    pub trials: Counts,
    /// What everything cost.
    pub cost: Cost,
    /// The human-readable report.
    pub report: Option<String>,
    /// What the sealed split says of the whole run.
    pub verdict: Conclusion,
    /// The same in a sentence.
    pub verdict_in_words: String,
    /// Why the run ended: `rounds`, `dry`, `nothing_failed`, `claimed`, or what interrupted it.
    pub stopped: String,
    /// Tasks that were left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
}

/// First and last harness, by digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Endpoints {
    /// The seed harness.
    pub first: String,
    /// The harness at the end; the same when nothing was promoted.
    pub last: String,
}

/// Numbers of trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// With a verdict.
    pub scored: u64,
    /// Without one, by the infrastructure's fault.
    pub void: u64,
    /// Of all, those taken from an earlier session's record.
    pub reused: u64,
}

/// What was spent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// Calls to models.
    pub calls: u64,
    /// Tokens sent and received, as far as the server told.
    pub tokens: u64,
    /// Calls of which the server told no tokens.
    pub calls_without_usage: u64,
    /// US dollars, or null when the price or the outcome of one call is unknown.
    pub usd: Option<f64>,
    /// Calls of which nobody knows whether they were charged: the run ended, or waiting did, after they were sent.
    #[serde(default)]
    pub calls_of_unknown_outcome: u64,
    /// Tokens, calls of unknown outcome or usage at their worst case: what counts against a cap.
    #[serde(default)]
    pub tokens_at_most: u64,
    /// The same in US dollars, or null when the price of one call is unknown.
    #[serde(default)]
    pub usd_at_most: Option<f64>,
}

impl Cost {
    /// What the calls of unknown outcome are charged at; `None` where there are none.
    pub(crate) fn unknown_in_words(&self) -> Option<String> {
        if self.calls_of_unknown_outcome == 0 {
            return None;
        }
        let calls = crate::text::counted(self.calls_of_unknown_outcome, "call");
        let usd = self.usd_at_most.map(|usd| format!(" and {usd:.4} USD")).unwrap_or_default();
        Some(format!(
            "{calls} of unknown outcome, charged at worst: at most {} tokens{usd} in all",
            self.tokens_at_most
        ))
    }
}

/// A task that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
}

impl Summary {
    /// Of a run.
    pub fn of(run: &RunReport) -> Self {
        let (verdict, verdict_in_words) = rates::conclude(run);
        Self {
            harness: Endpoints { first: run.first.to_string(), last: run.last.to_string() },
            model: run.model.to_string(),
            improver: run.improver.to_string(),
            simulated: run.model.is_simulated() || run.improver.is_simulated(),
            isolation: run.isolation.to_string(),
            rounds: run.rounds.iter().map(RoundSummary::of).collect(),
            pass_rates: PassRates::of(run),
            controls: ControlsSummary::of(run),
            worth: WorthSummary::of(run),
            trials: run.trials.into(),
            cost: run.spent.into(),
            report: None,
            verdict,
            verdict_in_words,
            stopped: run.stopped.map_or_else(|| "not finished".to_owned(), reason),
            skipped: Vec::new(),
        }
    }

    /// The same with the path of the human-readable report.
    #[must_use]
    pub fn with_report(mut self, path: &Path) -> Self {
        self.report = Some(path.display().to_string());
        self
    }

    /// The same, ended by something that is not a reason of the engine's: a budget, a signal.
    #[must_use]
    pub fn with_stopped(mut self, reason: impl Into<String>) -> Self {
        self.stopped = reason.into();
        self
    }

    /// The same with tasks that were left out.
    #[must_use]
    pub fn with_skipped(mut self, skipped: Vec<Skipped>) -> Self {
        self.skipped = skipped;
        self
    }

    /// The JSON schema of this type.
    pub fn schema() -> Value {
        schemars::schema_for!(Self).to_value()
    }
}

impl From<TrialCounts> for Counts {
    fn from(TrialCounts { scored, void, reused }: TrialCounts) -> Self {
        Self { scored, void, reused }
    }
}

impl From<harness_core::Spent> for Cost {
    fn from(spent: harness_core::Spent) -> Self {
        Self {
            calls: spent.calls,
            tokens: spent.tokens(),
            calls_without_usage: spent.calls_without_usage,
            usd: spent.usd(),
            calls_of_unknown_outcome: spent.calls_unknown,
            tokens_at_most: spent.tokens_at_most(),
            usd_at_most: spent.usd_at_most(),
        }
    }
}

/// The name under which the reason is stored.
fn reason(stopped: StopReason) -> String {
    match serde_json::to_value(stopped) {
        Ok(Value::String(name)) => name,
        _ => format!("{stopped:?}").to_lowercase(),
    }
}
