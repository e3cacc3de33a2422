//! One round of a summary.

use harness_core::{Assessed, Citation, Judged, Pair, RoundReport, Score, Weakness};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DriftSummary, PriorSummary, Rate};

/// What happened in one round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoundSummary {
    /// Its number, from 1.
    pub round: u32,
    /// The digest of the harness it started from.
    pub incumbent: String,
    /// The digest of the harness it ended with.
    pub tip: String,
    /// The incumbent's fresh trials on the mined split.
    pub held_in: Rate,
    /// The same on the split that gates promotion.
    pub held_out: Rate,
    /// What was mined, heaviest first.
    pub weaknesses: Vec<WeaknessSummary>,
    /// What the gate expected before any trial of the candidates; null where it has no prior, or nothing came to a trial.
    #[serde(default)]
    pub prior: Option<PriorSummary>,
    /// What was proposed, and what became of it.
    pub proposals: Vec<ProposalSummary>,
    /// The proposals that were promoted together, in order of application.
    pub promoted: Vec<String>,
    /// Why they were promoted together; null when nothing was.
    pub composition: Option<String>,
    /// The incumbent beside each earlier version, the seed harness first.
    #[serde(default)]
    pub drift: Vec<DriftSummary>,
    /// The digest of the earlier version that the round went back to; null when it did not.
    #[serde(default)]
    pub reverted_to: Option<String>,
    /// What a pruning took out, in a sentence; null for every other round. A pruning measures no incumbent.
    #[serde(default)]
    pub pruned: Option<String>,
}

/// A recurring failure pattern.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WeaknessSummary {
    /// Its id, derived from the signature.
    pub id: String,
    /// Terminal cause, causal status and agent mechanism.
    pub signature: String,
    /// What happens.
    pub description: String,
    /// The distinct tasks that show it.
    pub tasks: Vec<String>,
    /// How many failed trials show it.
    pub trials: u32,
    /// Where it can be seen.
    pub evidence: Vec<CitationSummary>,
}

/// Where a claim about a trial can be checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CitationSummary {
    /// The trial's digest.
    pub trial: String,
    /// Its task.
    pub task: String,
    /// The step of its trajectory; null when the verifier's evidence shows it.
    pub step: Option<u32>,
    /// The words that show it.
    pub quote: String,
}

/// A proposal with its verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProposalSummary {
    /// Unique in the run.
    pub id: String,
    /// The weakness it targets.
    pub weakness: String,
    /// The surface it edits.
    pub surface: String,
    /// How it is meant to work.
    pub mechanism: String,
    /// Why it should help, in the proposer's words.
    pub rationale: String,
    /// The change, as stored.
    pub edit: Value,
    /// `promote`, `reject` or `inconclusive`.
    pub verdict: String,
    /// Why.
    pub reason: String,
    /// Outcomes on the mined split; null when no trial was run.
    pub held_in: Option<Change>,
    /// The same on the split that gates promotion.
    pub held_out: Option<Change>,
}

/// Incumbent and candidate, side by side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The incumbent's outcomes.
    pub incumbent: Rate,
    /// The candidate's.
    pub candidate: Rate,
}

impl RoundSummary {
    /// Of a round.
    pub fn of(report: &RoundReport) -> Self {
        Self {
            round: report.round,
            incumbent: report.incumbent.to_string(),
            tip: report.tip.to_string(),
            held_in: Rate::of(&report.assessed.held_in),
            held_out: Rate::of(&report.assessed.held_out),
            weaknesses: report.weaknesses.iter().map(WeaknessSummary::of).collect(),
            prior: PriorSummary::of(report),
            proposals: report.judged.iter().map(ProposalSummary::of).collect(),
            promoted: report.promoted.iter().map(ToString::to_string).collect(),
            composition: report.composition.as_ref().map(|decision| decision.reason.clone()),
            drift: report.drift.iter().map(DriftSummary::of).collect(),
            reverted_to: report.reverted_to().as_ref().map(ToString::to_string),
            pruned: pruned(report),
        }
    }
}

impl RoundSummary {
    /// Whether the round's trials said too little of the incumbent ([`RoundReport::is_inconclusive`]).
    pub(crate) fn is_inconclusive(&self) -> bool {
        let score =
            |rate: &Rate| Score { passed: rate.passed, scored: rate.scored, void: rate.void };
        Assessed { held_in: score(&self.held_in), held_out: score(&self.held_out) }.is_mostly_void()
    }

    /// How many trials could not be scored.
    pub(crate) fn void_in_words(&self) -> String {
        let rates = [&self.held_in, &self.held_out];
        let void: u64 = rates.iter().map(|rate| rate.void).sum();
        let all: u64 = rates.iter().map(|rate| rate.scored + rate.void).sum();
        format!(
            "{void} of {all} trials of the incumbent could not be scored; nothing was mined or judged"
        )
    }
}

impl WeaknessSummary {
    fn of(weakness: &Weakness) -> Self {
        Self {
            id: weakness.id.to_string(),
            signature: weakness.signature.to_string(),
            description: weakness.description.clone(),
            tasks: weakness.tasks.iter().map(ToString::to_string).collect(),
            trials: weakness.trials,
            evidence: weakness.evidence.iter().map(CitationSummary::of).collect(),
        }
    }
}

impl CitationSummary {
    fn of(citation: &Citation) -> Self {
        Self {
            trial: citation.trial.0.to_string(),
            task: citation.task.to_string(),
            step: citation.step,
            quote: citation.quote.clone(),
        }
    }
}

impl ProposalSummary {
    fn of(judged: &Judged<Value>) -> Self {
        let (proposal, decision) = (&judged.proposal, &judged.decision);
        let evidence = decision.evidence.as_ref();
        Self {
            id: proposal.id.to_string(),
            weakness: proposal.weakness.to_string(),
            surface: proposal.surface.to_string(),
            mechanism: proposal.mechanism.clone(),
            rationale: proposal.rationale.clone(),
            edit: proposal.edit.clone(),
            verdict: decision.verdict.as_str().to_owned(),
            reason: decision.reason.clone(),
            held_in: evidence.map(|evidence| Change::of(&evidence.held_in)),
            held_out: evidence.map(|evidence| Change::of(&evidence.held_out)),
        }
    }
}

impl Change {
    fn of(pair: &Pair) -> Self {
        Self { incumbent: Rate::of(&pair.incumbent), candidate: Rate::of(&pair.candidate) }
    }
}

/// What a pruning took out; `None` for a round that is none.
pub(crate) fn pruned(report: &RoundReport) -> Option<String> {
    if !report.is_pruning() {
        return None;
    }
    let removed = |ablation: &&harness_core::Ablation| {
        ablation.outcome == harness_core::AblationOutcome::Removed
    };
    let gone: Vec<&str> = report
        .ablations
        .iter()
        .filter(removed)
        .map(|ablation| ablation.proposal.as_str())
        .collect();
    let all = report.ablations.len();
    Some(if gone.is_empty() {
        format!("a pruning: all {all} edits stay")
    } else {
        let (count, names) = (gone.len(), gone.join(", "));
        format!("a pruning: {count} of {all} edits go ({names})")
    })
}
