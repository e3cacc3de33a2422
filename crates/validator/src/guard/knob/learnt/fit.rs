//! A linear judge, fitted to examples.
//!
//! A support vector machine with the squared hinge loss, fitted by dual coordinate descent (Hsieh and others, ICML 2008) in an order
//! that is shuffled the same way each time.
//! Only additions, multiplications, divisions and square roots are used, which IEEE 754 defines to the last bit: the weights are the same on
//! every machine.

use std::collections::HashMap;

/// The price of an example on the wrong side; by cross-validation over authors (`docs/guides/validation-strict.md`).
const PRICE: f64 = 3.0;
/// Rounds over all examples; afterwards weights move by less than a thousandth.
const ROUNDS: usize = 60;

/// A weight for each feature.
#[derive(Clone, Debug, Default)]
pub(super) struct Linear {
    weights: HashMap<u64, f64>,
    bias: f64,
}

impl Linear {
    /// Fitted to examples: their features, and whether they are to be refused.
    pub(super) fn fitted(examples: &[(Vec<u64>, bool)]) -> Self {
        let mut places: HashMap<u64, usize> = HashMap::new();
        let rows: Vec<Vec<usize>> = examples
            .iter()
            .map(|(ids, _)| {
                let place = |id: &u64| {
                    let next = places.len();
                    *places.entry(*id).or_insert(next)
                };
                ids.iter().map(place).collect()
            })
            .collect();
        let mut weights = vec![0.0_f64; places.len()];
        let mut bias = 0.0_f64;
        let mut duals = vec![0.0_f64; rows.len()];
        let ridge = 0.5 / PRICE;
        for round in 0..ROUNDS {
            for at in shuffled(rows.len(), round) {
                let (row, refuse) = (&rows[at], examples[at].1);
                let (side, scale) = (if refuse { 1.0 } else { -1.0 }, scale(row.len()));
                let score = row.iter().map(|id| weights[*id]).sum::<f64>() * scale + bias;
                let gradient = side * score - 1.0 + ridge * duals[at];
                // Each row has length one, and so has the bias.
                let next = (duals[at] - gradient / (2.0 + ridge)).max(0.0);
                let step = (next - duals[at]) * side;
                duals[at] = next;
                bias += step;
                for id in row {
                    weights[*id] += step * scale;
                }
            }
        }
        let weights = places.into_iter().map(|(id, at)| (id, weights[at])).collect();
        Self { weights, bias }
    }

    /// How far on the side of refusal: examples lie at 1 and -1 if they can.
    pub(super) fn score(&self, ids: &[u64]) -> f64 {
        let sum: f64 = ids.iter().map(|id| self.weight(*id)).sum();
        sum * scale(ids.len()) + self.bias
    }

    /// What one feature weighs.
    pub(super) fn weight(&self, id: u64) -> f64 {
        self.weights.get(&id).copied().unwrap_or(0.0)
    }

    /// Whether the feature occurs in an example.
    pub(super) fn knows(&self, id: u64) -> bool {
        self.weights.contains_key(&id)
    }
}

/// All places in another order each round, for all refused before all others would pull the weights to and fro.
fn shuffled(rows: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    let key = |at: usize| {
        let mixed = ((at as u64) << 8 | round as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed ^ mixed >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93)
    };
    order.sort_by_key(|at| key(*at));
    order
}

/// Texts of any length weigh the same.
fn scale(features: usize) -> f64 {
    let features = u32::try_from(features.max(1)).unwrap_or(u32::MAX);
    1.0 / f64::from(features).sqrt()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_can_be_told_apart_is(
            rows in prop::collection::vec((prop::collection::btree_set(10_u64..20, 0..4), any::<bool>()), 1..12),
        ) {
            // One feature of each example tells its side.
            let examples: Vec<(Vec<u64>, bool)> = rows
                .into_iter()
                .map(|(ids, side)| (ids.into_iter().chain([u64::from(side)]).collect(), side))
                .collect();
            let linear = Linear::fitted(&examples);
            let both = examples.iter().any(|(_, side)| *side) && examples.iter().any(|(_, side)| !side);
            for (ids, side) in examples.iter().filter(|_| both) {
                prop_assert!((linear.score(ids) > 0.0) == *side);
            }
        }
    }

    #[test]
    fn a_fit_is_the_same_each_time() {
        let examples = [(vec![1, 2], true), (vec![2, 3], false), (vec![1, 3], true)];
        let (one, two) = (Linear::fitted(&examples), Linear::fitted(&examples));
        assert!([1, 2, 3].iter().all(|id| one.weight(*id).to_bits() == two.weight(*id).to_bits()));
    }
}
