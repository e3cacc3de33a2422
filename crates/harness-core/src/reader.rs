//! Who tells what the failures of the gating split have in common with what was mined.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use async_trait::async_trait;

use crate::error::Result;
use crate::id::TaskName;
use crate::stage::StageContext;
use crate::trial::{HeldOut, Trials};
use crate::weakness::Signature;

/// Signatures of failures, by the task that showed them.
pub type Shown = BTreeMap<TaskName, BTreeSet<Signature>>;

/// Reads failures of the held-out split for the validator alone, so that tasks which show a targeted weakness are known on both
/// splits.
///
/// # Contract
/// - Signatures are those that the run's miner would give: equal failures get equal signatures, or the reading is of no use.
/// - What is read goes to whoever asked and to nobody else. Neither miner nor proposer may see it, or the split would be mined.
/// - A failure that cannot be diagnosed is left out; it stops nothing.
#[async_trait]
pub trait SignatureReader: fmt::Debug + Send + Sync {
    /// The signatures of the failed trials. Passed and void ones say nothing.
    ///
    /// # Errors
    /// Broken machinery only, or a spent budget.
    async fn read(&self, trials: &Trials<HeldOut>, cx: &StageContext) -> Result<Shown>;
}
