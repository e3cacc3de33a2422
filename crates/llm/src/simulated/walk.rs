//! Every course that an attempt can take, one after the other: chance as a tree that is walked to each of its leaves.
//!
//! A run asks whether the number drawn for a name is below a chance. Where what is known of that number leaves both
//! answers open, the walk forks: the first time it says yes, and when it comes by again, no. The weight of a leaf is the product
//! of its forks, so the weights of all leaves sum to one, and what is summed over them is exact but for rounding.

use std::collections::HashMap;

/// A walk through the tree, at one of its leaves or on the way to it.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The answers from the root on, true before false.
    forks: Vec<bool>,
    /// How many of them were given on this way.
    given: usize,
    /// Where the number drawn for a name lies, as far as the answers tell.
    known: HashMap<String, (f64, f64)>,
    weight: f64,
}

impl Walk {
    /// At the root, before the first way.
    pub(super) fn new() -> Self {
        Self { weight: 1.0, ..Self::default() }
    }

    /// How likely the way so far is.
    pub(super) fn weight(&self) -> f64 {
        self.weight
    }

    /// Whether the number drawn for `what` is below `chance`.
    pub(super) fn happens(&mut self, what: &str, chance: f64) -> bool {
        let (low, high) = self.known.get(what).copied().unwrap_or((0.0, 1.0));
        if chance <= low {
            return false;
        }
        if chance >= high {
            return true;
        }
        let answer = self.fork();
        let share = (chance - low) / (high - low);
        self.weight *= if answer { share } else { 1.0 - share };
        let narrowed = if answer { (low, chance) } else { (chance, high) };
        self.known.insert(what.to_owned(), narrowed);
        answer
    }

    fn fork(&mut self) -> bool {
        if self.given == self.forks.len() {
            self.forks.push(true);
        }
        self.given += 1;
        self.forks[self.given - 1]
    }

    /// Back to the root for the next way; `false` when every leaf was seen.
    pub(super) fn turn(&mut self) -> bool {
        self.forks.truncate(self.given);
        while self.forks.last() == Some(&false) {
            self.forks.pop();
        }
        let Some(last) = self.forks.last_mut() else { return false };
        *last = false;
        *self = Self { forks: std::mem::take(&mut self.forks), ..Self::new() };
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The same questions of drawn numbers and of the walk: the shares agree with the areas.
        #[test]
        fn weights_are_the_areas_of_the_answers(chances in prop::collection::vec((0usize..3, 0.0f64..1.0), 1..7)) {
            let mut walk = Walk::new();
            let (mut total, mut all_yes) = (0.0, 0.0);
            loop {
                let yes = chances.iter().fold(true, |yes, (name, chance)| walk.happens(&name.to_string(), *chance) && yes);
                total += walk.weight();
                all_yes += if yes { walk.weight() } else { 0.0 };
                if !walk.turn() { break; }
            }
            let least = |name: usize| chances.iter().filter(|(known, _)| *known == name).map(|(_, chance)| *chance).fold(1.0, f64::min);
            let expected: f64 = (0..3).map(least).product();
            prop_assert!((total - 1.0).abs() < 1e-9, "{}", total);
            prop_assert!((all_yes - expected).abs() < 1e-9, "{} {}", all_yes, expected);
        }
    }
}
