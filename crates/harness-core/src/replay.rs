//! Judging a recorded run again, by whatever rule, from its journal alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use serde::Serialize;
use serde_json::Value;

use crate::arena::Arena;
use crate::engine::{
    Control, ControlArm, ControlKind, Earlier, JUDGE, RoundReport, typed_promotion, typed_proposal,
};
use crate::error::{Error, ErrorKind, Result};
use crate::harness::Harness;
use crate::history::RunHistory;
use crate::id::{Fingerprint, ProposalId, TaskName};
use crate::journal::{Journal, Record};
use crate::lineage::Lineage;
use crate::placebo::Placebo;
use crate::proposal::Proposal;
use crate::runner::Order;
use crate::split::Benchmark;
use crate::stage::{Recorded, StageContext};
use crate::task::Task;
use crate::trial::{HeldIn, HeldOut, Phase, Replicate, SplitName, Trial, Trials};
use crate::validator::{Incumbent, Validator};
use crate::verdict::{Decision, Judged, Judgement};

/// A run as its journal tells it, ready to be judged again: *what would another gate have done?*, and *does the run's own
/// gate still say what is recorded?*
///
/// Every round is judged from where the recorded run stood, with the recorded proposals and the trials that were run. Where a
/// verdict differs, the recorded run went another way from there on than the gate would have; later rounds are
/// judged all the same, each as recorded. Nothing is run: where the trials do not suffice, the answer is how many are missing.
#[derive(Debug)]
pub struct Replay<H: Harness> {
    rounds: Vec<RoundReport>,
    controls: Vec<ControlArm>,
    lineage: Lineage<H>,
    trials: Arc<RecordedTrials>,
    consulted: Recorded,
    benchmark: Arc<Benchmark>,
    attempts: u32,
    seed: u64,
}

/// A recorded round, judged again.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplayedRound {
    /// Its number.
    pub round: u32,
    /// Every proposal with both verdicts.
    pub judged: Vec<Rejudged>,
    /// What was promoted.
    pub promoted: Vec<ProposalId>,
    /// What would have been; `None` where the recorded trials do not suffice to tell.
    pub would_promote: Option<Vec<ProposalId>>,
}

/// A proposal with the recorded decision and the other one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rejudged {
    /// The proposal.
    pub proposal: ProposalId,
    /// What was decided.
    pub recorded: Decision,
    /// What is decided now.
    pub replayed: Replayed,
}

/// A control with the recorded decision and the other one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RejudgedControl {
    /// Which one.
    pub kind: ControlKind,
    /// What was decided.
    pub recorded: Decision,
    /// What is decided now.
    pub replayed: Replayed,
}

/// A decision from recorded trials.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Replayed {
    /// The recorded trials were enough.
    Decided(Decision),
    /// They are not: at least these are missing.
    Short(Vec<Missing>),
}

/// Trials that were not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Whose.
    pub harness: Fingerprint,
    /// Whether that is the round's incumbent; a candidate otherwise.
    pub of_incumbent: bool,
    /// On which split.
    pub split: SplitName,
    /// How many.
    pub trials: u64,
}

impl ReplayedRound {
    /// Whether the same proposals would have been promoted with the same verdicts all round.
    pub fn agrees(&self) -> bool {
        let same = |judged: &Rejudged| match &judged.replayed {
            Replayed::Decided(decision) => decision.verdict == judged.recorded.verdict,
            Replayed::Short(_) => false,
        };
        self.would_promote.as_ref() == Some(&self.promoted) && self.judged.iter().all(same)
    }
}

