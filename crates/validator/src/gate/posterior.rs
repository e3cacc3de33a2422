//! What the sequential gate believes of an edit's effect, from paired cells.

use std::collections::BTreeSet;

use harness_core::TaskName;

use super::SequentialGate;
use crate::evidence::{Cell, Counts, Evidence, GatingSplit, PairedTask, TaskCells};
use crate::stats::{Belief, within_task_variance};

/// Beliefs of the change in pass rate, candidate minus incumbent, each averaged over tasks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Posterior {
    /// On the held-in tasks that show the targeted weakness.
    pub(super) target: Belief,
    /// On the held-in split.
    pub(super) held_in: Belief,
    /// On the held-out split.
    pub(super) held_out: Belief,
    /// On all tasks of both.
    pub(super) overall: Belief,
}

impl Posterior {
    pub(super) fn of(gate: &SequentialGate, evidence: &Evidence) -> Self {
        let flakiness = flakiness(gate, evidence);
        let (on_target, off_target): (Vec<_>, Vec<_>) =
            evidence.held_in.iter().partition(|task| evidence.target.contains(&task.task));
        let share = share(on_target.len(), evidence.held_in.len());
        let off_target_sd =
            if on_target.is_empty() { gate.untargeted_sd } else { gate.off_target_sd };
        // The weakness is as common in held-out as where it was found, as far as one can know without looking:
        // the share of the target that a held-out task stands for widens what is expected there.
        let held_out_sd = off_target_sd.hypot(share * gate.target_sd);
        let stratum = |tasks: &[&TaskCells], split, sd| {
            observed(tasks, split, flakiness)
                .map_or(Belief::new(0.0, sd), |(estimate, variance)| {
                    Belief::new(0.0, sd).updated(estimate, variance)
                })
        };
        let target = stratum(&on_target, GatingSplit::HeldIn, gate.target_sd);
        let rest = stratum(&off_target, GatingSplit::HeldIn, off_target_sd);
        let all_held_out: Vec<_> = evidence.held_out.iter().collect();
        let held_out = stratum(&all_held_out, GatingSplit::HeldOut, held_out_sd);
        let held_in = Belief::weighted_sum(&[(share, target), (1.0 - share, rest)]);
        let mined = self::share(evidence.held_in.len(), evidence.tasks());
        let overall = Belief::weighted_sum(&[(mined, held_in), (1.0 - mined, held_out)]);
        Self { target, held_in, held_out, overall }
    }

    pub(super) fn split(&self, split: GatingSplit) -> Belief {
        match split {
            GatingSplit::HeldIn => self.held_in,
            GatingSplit::HeldOut => self.held_out,
        }
    }
}

/// The incumbent's attempts that a candidate may be compared with. On the mined split the assessment's are left out:
/// they chose the weaknesses, so on the tasks of a weakness they are worse than the incumbent is.
pub(super) fn baseline(task: &TaskCells, split: GatingSplit) -> impl Iterator<Item = Cell> + '_ {
    let assessed = match split {
        GatingSplit::HeldIn => &[],
        GatingSplit::HeldOut => task.assessed.as_slice(),
    };
    assessed.iter().chain(&task.beside).copied()
}

/// The attempts that every one of these tasks has had.
pub(super) fn looks<'a>(tasks: impl IntoIterator<Item = &'a TaskCells>) -> usize {
    tasks.into_iter().map(|task| task.candidate.len()).min().unwrap_or(0)
}

/// The first `looks` attempts of each task, paired.
pub(super) fn paired<'a>(
    tasks: impl IntoIterator<Item = &'a TaskCells>,
    split: GatingSplit,
    looks: usize,
) -> Vec<PairedTask> {
    let pair = |task: &TaskCells| PairedTask {
        task: task.task.clone(),
        split,
        counts: Counts::paired(baseline(task, split), task.candidate.iter().copied(), looks),
    };
    tasks.into_iter().map(pair).collect()
}

