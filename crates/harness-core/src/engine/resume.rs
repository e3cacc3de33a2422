//! From the journal back to the state of a run.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use serde_json::Value;

use super::{Claim, Controls, RoundReport};
use crate::call::{CallId, CallIntent, Purpose, Settlement};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Found;
use crate::history::RunHistory;
use crate::journal::{Consultation, Journal, Record, RunIdentity};
use crate::lineage::Promotion;
use crate::paid::Stored;
use crate::proposal::Proposal;
use crate::stage::{Answers, Recorded};
use crate::trial::{Spent, Trial, TrialId};
use crate::weakness::Weakness;

/// What earlier sessions left. Where the journal holds forks, rounds and lineage are those of the last one; trials, answers
/// and money are everybody's.
#[derive(Debug, Default)]
pub(crate) struct Earlier {
    pub(crate) opened: Option<RunIdentity>,
    pub(super) stored: Stored,
    pub(crate) consulted: Recorded,
    pub(super) mined: HashMap<u32, Vec<Weakness>>,
    pub(super) proposed: HashMap<u32, Vec<Proposal<Value>>>,
    /// The committed rounds.
    pub(crate) past: RunHistory,
    /// The round that was committed last; it may be on record once more.
    last: Option<RoundReport>,
    /// Scored trials without their steps, of rounds that are not in `past` yet.
    fresh: HashMap<TrialId, Arc<Trial>>,
    pub(crate) promotions: Vec<Promotion<Value>>,
    pub(super) claims: Vec<Claim>,
    pub(crate) controls: Controls,
    pub(super) money: Money,
    /// Trials that were begun and have not ended.
    running: HashSet<TrialId>,
}

/// What earlier sessions spent.
#[derive(Debug, Default)]
pub(super) struct Money {
    /// Calls of unknown outcome are in it at their worst case.
    pub(super) spent: Spent,
    /// How many trials were begun: a cap on trials counts these.
    pub(super) trials: u64,
    /// How long the sessions lasted, as far as is on record.
    pub(super) time: Duration,
    pub(super) last_call: CallId,
    session: Duration,
    open: HashMap<CallId, CallIntent>,
    /// Trials and consultations under way whose calls are on record one by one. Journals of version 1 have none.
    itemised: HashSet<Purpose>,
}

impl Money {
    fn lasted(&mut self, elapsed: Duration) {
        self.session = self.session.max(elapsed);
    }

    fn started(&mut self, intent: CallIntent) {
        self.lasted(intent.elapsed);
        self.last_call = self.last_call.max(intent.id);
        self.itemised.insert(intent.purpose.clone());
        self.open.insert(intent.id, intent);
    }

    fn settled(&mut self, call: CallId, settlement: &Settlement) {
        if let Some(intent) = self.open.remove(&call) {
            self.spent += settlement.spent(&intent.reserved);
        }
    }

    /// Counts what was not counted call by call.
    fn summed(&mut self, purpose: &Purpose, spent: Spent) {
        if !self.itemised.contains(purpose) {
            self.spent += spent;
        }
    }

    /// A session is over: what is open stays unknown, and is charged at its worst case.
    fn session_ended(&mut self) {
        let unknown = Settlement::Unknown { reason: String::new() };
        self.spent += self.open.drain().map(|(_, intent)| unknown.spent(&intent.reserved)).sum();
        self.time += std::mem::take(&mut self.session);
        self.itemised.clear();
    }
}

impl Earlier {
    /// Reads a journal from its beginning.
    pub(crate) async fn read(journal: &dyn Journal) -> Result<Self> {
        let mut earlier = Self::default();
        let mut consulted = HashMap::new();
        let mut records = journal.outline().await?;
        while let Some(record) = records.next().await {
            match record? {
                Record::Consulted { consultation } => {
                    earlier.consulted(&mut consulted, consultation);
                }
                record => earlier.take(record)?,
            }
        }
        earlier.money.session_ended();
        earlier.settle_last();
        earlier.consulted = Arc::new(consulted);
        Ok(earlier)
    }

