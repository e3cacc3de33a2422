//! What a miner is.

use std::fmt;

use async_trait::async_trait;

use crate::error::Result;
use crate::stage::StageContext;
use crate::trial::{HeldIn, Trials};
use crate::weakness::Weakness;

/// Turns failed held-in trials into recurring weaknesses *of this model*.
///
/// # Contract
/// - The order of `trials` does not matter; no failures, no weaknesses.
/// - Void trials contribute nothing. Passing trials support nothing: they add no weakness, task, trial or citation. A passing
///   attempt of a task that also fails may be shown to the model for contrast, and told of.
/// - Every weakness cites trials that were given, and steps that exist in them.
/// - Support counts distinct tasks.
/// - Where a model is asked, it is `cx`'s: the same that runs under the harness.
/// - The result is ordered, heaviest first, ties by id.
#[async_trait]
pub trait Miner: fmt::Debug + Send + Sync {
    /// Mines.
    ///
    /// # Errors
    /// Broken machinery only: a trial that cannot be diagnosed gets the signature part `unknown`.
    async fn mine(&self, trials: &Trials<HeldIn>, cx: &StageContext) -> Result<Vec<Weakness>>;
}
