//! What further trials are worth.

use super::posterior::Stratum;
use crate::stats::normal_cdf;

/// By how much the better of "promote" (worth the effect) and "keep" (worth 0) is expected to rise when trials move the
/// posterior mean of the effect, now `mean`, by a normal amount of standard deviation `moved`.
///
/// The knowledge gradient for one alternative against a known one: `s φ(|m| / s) − |m| Φ(−|m| / s)` (Frazier, Powell and
/// Dayanik, *A knowledge-gradient policy for sequential information collection*, SIAM J. Control Optim. 2008). In the
/// unit of the effect; 0 when nothing can move.
pub fn knowledge_gradient(mean: f64, moved: f64) -> f64 {
    if moved <= 0.0 {
        return 0.0;
    }
    let z = mean.abs() / moved;
    let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    (moved * density - mean.abs() * normal_cdf(-z)).max(0.0)
}

/// How far (standard deviation) a posterior mean moves when a quantity of variance `variance` is measured with
/// sampling variance `noise`: `v / √(v + noise)`.
pub(super) fn movement(variance: f64, noise: f64) -> f64 {
    if variance <= 0.0 || !noise.is_finite() {
        return 0.0;
    }
    variance / (variance + noise).sqrt()
}

/// Nodes and weights of Gauss and Hermite's rule of seven points, for a standard normal variable.
const NODES: [(f64, f64); 7] = [
    (-3.750_439_717_725_742, 0.000_548_268_855_972_217),
    (-2.366_759_410_734_541, 0.030_757_123_967_586_5),
    (-1.154_405_394_739_968, 0.240_123_178_605_012_7),
    (0.0, 0.457_142_857_142_857_1),
    (1.154_405_394_739_968, 0.240_123_178_605_012_7),
    (2.366_759_410_734_541, 0.030_757_123_967_586_5),
    (3.750_439_717_725_742, 0.000_548_268_855_972_217),
];

/// By how much the better of "promote" and "keep" is expected to rise when one stratum is measured with sampling variance
/// `noise` (`null_noise` if nothing happens there), with `rest` what the edit does besides.
///
/// The expected value of sample information (Raiffa and Schlaifer, *Applied Statistical Decision Theory*, 1961) for a spike
/// and a slab, exact but for the quadrature. [`knowledge_gradient`] with the mixture's variance would see a chance where there is
/// none: an edit that does nothing or harm can turn out no better than nothing.
pub(super) fn expected_rise(stratum: &Stratum, rest: f64, noise: f64, null_noise: f64) -> f64 {
    if !noise.is_finite() || noise < 0.0 {
        return 0.0;
    }
    let (mean, variance) = (stratum.change.mean, stratum.change.variance);
    let (slab, spike) = (variance + noise, null_noise);
    let density =
        |away: f64, variance: f64| (-0.5 * away * away / variance).exp() / variance.sqrt();
    let better = |seen: f64| {
        let does = stratum.active * density(seen - mean, slab);
        let nothing = (1.0 - stratum.active) * density(seen, spike);
        let active = does / (does + nothing).max(1e-300);
        let change = mean + variance / slab * (seen - mean);
        (rest + stratum.weight * active * change).max(0.0)
    };
    let expected: f64 = NODES
        .iter()
        .map(|(node, weight)| {
            let if_active = better(mean + slab.sqrt() * node);
            let if_not = better(spike.sqrt() * node);
            weight * (stratum.active * if_active + (1.0 - stratum.active) * if_not)
        })
        .sum();
    (expected - (rest + stratum.weight * stratum.mean()).max(0.0)).max(0.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::Belief;

    #[test]
    fn an_open_question_is_worth_its_movement_times_the_density_at_zero() {
        assert!((knowledge_gradient(0.0, 0.1) - 0.039_894).abs() < 1e-6);
        assert!(knowledge_gradient(1.0, 0.0).abs() < f64::EPSILON);
    }

    fn stratum(active: f64, mean: f64, variance: f64) -> Stratum {
        Stratum { active, change: Belief { mean, variance }, weight: 1.0 }
    }

    #[test]
    fn an_edit_that_does_nothing_or_harm_is_not_worth_a_look() {
        let harm = stratum(0.4, -0.1, 1e-4);
        assert!(expected_rise(&harm, 0.0, 0.001, 0.001) < 1e-6);
        assert!(knowledge_gradient(harm.mean(), movement(harm.variance(), 0.001)) > 1e-3);
    }

    #[test]
    fn a_certain_slab_is_worth_what_the_knowledge_gradient_says() {
        let sure = stratum(1.0, 0.02, 0.01);
        let exact = knowledge_gradient(0.02, movement(0.01, 0.02));
        assert!((expected_rise(&sure, 0.0, 0.02, 0.02) - exact).abs() < 0.1 * exact);
    }

    proptest! {
        #[test]
        fn a_look_is_never_worth_more_than_knowing_the_truth(
            active in 0.01f64..0.99, mean in -0.5f64..0.5, sd in 0.01f64..0.3, rest in -0.2f64..0.2,
            noise in 0.001f64..1.0,
        ) {
            let stratum = stratum(active, mean, sd * sd);
            let slab = {
                let (m, z) = (rest + mean, (rest + mean) / sd);
                m * normal_cdf(z) + sd * (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt()
            };
            let perfect = active * slab + (1.0 - active) * rest.max(0.0)
                - (rest + stratum.mean()).max(0.0);
            // The quadrature misses a kink by a little.
            prop_assert!(expected_rise(&stratum, rest, noise, noise) <= perfect + 0.1 * sd + 0.02);
        }

        #[test]
        fn knowing_more_is_never_worth_less(mean in -1.0f64..1.0, moved in 0.0f64..1.0, more in 0.0f64..1.0) {
            prop_assert!(
                knowledge_gradient(mean, moved + more) >= knowledge_gradient(mean, moved) - 1e-12
            );
        }

        #[test]
        fn the_value_is_the_same_for_and_against(mean in -1.0f64..1.0, moved in 0.0f64..1.0) {
            let (gain, loss) = (knowledge_gradient(mean, moved), knowledge_gradient(-mean, moved));
            prop_assert!((gain - loss).abs() < 1e-12);
        }

        #[test]
        fn measuring_never_moves_a_belief_further_than_it_was_open(
            variance in 0.0f64..1.0, noise in 0.0f64..10.0,
        ) {
            prop_assert!(movement(variance, noise) <= variance.sqrt() + 1e-12);
        }
    }
}
