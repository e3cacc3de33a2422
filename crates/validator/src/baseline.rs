//! The incumbent's side of every comparison of a round.

use harness_core::{Harness, Incumbent};

use crate::attempts::Attempts;
use crate::evidence::GatingSplit;

/// The incumbent's trials: those of the assessment, and those bought beside candidates, which all of them share.
#[derive(Debug)]
pub(crate) struct Baseline<'a, H> {
    pub(crate) harness: &'a H,
    pub(crate) assessed: Attempts,
    pub(crate) beside: Attempts,
}

impl<'a, H: Harness> Baseline<'a, H> {
    pub(crate) fn of(incumbent: &Incumbent<'a, H>) -> Self {
        let mut assessed = Attempts::default();
        assessed.take(GatingSplit::HeldIn, incumbent.held_in.iter());
        assessed.take(GatingSplit::HeldOut, incumbent.held_out.iter());
        Self { harness: incumbent.harness, assessed, beside: Attempts::default() }
    }

    /// The same without the trials beside candidates: those that accepted single edits do not judge their composition.
    pub(crate) fn afresh(&self) -> Self {
        let assessed = self.assessed.clone();
        Self { harness: self.harness, assessed, beside: Attempts::default() }
    }
}
