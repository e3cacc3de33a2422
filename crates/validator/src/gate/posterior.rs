//! What the sequential gate believes of an edit's effect.

use harness_core::{Estimate, Finding};

use super::loans::Loans;
use super::prior::{Learnt, SpikeAndSlab, responsibility};
use super::rates::{Pool, Rate};
use crate::docket::Hearing;
use crate::evidence::{Evidence, GatingSplit, Tally, TaskCells};
use crate::stats::{Belief, normal_cdf};

/// One task of a hearing with what is believed of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observed<'a> {
    pub(super) task: &'a TaskCells,
    pub(super) split: GatingSplit,
    pub(super) targeted: bool,
    pub(super) rate: Rate,
    /// The candidate's attempts in which the edit may have acted: without activation there is no credit.
    pub(super) candidate: Tally,
}

/// How differently edits move tasks of the same kind, as a standard deviation of the change in pass rate.
const SCATTER: f64 = 0.08;
/// The same on the target, where an edit may mend one task and not the next.
const TARGET_SCATTER: f64 = 0.2;
/// What a change of pass rate common to all tasks, flaky or not, may be: edits that switch tasks on or off, which a shift
/// in log-odds cannot tell of where no task is flaky.
const COMMON_SD: f64 = 0.012;

impl Observed<'_> {
    /// The change that the attempts show.
    fn change(&self) -> f64 {
        f64::from(self.candidate.passed) / f64::from(self.candidate.scored) - self.rate.mean
    }

    /// The same by plain counts of both sides, all of the incumbent's attempts included; `None` where one side has none.
    pub(super) fn counted(&self) -> Option<f64> {
        let candidate = Tally::of(self.task.candidate.iter().copied());
        Some(candidate.rate()? - self.task.incumbent().rate()?)
    }

    /// The sampling variance of the change after `attempts` of the candidate.
    fn noise(&self, attempts: u32) -> f64 {
        let scatter = if self.targeted { TARGET_SCATTER } else { SCATTER };
        self.rate.variance + self.attempt_variance() / f64::from(attempts) + scatter * scatter
    }

    /// The same if the edit does nothing: the incumbent's rate, not scattered.
    fn null_noise(&self) -> f64 {
        self.rate.variance + self.rate.flake / f64::from(self.candidate.scored)
    }

    /// The variance of one attempt of the candidate. On the target it may pass more often than the incumbent by far, so
    /// its own outcomes, smoothed by one attempt of the incumbent's rate, count too.
    fn attempt_variance(&self) -> f64 {
        if !self.targeted {
            return self.rate.flake;
        }
        let passed = f64::from(self.candidate.passed) + self.rate.mean;
        let rate = passed / (f64::from(self.candidate.scored) + 1.0);
        self.rate.flake.max(rate * (1.0 - rate))
    }

    /// Information on the change, the reciprocal of its noise; 0 without an attempt.
    fn information(&self, attempts: u32) -> f64 {
        if attempts == 0 { 0.0 } else { 1.0 / self.noise(attempts) }
    }

    /// What `more` attempts tell if the edit does nothing, the reciprocal of their noise.
    pub(super) fn null_gained(&self, more: u32) -> f64 {
        let null = |attempts: u32| {
            if attempts == 0 {
                0.0
            } else {
                1.0 / (self.rate.variance + self.rate.flake / f64::from(attempts))
            }
        };
        let now = self.candidate.scored;
        null(now + more) - null(now)
    }

    /// What `more` attempts add to that.
    pub(super) fn gained(&self, more: u32) -> f64 {
        let now = self.candidate.scored;
        self.information(now + more) - self.information(now)
    }
}

/// The tasks of a hearing, with the pool's and their own history in them.
pub(super) fn observe<'a>(evidence: &'a Evidence, loans: &Loans) -> Vec<Observed<'a>> {
    let pool = Pool::of(evidence);
    let on = |split| {
        evidence.split(split).iter().map(move |task| Observed {
            task,
            split,
            targeted: evidence.target.contains(&task.task),
            rate: pool.rate(task, loans.at(split, &task.task)),
            candidate: credited(task),
        })
    };
    GatingSplit::BOTH.into_iter().flat_map(on).collect()
}

fn credited(task: &TaskCells) -> Tally {
    let all = Tally::of(task.candidate.iter().copied());
    // Idle throughout: whatever these attempts gave is the incumbent's luck.
    if task.never_acted() { Tally::default() } else { all }
}

/// The regression of changes on slopes: `d_t = s_t β + γ + noise`, with β a shift in log-odds (slope `p (1 − p)`) and γ
/// a common change in pass rate. The sums are all that is kept, so that a block of trials is added to them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    ss: f64,
    s: f64,
    n: f64,
    sd: f64,
    d: f64,
}

impl Sums {
    fn add(&mut self, slope: f64, weight: f64, change: f64) {
        self.ss += weight * slope * slope;
        self.s += weight * slope;
        self.n += weight;
        self.sd += weight * slope * change;
        self.d += weight * change;
    }

