//! Priors learnt from the run: how often edits do anything, and how much.

pub use harness_core::SpikeAndSlab;
use harness_core::{Beta, Estimate, Expected, Finding};
use serde::{Deserialize, Serialize};

use crate::docket::PastDecision;

/// What a gate expects of the next edit, before any trial of it.
///
/// Made of a safe start and everything that the run has found of *single* edits: a composition is no draw
/// from the same pool, and is left out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learnt {
    /// The change in pass rate on the targeted tasks.
    pub target: SpikeAndSlab,
    /// The shift in log-odds on all other tasks, of an edit with a target.
    pub side_effect: SpikeAndSlab,
    /// The shift in log-odds on every task, of an edit without a target. Its share is always 1.
    pub everywhere: SpikeAndSlab,
    /// What an edit without a target gains more on held-in tasks than elsewhere, in log-odds: it was written from their
    /// failures, and says nothing of other tasks there.
    pub optimism: f64,
}

impl Learnt {
    /// Learns from the single edits among `past`, starting from what `start` says with the weight of `weight` edits.
    pub fn of(start: &Self, weight: f64, past: &[PastDecision]) -> Self {
        let (mut target, mut side_effect, mut everywhere) = (Vec::new(), Vec::new(), Vec::new());
        for Finding { target: on_target, elsewhere, .. } in single_edits(past) {
            target.extend(*on_target);
            match on_target {
                Some(_) => side_effect.extend(*elsewhere),
                None => everywhere.extend(*elsewhere),
            }
        }
        Self {
            target: learn(start.target, weight, &target),
            side_effect: learn(start.side_effect, weight, &side_effect),
            everywhere: SpikeAndSlab { share: 1.0, ..learn(start.everywhere, weight, &everywhere) },
            optimism: start.optimism,
        }
    }

    /// The same for a reader, with what is expected of tasks.
    pub(super) fn expecting(&self, pass_rates: Beta) -> Expected {
        let Self { target, side_effect, everywhere, .. } = *self;
        Expected { target, side_effect, everywhere, pass_rates }
    }
}

/// What was found of edits one by one.
pub(super) fn single_edits(past: &[PastDecision]) -> impl Iterator<Item = &Finding> {
    let findings = past.iter().filter_map(|past| past.decision.finding.as_deref());
    let taught = |finding: &&Finding| finding.target.or(finding.elsewhere).is_some();
    findings.filter(|finding| finding.edits == 1).filter(taught)
}

/// Rounds of expectation and maximisation: the third digit no longer moves.
const ROUNDS: usize = 12;

/// Empirical Bayes for the normal-means model with a point mass, by expectation and maximisation (Johnstone and Silverman,
/// *Needles and straw in haystacks*, Annals of Statistics 2004), with `weight` pseudo-edits at the start's values.
fn learn(start: SpikeAndSlab, weight: f64, seen: &[Estimate]) -> SpikeAndSlab {
    if seen.is_empty() {
        // Exactly: the rounds below would move the last digit.
        return start;
    }
    let mut learnt = start;
    for _ in 0..ROUNDS {
        learnt = refined(learnt, start, weight, seen);
    }
    learnt
}

fn refined(
    known: SpikeAndSlab,
    start: SpikeAndSlab,
    weight: f64,
    seen: &[Estimate],
) -> SpikeAndSlab {
    let slab_weight = weight * start.share;
    let (mut active, mut sum) = (slab_weight, slab_weight * start.mean);
    let mut believed = Vec::with_capacity(seen.len());
    for estimate in seen {
        let active_here = responsibility(known, *estimate);
        let (mean, variance) = posterior(known, *estimate);
        active += active_here;
        sum += active_here * mean;
        believed.push((active_here, mean, variance));
    }
    let mean = sum / active;
    let start_spread = start.sd * start.sd + (start.mean - mean).powi(2);
    let spread = believed.iter().fold(slab_weight * start_spread, |spread, (r, m, v)| {
        spread + r * ((m - mean).powi(2) + v)
    });
    #[expect(clippy::cast_precision_loss, reason = "counts of edits are far below 2^52")]
    let all = weight + seen.len() as f64;
    // Of a share of one, rounding may make a little more, and nothing is more likely than certain.
    let share = (active / all).min(1.0);
    SpikeAndSlab { share, mean, sd: (spread / active).sqrt().max(0.25 * start.sd) }
}