/// The held-in tasks of the target.
pub(super) fn targeted<'a>(
    tasks: &'a [TaskCells],
    target: &'a BTreeSet<TaskName>,
) -> impl Iterator<Item = &'a TaskCells> {
    tasks.iter().filter(|task| target.contains(&task.task))
}

/// The mean change in pass rate over tasks and its sampling variance. Every task gets the same number of attempts here, also
/// when some have more: extra attempts at tasks that looked bad would wash out losses and leave lucky gains.
fn observed(tasks: &[&TaskCells], split: GatingSplit, flakiness: f64) -> Option<(f64, f64)> {
    let looks = looks(tasks.iter().copied());
    let (mut sum, mut variance, mut seen) = (0.0, 0.0, 0.0);
    for task in tasks {
        let candidate = task.candidate.iter().copied();
        let counts = Counts::paired(baseline(task, split), candidate, looks);
        if counts.scored > 0 {
            let n = f64::from(counts.scored);
            sum += (f64::from(counts.candidate) - f64::from(counts.incumbent)) / n;
            variance += 2.0 * flakiness / n;
            seen += 1.0;
        }
    }
    (seen > 0.0).then(|| (sum / seen, variance / (seen * seen)))
}

fn flakiness(gate: &SequentialGate, evidence: &Evidence) -> f64 {
    let tally = |cells: &mut dyn Iterator<Item = Cell>| {
        cells.filter(|cell| cell.is_scored()).fold((0, 0), |(passed, scored), cell| {
            (passed + u32::from(cell == Cell::Passed), scored + 1)
        })
    };
    let tasks = evidence.held_in.iter().chain(&evidence.held_out);
    let sides = tasks.flat_map(|task| {
        [
            (task.incumbent().passed, task.incumbent().scored),
            tally(&mut task.candidate.iter().copied()),
        ]
    });
    within_task_variance(sides, gate.flakiness, gate.flakiness_tasks)
}

#[expect(clippy::cast_precision_loss, reason = "counts of tasks are far below 2^52")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(prefix: &str, count: usize, incumbent: Cell, candidate: Cell) -> Vec<TaskCells> {
        let task = |index| TaskCells {
            beside: vec![incumbent; 2],
            candidate: vec![candidate; 2],
            ..TaskCells::new(format!("{prefix}{index}").as_str().into())
        };
        (0..count).map(task).collect()
    }

    fn posterior(targeted: usize, held_out_mended: usize) -> Posterior {
        let held_in = tasks("in", 10, Cell::Failed, Cell::Passed);
        let mut held_out = tasks("mended", held_out_mended, Cell::Failed, Cell::Passed);
        held_out.extend(tasks("same", 10 - held_out_mended, Cell::Passed, Cell::Passed));
        let target = held_in[..targeted].iter().map(|task| task.task.clone()).collect();
        let evidence = Evidence { attempts: 2, target, held_in, held_out };
        Posterior::of(&SequentialGate::default(), &evidence)
    }

    #[test]
    fn more_is_expected_of_held_out_when_the_weakness_is_common() {
        assert!(posterior(8, 5).held_out.mean > posterior(1, 5).held_out.mean);
    }

    #[test]
    fn the_whole_is_the_mean_of_the_splits_by_tasks() {
        let posterior = posterior(3, 5);
        let mean = f64::midpoint(posterior.held_in.mean, posterior.held_out.mean);
        assert!((posterior.overall.mean - mean).abs() < 1e-12);
    }

    #[test]
    fn a_flip_on_the_target_is_believed_and_a_single_attempt_is_not_yet() {
        assert!(posterior(3, 0).target.above(0.5) > 0.95);
        let nothing = Evidence::default();
        let gate = SequentialGate::default();
        assert!((Posterior::of(&gate, &nothing).overall.above(0.0) - 0.5).abs() < 1e-12);
    }
}