    fn take(&mut self, record: Record) -> Result<()> {
        match record {
            Record::Opened { identity } => self.open(identity),
            Record::Harness { fingerprint, .. } => {
                self.stored.harnesses.insert(fingerprint);
            }
            Record::TrialStarted { id, elapsed, .. } => self.begun(id, elapsed),
            Record::TrialFinished { trial } => self.finished(trial)?,
            Record::CallStarted { intent } => self.money.started(intent),
            Record::CallSettled { call, settlement, elapsed } => {
                self.money.lasted(elapsed);
                self.money.settled(call, &settlement);
            }
            Record::Mined { round, weaknesses } => {
                self.mined.insert(round, weaknesses);
            }
            Record::Proposed { round, proposals } => {
                self.proposed.insert(round, proposals);
            }
            Record::Round { report, promotion } => self.committed(*report, promotion),
            Record::Claimed { claim } => self.claimed(claim),
            Record::Controlled { arm } => self.controls.judged(*arm),
            Record::Sampled { sampling } => self.controls.sampling = Some(sampling),
            Record::Closed { elapsed } => self.money.lasted(elapsed),
            Record::Consulted { .. } => {}
        }
        Ok(())
    }

    fn open(&mut self, identity: RunIdentity) {
        self.money.session_ended();
        if self.opened.as_ref().is_some_and(|opened| *opened != identity) {
            self.fork();
        }
        self.opened = Some(identity);
    }

    /// Another run begins in the same journal: nothing of the loop is taken over, and nothing is paid twice. That the sealed
    /// split was read stays true.
    pub(super) fn fork(&mut self) {
        self.stored.all_recallable = true;
        self.stored.assessed.clear();
        self.fresh.clear();
        self.mined.clear();
        self.proposed.clear();
        self.past = RunHistory::default();
        self.last = None;
        self.promotions.clear();
        self.controls = Controls::default();
    }

    fn begun(&mut self, id: TrialId, elapsed: Duration) {
        self.money.lasted(elapsed);
        self.money.trials += 1;
        self.running.insert(id);
    }

    fn finished(&mut self, trial: Arc<Trial>) -> Result<()> {
        let id = trial.id()?;
        let was_running = self.running.remove(&id);
        // Written down twice when the first time was dropped before it was acknowledged; paid once.
        if !was_running {
            return Ok(());
        }
        self.money.summed(&Purpose::Trial(id), trial.spent);
        self.money.itemised.remove(&Purpose::Trial(id));
        match trial.passed() {
            Some(_) => {
                self.stored.void.remove(&id);
                self.stored.scored += 1;
                self.stored.note(id, &trial);
                self.stored.recallable.insert(id, trial.key.replicate);
                self.fresh.insert(id, trial);
            }
            None => {
                self.stored.void.insert(id);
            }
        }
        Ok(())
    }

    fn consulted(&mut self, all: &mut Answers, answered: Consultation) {
        let purpose = Purpose::Stage { round: answered.round, stage: answered.stage.clone() };
        self.money.summed(&purpose, Spent::call(answered.completion.usage.as_ref()));
        let key = (answered.round, answered.stage, answered.request, answered.ordinal);
        all.insert(key, answered.completion);
    }

    fn committed(&mut self, report: RoundReport, promotion: Option<Promotion<Value>>) {
        // A round whose record was dropped before it was acknowledged was judged again: the later one took effect.
        if self.last.as_ref().is_some_and(|last| last.round < report.round) {
            self.settle_last();
        }
        self.promotions.retain(|known: &Promotion<Value>| known.round < report.round);
        self.mined.remove(&report.round);
        self.proposed.remove(&report.round);
        self.last = Some(report);
        self.promotions.extend(promotion);
    }

    fn settle_last(&mut self) {
        let Some(report) = self.last.take() else { return };
        let round = report.round;
        self.past.push(report, self.fresh.values().map(AsRef::as_ref));
        self.stored.committed(round);
        self.fresh.retain(|id, _| self.stored.recallable.contains_key(id));
    }

    fn claimed(&mut self, claim: Claim) {
        // Written down twice when the first time was dropped before it was acknowledged.
        self.claims.retain(|known: &Claim| known.reading < claim.reading);
        self.claims.push(claim);
    }

    /// Finished, unscored and in flight, told apart.
    pub(super) fn found(&self) -> Found {
        Found {
            finished: self.stored.scored,
            unscored: self.stored.void.len() as u64,
            in_flight: self.running.len() as u64,
            spent: self.money.spent,
        }
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
             restore these, start in another state directory, or fork the run to go on with the new ones",
            differences.join("; ")
        );
        Err(Error::new(ErrorKind::Mismatch, message))
    }
}
