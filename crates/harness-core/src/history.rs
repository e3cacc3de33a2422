//! What a run's earlier rounds left for those who judge: never hidden state, always a function of the journal.

use std::collections::BTreeMap;

use crate::engine::RoundReport;
use crate::id::{Fingerprint, TaskName};
use crate::trial::{Score, SplitName, Trial};

/// The committed rounds, and how every incumbent fared while it was one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunHistory {
    rounds: Vec<RoundReport>,
    attempts: BTreeMap<Fingerprint, BTreeMap<TaskName, Score>>,
}

impl RunHistory {
    /// Adds a committed round with the trials of that round, in any order; those of other rounds are passed over.
    ///
    /// Only trials of the round's own incumbent count: what a harness achieved as a candidate decided its promotion, and
    /// is never its baseline. Sealed trials and those that were not scored are left out.
    pub fn push<'a>(&mut self, report: RoundReport, trials: impl IntoIterator<Item = &'a Trial>) {
        let (round, incumbent) = (report.round, report.incumbent);
        let by_task = self.attempts.entry(incumbent).or_default();
        for trial in trials {
            let of_the_incumbent =
                trial.key.replicate.round == round && trial.key.harness == incumbent;
            let Some(passed) = trial.passed() else { continue };
            if of_the_incumbent && trial.split != SplitName::Sealed {
                let score = by_task.entry(trial.key.task.clone()).or_default();
                score.scored += 1;
                score.passed += u64::from(passed);
            }
        }
        self.rounds.push(report);
    }

    /// The rounds, oldest first.
    pub fn rounds(&self) -> &[RoundReport] {
        &self.rounds
    }

    /// The incumbents of the rounds, each once, the latest first.
    pub fn incumbents(&self) -> Vec<Fingerprint> {
        let mut seen = Vec::new();
        for report in self.rounds.iter().rev() {
            if !seen.contains(&report.incumbent) {
                seen.push(report.incumbent);
            }
        }
        seen
    }

    /// How a harness fared at a task in the rounds that it was the incumbent of; zeros when it never was.
    pub fn score(&self, incumbent: Fingerprint, task: &TaskName) -> Score {
        let known = self.attempts.get(&incumbent).and_then(|by_task| by_task.get(task));
        known.copied().unwrap_or_default()
    }
}