    /// β from data alone, γ integrated out.
    fn estimate(&self) -> Option<Estimate> {
        let n = self.n + 1.0 / (COMMON_SD * COMMON_SD);
        let information = self.ss - self.s * self.s / n;
        let score = self.sd - self.s * self.d / n;
        (information > 1e-9).then(|| {
            let variance = 1.0 / information;
            Estimate { mean: score / information, variance, null_variance: variance }
        })
    }

    /// The posterior of β under a normal prior of it.
    fn shift(&self, prior: SpikeAndSlab) -> Belief {
        let (beta, gamma) = (1.0 / (prior.sd * prior.sd), 1.0 / (COMMON_SD * COMMON_SD));
        let (a, b, c) = (self.ss + beta, self.s, self.n + gamma);
        let (u, v) = (self.sd + beta * prior.mean, self.d);
        let determinant = a * c - b * b;
        Belief { mean: (c * u - b * v) / determinant, variance: c / determinant }
    }

    /// The posterior of `slope · β + γ` under a normal prior of β.
    fn mean_change(&self, prior: SpikeAndSlab, slope: f64) -> Belief {
        let (beta, gamma) = (1.0 / (prior.sd * prior.sd), 1.0 / (COMMON_SD * COMMON_SD));
        let (a, b, c) = (self.ss + beta, self.s, self.n + gamma);
        let (u, v) = (self.sd + beta * prior.mean, self.d);
        let determinant = a * c - b * b;
        let mean = (slope * (c * u - b * v) + (a * v - b * u)) / determinant;
        let variance = (slope * slope * c - 2.0 * slope * b + a) / determinant;
        Belief { mean, variance }
    }
}

/// What is believed of one stratum: nothing happens there, or a normal change of the mean pass rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stratum {
    /// How likely something happens.
    pub(super) active: f64,
    /// The change then.
    pub(super) change: Belief,
    /// The stratum's share of all tasks.
    pub(super) weight: f64,
}

impl Stratum {
    pub(super) fn mean(&self) -> f64 {
        self.active * self.change.mean
    }

    /// The variance of the mixture.
    pub(super) fn variance(&self) -> f64 {
        let square = self.change.variance + self.change.mean * self.change.mean;
        (self.active * square - self.mean() * self.mean()).max(0.0)
    }

    fn parts(&self) -> [(f64, f64, f64); 2] {
        let Belief { mean, variance } = self.change;
        let weight = self.weight;
        [(1.0 - self.active, 0.0, 0.0), (self.active, weight * mean, weight * weight * variance)]
    }
}

/// The posterior of an edit's effect on the mean pass rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Posterior {
    pub(super) target: Stratum,
    pub(super) elsewhere: Stratum,
    /// From data alone.
    pub(super) target_seen: Option<Estimate>,
    pub(super) elsewhere_seen: Option<Estimate>,
    pub(super) sums: Sums,
    /// The mean slope elsewhere.
    pub(super) slope: f64,
    prior: SpikeAndSlab,
}

impl Posterior {
    /// Over these tasks, which may be those of both splits or of one.
    pub(super) fn of(tasks: &[Observed<'_>], prior: &Learnt, hearing: &Hearing) -> Self {
        let targeted = tasks.iter().filter(|task| task.targeted);
        let others = tasks.iter().filter(|task| !task.targeted);
        let (on, off) = (count(targeted.clone().count()), count(others.clone().count()));
        let share = if on > 0.0 { on / (on + off) } else { 0.0 };
        let slope = others.clone().map(|task| task.rate.flake).sum::<f64>() / off.max(1.0);
        let optimism = if on > 0.0 { 0.0 } else { prior.optimism };
        let sums = sums(others, optimism);
        let target_seen = on_target(targeted);
        let target_prior = of_parts(hearing).unwrap_or(prior.target);
        let target = Stratum { weight: share, ..on_the_target(target_seen, target_prior) };
        let beta = beta_prior(prior, hearing, slope);
        let elsewhere_seen = sums.estimate();
        let active = elsewhere_seen.map_or(beta.share, |seen| responsibility(beta, seen));
        let change = sums.mean_change(beta, slope);
        let elsewhere = Stratum { active, change, weight: 1.0 - share };
        Self { target, elsewhere, target_seen, elsewhere_seen, sums, slope, prior: beta }
    }

    /// Its mean over all tasks.
    pub(super) fn mean(&self) -> f64 {
        self.target.weight * self.target.mean() + self.elsewhere.weight * self.elsewhere.mean()
    }

    /// Its variance.
    pub(super) fn variance(&self) -> f64 {
        let part = |stratum: &Stratum| stratum.weight.powi(2) * stratum.variance();
        part(&self.target) + part(&self.elsewhere)
    }

    /// P(effect ≤ threshold). An effect of exactly 0 counts as at most 0.
    pub(super) fn at_most(&self, threshold: f64) -> f64 {
        let mut sum = 0.0;
        for (on, on_mean, on_variance) in self.target.parts() {
            for (off, off_mean, off_variance) in self.elsewhere.parts() {
                let (mean, variance) = (on_mean + off_mean, on_variance + off_variance);
                let below = if variance > 0.0 {
                    normal_cdf((threshold - mean) / variance.sqrt())
                } else {
                    f64::from(u8::from(mean <= threshold))
                };
                sum += on * off * below;
            }
        }
        sum
    }

    /// What this belief makes one expect of the shift on other tasks of the same benchmark.
    pub(super) fn expected_shift(&self) -> SpikeAndSlab {
        let Belief { mean, variance } = self.sums.shift(self.prior);
        SpikeAndSlab { share: self.elsewhere.active, mean, sd: variance.sqrt().hypot(SPLIT_SD) }
    }

    /// What the edit is believed to change at an untargeted task of this slope.
    pub(super) fn change_at(&self, slope: f64) -> f64 {
        self.elsewhere.active * self.sums.mean_change(self.prior, slope).mean
    }

    /// The variance of the change elsewhere that a block of attempts would take away, given that there is a change.
    pub(super) fn taken_away(&self, block: &[(f64, f64)], times: f64) -> f64 {
        let mut sums = self.sums;
        for (slope, information) in block {
            sums.add(*slope, times * information, 0.0);
        }
        let after = sums.mean_change(self.prior, self.slope).variance;
        (self.elsewhere.change.variance - after).max(0.0)
    }
}

fn sums<'a>(tasks: impl Iterator<Item = &'a Observed<'a>>, optimism: f64) -> Sums {
    let mut sums = Sums::default();
    for task in tasks.filter(|task| task.candidate.scored > 0) {
        let flattered = if task.split == GatingSplit::HeldIn { optimism } else { 0.0 };
        let change = task.change() - task.rate.flake * flattered;
        sums.add(task.rate.flake, task.information(task.candidate.scored), change);
    }
    sums
}

