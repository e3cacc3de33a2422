//! Everything that a journal says, derived once more from the trials and calls in it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use futures::StreamExt;
use harness_core::{
    Citation, Claim, Decision, Fingerprint, Journal, Phase, Promotion, ProposalId, Record, Result,
    RoundReport, RunIdentity, Score, Settlement, Spent, SplitName, Trial, TrialId, Weakness,
};
use serde_json::Value;

use crate::seal::{self, Sealed};
use crate::{SqliteJournal, tables};

/// What an audit found.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// Records, each checked against the hash chain.
    pub records: u64,
    /// The hash of the last record, which covers all before it; hexadecimal.
    pub chain: String,
    /// What makes the run this run; of the last fork, where there are forks.
    pub identity: RunIdentity,
    /// Rounds that ended; of the last fork, where there are forks.
    pub rounds: u64,
    /// Trials that ended, each once: scored and void.
    pub scored: u64,
    /// Those whose last outcome is void.
    pub void: u64,
    /// What everything cost, call by call; what is unknown at its worst case.
    pub spent: Spent,
    /// Every promoted edit with what speaks for it, in order.
    pub lineage: Vec<AuditedEdit>,
    /// Promotions as recorded, for whoever replays them.
    pub promotions: Vec<Promotion<Value>>,
    /// Harnesses by fingerprint.
    pub harnesses: HashMap<Fingerprint, Value>,
    /// Whether the file is, byte for byte, the one that was closed in good order. A journal that is being written, or whose writer
    /// was killed, has no seal: its records are checked all the same, the room between them is not.
    pub sealed: bool,
    /// Where what is written down is not what follows from the trials and calls; empty for a sound journal.
    pub discrepancies: Vec<String>,
}

/// A promoted edit with its evidence.
#[derive(Clone, Debug)]
pub struct AuditedEdit {
    /// The round that promoted it.
    pub round: u32,
    /// The proposal.
    pub proposal: ProposalId,
    /// The surface it edits, and how it is meant to work.
    pub surface: String,
    /// The edit, as plain data.
    pub edit: Value,
    /// The weakness it targets, as it was mined.
    pub weakness: Option<Weakness>,
    /// The failed trials and steps that showed the weakness.
    pub shown_by: Vec<Citation>,
    /// The decision, with the trials that decided and what it spent of the run's error budget.
    pub decision: Option<Decision>,
}

/// Reads a state directory's journal from its beginning and derives totals, assessments, claims, lineage and tables anew.
///
/// # Errors
/// [`ErrorKind::Journal`](harness_core::ErrorKind::Journal) naming the first record that is not what was appended;
/// [`ErrorKind::InvalidInput`](harness_core::ErrorKind::InvalidInput) where there is no journal.
pub async fn audit(directory: impl AsRef<Path>) -> Result<Audit> {
    let directory = directory.as_ref();
    let journal = SqliteJournal::read(directory)?;
    let mut auditor = Auditor::default();
    let mut records = journal.scan().await?;
    while let Some(record) = records.next().await {
        auditor.take(record?)?;
    }
    let mut audit = auditor.finish();
    let (chain, count) = tables::end(journal.file())?;
    audit.chain = chain;
    if count != audit.records {
        audit
            .discrepancies
            .push(format!("{} records were read, and {count} are there", audit.records));
    }
    audit.discrepancies.extend(tables::flaws(journal.file())?);
    audit.discrepancies.extend(tables::differences(journal.file())?);
    match seal::check(journal.file())? {
        Sealed::Not => {}
        Sealed::Holds => audit.sealed = true,
        Sealed::Broken => audit.discrepancies.push(
            "the file is not, byte for byte, the one that was closed: it was damaged or altered since".to_owned(),
        ),
    }
    Ok(audit)
}

/// What a trial leaves for the rest of the audit.
struct Ended {
    harness: Fingerprint,
    split: SplitName,
    round: u32,
    phase: Phase,
    passed: Option<bool>,
}

#[derive(Default)]
struct Auditor {
    audit: Audit,
    trials: HashMap<TrialId, Ended>,
    begun: HashSet<TrialId>,
    open: HashMap<u64, harness_core::CallIntent>,
    /// How many calls there were so far.
    calls: u64,
    /// What the calls of trials under way cost so far.
    accounts: HashMap<TrialId, Spent>,
}

impl Auditor {
    fn take(&mut self, record: Record) -> Result<()> {
        self.audit.records += 1;
        match record {
            Record::Opened { identity } => self.opened(identity),
            Record::Harness { fingerprint, document } => self.harness(fingerprint, document)?,
            Record::TrialStarted { id, key, .. } => {
                self.must(key.id()? == id, || format!("trial {id} is not the digest of its key"));
                self.begun.insert(id);
            }
            Record::CallStarted { intent } => self.call(intent),
            Record::CallSettled { call, settlement, .. } => self.settled(call.0, &settlement),
            Record::TrialFinished { trial } => self.finished(&trial)?,
            Record::Round { report, promotion } => self.round(&report, promotion),
            Record::Claimed { claim } => self.claim(&claim),
            // Version 1 recorded no calls.
            Record::Consulted { consultation } if self.calls == 0 => {
                self.audit.spent += Spent::call(consultation.completion.usage.as_ref());
            }
            _ => {}
        }
        Ok(())
    }