impl<H: Harness> Replay<H> {
    /// Reads a journal. The tasks are known by name only, which is all that judging by outcomes needs.
    ///
    /// # Errors
    /// [`ErrorKind::Journal`] when it cannot be read or holds no round; [`ErrorKind::Mismatch`] when it is not of this kind of
    /// harness.
    pub async fn read(journal: &dyn Journal) -> Result<Self> {
        let earlier = Earlier::read(journal).await?;
        let first =
            earlier.past.rounds().first().ok_or_else(|| nothing("no finished round"))?.incumbent;
        let (trials, seed) = scan::<H>(journal, first).await?;
        let promotions = earlier.promotions.iter().map(typed_promotion).collect::<Result<_>>()?;
        let identity = earlier.opened.clone().unwrap_or_default();
        let number = |key: &str| -> Result<u64> {
            let value = identity.0.get(key).and_then(|value| value.parse().ok());
            value.ok_or_else(|| nothing(&format!("no '{key}' in its identity")))
        };
        Ok(Self {
            rounds: earlier.past.rounds().to_vec(),
            controls: earlier.controls.arms.clone(),
            lineage: Lineage::replay(seed, promotions)?,
            benchmark: Arc::new(trials.benchmark()?),
            trials: Arc::new(trials),
            consulted: Arc::clone(&earlier.consulted),
            attempts: u32::try_from(number("attempts")?).unwrap_or(u32::MAX),
            seed: number("seed")?,
        })
    }

    /// The same with the tasks themselves, in their order, for a validator that reads them.
    #[must_use]
    pub fn with_benchmark(mut self, benchmark: Benchmark) -> Self {
        self.benchmark = Arc::new(benchmark);
        self
    }

    /// Judges every recorded round again.
    ///
    /// # Errors
    /// Those of the validator; trials that are missing are an answer and no error.
    pub async fn judge(&self, validator: &dyn Validator<H>) -> Result<Vec<ReplayedRound>> {
        let mut history = RunHistory::default();
        let mut replayed = Vec::new();
        for report in &self.rounds {
            replayed.push(self.round(report, &history, validator).await?);
            history.push(report.clone(), self.trials.by_key.values().map(AsRef::as_ref));
        }
        Ok(replayed)
    }

    /// Judges the run's controls again, as in its first round; empty without any.
    ///
    /// # Errors
    /// As [`judge`](Self::judge).
    pub async fn judge_controls(
        &self,
        validator: &dyn Validator<Placebo<H>>,
    ) -> Result<Vec<RejudgedControl>> {
        let seed = self.lineage.seed();
        let incumbent = Placebo::of(seed.clone()).fingerprint()?;
        let mut replayed = Vec::new();
        for arm in &self.controls {
            let Some(recorded) = arm.decision.clone() else { continue };
            let edit =
                arm.edit.clone().map(serde_json::from_value).transpose().map_err(|source| {
                    Error::new(ErrorKind::Mismatch, "a control's edit is of another kind")
                        .with_source(source)
                })?;
            let weaknesses = self.rounds.first().map_or(&[][..], |round| &round.weaknesses);
            let control = Control { kind: arm.kind, edit, seed, weaknesses };
            let arena = self.arena(1, Phase::Control);
            let judged = control.judge(validator, (&*self.trials, &*self.benchmark), &arena).await;
            let missing = self.trials.take_missing(incumbent);
            let replayed_now = match judged {
                Ok(decision) => Replayed::Decided(decision),
                Err(_) if !missing.is_empty() => Replayed::Short(missing),
                Err(error) => return Err(error),
            };
            replayed.push(RejudgedControl { kind: arm.kind, recorded, replayed: replayed_now });
        }
        Ok(replayed)
    }

    async fn round(
        &self,
        report: &RoundReport,
        history: &RunHistory,
        validator: &dyn Validator<H>,
    ) -> Result<ReplayedRound> {
        let proposals = report
            .judged
            .iter()
            .map(|judged| typed_proposal(&judged.proposal))
            .collect::<Result<Vec<_>>>()?;
        let mut judged = Vec::new();
        let together = self.proposals(report, history, validator, proposals.clone()).await?;
        let would_promote = match &together {
            Ok(judgement) => {
                Some(judgement.composed.as_ref().map(|it| it.proposals.clone()).unwrap_or_default())
            }
            Err(_) => None,
        };
        let mut decisions = match together {
            Ok(judgement) => judgement.judged.into_iter().map(decided).collect(),
            // Each by itself then: what one of them lacks need not keep the others from a verdict.
            Err(_) => self.one_by_one(report, history, validator, proposals).await?,
        }
        .into_iter();
        for Judged { proposal, decision } in &report.judged {
            if let Some(replayed) = decisions.next() {
                judged.push(Rejudged {
                    proposal: proposal.id.clone(),
                    recorded: decision.clone(),
                    replayed,
                });
            }
        }
        Ok(ReplayedRound {
            round: report.round,
            judged,
            promoted: report.promoted.clone(),
            would_promote,
        })
    }

