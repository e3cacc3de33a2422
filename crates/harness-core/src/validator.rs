//! What a validator is.

use std::fmt;

use async_trait::async_trait;

use crate::arena::Arena;
use crate::error::Result;
use crate::harness::Harness;
use crate::history::RunHistory;
use crate::proposal::Proposal;
use crate::trial::{HeldIn, HeldOut, Trials};
use crate::verdict::Judgement;
use crate::weakness::Weakness;

/// The harness to beat, with fresh trials of it: never those that decided its own promotion.
#[derive(Clone, Debug)]
pub struct Incumbent<'a, H: Harness> {
    /// The harness.
    pub harness: &'a H,
    /// Its trials of this round on the mined split.
    pub held_in: &'a Trials<HeldIn>,
    /// Its trials of this round on the split that gates promotion.
    pub held_out: &'a Trials<HeldOut>,
    /// What was mined from its failures.
    pub weaknesses: &'a [Weakness],
    /// What earlier rounds of the run left: a function of the journal, so that a resumed run judges alike.
    pub history: &'a RunHistory,
}

/// Judges a round's proposals together.
///
/// # Contract
/// - Every proposal gets one decision, in the order given.
/// - An edit that changes nothing is never promoted; one that is worse on either split never is.
/// - Void trials decide nothing: too many of them make a decision inconclusive.
/// - Edits accepted together are judged together before they are promoted.
/// - Same evidence, same verdict: whatever is random comes from the arena's seed.
#[async_trait]
pub trait Validator<H: Harness>: fmt::Debug + Send + Sync {
    /// Judges, buying trials from `arena`.
    ///
    /// # Errors
    /// Broken machinery only, or a spent budget.
    async fn judge(
        &self,
        incumbent: &Incumbent<'_, H>,
        proposals: Vec<Proposal<H::Edit>>,
        arena: &Arena<H>,
    ) -> Result<Judgement<H>>;

    /// How often a task is attempted in an assessment when the run's record of it ([`RunHistory::record`]) says as much as
    /// `attempts` attempts do, which all other tasks get; the engine takes it as at least 1 and at most `attempts`. A validator
    /// that weighs the record needs fewer. By default every assessment is alike.
    fn reassessment(&self, attempts: u32) -> u32 {
        attempts
    }
}
