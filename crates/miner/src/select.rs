//! Which failures are diagnosed, in which order, and beside which passing attempt.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use harness_core::{Fingerprint, Result, Split, TaskName, Trial, TrialId, Trials};

/// A failed trial with what is known of its task.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) id: TrialId,
    pub(crate) trial: Arc<Trial>,
    /// A passing attempt at the same task: the shortest.
    pub(crate) contrast: Option<Arc<Trial>>,
    /// Share of the task's scored attempts that failed, above 0 and up to 1. Below 1 the task is flaky.
    pub(crate) frequency: f64,
}

impl Case {
    pub(crate) fn is_flaky(&self) -> bool {
        self.contrast.is_some()
    }
}

/// The cases to diagnose, in order of task and trial, and how many failures there are in all.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) cases: Vec<Case>,
    pub(crate) failures: usize,
}

/// At most `limit` failures: one of each task before a second of any, tasks that always fail before flaky ones, and
/// otherwise in an order drawn from `seed`, so that no task is always the one left out.
pub(crate) fn cases<S: Split>(trials: &Trials<S>, limit: usize, seed: u64) -> Result<Selection> {
    let mut ranked = Vec::new();
    for (task, attempts) in by_task(trials)? {
        let draw = Fingerprint::of(&(seed, &task))?;
        for (rank, case) in of_one_task(&attempts).into_iter().enumerate() {
            ranked.push(((rank, case.is_flaky(), draw), case));
        }
    }
    let failures = ranked.len();
    ranked.sort_by_key(|(order, _)| *order);
    let mut cases: Vec<Case> = ranked.into_iter().take(limit).map(|(_, case)| case).collect();
    cases.sort_by(|left, right| {
        (&left.trial.key.task, left.id).cmp(&(&right.trial.key.task, right.id))
    });
    Ok(Selection { cases, failures })
}

type Attempts = Vec<(TrialId, Arc<Trial>)>;

/// Scored trials by task, each once, ordered by id: the order of the input is gone from here on.
fn by_task<S: Split>(trials: &Trials<S>) -> Result<BTreeMap<TaskName, Attempts>> {
    let (mut tasks, mut seen) = (BTreeMap::<TaskName, Attempts>::new(), BTreeSet::new());
    for trial in trials.iter().filter(|trial| trial.passed().is_some()) {
        let id = trial.id()?;
        if seen.insert(id) {
            tasks.entry(trial.key.task.clone()).or_default().push((id, Arc::clone(trial)));
        }
    }
    for attempts in tasks.values_mut() {
        attempts.sort_by_key(|(id, _)| *id);
    }
    Ok(tasks)
}

#[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^52")]
fn of_one_task(attempts: &Attempts) -> Vec<Case> {
    let (passed, failed): (Vec<_>, Vec<_>) =
        attempts.iter().partition(|(_, trial)| trial.passed() == Some(true));
    let shortest = passed.iter().min_by_key(|(id, trial)| (trial.trajectory.steps.len(), *id));
    let frequency = failed.len() as f64 / attempts.len() as f64;
    let case = |(id, trial): &(TrialId, Arc<Trial>)| Case {
        id: *id,
        trial: Arc::clone(trial),
        contrast: shortest.map(|(_, trial)| Arc::clone(trial)),
        frequency,
    };
    failed.into_iter().map(case).collect()
}
