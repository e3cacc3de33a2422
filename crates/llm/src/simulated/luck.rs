//! What one attempt draws: numbers by hash, or every one of them in turn.

use std::sync::{Arc, Mutex, PoisonError};

use super::dice::Dice;
use super::walk::Walk;

/// The chances of one attempt.
#[derive(Clone, Debug)]
pub(super) enum Luck {
    /// As drawn for this attempt.
    Drawn(Dice),
    /// As the walk through all of them has it.
    Walked(Arc<Mutex<Walk>>),
}

impl Luck {
    /// Whether something of probability `chance` happens. The same name has the same number throughout the attempt.
    pub(super) fn happens(&self, what: &str, chance: f64) -> bool {
        match self {
            Self::Drawn(dice) => dice.happens(what, chance),
            Self::Walked(walk) => {
                walk.lock().unwrap_or_else(PoisonError::into_inner).happens(what, chance)
            }
        }
    }
}
