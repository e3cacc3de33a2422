//! Trials, weaknesses and records to try implementations on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::Unkept;
use crate::call::{CallId, CallIntent, Purpose, Reserved};
use crate::error::Result;
use crate::id::{Fingerprint, ModelId, TaskName};
use crate::llm::{Arguments, ToolCall, Usage};
use crate::sandbox::{Exit, Isolation, IsolationLevel};
use crate::trajectory::{Observation, ObservationStatus, Step, StepSource, Trajectory};
use crate::trial::{
    Finish, HeldIn, Outcome, Phase, Replicate, Spent, SplitName, Trial, TrialId, TrialKey, Trials,
};
use crate::weakness::{Citation, Signature, Weakness};

/// Failed trials of three tasks, one of them tried twice, with two ways of failing.
pub(super) fn failures() -> Result<Vec<Arc<Trial>>> {
    let missing = "check failed: report.txt is missing";
    let wrong = "check failed: expected 42, found 41";
    [("logs", 0, missing), ("logs", 1, missing), ("merge", 0, missing), ("count", 0, wrong)]
        .into_iter()
        .map(|(task, attempt, evidence)| {
            let evidence = vec![evidence.to_owned()];
            trial(task, attempt, Outcome::Scored { reward: 0.0, evidence })
        })
        .collect()
}

/// Trials that a miner must leave alone: one passed, and one that nobody could judge, of the same tasks and of others.
pub(super) fn others(void: bool) -> Result<Vec<Arc<Trial>>> {
    let tasks = ["logs", "count", "quiet"];
    let outcome = || match void {
        true => Outcome::Void { reason: "the session did not open".to_owned() },
        false => Outcome::Scored { reward: 1.0, evidence: vec!["all checks passed".to_owned()] },
    };
    tasks.into_iter().map(|task| trial(task, 7, outcome())).collect()
}

pub(super) fn held_in(trials: Vec<Arc<Trial>>) -> Result<Trials<HeldIn>, Unkept> {
    Ok(Trials::new(trials)?)
}

pub(super) fn trial(task: &str, attempt: u32, outcome: Outcome) -> Result<Arc<Trial>> {
    let isolation = Isolation {
        backend: "sample".to_owned(),
        level: IsolationLevel::Full,
        residual: Vec::new(),
    };
    let usage = Usage {
        prompt_tokens: 900,
        completion_tokens: 60,
        cached_tokens: 0,
        cost_usd: None,
        ..Usage::default()
    };
    Ok(Arc::new(Trial {
        key: TrialKey {
            harness: Fingerprint::of("a harness")?,
            task: TaskName::new(task),
            task_fingerprint: Fingerprint::of(task)?,
            model: ModelId::new(ModelId::SIMULATED, "sample"),
            limits: Fingerprint::of("limits")?,
            verifier: Fingerprint::of("verifier")?,
            isolation: Fingerprint::of(&isolation)?,
            replicate: Replicate { seed: 0, round: 1, phase: Phase::Assess, attempt },
        },
        split: SplitName::HeldIn,
        finish: if outcome.passed().is_none() { Finish::Void } else { Finish::Done },
        outcome,
        trajectory: trajectory(usage),
        activations: BTreeMap::new(),
        spent: Spent::call(Some(&usage)),
        elapsed: Duration::from_secs(9),
        isolation,
        void_attempts: 0,
    }))
}

fn trajectory(usage: Usage) -> Trajectory {
    let step = |step_id, source, message: &str| Step {
        step_id,
        source,
        message: message.to_owned(),
        reasoning: None,
        tool_calls: Vec::new(),
        observations: Vec::new(),
        usage: None,
        elapsed: Duration::from_secs(u64::from(step_id)),
    };
    let arguments = Arguments::Parsed(serde_json::json!({"command": "ls"}));
    let acting = Step {
        tool_calls: vec![ToolCall { id: "c1".to_owned(), name: "shell".to_owned(), arguments }],
        observations: vec![Observation {
            source_call_id: "c1".to_owned(),
            content: "ls: cannot open directory".to_owned(),
            status: ObservationStatus::Error,
            exit: Some(Exit::Code(2)),
            changed: Some(false),
        }],
        usage: Some(usage),
        ..step(3, StepSource::Agent, "Let me look.")
    };
    Trajectory {
        steps: vec![
            step(1, StepSource::System, "You are an agent."),
            step(2, StepSource::User, "Write report.txt."),
            acting,
            step(4, StepSource::Agent, "I am done."),
        ],
    }
}

/// Two weaknesses of those failures, heaviest first.
pub(super) fn weaknesses() -> Result<Vec<Weakness>> {
    let failures = failures()?;
    let weakness = |cause: &str, failed: &[Arc<Trial>]| -> Result<Weakness> {
        let signature = Signature {
            cause: cause.to_owned(),
            status: "direct".to_owned(),
            mechanism: "finishes without looking at what it made".to_owned(),
        };
        let cite = |trial: &Arc<Trial>| -> Result<Citation> {
            let (task, quote) = (trial.key.task.clone(), "I am done.".to_owned());
            Ok(Citation { trial: trial.id()?, task, step: Some(4), quote })
        };
        Ok(Weakness {
            id: Weakness::id_of(&signature)?,
            signature,
            tasks: failed.iter().map(|trial| trial.key.task.clone()).collect::<BTreeSet<_>>(),
            trials: u32::try_from(failed.len()).unwrap_or(u32::MAX),
            addressability: 0.9,
            description: "It says that it is done before the file is there.".to_owned(),
            evidence: failed.iter().map(cite).collect::<Result<_>>()?,
        })
    };
    Ok(vec![
        weakness("missing artifact", &failures[..3])?,
        weakness("wrong value", &failures[3..])?,
    ])
}

/// A call that a trial is about to make.
pub(super) fn intent(call: u64, trial: TrialId) -> Result<CallIntent> {
    Ok(CallIntent {
        id: CallId(call),
        purpose: Purpose::Trial(trial),
        request: Fingerprint::of("a request")?,
        reserved: Reserved { tokens: 4100, usd: Some(0.1 + 0.2) },
        elapsed: Duration::from_millis(8),
    })
}
