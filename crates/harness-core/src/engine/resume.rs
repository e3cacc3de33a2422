//! From the journal back to the state of a run.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::StreamExt;
use serde_json::Value;

use super::{Claim, RoundReport};
use crate::error::{Error, ErrorKind, Result};
use crate::id::Fingerprint;
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
    /// Scored trials.
    pub(super) trials: HashMap<TrialId, Arc<Trial>>,
    /// Trials that were void when they were last run.
    pub(super) void: HashSet<TrialId>,
    /// How many trials were begun: a cap on trials counts these.
    pub(super) started: u64,
    pub(super) harnesses: HashSet<Fingerprint>,
    pub(super) consulted: Recorded,
    pub(super) mined: HashMap<u32, Vec<Weakness>>,
    pub(super) proposed: HashMap<u32, Vec<Proposal<Value>>>,
    pub(super) rounds: Vec<RoundReport>,
    pub(super) promotions: Vec<Promotion<Value>>,
    pub(super) claims: Vec<Claim>,
    pub(super) spent: Spent,
}

impl Earlier {
    /// Reads a journal from its beginning.
    pub(super) async fn read(journal: &dyn Journal) -> Result<Self> {
        let mut earlier = Self::default();
        let mut consulted = HashMap::new();
        let mut running = HashSet::new();
        let mut records = journal.scan().await?;
        while let Some(record) = records.next().await {
            match record? {
                Record::Opened { identity } => {
                    earlier.opened.get_or_insert(identity);
                }
                Record::Harness { fingerprint, .. } => {
                    earlier.harnesses.insert(fingerprint);
                }
                Record::TrialStarted { id, .. } => {
                    earlier.started += 1;
                    running.insert(id);
                }
                Record::TrialFinished { trial } => {
                    let id = trial.id()?;
                    // Written down twice when the first time was dropped before it was acknowledged; paid once.
                    if running.remove(&id) {
                        earlier.spent += trial.spent;
                    }
                    // Void trials are run again: nothing is known about the harness from them.
                    match trial.passed() {
                        Some(_) => {
                            earlier.void.remove(&id);
                            earlier.trials.insert(id, trial);
                        }
                        None => {
                            earlier.void.insert(id);
                        }
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
                    // A round whose record was dropped before it was acknowledged was judged again: the later one
                    // took effect.
                    earlier.rounds.retain(|known: &RoundReport| known.round < report.round);
                    earlier
                        .promotions
                        .retain(|known: &Promotion<Value>| known.round < report.round);
                    earlier.rounds.push(*report);
                    earlier.promotions.extend(promotion);
                }
                Record::Claimed { claim } => {
                    // Written down twice when the first time was dropped before it was acknowledged.
                    earlier.claims.retain(|known: &Claim| known.reading < claim.reading);
                    earlier.claims.push(claim);
                }
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
