//! A gate for those who must not promote anything null or harmful in a whole run.

mod betting;
mod ledger;
mod pairs;
mod wald;

use harness_core::{Decision, Estimate, Finding, Stake, Verdict};
use serde::{Deserialize, Serialize};

pub use self::betting::ln_e_value;
pub use self::ledger::{Ledger, Spending};
pub use self::wald::Question;

use self::pairs::Paired;
use super::paper::{before_after, too_void};
use super::{Arm, CandidateGate, Purchase, Step, WorstCase};
use crate::docket::Docket;
use crate::evidence::{Counts, Evidence, GatingSplit, TaskCells, comparison};
use crate::missing::{Differences, Reading};

/// Promotes only what the level of the whole run allows, however many candidates it tries.
///
/// # Rule
/// Incumbent and candidate attempt every task of both splits once per block, and outcomes are compared attempt by attempt. After each block three
/// questions are asked of e-processes ([`ln_e_value`]), with missing outcomes read *against* the answer ([`Reading`]):
///
/// 1. *Does it help?* The e-value against "the mean change over all tasks is at most 0" must reach 1/α_j, with α_j from the run's [`Ledger`]. So
///    the probability that a run promotes any edit without a gain over all tasks is at most [`Ledger::level`].
/// 2. *Does it break a split?* On each split the e-value against "it loses more than the margin" must reach 1/[`split_level`](Self::split_level).
///    A regression on one split behind an equal total does not pass 1, and one behind a larger total does not pass 2.
/// 3. *Is it worth going on?* It is rejected when there is as much evidence that it harms a split or the whole, or that its gain is below
///    [`worthwhile`](Self::worthwhile): these stop early and cost power, never level.
///
/// Tasks of the targeted weakness, of both splits, are attempted first; an edit that plainly does not help there is rejected before anything else is bought.
/// Every decision records its level and its e-value ([`Stake`]): the ledger is in the journal, and an audit can add it up.
///
/// # What it is not
/// Quick. An honest test of a gain of a few points takes about as many trials as Wald's bound says ([`Question`]). The level is about the mean
/// change over *these* tasks; that it carries over to others is what the sealed split is for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StrictGate {
    /// The level of the run.
    pub ledger: Ledger,
    /// A loss on a split that is not worth caring about, in pass rate; half a task where that is more.
    pub margin: f64,
    /// The level, per decision and split, of promoting an edit that loses more than the margin there.
    pub split_level: f64,
    /// The level, per decision, of rejecting an edit as harmful that is not.
    pub harm_level: f64,
    /// The smallest gain over all tasks that is looked for, in pass rate.
    pub worthwhile: f64,
    /// The level, per decision, of giving up an edit that gains so much.
    pub doubt: f64,
    /// The smallest gain on the targeted tasks that is looked for, in pass rate.
    pub on_target: f64,
    /// The largest share of attempts that may be void on either side of a split.
    pub void_share: f64,
    /// Blocks at most, as a multiple of the operator's attempts.
    pub patience: u32,
}

impl Default for StrictGate {
    /// 5 % for a run of about 16 candidates.
    fn default() -> Self {
        Self {
            ledger: Ledger { level: 0.05, horizon: 16 },
            margin: 0.05,
            split_level: 0.2,
            harm_level: 0.02,
            worthwhile: 0.04,
            doubt: 0.1,
            on_target: 0.15,
            void_share: 0.2,
            patience: 40,
        }
    }
}

impl CandidateGate for StrictGate {
    fn hear(&self, candidate: usize, docket: &Docket) -> Step {
        let hearing = &docket.hearings[candidate];
        let case = Case {
            gate: self,
            candidate,
            evidence: &hearing.evidence,
            edits: u32::try_from(hearing.parts.len()).unwrap_or(u32::MAX).max(1),
            level: self.ledger.next(&spent(docket)),
        };
        case.screen().unwrap_or_else(|| case.look())
    }

    fn worst_case(&self, attempts: u32) -> WorstCase {
        let most = attempts.saturating_mul(self.patience);
        WorstCase { candidate: most, incumbent: most }
    }
}

