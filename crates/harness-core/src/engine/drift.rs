//! Whether many small promotions have led somewhere worse: the incumbent against every version before it.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::{Assessment, Engine, RoundReport, report};
use crate::error::Result;
use crate::harness::Harness;
use crate::id::{Fingerprint, TaskName};
use crate::interval::Pairs;
use crate::verdict::Judgement;

/// The incumbent beside one of its ancestors, by the trials of both as incumbents of their rounds. No trial is run for it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// The ancestor.
    pub against: Fingerprint,
    /// Their assessments, attempt by attempt at the same tasks.
    pub pairs: Pairs,
    /// The largest change in pass rate that the pairs leave possible, at this comparison's share of the error; below 0 it
    /// is a credible loss.
    pub at_most: f64,
}

impl Drift {
    /// Whether the incumbent is worse than this ancestor, as far as one may say.
    pub fn is_loss(&self) -> bool {
        self.at_most < 0.0
    }
}

/// How likely a run may ever take a version for worse than an ancestor that it is not worse than. The n-th version gets
/// 1 / (n (n + 1)) of it, all of which add up to 1, shared by its ancestors; that a comparison is looked at again in each
/// round costs nothing, because its bound holds at every look.
const ERROR: f64 = 0.05;

/// The latest ancestor that the incumbent credibly loses against: going back to it gives up the fewest edits.
pub(super) fn better_ancestor(drift: &[Drift]) -> Option<Fingerprint> {
    drift.iter().rev().find(|drift| drift.is_loss()).map(|drift| drift.against)
}

/// Outcomes of the assessments of one harness, by task, in the order in which they were run.
type Assessments = BTreeMap<TaskName, BTreeMap<(u32, u32), bool>>;

impl<H: Harness> Engine<H> {
    /// The incumbent against each ancestor. Only assessments count: they give every task as many attempts, whereas trials
    /// beside candidates were bought where a proposal pointed. What accepted a version is not among them; that the
    /// ancestor's own may have been unlucky when it was beaten works against an alarm.
    pub(super) fn drift(&self) -> Result<Vec<Drift>> {
        let ancestors = self.lineage.ancestors()?;
        if ancestors.is_empty() {
            return Ok(Vec::new());
        }
        let assessed = self.assessments();
        let of = |harness: Fingerprint| assessed.get(&harness);
        let tip = of(self.lineage.tip().fingerprint()?);
        let alpha = share(ancestors.len());
        let beside = |against: Fingerprint| {
            let pairs =
                of(against).zip(tip).map_or_else(Pairs::default, |(old, new)| paired(old, new));
            Drift { against, pairs, at_most: pairs.at_most(alpha) }
        };
        Ok(ancestors.into_iter().map(beside).collect())
    }

    fn assessments(&self) -> HashMap<Fingerprint, Assessments> {
        let mut assessed: HashMap<Fingerprint, Assessments> = HashMap::new();
        for attempt in self.runner.paid.assessed() {
            let tasks = assessed.entry(attempt.harness).or_default();
            tasks.entry(attempt.task).or_default().insert(attempt.place, attempt.passed);
        }
        assessed
    }

    /// Ends the round by going back to `better`: nothing is mined, proposed or promoted on a harness that has lost.
    pub(super) async fn revert(
        &mut self,
        round: u32,
        assessed: &Assessment,
        better: Fingerprint,
    ) -> Result<RoundReport> {
        let back = self.lineage.rebased(round, better, Vec::new())?;
        let nothing = Judgement { judged: Vec::new(), composed: None };
        let tip = self.lineage.tip();
        let report = report::round(round, tip, assessed, Vec::new(), &nothing, Some(&back))?;
        self.publish(report, Some(back)).await
    }
}

/// What each comparison of a version with so many ancestors may err.
#[expect(clippy::cast_precision_loss, reason = "a run has few versions")]
fn share(ancestors: usize) -> f64 {
    let n = ancestors as f64;
    ERROR / (n * (n + 1.0)) / n
}

/// The first attempts of both at each task, as many as both have.
fn paired(ancestor: &Assessments, tip: &Assessments) -> Pairs {
    let mut pairs = Pairs::default();
    for (task, old) in ancestor {
        for (old, new) in old.values().zip(tip.get(task).into_iter().flat_map(BTreeMap::values)) {
            pairs.add(Some(*old), Some(*new));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn assessments(passes: &[(u32, u32)]) -> Assessments {
        let attempts = |(passed, all): (u32, u32)| {
            (0..all).map(|attempt| ((1, attempt), attempt < passed)).collect()
        };
        let names = (0..).map(|index: u32| TaskName::new(format!("task-{index}")));
        names.zip(passes.iter().map(|counts| attempts(*counts))).collect()
    }

    #[test]
    fn shares_of_the_error_never_add_up_to_more_than_it() {
        #[expect(clippy::cast_precision_loss, reason = "few")]
        let spent: f64 = (1..10_000_usize).map(|n| share(n) * n as f64).sum();
        assert!(spent <= ERROR && spent > 0.99 * ERROR);
    }

    #[test]
    fn the_latest_of_the_better_ancestors_is_the_way_back() {
        let drift = |name: &str, at_most| Drift {
            against: Fingerprint::of_bytes(name.as_bytes()),
            pairs: Pairs::default(),
            at_most,
        };
        let all = [drift("seed", -0.1), drift("a", -0.2), drift("b", 0.3)];
        assert_eq!(better_ancestor(&all), Some(all[1].against));
        assert_eq!(better_ancestor(&all[2..]), None);
    }

    proptest! {
        #[test]
        fn a_copy_is_never_worse_and_each_task_gives_as_many_pairs_as_both_have(
            counts in proptest::collection::vec((0..5_u32, 0..5_u32), 1..20),
            more in 0..3_u32,
        ) {
            let counts: Vec<_> = counts.into_iter().map(|(x, n)| (x.min(n), n)).collect();
            let longer: Vec<_> = counts.iter().map(|(x, n)| (*x, n + more)).collect();
            let pairs = paired(&assessments(&counts), &assessments(&longer));
            prop_assert_eq!(pairs.same, counts.iter().map(|(_, n)| u64::from(*n)).sum::<u64>());
            prop_assert_eq!(pairs.better + pairs.worse, 0);
            prop_assert!(pairs.at_most(share(1)) >= 0.0);
        }

        #[test]
        fn a_harness_that_fails_what_always_passed_is_worse(tasks in 8..40_usize) {
            let pairs = paired(&assessments(&vec![(2, 2); tasks]), &assessments(&vec![(0, 2); tasks]));
            prop_assert!(pairs.at_most(share(1)) < 0.0);
        }
    }
}