/// How likely it is that an edit with this estimate does something.
pub(super) fn responsibility(prior: SpikeAndSlab, estimate: Estimate) -> f64 {
    let slab = density(estimate.mean - prior.mean, estimate.variance + prior.sd * prior.sd);
    let spike = density(estimate.mean, estimate.null_variance);
    let (slab, spike) = (prior.share.ln() + slab, (1.0 - prior.share).ln() + spike);
    1.0 / (1.0 + (spike - slab).exp())
}

/// The effect, given that there is one: the conjugate update of the slab.
fn posterior(prior: SpikeAndSlab, estimate: Estimate) -> (f64, f64) {
    let (known, seen) = (1.0 / (prior.sd * prior.sd), 1.0 / estimate.variance);
    ((prior.mean * known + estimate.mean * seen) / (known + seen), 1.0 / (known + seen))
}

/// The logarithm of the normal density, without its constant.
fn density(distance: f64, variance: f64) -> f64 {
    -0.5 * (variance.ln() + distance * distance / variance)
}

#[cfg(test)]
mod tests {
    use harness_core::{Decision, Verdict};
    use proptest::prelude::*;

    use super::*;

    const START: SpikeAndSlab = SpikeAndSlab { share: 0.5, mean: 0.4, sd: 0.3 };

    fn estimate(mean: f64, variance: f64) -> Estimate {
        Estimate { mean, variance, null_variance: variance }
    }

    fn seen(values: &[f64]) -> Vec<Estimate> {
        values.iter().map(|mean| estimate(*mean, 0.01)).collect()
    }

    fn past(edits: u32, elsewhere: f64) -> PastDecision {
        let elsewhere = Some(estimate(elsewhere, 0.01));
        let finding = Finding { edits, elsewhere, ..Finding::default() };
        let decision = Decision {
            verdict: Verdict::Promote,
            reason: String::new(),
            evidence: None,
            finding: Some(Box::new(finding)),
        };
        PastDecision { round: 1, decision }
    }

    fn learnt(past: &[PastDecision]) -> Learnt {
        let start = Learnt { target: START, side_effect: START, everywhere: START, optimism: 0.0 };
        Learnt::of(&start, 4.0, past)
    }

    #[test]
    fn nothing_seen_is_the_safe_start() {
        let gloomy = SpikeAndSlab { share: 0.4, mean: -0.7, sd: 0.4 };
        for start in [START, gloomy] {
            assert_eq!(learn(start, 60.0, &[]), start);
        }
    }

    /// A weight that is no whole number made the share a little more than one, and the mean not a number.
    #[test]
    fn a_share_of_one_stays_one_at_any_weight() {
        let start = SpikeAndSlab { share: 1.0, ..START };
        for weight in (1..=600).map(|tenths| 0.1 * f64::from(tenths)) {
            for edits in 1..20 {
                let learnt = learn(start, weight, &seen(&vec![0.0; edits]));
                assert!(learnt.share <= 1.0 && learnt.mean.is_finite(), "{weight}: {learnt:?}");
            }
        }
    }

    #[test]
    fn many_edits_teach_how_often_and_how_much() {
        let mut effects = vec![0.0; 60];
        effects.extend([0.75, 0.8, 0.85].repeat(5));
        let learnt = learn(START, 4.0, &seen(&effects));
        assert!((0.15..0.3).contains(&learnt.share), "{learnt:?}");
        assert!((0.6..0.85).contains(&learnt.mean), "{learnt:?}");
    }

    #[test]
    fn a_composition_is_no_draw_from_the_pool_of_single_edits() {
        assert_eq!(learnt(&[past(3, 2.0)]), learnt(&[]));
        assert!(learnt(&[past(1, 2.0)]).everywhere.mean > learnt(&[]).everywhere.mean);
    }

    proptest! {
        #[test]
        fn what_is_learnt_stays_a_distribution(
            values in prop::collection::vec((-1.0f64..1.0, 1e-4f64..10.0), 0..40),
        ) {
            let values: Vec<_> =
                values.into_iter().map(|(mean, variance)| estimate(mean, variance)).collect();
            let learnt = learn(START, 4.0, &values);
            prop_assert!((0.0..=1.0).contains(&learnt.share) && learnt.sd > 0.0);
            prop_assert!(learnt.mean.abs() <= 1.0 && learnt.sd.is_finite());
        }
    }
}
