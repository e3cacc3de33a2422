//! Pruning: which retained edits are worth keeping, by taking each out.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Assessed, Assessment, Engine, RoundReport, report};
use crate::error::Result;
use crate::harness::Harness;
use crate::id::{Fingerprint, ProposalId};
use crate::interval::{Interval, Pairs};
use crate::lineage::PromotedEdit;
use crate::runner::Order;
use crate::trial::{Phase, Replicate, Score, SplitName, Trial, Trials};
use crate::verdict::Judgement;

/// How an edit is asked whether it is still needed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pruning {
    /// A harness without the edit may be so much worse in pass rate, 0 to 1, and counts as no worse. At least half a task
    /// is always allowed: with few tasks nothing smaller can be told.
    pub margin: f64,
    /// At most so many attempts of each side at each task of both gating splits.
    pub attempts: u32,
    /// How likely an edit that is worth more than the margin may be taken out, 0 to 1. It holds however often one looks.
    pub error: f64,
}

impl Default for Pruning {
    /// Five points, eight attempts, one in ten.
    fn default() -> Self {
        Self { margin: 0.05, attempts: 8, error: 0.1 }
    }
}

/// A retained edit, taken out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ablation {
    /// The proposal that had brought it.
    pub proposal: ProposalId,
    /// The harness with it.
    pub with: Fingerprint,
    /// The harness without it; `None` where the other edits do not apply then.
    pub without: Option<Fingerprint>,
    /// How the harness without it did on both splits in these trials; `None` without trials, and in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Assessed>,
    /// From without to with, attempt by attempt at the same tasks: what the edit is worth.
    pub pairs: Pairs,
    /// The edit's worth in pass rate, with error at most 5 %; `None` without trials.
    pub worth: Option<Interval>,
    /// What became of it.
    pub outcome: AblationOutcome,
}

/// What became of an edit that was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AblationOutcome {
    /// The harness is no worse without it: it is gone.
    Removed,
    /// The harness is credibly worse without it.
    Needed,
    /// Other edits build on it.
    BuiltOn,
    /// The trials did not tell: it stays.
    Open,
}

impl AblationOutcome {
    /// What a person calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Removed => "removed: no worse without it",
            Self::Needed => "needed: worse without it",
            Self::BuiltOn => "kept: other edits build on it",
            Self::Open => "kept: the trials did not tell",
        }
    }
}

/// How likely the interval of an edit's worth may miss the truth.
const ERROR: f64 = 0.05;

impl Pruning {
    /// What the pairs say so far; `None` while more trials may tell.
    fn settled(&self, pairs: &Pairs, tasks: usize) -> Option<AblationOutcome> {
        if pairs.at_most(self.error) <= self.margin_of(tasks) {
            return Some(AblationOutcome::Removed);
        }
        let credible = pairs.interval(2.0 * self.error).is_some_and(|worth| worth.low > 0.0);
        credible.then_some(AblationOutcome::Needed)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of tasks are far below 2^52")]
    fn margin_of(&self, tasks: usize) -> f64 {
        self.margin.max(0.5 / tasks.max(1) as f64)
    }
}

impl<H: Harness> Engine<H> {
    /// Takes each retained edit out, oldest first, by interleaved trials of the harness with and without it on both gating splits, and keeps out those
    /// that nobody misses. The next edits are asked of the harness that is left. It is a round of its own, without proposals; `None` when there is
    /// nothing to prune, when the last round was one, or when the sealed split was read already.
    ///
    /// An interrupted pruning pays no trial twice: all are recorded under the round's number.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub async fn prune(&mut self, pruning: Pruning) -> Result<Option<RoundReport>> {
        let retained = self.lineage.retained()?;
        let just_pruned = self.rounds().last().is_some_and(RoundReport::is_pruning);
        if retained.is_empty() || just_pruned || !self.claims.is_empty() && !self.must_read_again()
        {
            return Ok(None);
        }
        let round = self.next_round();
        let mut left = retained;
        let mut ablations = Vec::new();
        let mut next = 0;
        while next < left.len() {
            let ablation = self.ablate(round, &left, next, &pruning).await?;
            if ablation.outcome == AblationOutcome::Removed {
                left.remove(next);
            } else {
                next += 1;
            }
            ablations.push(ablation);
        }
        self.keep_only(round, left, ablations).await.map(Some)
    }