    fn must(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            let seq = self.audit.records;
            self.audit.discrepancies.push(format!("record {seq}: {}", otherwise()));
        }
    }

    fn opened(&mut self, identity: RunIdentity) {
        self.charge_open();
        if self.audit.records > 1 && self.audit.identity != identity {
            self.audit.rounds = 0;
            self.audit.lineage.clear();
            self.audit.promotions.clear();
        }
        self.audit.identity = identity;
    }

    fn harness(&mut self, fingerprint: Fingerprint, document: Value) -> Result<()> {
        let found = Fingerprint::of(&document)?;
        self.must(found == fingerprint, || {
            format!("the harness {} has the digest {}", fingerprint.short(), found.short())
        });
        self.audit.harnesses.insert(fingerprint, document);
        Ok(())
    }

    fn call(&mut self, intent: harness_core::CallIntent) {
        // In whatever order: calls that begin at the same moment are numbered first and written down then. That no number comes
        // twice is the table's business.
        self.calls += 1;
        self.open.insert(intent.id.0, intent);
    }

    fn settled(&mut self, call: u64, settlement: &Settlement) {
        let Some(intent) = self.open.remove(&call) else {
            return self.must(false, || format!("call {call} is settled and was never begun"));
        };
        self.charge(&intent, settlement);
    }

    fn charge(&mut self, intent: &harness_core::CallIntent, settlement: &Settlement) {
        let spent = settlement.spent(&intent.reserved);
        self.audit.spent += spent;
        if let harness_core::Purpose::Trial(trial) = &intent.purpose {
            *self.accounts.entry(*trial).or_default() += spent;
        }
    }

    /// What is open when a session ends stays unknown.
    fn charge_open(&mut self) {
        let unknown = Settlement::Unknown { reason: String::new() };
        for (_, intent) in std::mem::take(&mut self.open) {
            self.charge(&intent, &unknown);
        }
        self.accounts.clear();
    }

    fn finished(&mut self, trial: &Trial) -> Result<()> {
        let id = trial.id()?;
        if !self.begun.remove(&id) {
            // Written down once more, because whoever waited was dropped before it was acknowledged.
            let known = self.trials.contains_key(&id);
            self.must(known, || format!("trial {id} ended and was never begun"));
            return Ok(());
        }
        self.check_account(id, trial);
        let key = &trial.key;
        let ended = Ended {
            harness: key.harness,
            split: trial.split,
            round: key.replicate.round,
            phase: key.replicate.phase,
            passed: trial.passed(),
        };
        let known = self.audit.harnesses.contains_key(&ended.harness);
        self.must(known, || format!("trial {id} names a harness that nobody introduced"));
        self.trials.insert(id, ended);
        Ok(())
    }

    /// A trial's own account against its calls, one by one. One that was dropped in mid-flight has no settlement: what is
    /// open counts at its worst case.
    fn check_account(&mut self, id: TrialId, trial: &Trial) {
        let unknown = Settlement::Unknown { reason: String::new() };
        let purpose = harness_core::Purpose::Trial(id);
        let open = self.open.values().filter(|intent| intent.purpose == purpose);
        let mut calls: Spent = open.map(|intent| unknown.spent(&intent.reserved)).sum();
        match self.accounts.remove(&id) {
            Some(account) => calls += account,
            // Version 1 recorded no calls.
            None if calls.calls == 0 => {
                self.audit.spent += trial.spent;
                return;
            }
            None => {}
        }
        let tokens = |spent: &Spent| (spent.calls, spent.tokens(), spent.unknown_tokens);
        self.must(tokens(&calls) == tokens(&trial.spent), || {
            format!("trial {id} says it cost {:?}, its calls say {calls:?}", trial.spent)
        });
    }

    fn round(&mut self, report: &RoundReport, promotion: Option<Promotion<Value>>) {
        let round = report.round;
        self.audit.rounds += 1;
        for (split, said) in [
            (SplitName::HeldIn, report.assessed.held_in),
            (SplitName::HeldOut, report.assessed.held_out),
        ] {
            let found = self.score(|ended| {
                ended.harness == report.incumbent
                    && ended.split == split
                    && (ended.round, ended.phase) == (round, Phase::Assess)
            });
            self.must(found == said, || {
                format!("round {round} says of {split} {said:?}, its trials say {found:?}")
            });
        }
        self.check_evidence(report);
        if let Some(promotion) = promotion {
            self.promoted(report, promotion);
        }
    }

    /// Each verdict's trials are on record, of harnesses that took part, and carry the passes that it counts.
    fn check_evidence(&mut self, report: &RoundReport) {
        let decisions =
            report.judged.iter().map(|judged| &judged.decision).chain(&report.composition);
        let evidence: Vec<_> = decisions.filter_map(|decision| decision.evidence.clone()).collect();
        for comparison in evidence {
            let missing =
                comparison.trials.iter().filter(|id| !self.trials.contains_key(id)).count();
            let round = report.round;
            self.must(missing == 0, || {
                format!("round {round}: {missing} trials of a verdict are not on record")
            });
            for (split, pair) in
                [(SplitName::HeldIn, comparison.held_in), (SplitName::HeldOut, comparison.held_out)]
            {
                let cited = |incumbent: bool| {
                    score_of(
                        comparison
                            .trials
                            .iter()
                            .filter_map(|id| self.trials.get(id))
                            .filter(|ended| {
                                ended.split == split
                                    && (ended.harness == report.incumbent) == incumbent
                            })
                            .map(|ended| ended.passed),
                    )
                };
                let (incumbent, candidate) = (cited(true), cited(false));
                // A gate may pair attempts and leave some out; it can count no pass that no trial shows.
                let holds = pair.incumbent.passed <= incumbent.passed
                    && pair.candidate.passed <= candidate.passed
                    && pair.incumbent.scored <= incumbent.scored
                    && pair.candidate.scored <= candidate.scored;
                self.must(holds, || {
                    format!("round {round} counts {pair:?} on {split}, its trials show {incumbent:?} and {candidate:?}")
                });
            }
        }
    }

    /// A pruning builds anew from edits that were promoted before; it brings none.
    fn pruned(&mut self, promotion: Promotion<Value>) {
        for kept in &promotion.edits {
            let mut promoted = self.audit.lineage.iter();
            let known =
                promoted.any(|edit| edit.proposal == kept.proposal && edit.edit == kept.edit);
            self.must(known, || {
                format!("the edit {} stays in a pruning and was never promoted", kept.proposal)
            });
        }
        self.audit.promotions.push(promotion);
    }

    fn promoted(&mut self, report: &RoundReport, promotion: Promotion<Value>) {
        let last = self.audit.promotions.last().map(|last| last.child);
        let follows = last.is_none_or(|child| child == promotion.parent);
        let round = report.round;
        self.must(follows, || {
            format!("the promotion of round {round} does not follow the one before")
        });
        self.must(promotion.child == report.tip, || {
            format!("round {round} ends with another harness than it promoted")
        });
        if report.is_pruning() {
            return self.pruned(promotion);
        }
        for promoted in &promotion.edits {
            let judged =
                report.judged.iter().find(|judged| judged.proposal.id == promoted.proposal);
            let same = judged.is_some_and(|judged| judged.proposal.edit == promoted.edit);
            self.must(same, || {
                format!("the edit {} was promoted and not proposed so", promoted.proposal)
            });
            let weakness = judged.and_then(|judged| {
                report.weaknesses.iter().find(|weakness| weakness.id == judged.proposal.weakness)
            });
            self.audit.lineage.push(AuditedEdit {
                round,
                proposal: promoted.proposal.clone(),
                surface: judged
                    .map_or_else(String::new, |judged| judged.proposal.surface.to_string()),
                edit: promoted.edit.clone(),
                weakness: weakness.cloned(),
                shown_by: weakness.map(|weakness| weakness.evidence.clone()).unwrap_or_default(),
                decision: judged.map(|judged| judged.decision.clone()),
            });
        }
        self.audit.promotions.push(promotion);
    }

    fn claim(&mut self, claim: &Claim) {
        let trials: HashSet<TrialId> = claim.trials.iter().copied().collect();
        for (which, harness, said) in
            [("before", claim.first, claim.before), ("after", claim.last, claim.after)]
        {
            let outcomes = trials.iter().filter_map(|id| self.trials.get(id));
            let found = score_of(
                outcomes.filter(|ended| ended.harness == harness).map(|ended| ended.passed),
            );
            self.must(found == said, || {
                format!("the claim says {which} {said:?}, its trials say {found:?}")
            });
        }
    }

    fn score(&self, wanted: impl Fn(&Ended) -> bool) -> Score {
        score_of(self.trials.values().filter(|ended| wanted(ended)).map(|ended| ended.passed))
    }

    fn finish(mut self) -> Audit {
        self.charge_open();
        let counts =
            self.trials.values().fold(BTreeMap::new(), |mut counts: BTreeMap<bool, u64>, ended| {
                *counts.entry(ended.passed.is_some()).or_default() += 1;
                counts
            });
        self.audit.scored = counts.get(&true).copied().unwrap_or_default();
        self.audit.void = counts.get(&false).copied().unwrap_or_default();
        self.audit
    }
}

fn score_of(outcomes: impl IntoIterator<Item = Option<bool>>) -> Score {
    outcomes.into_iter().fold(Score::default(), |mut score, passed| {
        score.scored += u64::from(passed.is_some());
        score.passed += u64::from(passed == Some(true));
        score.void += u64::from(passed.is_none());
        score
    })
}
