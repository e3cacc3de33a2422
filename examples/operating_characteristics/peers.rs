//! Acceptance rules of other projects, reduced to their formula: each measures incumbent and candidate alike.

use harness_core::{Decision, Verdict};
use harness_validator::{
    Arm, CandidateGate, Docket, Evidence, GatingSplit, Purchase, Step, Tally, TaskCells, WorstCase,
    normal_cdf,
};

/// One family of rules. All attempt every task as often as the operator says, and never look earlier.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer {
    /// Accepts when the sum of both splits' passes rises.
    SumRises,
    /// Accepts when the mean on held-out rises.
    HeldOutRises,
    /// Accepts unless the sum of passes drops by more than a tenth of the attempts.
    UnlessBigDrop,
    /// Accepts when the paired mean on held-out is more than its standard error.
    HeldOutStandardError,
    /// Accepts when the paired mean over both splits is more than its standard error.
    PooledStandardError,
    /// Cochran, Mantel and Haenszel's test, stratified by task, one-sided at 0.1, and no task from always to never.
    MantelHaenszel,
    /// A confidence interval above 0 on each split, corrected for 32 comparisons.
    Bonferroni,
}

impl Peer {
    /// All, with the name of the table.
    pub(crate) const ALL: [(&'static str, Self); 7] = [
        ("sum rises", Self::SumRises),
        ("held-out rises", Self::HeldOutRises),
        ("unless big drop", Self::UnlessBigDrop),
        ("held-out > 1 SE", Self::HeldOutStandardError),
        ("pooled > 1 SE", Self::PooledStandardError),
        ("Mantel-Haenszel", Self::MantelHaenszel),
        ("Bonferroni, 32", Self::Bonferroni),
    ];

    fn accepts(self, evidence: &Evidence) -> bool {
        let [held_in, held_out] = GatingSplit::BOTH.map(|split| Paired::of(evidence.split(split)));
        let all = Paired::of(evidence.held_in.iter().chain(&evidence.held_out));
        match self {
            Self::SumRises => all.sum > 0.0,
            Self::HeldOutRises => held_out.sum > 0.0,
            Self::UnlessBigDrop => all.sum / all.tasks > -0.1,
            Self::HeldOutStandardError => held_out.mean() > held_out.standard_error(),
            Self::PooledStandardError => all.mean() > all.standard_error(),
            Self::MantelHaenszel => {
                mantel_haenszel(evidence) > normal_quantile_90() && !flips(evidence)
            }
            Self::Bonferroni => [held_in, held_out].iter().all(|split| {
                split.tasks > 1.0
                    && normal_cdf(-split.mean() / split.standard_error()) < 0.05 / 32.0
            }),
        }
    }
}

impl CandidateGate for Peer {
    fn hear(&self, candidate: usize, docket: &Docket) -> Step {
        let evidence = &docket.hearings[candidate].evidence;
        let upto = evidence.attempts;
        let missing = |split| {
            let tasks =
                evidence.split(split).iter().filter(|task| task.candidate.len() < upto as usize);
            let tasks: Vec<_> = tasks.map(|task: &TaskCells| task.task.clone()).collect();
            (!tasks.is_empty()).then_some(Purchase {
                arm: Arm::Candidate(candidate),
                split,
                tasks,
                upto,
            })
        };
        let missing: Vec<Purchase> = GatingSplit::BOTH.into_iter().filter_map(missing).collect();
        if !missing.is_empty() {
            return Step::Buy(missing);
        }
        let all = Paired::of(evidence.held_in.iter().chain(&evidence.held_out));
        let verdict = if self.accepts(evidence) { Verdict::Promote } else { Verdict::Reject };
        Step::Decide { candidate, decision: decision(verdict, &all) }
    }

    fn worst_case(&self, attempts: u32) -> WorstCase {
        WorstCase { candidate: attempts, incumbent: 0 }
    }
}

/// With the change where the loop looks for it: the accepted edit with the largest is applied.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small counts of trials"
)]
fn decision(verdict: Verdict, all: &Paired) -> Decision {
    let mut evidence = harness_core::Comparison::default();
    evidence.held_in.candidate.scored = 1;
    let side = if all.sum >= 0.0 {
        &mut evidence.held_in.candidate
    } else {
        &mut evidence.held_in.incumbent
    };
    side.passed = (1000.0 * all.sum.abs()) as u64;
    Decision { verdict, reason: String::new(), evidence: Some(evidence), finding: None }
}

/// Changes in pass rate, task by task.
struct Paired {
    tasks: f64,
    sum: f64,
    squares: f64,
}

impl Paired {
    fn of<'a>(tasks: impl IntoIterator<Item = &'a TaskCells>) -> Self {
        let mut paired = Self { tasks: 0.0, sum: 0.0, squares: 0.0 };
        for task in tasks {
            let (before, after) = sides(task);
            if before.scored > 0 && after.scored > 0 {
                let change = rate(after) - rate(before);
                paired.tasks += 1.0;
                paired.sum += change;
                paired.squares += change * change;
            }
        }
        paired
    }

    fn mean(&self) -> f64 {
        if self.tasks > 0.0 { self.sum / self.tasks } else { 0.0 }
    }

    fn standard_error(&self) -> f64 {
        if self.tasks < 2.0 {
            return f64::INFINITY;
        }
        let variance = (self.squares - self.sum * self.mean()) / (self.tasks - 1.0);
        (variance / self.tasks).sqrt().max(1e-9)
    }
}

fn sides(task: &TaskCells) -> (Tally, Tally) {
    let before = if task.assessed.is_empty() { &task.beside } else { &task.assessed };
    (Tally::of(before.iter().copied()), Tally::of(task.candidate.iter().copied()))
}

fn rate(tally: Tally) -> f64 {
    f64::from(tally.passed) / f64::from(tally.scored)
}

/// The one-sided statistic, standard normal when nothing changed (Mantel and Haenszel, JNCI 1959).
fn mantel_haenszel(evidence: &Evidence) -> f64 {
    let (mut excess, mut variance) = (0.0, 0.0);
    for task in evidence.held_in.iter().chain(&evidence.held_out) {
        let (before, after) = sides(task);
        let (n, m) = (f64::from(before.scored), f64::from(after.scored));
        let all = n + m;
        if n > 0.0 && m > 0.0 {
            let passed = f64::from(before.passed + after.passed);
            excess += f64::from(after.passed) - m * passed / all;
            variance += n * m * passed * (all - passed) / (all * all * (all - 1.0));
        }
    }
    if variance > 0.0 { excess / f64::sqrt(variance) } else { 0.0 }
}

fn normal_quantile_90() -> f64 {
    1.281_552
}

fn flips(evidence: &Evidence) -> bool {
    evidence.held_in.iter().chain(&evidence.held_out).any(|task| {
        let (before, after) = sides(task);
        before.passed == before.scored && before.scored > 0 && after.passed == 0 && after.scored > 0
    })
}
