//! What a model is shown of a brief: bounded, and as data.

use std::collections::BTreeSet;

use harness_core::{
    Brief, Citation, Harness, PastProposal, Signature, Surface, TaskName, Weakness, visible,
};
use serde::Serialize;
use serde_json::Value;

use crate::slot::Slot;

/// Weaknesses shown beside the slot's own.
const WEAKNESSES: usize = 11;
/// Citations of one weakness.
const CITATIONS: usize = 6;
/// Names of passing tasks.
const PASSING: usize = 100;
/// Earlier proposals, the latest.
const HISTORY: usize = 24;
/// Characters of an earlier edit.
const PAST_EDIT: usize = 1500;

/// The material of one proposal request. Held-out scores are not in it: the brief has none.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Material<'a> {
    round: u32,
    slot: &'a Slot,
    weaknesses: Vec<ShownWeakness<'a>>,
    surfaces: &'a [Surface],
    passing: Vec<&'a TaskName>,
    history: Vec<ShownPast<'a>>,
}

#[derive(Clone, Debug, Serialize)]
struct ShownWeakness<'a> {
    id: &'a str,
    signature: &'a Signature,
    tasks: &'a BTreeSet<TaskName>,
    description: String,
    evidence: Vec<ShownCitation<'a>>,
}

#[derive(Clone, Debug, Serialize)]
struct ShownCitation<'a> {
    task: &'a TaskName,
    step: Option<u32>,
    quote: String,
}

#[derive(Clone, Debug, Serialize)]
struct ShownPast<'a> {
    round: u32,
    surface: &'a str,
    mechanism: String,
    edit: Value,
    verdict: &'static str,
    held_in_change: Option<i64>,
}

impl<'a> Material<'a> {
    pub(crate) fn of<H: Harness>(slot: &'a Slot, brief: &'a Brief<'_, H>) -> Self {
        let own = brief.weaknesses.iter().filter(|weakness| weakness.id == slot.weakness);
        let others = brief.weaknesses.iter().filter(|weakness| weakness.id != slot.weakness);
        let skipped = brief.history.len().saturating_sub(HISTORY);
        Self {
            round: brief.round,
            slot,
            weaknesses: own.chain(others.take(WEAKNESSES)).map(shown_weakness).collect(),
            surfaces: &brief.surfaces,
            passing: brief.passing.iter().take(PASSING).collect(),
            history: brief.history.iter().skip(skipped).map(shown_past).collect(),
        }
    }
}

fn shown_weakness(weakness: &Weakness) -> ShownWeakness<'_> {
    ShownWeakness {
        id: weakness.id.as_str(),
        signature: &weakness.signature,
        tasks: &weakness.tasks,
        description: visible(&weakness.description, 600),
        evidence: weakness.evidence.iter().take(CITATIONS).map(shown_citation).collect(),
    }
}

fn shown_citation(citation: &Citation) -> ShownCitation<'_> {
    ShownCitation {
        task: &citation.task,
        step: citation.step,
        quote: visible(&citation.quote, 300),
    }
}

fn shown_past(past: &PastProposal) -> ShownPast<'_> {
    let text = past.proposal.edit.to_string();
    let fits = text.chars().count() <= PAST_EDIT;
    ShownPast {
        round: past.round,
        surface: past.proposal.surface.as_str(),
        mechanism: visible(&past.proposal.mechanism, 80),
        edit: if fits { past.proposal.edit.clone() } else { visible(&text, PAST_EDIT).into() },
        verdict: past.verdict.as_str(),
        held_in_change: past.held_in_change,
    }
}
