//! A gate that buys evidence in stages and stops when it knows enough.

use std::collections::BTreeMap;

use harness_core::{Decision, TaskName, Verdict};
use serde::{Deserialize, Serialize};

use super::paper::{before_after, too_void};
use super::posterior::{Posterior, looks, paired, targeted};
use super::veto::Objections;
use super::{Arm, CandidateGate, Purchase, Step, WorstCase};
use crate::docket::Docket;
use crate::evidence::{Evidence, GatingSplit, PairedTask, TaskCells, comparison, total};

/// Decides from a posterior on the edit's effect, stratified by what the edit targets.
///
/// # Stages
/// With `a` the operator's attempts at each task:
///
/// 1. *Screen*: the held-in tasks that show the targeted weakness, `a` attempts each and up to `2a`, beside fresh
///    attempts of the incumbent. A candidate that does not help where it says it helps is rejected here, for
///    the price of a few trials. A proposal whose weakness names no task skips the screen.
/// 2. *Looks*: every task of both splits, one attempt more at each look, up to `3a`. After each look: reject on harm,
///    on a credible loss of a single task, or (from look `a` on) when a gain has become less likely than
///    none; promote from look `a` on; else look again.
/// 3. *Follow-up*: before a promotion, tasks that the incumbent solves reliably and the candidate seems to break are
///    attempted `3a` times.
///
/// # Formula
/// In each stratum s (targeted held-in tasks; the other held-in tasks; held-out) the effect δ_s is the mean change in pass
/// rate over tasks. The prior is δ_s ~ N(0, τ_s²): wide on the target, narrow elsewhere, and on held-out
/// τ² = τ_off² + (share · τ_target)², with the target's share of held-in; without a target one prior in between
/// serves everywhere. The estimate is the mean over
/// tasks of the paired difference in rates, with sampling variance Σ_t (2v / n_t) / m², where v is the
/// within-task variance pooled over all tasks of the round ([`within_task_variance`](crate::within_task_variance)).
/// Prior and estimate make the conjugate normal posterior ([`Belief::updated`](crate::Belief::updated)); splits and the whole are
/// its sums weighted by tasks. Promote when P(δ > 0) over all tasks reaches [`promote`](Self::promote) and on *each*
/// split P(δ < −margin) stays below [`tolerance`](Self::tolerance). Pairing by task is stratification (Cochran, *Sampling
/// Techniques*, chapter 5): how hard the tasks are cancels out.
///
/// # What it is not
/// It controls no error rate over a run, learns no prior from it and does not price trials: the thresholds are a
/// declared choice, the same for every candidate. Stopping early does not bias a posterior, but it does raise how
/// often a null edit passes above what one look would give. Its operating characteristics are those that a
/// simulation shows for a stated world, no more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SequentialGate {
    /// Promote when P(δ > 0) over all tasks is at least this.
    pub promote: f64,
    /// Leave the screen when P(δ > 0) on the target is at least this.
    pub proceed: f64,
    /// Reject in the screen at once when P(δ > 0) on the target is at most this.
    pub hopeless: f64,
    /// Reject as harmful when P(δ > 0) over all tasks is at most this.
    pub harm: f64,
    /// A loss on a split that is not worth caring about, in pass rate; half a task where the split is so small that half
    /// a task is more, because nothing finer can be resolved there.
    pub margin: f64,
    /// The largest P(δ < −margin) on a split with which a candidate is promoted.
    pub tolerance: f64,
    /// Standard deviation of effects on the targeted tasks.
    pub target_sd: f64,
    /// Standard deviation of effects elsewhere.
    pub off_target_sd: f64,
    /// Standard deviation of effects everywhere, when the proposal's weakness names no task.
    pub untargeted_sd: f64,
    /// Within-task variance before any attempt: 0.136 is that of pass rates ~ Beta(0.6, 0.6).
    pub flakiness: f64,
    /// How many tasks that prior counts for.
    pub flakiness_tasks: f64,
    /// Posterior mean pass rate (uniform prior) from which the incumbent counts as reliable on a task.
    pub reliable: f64,
    /// Probability of a loss from which a reliable task is attempted more often before a promotion.
    pub suspicion: f64,
    /// One minus the probability of a loss that vetoes, shared by all tasks.
    pub veto_level: f64,
    /// The largest share of attempts that may be void on either side of a split.
    pub void_share: f64,
}

impl Default for SequentialGate {
    fn default() -> Self {
        Self {
            promote: 0.95,
            proceed: 0.8,
            hopeless: 0.3,
            harm: 0.1,
            margin: 0.03,
            tolerance: 0.2,
            target_sd: 0.35,
            off_target_sd: 0.03,
            untargeted_sd: 0.1,
            flakiness: 0.136,
            flakiness_tasks: 2.0,
            reliable: 0.75,
            suspicion: 0.79,
            veto_level: 0.1,
            void_share: 0.2,
        }
    }
}