/// What the run's decisions so far were tested at: earlier rounds, then those of this docket in the order they are made.
fn spent(docket: &Docket) -> Vec<Spending> {
    let past = docket.past.iter().map(|past| &past.decision);
    let present = docket.hearings.iter().filter_map(|hearing| hearing.decision.as_ref());
    past.chain(present).filter_map(Spending::of).collect()
}

/// One candidate before the gate.
struct Case<'a> {
    gate: &'a StrictGate,
    candidate: usize,
    evidence: &'a Evidence,
    edits: u32,
    level: f64,
}

impl Case<'_> {
    /// A step on the targeted tasks, or `None` when they are passed, or there are none.
    fn screen(&self) -> Option<Step> {
        let is_target = |task: &TaskCells| self.evidence.target.contains(&task.task);
        let all = || GatingSplit::BOTH.into_iter().flat_map(|split| self.evidence.split(split));
        let looking = all().any(|task| !is_target(task) && !task.candidate.is_empty());
        if looking || self.edits > 1 || !all().any(is_target) {
            return None;
        }
        let upto = self.evidence.attempts.saturating_mul(2);
        if let Some(buy) = self.missing(upto, is_target) {
            return Some(buy);
        }
        let paired = Paired::of(self.evidence, upto as usize, is_target);
        let seen = paired.whole(Reading::Favourable);
        let hopeless = seen.mean() + 1.645 * sampling_sd(seen) < self.gate.on_target;
        hopeless.then(|| {
            let why = format!(
                "no gain on the targeted tasks: {} better, {} worse of {} pairs",
                seen.better,
                seen.worse,
                seen.pairs()
            );
            self.decide(Verdict::Reject, &why, &paired)
        })
    }

    /// A step on both splits.
    fn look(&self) -> Step {
        let done = Paired::blocks(self.evidence);
        if done == 0 {
            return self.block(1);
        }
        let paired = Paired::of(self.evidence, done as usize, |_| true);
        if let Some((verdict, why)) = self.verdict(&paired) {
            return self.decide(verdict, &why, &paired);
        }
        if done >= CandidateGate::worst_case(self.gate, self.evidence.attempts).candidate {
            let why = format!("all attempts are used: {}", self.open_question(&paired));
            return self.decide(Verdict::Inconclusive, &why, &paired);
        }
        self.block(done + 1)
    }

    fn verdict(&self, paired: &Paired) -> Option<(Verdict, String)> {
        let [held_in, held_out] = GatingSplit::BOTH.map(|split| paired.counts(split));
        if let Some(why) = too_void(held_in, held_out, self.gate.void_share) {
            return Some((Verdict::Inconclusive, why));
        }
        if self.missing_for_promotion(paired).is_none() {
            return Some((Verdict::Promote, "it helps and breaks neither split".to_owned()));
        }
        self.harm(paired).or_else(|| self.futility(paired)).map(|why| (Verdict::Reject, why))
    }

    /// What still stands between this evidence and a promotion.
    fn missing_for_promotion(&self, paired: &Paired) -> Option<String> {
        if self.gain(paired) < -self.level.ln() {
            return Some("the gain is not proven at the level of this decision".to_owned());
        }
        let unproven = GatingSplit::BOTH.into_iter().find(|split| {
            let pairs = paired.on(*split, Reading::Adverse);
            pairs.pairs() > 0
                && ln_e_value(pairs, -self.margin(*split)) < -self.gate.split_level.ln()
        })?;
        let margin = 100.0 * self.margin(unproven);
        Some(format!("a loss of {margin:.1} points {unproven} is not ruled out"))
    }

    fn open_question(&self, paired: &Paired) -> String {
        self.missing_for_promotion(paired).unwrap_or_default()
    }

    fn harm(&self, paired: &Paired) -> Option<String> {
        let proven =
            |pairs: Differences| ln_e_value(pairs.reversed(), 0.0) >= -self.gate.harm_level.ln();
        let split = GatingSplit::BOTH
            .into_iter()
            .find(|split| proven(paired.on(*split, Reading::Favourable)));
        split.map(|split| format!("{split} drops")).or_else(|| {
            proven(paired.whole(Reading::Favourable)).then(|| "it does harm".to_owned())
        })
    }

    fn futility(&self, paired: &Paired) -> Option<String> {
        let pairs = paired.whole(Reading::Favourable).reversed();
        let hopeless = ln_e_value(pairs, -self.gate.worthwhile) >= -self.gate.doubt.ln();
        hopeless.then(|| format!("its gain is below {:.1} points", 100.0 * self.gate.worthwhile))
    }

    /// The evidence for a gain over all tasks, whatever is missing.
    fn gain(&self, paired: &Paired) -> f64 {
        ln_e_value(paired.whole(Reading::Adverse), 0.0)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of tasks are far below 2^52")]
    fn margin(&self, split: GatingSplit) -> f64 {
        self.gate.margin.max(0.5 / self.evidence.split(split).len().max(1) as f64)
    }

    /// Brings every task to `upto` attempts of both sides.
    fn block(&self, upto: u32) -> Step {
        self.missing(upto, |_| true).unwrap_or(Step::Buy(Vec::new()))
    }

    fn missing(&self, upto: u32, wanted: impl Fn(&TaskCells) -> bool) -> Option<Step> {
        let mut purchases = Vec::new();
        for split in GatingSplit::BOTH {
            for (arm, has) in [
                (Arm::Incumbent, (|task| task.beside.len()) as fn(&TaskCells) -> usize),
                (Arm::Candidate(self.candidate), |task| task.candidate.len()),
            ] {
                let short = |task: &&TaskCells| wanted(task) && has(task) < upto as usize;
                let tasks: Vec<_> = self
                    .evidence
                    .split(split)
                    .iter()
                    .filter(short)
                    .map(|task| task.task.clone())
                    .collect();
                if !tasks.is_empty() {
                    purchases.push(Purchase { arm, split, tasks, upto });
                }
            }
        }
        (!purchases.is_empty()).then_some(Step::Buy(purchases))
    }

    fn decide(&self, verdict: Verdict, why: &str, paired: &Paired) -> Step {
        let ln_e = self.gain(paired);
        let seen = paired.whole(Reading::Adverse);
        let [held_in, held_out]: [Counts; 2] = GatingSplit::BOTH.map(|split| paired.counts(split));
        let reason = format!(
            "{why}; e-value {} of {:.0} (level {:.2e}), held-in {}, held-out {}",
            shown(ln_e),
            1.0 / self.level,
            self.level,
            before_after(&held_in),
            before_after(&held_out)
        );
        let on = |wanted: bool| {
            let pairs = paired
                .chosen(Reading::Adverse, |task| self.evidence.target.contains(task) == wanted);
            (pairs.pairs() > 0).then(|| {
                let variance = sampling_sd(pairs).powi(2);
                Estimate { mean: pairs.mean(), variance, null_variance: variance }
            })
        };
        let finding = Finding {
            edits: self.edits,
            aimed_at: self.evidence.target.clone(),
            target: on(true),
            elsewhere: on(false),
            gain: seen.mean(),
            gain_sd: sampling_sd(seen),
            // Beyond this it says nothing more, and JSON knows no infinity.
            stake: Some(Stake { level: self.level, e_value: ln_e.min(600.0).exp() }),
            prior: None,
        };
        let evidence = Some(comparison(paired.tasks()));
        let decision = Decision { verdict, reason, evidence, finding: Some(Box::new(finding)) };
        Step::Decide { candidate: self.candidate, decision }
    }
}

/// The standard deviation of a mean difference, with one pair of each kind added so that a short run of equal outcomes
/// is not taken for certainty.
#[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^52")]
fn sampling_sd(pairs: Differences) -> f64 {
    let n = pairs.pairs() as f64 + 1.0;
    let (better, worse) = ((pairs.better as f64 + 0.25) / n, (pairs.worse as f64 + 0.25) / n);
    ((better + worse - (better - worse).powi(2)) / n).sqrt()
}

fn shown(ln_e: f64) -> String {
    if ln_e > 15.0 {
        format!("10^{:.0}", ln_e / std::f64::consts::LN_10)
    } else {
        format!("{:.2}", ln_e.exp())
    }
}