    async fn one_by_one(
        &self,
        report: &RoundReport,
        history: &RunHistory,
        validator: &dyn Validator<H>,
        proposals: Vec<Proposal<H::Edit>>,
    ) -> Result<Vec<Replayed>> {
        let mut replayed = Vec::new();
        for proposal in proposals {
            let alone = self.proposals(report, history, validator, vec![proposal]).await?;
            replayed.extend(match alone {
                Ok(judgement) => judgement.judged.into_iter().next().map(decided),
                Err(missing) => Some(Replayed::Short(missing)),
            });
        }
        Ok(replayed)
    }

    /// The validator's judgement, or what it lacks.
    async fn proposals(
        &self,
        report: &RoundReport,
        history: &RunHistory,
        validator: &dyn Validator<H>,
        proposals: Vec<Proposal<H::Edit>>,
    ) -> Result<std::result::Result<Judgement<H>, Vec<Missing>>> {
        let harness = self
            .lineage
            .version(report.incumbent)
            .ok_or_else(|| nothing("an incumbent is unknown"))?;
        let held_in: Trials<HeldIn> = Trials::new(self.assessed(report, SplitName::HeldIn))?;
        let held_out: Trials<HeldOut> = Trials::new(self.assessed(report, SplitName::HeldOut))?;
        let incumbent = Incumbent {
            harness,
            held_in: &held_in,
            held_out: &held_out,
            weaknesses: &report.weaknesses,
            history,
        };
        let arena = self.arena(report.round, Phase::Judge);
        let judgement = validator.judge(&incumbent, proposals, &arena).await;
        let missing = self.trials.take_missing(report.incumbent);
        match judgement {
            Ok(judgement) => Ok(Ok(judgement)),
            Err(_) if !missing.is_empty() => Ok(Err(missing)),
            Err(error) => Err(error),
        }
    }

    fn assessed(&self, report: &RoundReport, split: SplitName) -> Vec<Arc<Trial>> {
        let of =
            |phase| self.trials.of(report.incumbent, (report.round, phase), split, &self.benchmark);
        [Phase::Assess, Phase::Deepen].into_iter().flat_map(of).collect()
    }

    fn arena<K: Harness>(&self, round: u32, phase: Phase) -> Arena<K> {
        let (trials, benchmark) = (Arc::clone(&self.trials), Arc::clone(&self.benchmark));
        let arena = Arena::recorded(trials, benchmark, self.attempts, self.seed, round, phase);
        let recorded = Arc::clone(&self.consulted);
        arena.with_stage(StageContext::on_record(recorded, JUDGE, round, self.seed))
    }
}

fn decided<E>(judged: Judged<E>) -> Replayed {
    Replayed::Decided(judged.decision)
}

fn nothing(what: &str) -> Error {
    Error::new(ErrorKind::Journal, format!("the journal cannot be judged again: it has {what}"))
}

/// The trials of a journal, by what they were run for.
#[derive(Debug, Default)]
pub(crate) struct RecordedTrials {
    by_key: HashMap<(Fingerprint, TaskName, Replicate), Arc<Trial>>,
    missing: Mutex<BTreeMap<(Fingerprint, SplitName), u64>>,
}

impl RecordedTrials {
    /// All of a journal's, each with its last outcome.
    pub(crate) async fn read(journal: &dyn Journal) -> Result<Self> {
        let mut trials = Self::default();
        let mut records = journal.scan().await?;
        while let Some(record) = records.next().await {
            if let Record::TrialFinished { trial } = record? {
                let key = (trial.key.harness, trial.key.task.clone(), trial.key.replicate);
                trials.by_key.insert(key, trial);
            }
        }
        Ok(trials)
    }