impl CandidateGate for SequentialGate {
    fn hear(&self, candidate: usize, docket: &Docket) -> Step {
        let evidence = &docket.hearings[candidate].evidence;
        match self.screen(candidate, evidence) {
            Some(step) => step,
            None => self.look(candidate, evidence),
        }
    }

    fn worst_case(&self, attempts: u32) -> WorstCase {
        let most = most(attempts);
        WorstCase { candidate: most, incumbent: most }
    }
}

/// Attempts at one task at most.
fn most(attempts: u32) -> u32 {
    attempts.saturating_mul(3)
}

impl SequentialGate {
    /// A step on the target, or `None` when it is passed, or there is none.
    fn screen(&self, case: usize, evidence: &Evidence) -> Option<Step> {
        let target: Vec<&TaskCells> = targeted(&evidence.held_in, &evidence.target).collect();
        let beyond =
            |task: &TaskCells| !evidence.target.contains(&task.task) && !task.candidate.is_empty();
        let looking = evidence.held_in.iter().chain(&evidence.held_out).any(beyond);
        if target.is_empty() || looking {
            return None;
        }
        let done = count(looks(target.iter().copied())).max(evidence.attempts);
        if let Some(buy) = bring(case, &target, GatingSplit::HeldIn, done) {
            return Some(Step::Buy(buy));
        }
        let tasks = paired(target.iter().copied(), GatingSplit::HeldIn, done as usize);
        let counts = total(&tasks, GatingSplit::HeldIn);
        if let Some(why) = too_void(counts, counts, self.void_share) {
            return Some(decide(case, Verdict::Inconclusive, why, &tasks));
        }
        let gain = Posterior::of(self, evidence).target.above(0.0);
        if gain >= self.proceed {
            return None;
        }
        if gain > self.hopeless && done < evidence.attempts.saturating_mul(2) {
            let more = done.saturating_add(evidence.attempts);
            return bring(case, &target, GatingSplit::HeldIn, more).map(Step::Buy);
        }
        let why = format!(
            "no gain on the {} targeted tasks ({}): P(gain) = {gain:.2}",
            target.len(),
            before_after(&counts)
        );
        Some(decide(case, Verdict::Reject, why, &tasks))
    }

    /// A step on both splits.
    fn look(&self, case: usize, evidence: &Evidence) -> Step {
        let done = count(looks(evidence.held_in.iter().chain(&evidence.held_out))).max(1);
        if let Some(buy) = bring_all(case, evidence, done) {
            return Step::Buy(buy);
        }
        let tasks: Vec<PairedTask> = GatingSplit::BOTH
            .into_iter()
            .flat_map(|split| paired(evidence.split(split), split, done as usize))
            .collect();
        let [held_in, held_out] = GatingSplit::BOTH.map(|split| total(&tasks, split));
        if let Some(why) = too_void(held_in, held_out, self.void_share) {
            return decide(case, Verdict::Inconclusive, why, &tasks);
        }
        let posterior = Posterior::of(self, evidence);
        let objections = Objections::of(self, evidence, most(evidence.attempts));
        let say = |verdict, why: String| {
            let reason = format!(
                "{why}; P(gain) = {:.2}, held-in {}, held-out {}",
                posterior.overall.above(0.0),
                before_after(&held_in),
                before_after(&held_out)
            );
            decide(case, verdict, reason, &tasks)
        };
        let margins = GatingSplit::BOTH.map(|split| (split, self.margin_on(evidence.split(split))));
        if let Some(why) = self.harm_in(&posterior, &objections, margins) {
            return say(Verdict::Reject, why);
        }
        let settled = done >= evidence.attempts;
        if settled && self.is_promotable(&posterior, margins) {
            return match follow_up(case, evidence, &objections) {
                Some(buy) => Step::Buy(buy),
                None => say(Verdict::Promote, "it helps and breaks nothing".to_owned()),
            };
        }
        if settled && posterior.overall.above(0.0) < 0.5 {
            return say(Verdict::Reject, "a gain is less likely than none".to_owned());
        }
        match (done < most(evidence.attempts))
            .then(|| bring_all(case, evidence, done + 1))
            .flatten()
        {
            Some(buy) => Step::Buy(buy),
            None => {
                let open = self.open_question(&posterior, margins);
                say(Verdict::Inconclusive, format!("all attempts are used, and {open}"))
            }
        }
    }

