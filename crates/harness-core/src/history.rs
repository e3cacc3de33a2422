//! What a run's earlier rounds left for those who judge: never hidden state, always a function of the journal.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::RoundReport;
use crate::id::{Fingerprint, TaskName};
use crate::trial::{Score, SplitName, Trial};
use crate::verdict::Finding;

/// The committed rounds, and how every incumbent fared while it was one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunHistory {
    rounds: Vec<RoundReport>,
    /// How each round's incumbent fared in it, by task.
    scores: Vec<BTreeMap<TaskName, Score>>,
}

/// How a task went in the run's earlier rounds, by what the attempts of then say about the incumbent of now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskRecord {
    /// Of this very harness.
    pub own: Score,
    /// Of ancestors from which it differs only by edits that were aimed at other tasks: nearly its own.
    pub untouched: Score,
    /// Of all other ancestors, but for those from which it differs by an edit aimed at this task: they say nothing.
    pub older: Score,
}

impl TaskRecord {
    /// Whether it says as much as `attempts` attempts of the incumbent, an ancestor's taken for half of one.
    pub fn says_as_much_as(&self, attempts: u32) -> bool {
        2 * self.own.scored + self.untouched.scored >= 2 * u64::from(attempts)
    }
}

impl RunHistory {
    /// Adds a committed round with the trials of that round, in any order; those of other rounds are passed over.
    ///
    /// Only trials of the round's own incumbent count: what a harness achieved as a candidate decided its promotion, and
    /// is never its baseline. Sealed trials and those that were not scored are left out.
    pub fn push<'a>(&mut self, report: RoundReport, trials: impl IntoIterator<Item = &'a Trial>) {
        let (round, incumbent) = (report.round, report.incumbent);
        let mut scores: BTreeMap<TaskName, Score> = BTreeMap::new();
        for trial in trials {
            let of_the_incumbent =
                trial.key.replicate.round == round && trial.key.harness == incumbent;
            let Some(passed) = trial.passed() else { continue };
            if of_the_incumbent && trial.split != SplitName::Sealed {
                let score = scores.entry(trial.key.task.clone()).or_default();
                score.scored += 1;
                score.passed += u64::from(passed);
            }
        }
        self.rounds.push(report);
        self.scores.push(scores);
    }

    /// The rounds, oldest first.
    pub fn rounds(&self) -> &[RoundReport] {
        &self.rounds
    }

    /// What the rounds so far say of `tip`, the harness with which the last of them ended, by task. A task that nobody has
    /// attempted is not in it.
    pub fn record(&self, tip: Fingerprint) -> BTreeMap<TaskName, TaskRecord> {
        let mut record: BTreeMap<TaskName, TaskRecord> = BTreeMap::new();
        let mut since = Since::default();
        for (report, scores) in self.rounds.iter().zip(&self.scores).rev() {
            since.stepped(report);
            for (task, score) in scores {
                let record = record.entry(task.clone()).or_default();
                if report.incumbent == tip {
                    add(&mut record.own, *score);
                } else if since.aimed_at.contains(task) {
                    // The step was to change exactly this.
                } else if since.anywhere {
                    add(&mut record.older, *score);
                } else {
                    add(&mut record.untouched, *score);
                }
            }
        }
        record
    }
}

/// What has been changed since a round, walking back from the last one.
#[derive(Debug, Default)]
struct Since<'a> {
    /// Tasks at which a promoted edit was aimed.
    aimed_at: BTreeSet<&'a TaskName>,
    /// Whether something changed that was not aimed: an edit at no task in particular, a pruning, a way back.
    anywhere: bool,
}

impl<'a> Since<'a> {
    fn stepped(&mut self, report: &'a RoundReport) {
        if report.is_dry() {
            return;
        }
        let promoted =
            report.judged.iter().filter(|judged| report.promoted.contains(&judged.proposal.id));
        let aims: Vec<&BTreeSet<TaskName>> = promoted
            .filter_map(|judged| judged.decision.finding.as_deref())
            .map(|Finding { aimed_at, .. }| aimed_at)
            .filter(|aimed_at| !aimed_at.is_empty())
            .collect();
        if aims.is_empty() || aims.len() < report.promoted.len() {
            self.anywhere = true;
        }
        self.aimed_at.extend(aims.into_iter().flatten());
    }
}

