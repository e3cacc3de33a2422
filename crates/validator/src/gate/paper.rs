//! The acceptance rule of the paper, exactly.

use harness_core::{Decision, Verdict};
use serde::{Deserialize, Serialize};

use super::{Arm, CandidateGate, Purchase, Step, WorstCase};
use crate::docket::Docket;
use crate::evidence::{Counts, Evidence, GatingSplit, PairedTask, comparison, total};

/// The rule of Self-Harness (arXiv 2606.09498, algorithm 1): with δ the change in the *number of passes*,
/// accept exactly when `δ_in ≥ 0`, `δ_ho ≥ 0` and `max(δ_in, δ_ho) > 0`. Ties are refused, and so is a gain on one
/// split paid for by a loss on the other.
///
/// The candidate attempts every task of both splits as often as the operator said; the incumbent's passes are those of
/// the round's assessment. The paper does not say what a void trial counts; here both sides keep the same
/// denominator, because only attempts scored on both sides are compared, and too many void ones leave the
/// question open.
///
/// What it is not: a test. It knows no noise, and accepts a byte-identical copy of a flaky incumbent about three
/// times in ten, however many attempts are made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PaperGate {
    /// The largest share of a split's attempts that may be void on either side, 0 to 1.
    pub void_share: f64,
}

impl Default for PaperGate {
    /// One void attempt in five.
    fn default() -> Self {
        Self { void_share: 0.2 }
    }
}

impl PaperGate {
    /// The rule itself, on changes in the number of passes.
    pub fn accepts(held_in: i64, held_out: i64) -> bool {
        held_in >= 0 && held_out >= 0 && held_in.max(held_out) > 0
    }

    fn decide(&self, tasks: &[PairedTask]) -> Decision {
        let [held_in, held_out] = GatingSplit::BOTH.map(|split| total(tasks, split));
        let (verdict, why) = match too_void(held_in, held_out, self.void_share) {
            Some(why) => (Verdict::Inconclusive, why),
            None => by_sign(held_in.change(), held_out.change()),
        };
        let reason = format!(
            "{why} (held-in {}, held-out {})",
            before_after(&held_in),
            before_after(&held_out)
        );
        Decision { verdict, reason, evidence: Some(comparison(tasks)), finding: None }
    }
}

impl CandidateGate for PaperGate {
    fn hear(&self, candidate: usize, docket: &Docket) -> Step {
        let evidence = &docket.hearings[candidate].evidence;
        let missing: Vec<Purchase> = GatingSplit::BOTH
            .into_iter()
            .filter_map(|split| missing_on(candidate, evidence, split))
            .collect();
        if missing.is_empty() {
            Step::Decide { candidate, decision: self.decide(&pair(evidence)) }
        } else {
            Step::Buy(missing)
        }
    }

    fn worst_case(&self, attempts: u32) -> WorstCase {
        WorstCase { candidate: attempts, incumbent: 0 }
    }
}

fn missing_on(candidate: usize, evidence: &Evidence, split: GatingSplit) -> Option<Purchase> {
    let missing = evidence
        .split(split)
        .iter()
        .filter(|task| task.candidate.len() < evidence.attempts as usize);
    let tasks: Vec<_> = missing.map(|task| task.task.clone()).collect();
    let upto = evidence.attempts;
    (!tasks.is_empty()).then_some(Purchase { arm: Arm::Candidate(candidate), split, tasks, upto })
}

fn pair(evidence: &Evidence) -> Vec<PairedTask> {
    let on = |split| {
        evidence.split(split).iter().map(move |task| PairedTask {
            task: task.task.clone(),
            split,
            counts: Counts::paired(
                task.assessed.iter().copied(),
                task.candidate.iter().copied(),
                evidence.attempts as usize,
            ),
        })
    };
    on(GatingSplit::HeldIn).chain(on(GatingSplit::HeldOut)).collect()
}

fn by_sign(held_in: i64, held_out: i64) -> (Verdict, String) {
    if PaperGate::accepts(held_in, held_out) {
        return (Verdict::Promote, "neither split drops and one rises".to_owned());
    }
    let why = match (held_in.signum(), held_out.signum()) {
        (0, 0) => "a tie: neither split rises",
        (1, -1) => "a trade: held-in rises but held-out drops",
        (-1, 1) => "a trade: held-out rises but held-in drops",
        (-1, -1) => "both splits drop",
        (-1, _) => "held-in drops",
        _ => "held-out drops",
    };
    (Verdict::Reject, why.to_owned())
}

/// Why the evidence is too thin, if it is.
pub(super) fn too_void(held_in: Counts, held_out: Counts, allowed: f64) -> Option<String> {
    let worst = [(GatingSplit::HeldIn, held_in), (GatingSplit::HeldOut, held_out)]
        .into_iter()
        .find(|(_, counts)| counts.void_share() > allowed);
    worst.map(|(split, counts)| {
        format!(
            "too many {split} attempts are void: {} of the incumbent's and {} of the candidate's {}, more than {:.0} %",
            counts.incumbent_void,
            counts.candidate_void,
            counts.cells,
            100.0 * allowed
        )
    })
}

/// `12 → 14 of 20`.
pub(super) fn before_after(counts: &Counts) -> String {
    format!("{} → {} of {}", counts.incumbent, counts.candidate, counts.scored)
}