    fn harm_in(
        &self,
        posterior: &Posterior,
        objections: &Objections,
        margins: [(GatingSplit, f64); 2],
    ) -> Option<String> {
        if let Some((task, loss)) = objections.broken.first() {
            return Some(format!("it breaks '{task}', P(loss) = {loss:.3}"));
        }
        for (split, margin) in margins {
            let loss = 1.0 - posterior.split(split).above(-margin);
            if loss >= 1.0 - self.tolerance {
                return Some(format!("{split} drops, P(loss > {margin:.3}) = {loss:.2}"));
            }
        }
        let gain = posterior.overall.above(0.0);
        (gain <= self.harm).then(|| "it does harm".to_owned())
    }

    /// What stands between this evidence and a promotion.
    fn open_question(&self, posterior: &Posterior, margins: [(GatingSplit, f64); 2]) -> String {
        if posterior.overall.above(0.0) < self.promote {
            return "a gain is not certain enough".to_owned();
        }
        let loss =
            |(split, margin): (GatingSplit, f64)| 1.0 - posterior.split(split).above(-margin);
        match margins.into_iter().find(|pair| loss(*pair) > self.tolerance) {
            Some((split, margin)) => {
                let points = 100.0 * margin;
                format!("a loss of {points:.1} points {split} cannot be ruled out")
            }
            None => "a suspected loss on a task is not settled".to_owned(),
        }
    }

    fn is_promotable(&self, posterior: &Posterior, margins: [(GatingSplit, f64); 2]) -> bool {
        let holds = |(split, margin): (GatingSplit, f64)| {
            1.0 - posterior.split(split).above(-margin) <= self.tolerance
        };
        posterior.overall.above(0.0) >= self.promote && margins.into_iter().all(holds)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of tasks are far below 2^52")]
    fn margin_on(&self, tasks: &[TaskCells]) -> f64 {
        self.margin.max(0.5 / tasks.len().max(1) as f64)
    }
}

fn decide(candidate: usize, verdict: Verdict, reason: String, tasks: &[PairedTask]) -> Step {
    let decision = Decision { verdict, reason, evidence: Some(comparison(tasks)), finding: None };
    Step::Decide { candidate, decision }
}

fn count(looks: usize) -> u32 {
    u32::try_from(looks).unwrap_or(u32::MAX)
}

fn bring_all(case: usize, evidence: &Evidence, upto: u32) -> Option<Vec<Purchase>> {
    let missing = GatingSplit::BOTH.into_iter().filter_map(|split| {
        let tasks: Vec<&TaskCells> = evidence.split(split).iter().collect();
        bring(case, &tasks, split, upto)
    });
    Some(missing.flatten().collect::<Vec<_>>()).filter(|buy| !buy.is_empty())
}

fn follow_up(case: usize, evidence: &Evidence, objections: &Objections) -> Option<Vec<Purchase>> {
    let missing = GatingSplit::BOTH.into_iter().filter_map(|split| {
        let suspect = |task: &&TaskCells| {
            objections.suspect.iter().any(|(on, name)| *on == split && *name == task.task)
        };
        let tasks: Vec<&TaskCells> = evidence.split(split).iter().filter(suspect).collect();
        bring(case, &tasks, split, most(evidence.attempts))
    });
    Some(missing.flatten().collect::<Vec<_>>()).filter(|buy| !buy.is_empty())
}

/// What is missing until both sides have `upto` attempts at each of these tasks that may be compared.
fn bring(
    case: usize,
    tasks: &[&TaskCells],
    split: GatingSplit,
    upto: u32,
) -> Option<Vec<Purchase>> {
    let mut beside: BTreeMap<u32, Vec<TaskName>> = BTreeMap::new();
    for task in tasks {
        let has = match split {
            GatingSplit::HeldIn => 0,
            GatingSplit::HeldOut => count(task.assessed.len()),
        };
        let needed = upto.saturating_sub(has);
        if count(task.beside.len()) < needed {
            beside.entry(needed).or_default().push(task.task.clone());
        }
    }
    let short = tasks.iter().filter(|task| count(task.candidate.len()) < upto);
    let candidate: Vec<TaskName> = short.map(|task| task.task.clone()).collect();
    let incumbent = beside.into_iter().map(|(upto, tasks)| Purchase {
        arm: Arm::Incumbent,
        split,
        tasks,
        upto,
    });
    let candidate = (!candidate.is_empty()).then_some(Purchase {
        arm: Arm::Candidate(case),
        split,
        tasks: candidate,
        upto,
    });
    Some(incumbent.chain(candidate).collect::<Vec<_>>()).filter(|buy| !buy.is_empty())
}