fn on_target<'a>(tasks: impl Iterator<Item = &'a Observed<'a>>) -> Option<Estimate> {
    let (mut information, mut sum, mut null) = (0.0, 0.0, 0.0);
    for task in tasks.filter(|task| task.candidate.scored > 0) {
        let weight = task.information(task.candidate.scored);
        information += weight;
        sum += weight * task.change();
        null += weight * weight * task.null_noise();
    }
    (information > 0.0).then(|| Estimate {
        mean: sum / information,
        variance: 1.0 / information,
        null_variance: null / (information * information),
    })
}

fn on_the_target(seen: Option<Estimate>, prior: SpikeAndSlab) -> Stratum {
    let slab = Belief::new(prior.mean, prior.sd);
    let (active, change) = match seen {
        Some(seen) => (responsibility(prior, seen), slab.updated(seen.mean, seen.variance)),
        None => (prior.share, slab),
    };
    Stratum { active, change, weight: 0.0 }
}

/// What is expected of a composition on the target: what its parts were found to do, less sure.
fn of_parts(hearing: &Hearing) -> Option<SpikeAndSlab> {
    let findings = hearing.parts.iter().filter_map(|part| part.finding.as_deref());
    let targets: Vec<Estimate> = findings.filter_map(|finding| finding.target).collect();
    if targets.is_empty() {
        return None;
    }
    let mean = targets.iter().map(|estimate| estimate.mean).sum::<f64>() / count(targets.len());
    Some(SpikeAndSlab { share: 0.9, mean, sd: 0.25 })
}

/// How differently an edit shifts the log-odds of one split's tasks and of the other's, as a standard deviation.
const SPLIT_SD: f64 = 0.15;

/// How far two edits that get along alone may miss the sum of their gains together.
const INTERACTION_SD: f64 = 0.02;

fn beta_prior(prior: &Learnt, hearing: &Hearing, slope: f64) -> SpikeAndSlab {
    let findings: Vec<_> =
        hearing.parts.iter().filter_map(|part| part.finding.as_deref()).collect();
    if !hearing.evidence.target.is_empty() {
        return side_effect_of_parts(prior.side_effect, &findings);
    }
    if findings.is_empty() || slope <= 0.0 {
        return prior.everywhere;
    }
    let mean: f64 = findings.iter().map(|finding| finding.gain).sum();
    let variance: f64 = findings.iter().map(|finding| finding.gain_sd.powi(2)).sum();
    let sd = variance.sqrt().hypot(INTERACTION_SD);
    SpikeAndSlab { share: 1.0, mean: mean / slope, sd: sd / slope }
}

/// A composition has a side effect if one of its parts has, as far as their own attempts tell.
fn side_effect_of_parts(prior: SpikeAndSlab, findings: &[&Finding]) -> SpikeAndSlab {
    let seen = findings.iter().filter_map(|finding| finding.elsewhere);
    let none: f64 = seen.map(|seen| 1.0 - responsibility(prior, seen)).product();
    let share = if findings.is_empty() { prior.share } else { (1.0 - none).clamp(0.05, 0.95) };
    SpikeAndSlab { share, ..prior }
}

#[expect(clippy::cast_precision_loss, reason = "counts of tasks are far below 2^52")]
fn count(items: usize) -> f64 {
    items as f64
}
