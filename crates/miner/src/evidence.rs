//! What of a trial a model is shown: bounded, escaped, and only what a diagnosis needs.

use std::collections::BTreeSet;

use harness_core::{Finish, Observation, Outcome, Step, StepSource, ToolCall, Trial, visible};
use serde::Serialize;

use crate::cause::is_verdict;
use crate::vocabulary::Cause;

/// Bounds on what is shown, in characters and steps. The defaults follow the sizes of the paper's own scaffold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvidenceLimits {
    /// Of the task's instruction.
    pub instruction: usize,
    /// Of the verifier's words in all; lines that name a failed check are kept first, then the last ones.
    pub verifier: usize,
    /// Of what the agent said in a step.
    pub message: usize,
    /// Of the arguments of a call.
    pub arguments: usize,
    /// Of what a call brought.
    pub excerpt: usize,
    /// Steps of the failed attempt: a third from its beginning, the rest from its end.
    pub steps: usize,
    /// Steps of the passing attempt beside it.
    pub contrast_steps: usize,
}

impl Default for EvidenceLimits {
    fn default() -> Self {
        Self {
            instruction: 4000,
            verifier: 6000,
            message: 220,
            arguments: 240,
            excerpt: 500,
            steps: 60,
            contrast_steps: 24,
        }
    }
}

/// Characters of one line of the verifier's.
const LONGEST_LINE: usize = 500;

/// The material of one diagnosis request.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Material {
    task: String,
    instruction: String,
    finish: String,
    cause: &'static str,
    verifier_evidence: Vec<String>,
    steps: Vec<ShownStep>,
    passing_attempt: Option<Vec<ShownStep>>,
}

#[derive(Clone, Debug, Serialize)]
struct ShownStep {
    step_id: u32,
    message: String,
    tool_calls: Vec<ShownCall>,
    observations: Vec<ShownObservation>,
}

#[derive(Clone, Debug, Serialize)]
struct ShownCall {
    name: String,
    arguments: String,
}

#[derive(Clone, Debug, Serialize)]
struct ShownObservation {
    status: serde_json::Value,
    exit: Option<String>,
    excerpt: String,
    changed: Option<bool>,
}

impl Material {
    pub(crate) fn of(
        trial: &Trial,
        cause: Cause,
        contrast: Option<&Trial>,
        limits: &EvidenceLimits,
    ) -> Self {
        Self {
            task: visible(trial.key.task.as_str(), 200),
            instruction: visible(instruction(trial), limits.instruction),
            finish: finish_word(&trial.finish),
            cause: cause.as_str(),
            verifier_evidence: verifier_words(trial, limits.verifier),
            steps: shown_steps(trial, limits.steps, limits),
            passing_attempt: contrast
                .map(|trial| shown_steps(trial, limits.contrast_steps, limits)),
        }
    }

    /// The steps that a diagnosis of this material may cite.
    pub(crate) fn step_ids(&self) -> BTreeSet<u32> {
        self.steps.iter().map(|step| step.step_id).collect()
    }
}

fn instruction(trial: &Trial) -> &str {
    let mut steps = trial.trajectory.steps.iter();
    steps.find(|step| step.source == StepSource::User).map_or("", |step| &step.message)
}

/// How the attempt ended, in the spelling of the record.
pub(crate) fn finish_word(finish: &Finish) -> String {
    match serde_json::to_value(finish) {
        Ok(serde_json::Value::String(word)) => word,
        _ => format!("{finish:?}"),
    }
}

/// What the verifier printed; nothing for a void trial.
pub(crate) fn verifier_evidence(trial: &Trial) -> &[String] {
    match &trial.outcome {
        Outcome::Scored { evidence, .. } => evidence,
        Outcome::Void { .. } => &[],
    }
}

/// The verifier's lines, each once, in their order. Where not all of them fit, verdicts come before the rest, and of the
/// rest the last lines before the first: that is where a summary or a traceback stands.
fn verifier_words(trial: &Trial, limit: usize) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let lines = verifier_evidence(trial).iter().flat_map(|entry| entry.lines()).map(str::trim_end);
    let lines: Vec<String> = lines
        .filter(|line| !line.is_empty() && seen.insert(*line))
        .map(|line| visible(line, LONGEST_LINE.min(limit)))
        .collect();
    let (verdicts, rest): (Vec<usize>, Vec<usize>) =
        (0..lines.len()).partition(|at| is_verdict(&lines[*at]));
    let (mut left, mut kept) = (limit, BTreeSet::new());
    for at in verdicts.into_iter().chain(rest.into_iter().rev()) {
        let Some(room) = left.checked_sub(lines[at].chars().count()) else { break };
        left = room;
        kept.insert(at);
    }
    kept.into_iter().map(|at| lines[at].clone()).collect()
}

/// The agent's own steps: a third of the room for how it began, the rest for how it ended.
fn shown_steps(trial: &Trial, room: usize, limits: &EvidenceLimits) -> Vec<ShownStep> {
    let steps: Vec<&Step> = trial.trajectory.agent_steps().collect();
    let dropped = steps.len().saturating_sub(room);
    let head = if dropped == 0 { steps.len() } else { room / 3 };
    let kept = steps.iter().take(head).chain(steps.iter().skip(head + dropped));
    kept.map(|step| shown_step(step, limits)).collect()
}

fn shown_step(step: &Step, limits: &EvidenceLimits) -> ShownStep {
    ShownStep {
        step_id: step.step_id,
        message: visible(&step.message, limits.message),
        tool_calls: step.tool_calls.iter().map(|call| shown_call(call, limits)).collect(),
        observations: step
            .observations
            .iter()
            .map(|seen| shown_observation(seen, limits))
            .collect(),
    }
}

fn shown_call(call: &ToolCall, limits: &EvidenceLimits) -> ShownCall {
    ShownCall {
        name: visible(&call.name, 80),
        arguments: visible(&call.arguments.to_text(), limits.arguments),
    }
}

fn shown_observation(observation: &Observation, limits: &EvidenceLimits) -> ShownObservation {
    ShownObservation {
        status: serde_json::to_value(observation.status).unwrap_or_default(),
        exit: observation.exit.map(|exit| exit.to_string()),
        excerpt: visible(&observation.content, limits.excerpt),
        changed: observation.changed,
    }
}

/// A step in one line that a person reads: what was called and how it went, or what was said.
pub(crate) fn quote(step: &Step) -> String {
    let calls =
        step.tool_calls.iter().map(|call| format!("{} {}", call.name, call.arguments.to_text()));
    let ends = step.observations.iter().map(|seen| match seen.exit {
        Some(exit) => format!("→ {exit}"),
        None => format!("→ {:?}", seen.status).to_lowercase(),
    });
    let line = calls.chain(ends).collect::<Vec<_>>().join(" ");
    let line = if line.is_empty() { step.message.clone() } else { line };
    visible(&line.split_whitespace().collect::<Vec<_>>().join(" "), 200)
}
