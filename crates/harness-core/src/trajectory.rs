//! The record of one attempt, step by step. Field names follow ATIF, the format that agent frameworks
//! exchange trajectories in.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::llm::{Completion, ToolCall, Usage};
use crate::sandbox::Exit;

/// The steps of one trial, in order, numbered from 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trajectory {
    /// The steps.
    pub steps: Vec<Step>,
}

impl Trajectory {
    /// The step numbered `id`, if there is one.
    pub fn step(&self, id: u32) -> Option<&Step> {
        self.steps.iter().find(|step| step.step_id == id)
    }

    /// The agent's own steps.
    pub fn agent_steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.source == StepSource::Agent)
    }
}

/// Who a step comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepSource {
    /// The harness: prompts, reminders, interceptions.
    System,
    /// The task's instruction.
    User,
    /// The model: its words, its calls and what they brought.
    Agent,
}

/// One turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// 1, 2, 3, … without gaps.
    pub step_id: u32,
    /// Who it comes from.
    pub source: StepSource,
    /// What was said.
    pub message: String,
    /// What the model thought first, where it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// The calls it made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// What the calls brought, one each, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observations: Vec<Observation>,
    /// What the call to the model cost; `None` for steps that made none, or when the server told nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Time since the trial began.
    pub elapsed: Duration,
}

impl Step {
    /// A step without calls. Its number and time are filled in when it is recorded.
    pub fn said(source: StepSource, message: impl Into<String>) -> Self {
        Self {
            step_id: 0,
            source,
            message: message.into(),
            reasoning: None,
            tool_calls: Vec::new(),
            observations: Vec::new(),
            usage: None,
            elapsed: Duration::ZERO,
        }
    }

    /// A reply of the model, with the calls it makes.
    pub fn reply(completion: &Completion) -> Self {
        Self {
            reasoning: completion.message.reasoning.clone(),
            tool_calls: completion.message.tool_calls.clone(),
            usage: completion.usage,
            ..Self::said(StepSource::Agent, completion.message.content.clone())
        }
    }
}

/// What a tool call brought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The id of the call in the same step.
    pub source_call_id: String,
    /// What the model was shown.
    pub content: String,
    /// How it went.
    pub status: ObservationStatus,
    /// How the command ended, for calls that ran one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// Whether the workspace differs from before the call, by its effect and not by the tool's name;
    /// `None` where that was not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<bool>,
}

/// How a tool call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObservationStatus {
    /// It did what was asked.
    Ok,
    /// It ran and failed (a non-zero exit, a missing file).
    Error,
    /// It never ran: unknown tool, malformed arguments.
    Invalid,
    /// A control of the harness answered in its place.
    Intercepted,
}
