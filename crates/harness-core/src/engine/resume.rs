//! From the journal back to the state of a run.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use serde_json::Value;

use super::{Claim, RoundReport};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::{Journal, Record, RunIdentity};
use crate::lineage::Promotion;
use crate::proposal::Proposal;
use crate::stage::Recorded;
use crate::trial::{Spent, Trial, TrialId};
use crate::weakness::Weakness;

/// What earlier sessions of the same run left.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    pub(super) opened: Option<RunIdentity>,
    pub(super) trials: HashMap<TrialId, Arc<Trial>>,
    pub(super) consulted: Recorded,
    pub(super) mined: HashMap<u32, Vec<Weakness>>,
    pub(super) proposed: HashMap<u32, Vec<Proposal<Value>>>,
    pub(super) rounds: Vec<RoundReport>,
    pub(super) promotions: Vec<Promotion<Value>>,
    pub(super) claim: Option<Claim>,
    pub(super) spent: Spent,
}

impl Earlier {
    /// Reads a journal from its beginning.
    pub(super) async fn read(journal: &dyn Journal) -> Result<Self> {
        let mut earlier = Self::default();
        let mut consulted = HashMap::new();
        let mut records = journal.scan().await?;
        while let Some(record) = records.next().await {
            match record? {
                Record::Opened { identity } => {
                    earlier.opened.get_or_insert(identity);
                }
                Record::TrialFinished { trial } => {
                    earlier.spent += trial.spent;
                    // Void trials are run again: nothing is known about the harness from them.
                    if trial.passed().is_some() {
                        earlier.trials.insert(trial.id()?, trial);
                    }
                }
                Record::Consulted { consultation: answered } => {
                    earlier.spent += Spent::call(answered.completion.usage.as_ref());
                    let key = (answered.round, answered.stage, answered.request, answered.ordinal);
                    consulted.insert(key, answered.completion);
                }
                Record::Mined { round, weaknesses } => {
                    earlier.mined.insert(round, weaknesses);
                }
                Record::Proposed { round, proposals } => {
                    earlier.proposed.insert(round, proposals);
                }
                Record::Round { report, promotion } => {
                    earlier.rounds.push(report);
                    earlier.promotions.extend(promotion);
                }
                Record::Claimed { claim } => earlier.claim = Some(claim),
                Record::Harness { .. } | Record::TrialStarted { .. } => {}
            }
        }
        earlier.consulted = Arc::new(consulted);
        Ok(earlier)
    }

    /// Refuses a journal of another run, with the difference shown.
    pub(super) fn check(&self, identity: &RunIdentity) -> Result<()> {
        let Some(opened) = &self.opened else { return Ok(()) };
        let differences = opened.differences(identity);
        if differences.is_empty() {
            return Ok(());
        }
        let message = format!(
            "the journal belongs to a run with another configuration ({}): \
             restore these, or start in another state directory",
            differences.join("; ")
        );
        Err(Error::new(ErrorKind::Mismatch, message))
    }
}