fn add(sum: &mut Score, score: Score) {
    sum.passed += score.passed;
    sum.scored += score.scored;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::Assessed;
    use crate::id::{ProposalId, SurfaceId, WeaknessId};
    use crate::proposal::Proposal;
    use crate::verdict::{Decision, Judged, Verdict};

    /// What each round promotes: for each edit the tasks at which it is aimed.
    type Step = Vec<Vec<u8>>;

    fn version(number: usize) -> Fingerprint {
        Fingerprint::of_bytes(&[u8::try_from(number).unwrap()])
    }

    fn name(task: u8) -> TaskName {
        TaskName::new(format!("t{task}"))
    }

    fn judged(index: usize, aims: &[u8]) -> Judged<serde_json::Value> {
        let proposal = Proposal {
            id: ProposalId::new(format!("p{index}")),
            weakness: WeaknessId::new("w"),
            surface: SurfaceId::new("s"),
            mechanism: String::new(),
            edit: serde_json::Value::Null,
            rationale: String::new(),
            expected_to_mend: BTreeSet::new(),
            risks: String::new(),
        };
        let aimed_at = aims.iter().copied().map(name).collect();
        let finding = Some(Box::new(Finding { aimed_at, ..Finding::default() }));
        let decision =
            Decision { verdict: Verdict::Promote, reason: String::new(), evidence: None, finding };
        Judged { proposal, decision }
    }

    /// Rounds in which every incumbent attempted each of four tasks once.
    fn history(steps: &[Step]) -> (RunHistory, Fingerprint) {
        let (mut history, mut tip) = (RunHistory::default(), 0);
        for step in steps {
            let judged: Vec<_> =
                step.iter().enumerate().map(|(index, aims)| judged(index, aims)).collect();
            let incumbent = version(tip);
            tip += usize::from(!step.is_empty());
            history.rounds.push(RoundReport {
                round: 1,
                incumbent,
                tip: version(tip),
                assessed: Assessed { held_in: Score::default(), held_out: Score::default() },
                weaknesses: Vec::new(),
                promoted: judged.iter().map(|judged| judged.proposal.id.clone()).collect(),
                judged,
                composition: None,
                drift: Vec::new(),
                ablations: Vec::new(),
            });
            let once = Score { passed: 1, scored: 1, void: 0 };
            history.scores.push((0..4).map(|task| (name(task), once)).collect());
        }
        (history, version(tip))
    }

    fn scored(steps: &[Step], task: u8) -> [u64; 3] {
        let (history, tip) = history(steps);
        let record = history.record(tip)[&name(task)];
        [record.own, record.untouched, record.older].map(|score| score.scored)
    }

    #[test]
    fn an_edit_leaves_the_record_of_other_tasks_and_ends_that_of_its_own() {
        let steps = [vec![], vec![vec![0]], vec![]];
        assert_eq!(scored(&steps, 0), [1, 0, 0]);
        assert_eq!(scored(&steps, 1), [1, 2, 0]);
    }

    #[test]
    fn what_is_before_an_edit_aimed_at_nothing_is_older() {
        let steps = [vec![vec![0]], vec![vec![]], vec![vec![1], vec![2]], vec![]];
        assert_eq!(scored(&steps, 0), [1, 1, 1]);
        assert_eq!(scored(&steps, 1), [1, 0, 0]);
        assert_eq!(scored(&steps, 3), [1, 1, 2]);
    }

    #[test]
    fn half_of_what_is_untouched_counts_as_own() {
        let record = |own, untouched| TaskRecord {
            own: Score { scored: own, ..Score::default() },
            untouched: Score { scored: untouched, ..Score::default() },
            older: Score { scored: 100, ..Score::default() },
        };
        assert!(record(2, 0).says_as_much_as(2) && record(0, 4).says_as_much_as(2));
        assert!(record(1, 2).says_as_much_as(2));
        assert!(!record(1, 1).says_as_much_as(2) && !record(0, 0).says_as_much_as(1));
    }

    proptest! {
        #[test]
        fn no_attempt_counts_twice_and_only_those_at_what_was_aimed_at_are_dropped(
            steps in prop::collection::vec(
                prop::collection::vec(prop::collection::vec(0u8..4, 0..3), 0..3), 1..8,
            ),
        ) {
            for task in 0..4 {
                let all: u64 = scored(&steps, task).iter().sum();
                let last_aim = steps.iter().rposition(|step| step.iter().flatten().any(|at| *at == task));
                prop_assert_eq!(all as usize, steps.len() - last_aim.map_or(0, |at| at + 1));
            }
        }
    }
}