    /// Whether a trial is on record.
    pub(crate) fn has(&self, harness: Fingerprint, task: &TaskName, replicate: Replicate) -> bool {
        self.by_key.contains_key(&(harness, task.clone(), replicate))
    }

    /// All of them, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Trial>> {
        self.by_key.values()
    }

    /// The trials of `orders`, in their order.
    ///
    /// # Errors
    /// When one of them was not run; which ones is noted.
    pub(crate) fn block<H: Harness>(
        &self,
        harnesses: &[&H],
        orders: &[(usize, Order)],
    ) -> Result<Vec<Arc<Trial>>> {
        let prints =
            harnesses.iter().map(|harness| harness.fingerprint()).collect::<Result<Vec<_>>>()?;
        let mut found = Vec::with_capacity(orders.len());
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        for (owner, order) in orders {
            let harness = prints[*owner];
            match self.by_key.get(&(harness, order.task.name.clone(), order.replicate)) {
                Some(trial) => found.push(Arc::clone(trial)),
                None => *missing.entry((harness, order.split)).or_default() += 1,
            }
        }
        if found.len() == orders.len() {
            return Ok(found);
        }
        Err(Error::new(
            ErrorKind::NotFound,
            "the journal does not hold a trial that judging asks for",
        ))
    }

    /// The recorded trials of a harness on a split in one round and phase, in the order of attempts and tasks.
    pub(crate) fn of(
        &self,
        harness: Fingerprint,
        (round, phase): (u32, Phase),
        split: SplitName,
        benchmark: &Benchmark,
    ) -> Vec<Arc<Trial>> {
        let names = benchmark.tasks(split).iter().map(|task| &task.name);
        let position: HashMap<&TaskName, usize> = names.zip(0..).collect();
        let wanted = |trial: &&Arc<Trial>| {
            let replicate = trial.key.replicate;
            trial.key.harness == harness
                && trial.split == split
                && (replicate.round, replicate.phase) == (round, phase)
        };
        let mut found: Vec<_> = self.iter().filter(wanted).cloned().collect();
        found.sort_by_key(|trial| {
            (trial.key.replicate.attempt, position.get(&trial.key.task).copied())
        });
        found
    }

    fn take_missing(&self, incumbent: Fingerprint) -> Vec<Missing> {
        let missing =
            std::mem::take(&mut *self.missing.lock().unwrap_or_else(PoisonError::into_inner));
        let missing = missing.into_iter().map(|((harness, split), trials)| Missing {
            harness,
            of_incumbent: harness == incumbent,
            split,
            trials,
        });
        missing.collect()
    }

    /// The gating tasks, by name.
    fn benchmark(&self) -> Result<Benchmark> {
        let tasks = |split| {
            let names: std::collections::BTreeSet<_> = self
                .by_key
                .values()
                .filter(|trial| trial.split == split)
                .map(|trial| &trial.key.task)
                .collect();
            names.into_iter().map(|name| Arc::new(Task::new(name.as_str(), ""))).collect()
        };
        Benchmark::new(tasks(SplitName::HeldIn), tasks(SplitName::HeldOut), Vec::new())
    }
}

/// Every finished trial and the harness that the run began with.
async fn scan<H: Harness>(
    journal: &dyn Journal,
    first: Fingerprint,
) -> Result<(RecordedTrials, H)> {
    let (trials, mut seed) = (RecordedTrials::read(journal).await?, None);
    let mut records = journal.scan().await?;
    while let Some(record) = records.next().await {
        if let Record::Harness { fingerprint, document } = record?
            && fingerprint == first
        {
            seed = Some(document);
        }
    }
    let document: Value = seed.ok_or_else(|| nothing("no document of its first harness"))?;
    let seed = serde_json::from_value(document).map_err(|source| {
        let message =
            "the journal's first harness is of another kind than the one that it is read as";
        Error::new(ErrorKind::Mismatch, message).with_source(source)
    })?;
    Ok((trials, seed))
}
