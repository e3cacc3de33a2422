//! From diagnosed failures to weaknesses: equal signatures, support by distinct tasks, evidence that can be checked.

use std::collections::{BTreeMap, BTreeSet};

use harness_core::{Citation, Result, Signature, TaskName, Weakness};

use crate::cause::objections_without_answers;
use crate::diagnosis::Diagnosis;
use crate::evidence::{finish_word, quote, verifier_evidence};
use crate::select::Case;
use crate::vocabulary::{Cause, Mechanism};

/// Trials that one weakness quotes, one of each task before a second of any.
const TRIALS_QUOTED: usize = 8;
/// Steps quoted of one trial.
const STEPS_QUOTED: usize = 3;

/// A failure with all three parts of its signature.
#[derive(Clone, Debug)]
pub(crate) struct Diagnosed {
    pub(crate) case: Case,
    pub(crate) cause: Cause,
    pub(crate) diagnosis: Diagnosis,
}

impl Diagnosed {
    pub(crate) fn signature(&self) -> Signature {
        Signature {
            cause: self.cause.as_str().to_owned(),
            status: self.diagnosis.status.as_str().to_owned(),
            mechanism: self.diagnosis.mechanism.as_str().to_owned(),
        }
    }

    fn task(&self) -> &TaskName {
        &self.case.trial.key.task
    }
}

/// Groups by exact equality of the signature; heaviest first, ties by id. `diagnosed` is in order of task and trial.
pub(crate) fn weaknesses(diagnosed: &[Diagnosed]) -> Result<Vec<Weakness>> {
    let mut groups = BTreeMap::<Signature, Vec<&Diagnosed>>::new();
    for one in diagnosed {
        groups.entry(one.signature()).or_default().push(one);
    }
    let mut found = Vec::with_capacity(groups.len());
    for (signature, group) in groups {
        found.push(weakness(signature, &group)?);
    }
    found.sort_by(|left, right| {
        right.weight().total_cmp(&left.weight()).then_with(|| left.id.cmp(&right.id))
    });
    Ok(found)
}

fn weakness(signature: Signature, group: &[&Diagnosed]) -> Result<Weakness> {
    Ok(Weakness {
        id: Weakness::id_of(&signature)?,
        signature,
        tasks: group.iter().map(|one| one.task().clone()).collect(),
        trials: u32::try_from(group.len()).unwrap_or(u32::MAX),
        addressability: addressability(group),
        description: description(group),
        evidence: spread(group).into_iter().flat_map(citations).collect(),
    })
}

/// The mean over tasks of: how often the task fails, times the share that a mechanism of this status answers for, times
/// the model's own estimate. So a weakness weighs what its mending could bring, and a flaky task counts for the part of it
/// that fails.
#[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^52")]
fn addressability(group: &[&Diagnosed]) -> f64 {
    let mut tasks = BTreeMap::<&TaskName, Vec<f64>>::new();
    for one in group {
        let likely = one.diagnosis.status.share() * one.diagnosis.addressability;
        tasks.entry(one.task()).or_default().push(one.case.frequency * likely);
    }
    let of_task = |shares: &Vec<f64>| shares.iter().sum::<f64>() / shares.len() as f64;
    (tasks.values().map(of_task).sum::<f64>() / tasks.len() as f64).clamp(0.0, 1.0)
}

/// The words of the diagnosis with the most evidence, then the counts.
fn description(group: &[&Diagnosed]) -> String {
    let described = group.iter().filter(|one| !one.diagnosis.description.is_empty());
    // `max_by_key` keeps the last of equals; reversed, the first by task and trial.
    let best = described.rev().max_by_key(|one| one.diagnosis.steps.len());
    let words = best.map_or_else(|| plain_words(group), |one| one.diagnosis.description.clone());
    let tasks: BTreeSet<&TaskName> = group.iter().map(|one| one.task()).collect();
    let flaky: BTreeSet<&TaskName> =
        group.iter().filter(|one| one.case.is_flaky()).map(|one| one.task()).collect();
    let passes = match flaky.len() {
        0 => "none of them ever passed".to_owned(),
        some => format!("{some} of them also passed at times (flaky)"),
    };
    format!("{words} [failed trials: {}; tasks: {}; {passes}]", group.len(), tasks.len())
}

fn plain_words(group: &[&Diagnosed]) -> String {
    let Some(one) = group.first() else { return String::new() };
    let mechanism = match one.diagnosis.mechanism {
        Mechanism::Unknown => "What the agent did wrong could not be named",
        known => known.meaning(),
    };
    format!("{mechanism}; the verifier's objection: {}.", one.cause.meaning())
}

/// At most [`TRIALS_QUOTED`] of a group, distinct tasks first.
fn spread<'a>(group: &[&'a Diagnosed]) -> Vec<&'a Diagnosed> {
    let mut taken = BTreeMap::<&TaskName, usize>::new();
    let mut ranked: Vec<(usize, &Diagnosed)> = group
        .iter()
        .map(|one| {
            let rank = taken.entry(one.task()).or_default();
            *rank += 1;
            (*rank, *one)
        })
        .collect();
    ranked.sort_by_key(|(rank, one)| (*rank, one.task(), one.case.id));
    ranked.into_iter().take(TRIALS_QUOTED).map(|(_, one)| one).collect()
}

/// The cited steps, or else the verifier's own words.
fn citations(one: &Diagnosed) -> Vec<Citation> {
    let cite = |step: Option<u32>, quote: String| Citation {
        trial: one.case.id,
        task: one.task().clone(),
        step,
        quote,
    };
    let trajectory = &one.case.trial.trajectory;
    let steps = one.diagnosis.steps.iter().filter_map(|id| trajectory.step(*id));
    let cited: Vec<Citation> =
        steps.take(STEPS_QUOTED).map(|step| cite(Some(step.step_id), quote(step))).collect();
    if cited.is_empty() { vec![cite(None, verifier_quote(one))] } else { cited }
}

fn verifier_quote(one: &Diagnosed) -> String {
    let objections = objections_without_answers(verifier_evidence(&one.case.trial));
    if objections.is_empty() {
        let finish = finish_word(&one.case.trial.finish);
        return format!("no objection in words; the attempt ended: {finish}");
    }
    harness_core::visible(&objections.join("; "), 300)
}