    /// The edit at `index` of `edits`, which make up the harness, taken out.
    async fn ablate(
        &self,
        round: u32,
        edits: &[PromotedEdit<H::Edit>],
        index: usize,
        pruning: &Pruning,
    ) -> Result<Ablation> {
        let with = self.with_edits(edits.iter())?;
        let others = edits.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, edit)| edit);
        let mut ablation = Ablation {
            proposal: edits[index].proposal.clone(),
            with: with.fingerprint()?,
            without: None,
            left: None,
            pairs: Pairs::default(),
            worth: None,
            outcome: AblationOutcome::BuiltOn,
        };
        // Edits that need this one do not apply without it.
        let Ok(without) = self.with_edits(others) else { return Ok(ablation) };
        ablation.without = Some(without.fingerprint()?);
        if ablation.without == Some(ablation.with) {
            ablation.outcome = AblationOutcome::Removed;
            return Ok(ablation);
        }
        let tasks = self.gating_tasks().count();
        ablation.outcome = AblationOutcome::Open;
        let mut left = [Vec::new(), Vec::new()];
        for attempt in 0..pruning.attempts {
            ablation.pairs += self.block(round, &without, &with, attempt, &mut left).await?;
            if let Some(outcome) = pruning.settled(&ablation.pairs, tasks) {
                ablation.outcome = outcome;
                break;
            }
        }
        ablation.worth = ablation.pairs.interval(ERROR);
        let [held_in, held_out] = left.map(|trials| Score::of(trials.iter().map(AsRef::as_ref)));
        ablation.left = Some(Assessed { held_in, held_out });
        Ok(ablation)
    }

    fn with_edits<'e>(&self, edits: impl Iterator<Item = &'e PromotedEdit<H::Edit>>) -> Result<H>
    where
        H::Edit: 'e,
    {
        let mut harness = self.lineage.seed().clone();
        for edit in edits {
            harness = harness.apply(&edit.edit)?;
        }
        Ok(harness)
    }

    fn gating_tasks(&self) -> impl Iterator<Item = (SplitName, &Arc<crate::task::Task>)> {
        [SplitName::HeldIn, SplitName::HeldOut]
            .into_iter()
            .flat_map(|split| self.benchmark.tasks(split).iter().map(move |task| (split, task)))
    }

    /// One attempt of both at every task, in turns; those of the first are kept by split.
    async fn block(
        &self,
        round: u32,
        first: &H,
        second: &H,
        attempt: u32,
        kept: &mut [Vec<Arc<Trial>>; 2],
    ) -> Result<Pairs> {
        let replicate = Replicate { seed: self.config.seed, round, phase: Phase::Judge, attempt };
        let orders = self.gating_tasks().flat_map(|(split, task)| {
            [0, 1].map(|arm| (arm, Order { task: Arc::clone(task), split, replicate }))
        });
        let trials = self.runner.run_block(&[first, second], orders.collect(), "pruning").await?;
        let mut pairs = Pairs::default();
        for (pair, (split, _)) in trials.chunks(2).zip(self.gating_tasks()) {
            if let [first, second] = pair {
                pairs.add(Trial::passed(first), Trial::passed(second));
                kept[usize::from(split == SplitName::HeldOut)].push(Arc::clone(first));
            }
        }
        Ok(pairs)
    }

    async fn keep_only(
        &mut self,
        round: u32,
        left: Vec<PromotedEdit<H::Edit>>,
        ablations: Vec<Ablation>,
    ) -> Result<RoundReport> {
        let pruned = ablations.iter().any(|ablation| ablation.outcome == AblationOutcome::Removed);
        let seed = self.lineage.seed().fingerprint()?;
        let promotion = if pruned { Some(self.lineage.rebased(round, seed, left)?) } else { None };
        let nobody = Assessment {
            held_in: Trials::new(Vec::new())?,
            held_out: Trials::new(Vec::new())?,
            level: Assessed::default(),
            drift: Vec::new(),
        };
        let nothing = Judgement { judged: Vec::new(), composed: None };
        let tip = self.lineage.tip();
        let mut report =
            report::round(round, tip, &nobody, Vec::new(), &nothing, promotion.as_ref())?;
        report.ablations = ablations;
        self.publish(report, promotion).await
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_removed_may_lose_no_more_than_the_margin_and_what_is_needed_is_worth_something(
            better in 0..200_u64, same in 0..800_u64, worse in 0..200_u64, tasks in 1..100_usize,
        ) {
            let pairs = Pairs { better, same, worse, ..Pairs::default() };
            let pruning = Pruning::default();
            match pruning.settled(&pairs, tasks) {
                Some(AblationOutcome::Removed) => {
                    prop_assert!(pairs.change().unwrap_or(1.0) <= pruning.margin_of(tasks));
                }
                Some(outcome) => {
                    prop_assert_eq!(outcome, AblationOutcome::Needed);
                    prop_assert!(better > worse);
                }
                None => {}
            }
        }
    }

    #[test]
    fn no_trial_settles_nothing_and_void_ones_do_not_either() {
        let pruning = Pruning::default();
        assert_eq!(pruning.settled(&Pairs::default(), 10), None);
        let void = Pairs { unknown: 1_000, same: 5, ..Pairs::default() };
        assert_eq!(pruning.settled(&void, 10), None);
    }
}
