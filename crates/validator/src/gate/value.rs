//! What further trials are worth.

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_open_question_is_worth_its_movement_times_the_density_at_zero() {
        assert!((knowledge_gradient(0.0, 0.1) - 0.039_894).abs() < 1e-6);
        assert!(knowledge_gradient(1.0, 0.0).abs() < f64::EPSILON);
    }

    proptest! {
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
