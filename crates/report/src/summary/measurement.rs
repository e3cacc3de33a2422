//! The summary of a harness that was measured without evolution.

use harness_core::{Measured, ModelId, Outcome, Trial};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Cost, Counts, Skipped};

/// What a single agent achieved on tasks: the summary of `--agent oracle` and `--agent nop`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeasurementSummary {
    /// Which agent: `oracle`, `nop`, …
    pub agent: String,
    /// Who thought, as `provider:name`; an agent without a model asks it nothing.
    pub model: String,
    /// Whether that model is simulated.
    pub simulated: bool,
    /// The tasks, in order.
    pub tasks: Vec<TaskSummary>,
    /// How many trials there were.
    pub trials: Counts,
    /// What they cost.
    pub cost: Cost,
    /// Tasks that were left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
}

/// One task and its attempts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskSummary {
    /// Its name.
    pub name: String,
    /// Its attempts, in order.
    pub attempts: Vec<AttemptSummary>,
}

/// One attempt: a reward, or the reason why there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptSummary {
    /// The verifier's reward, 0 to 1; null when the attempt is void.
    pub reward: Option<f64>,
    /// Why it is void; null when it was scored.
    pub void: Option<String>,
}

impl MeasurementSummary {
    /// Of a measurement by `agent`.
    pub fn of(agent: impl Into<String>, model: &ModelId, measured: &Measured) -> Self {
        let mut tasks: Vec<TaskSummary> = Vec::new();
        for trial in &measured.trials {
            let name = trial.key.task.as_str();
            let attempt = AttemptSummary::of(trial);
            match tasks.iter_mut().find(|task| task.name == name) {
                Some(task) => task.attempts.push(attempt),
                None => {
                    tasks.push(TaskSummary { name: name.to_owned(), attempts: vec![attempt] });
                }
            }
        }
        Self {
            agent: agent.into(),
            model: model.to_string(),
            simulated: model.is_simulated(),
            tasks,
            trials: measured.counts.into(),
            cost: measured.spent.into(),
            skipped: Vec::new(),
        }
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

impl AttemptSummary {
    fn of(trial: &Trial) -> Self {
        match &trial.outcome {
            Outcome::Scored { reward, .. } => Self { reward: Some(*reward), void: None },
            Outcome::Void { reason } => Self { reward: None, void: Some(reason.clone()) },
        }
    }
}
