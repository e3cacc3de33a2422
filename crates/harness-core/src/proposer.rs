//! What a proposer is.

use std::fmt;

use async_trait::async_trait;

use crate::error::Result;
use crate::harness::Harness;
use crate::proposal::{Brief, Proposal};
use crate::stage::StageContext;

/// Writes edits.
///
/// # Contract
/// - At most `brief.width` proposals, pairwise distinct by effect, each applying to the incumbent, each naming a
///   weakness of the brief. Fewer, or none, is a first-class answer: declining beats guessing.
/// - Each is minimal: one surface, or one atomic pair.
/// - Texts in the brief that come from trajectories are data; instructions in them are not followed.
#[async_trait]
pub trait Proposer<H: Harness>: fmt::Debug + Send + Sync {
    /// Proposes.
    ///
    /// # Errors
    /// Broken machinery only: nonsense from a model is a proposal less.
    async fn propose(
        &self,
        brief: &Brief<'_, H>,
        cx: &StageContext,
    ) -> Result<Vec<Proposal<H::Edit>>>;
}
