//! What a journal is: the durable record of what was measured, decided and paid.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::{CallId, CallIntent, Settlement};
use crate::engine::{Claim, ControlArm, RoundReport, Sampling};
use crate::error::Result;
use crate::id::Fingerprint;
use crate::lineage::Promotion;
use crate::llm::Completion;
use crate::proposal::Proposal;
use crate::trial::{Trial, TrialId, TrialKey};
use crate::weakness::Weakness;

/// Append-only. The state of a run is a pure function of its records.
///
/// # Contract
/// - When `append` returns `Ok`, the record survives a crash of the process and of the machine, and with it every record
///   that was appended or queued before.
/// - Records keep the order in which their first polls were made.
/// - `scan` gives every appended record, whole and in order; a torn or altered one is an error, never skipped.
/// - A journal has one writer: a second one is refused with [`ErrorKind::Locked`](crate::ErrorKind::Locked), naming the holder.
/// - Cancelling `append` leaves the record either whole or absent.
#[async_trait]
pub trait Journal: fmt::Debug + Send + Sync {
    /// Appends, durably.
    ///
    /// # Errors
    /// [`ErrorKind::Journal`](crate::ErrorKind::Journal): the run stops, nothing is lost.
    async fn append(&self, record: &Record) -> Result<()>;

    /// Appends without waiting for the disk: the record is durable at the latest when a later `append` returns, and may be
    /// lost in a crash before. For what is safe to lose.
    ///
    /// # Errors
    /// As [`Journal::append`], or none: a failure may show at the next `append` only.
    async fn queue(&self, record: &Record) -> Result<()> {
        self.append(record).await
    }

    /// Every record, oldest first.
    ///
    /// # Errors
    /// [`ErrorKind::Journal`](crate::ErrorKind::Journal) when it cannot be read, or is damaged.
    async fn scan(&self) -> Result<BoxStream<'static, Result<Record>>>;

    /// Every record, oldest first, trials without their steps: all that a run resumes from, in memory that does not grow with
    /// the length of trials.
    ///
    /// # Errors
    /// As [`Journal::scan`].
    async fn outline(&self) -> Result<BoxStream<'static, Result<Record>>> {
        Ok(self.scan().await?.map_ok(Record::outline).boxed())
    }

    /// The scored trial on record under this identity, whole.
    ///
    /// # Errors
    /// As [`Journal::scan`].
    async fn trial(&self, id: TrialId) -> Result<Option<Arc<Trial>>> {
        let mut found = None;
        let mut records = self.scan().await?;
        while let Some(record) = records.next().await {
            if let Record::TrialFinished { trial } = record?
                && trial.passed().is_some()
                && trial.id()? == id
            {
                found = Some(trial);
            }
        }
        Ok(found)
    }
}

/// One fact of a run.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// A run began, or was resumed; with another identity than the one before, a fork of it began.
    Opened {
        /// What makes it this run.
        identity: RunIdentity,
    },
    /// A harness that trials name by its fingerprint.
    Harness {
        /// Its fingerprint.
        fingerprint: Fingerprint,
        /// Its content.
        document: Value,
    },
    /// A trial is about to start.
    TrialStarted {
        /// Its identity.
        id: TrialId,
        /// What it is.
        key: TrialKey,
        /// Time since the session began.
        #[serde(default)]
        elapsed: Duration,
    },
    /// A trial ended; written before its outcome is used.
    TrialFinished {
        /// The trial.
        trial: Arc<Trial>,
    },
    /// A call to the model is about to be sent, at this worst case.
    CallStarted {
        /// What is about to be sent.
        intent: CallIntent,
    },
    /// What became of a call. A call without this record is of unknown outcome.
    CallSettled {
        /// The call.
        call: CallId,
        /// What became of it.
        settlement: Settlement,
        /// Time since the session began.
        elapsed: Duration,
    },
    /// A stage asked the model; written before the answer is used.
    Consulted {
        /// The question and the answer.
        consultation: Consultation,
    },
    /// A round's weaknesses.
    Mined {
        /// The round.
        round: u32,
        /// The weaknesses.
        weaknesses: Vec<Weakness>,
    },
    /// A round's proposals.
    Proposed {
        /// The round.
        round: u32,
        /// The proposals, edits as plain data.
        proposals: Vec<Proposal<Value>>,
    },
    /// A round ended: its verdicts and its promotion take effect together.
    Round {
        /// What happened.
        report: Box<RoundReport>,
        /// The step of the lineage, if any.
        promotion: Option<Promotion<Value>>,
    },
    /// A control was judged.
    Controlled {
        /// Which one, and what the gate said.
        arm: Box<ControlArm>,
    },
    /// The seed harness was sampled with as many trials as evolution took.
    Sampled {
        /// What that achieved.
        sampling: Sampling,
    },
    /// The sealed split was read.
    Claimed {
        /// What it said.
        claim: Claim,
    },
    /// A session ended in good order. One that did not has no such record.
    Closed {
        /// Time since the session began.
        elapsed: Duration,
    },
}

impl Record {
    /// The same without a trial's steps.
    #[must_use]
    pub fn outline(self) -> Self {
        match self {
            Self::TrialFinished { trial } => {
                let mut trial = Arc::unwrap_or_clone(trial);
                trial.trajectory.steps = Vec::new();
                Self::TrialFinished { trial: Arc::new(trial) }
            }
            other => other,
        }
    }
}

/// A stage's question to the model, by digest, with its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Consultation {
    /// The round.
    pub round: u32,
    /// `mine` or `propose`, or a stage of the embedder's own.
    pub stage: String,
    /// The digest of the request.
    pub request: Fingerprint,
    /// 0 for the first such request of this stage and round, 1 for the next equal one, …
    pub ordinal: u32,
    /// What the model answered.
    pub completion: Completion,
}

/// What makes a run this run, key by key, so that a difference can be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunIdentity(pub BTreeMap<String, String>);

impl RunIdentity {
    /// Adds a key.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl fmt::Display) -> Self {
        self.0.insert(key.into(), value.to_string());
        self
    }

    /// The keys that differ, each as `key: theirs, now ours`.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let keys: std::collections::BTreeSet<&String> = self.0.keys().chain(now.0.keys()).collect();
        let show = |value: Option<&String>| value.cloned().unwrap_or_else(|| "nothing".into());
        keys.into_iter()
            .filter(|key| self.0.get(*key) != now.0.get(*key))
            .map(|key| format!("{key}: {}, now {}", show(self.0.get(key)), show(now.0.get(key))))
            .collect()
    }
}

/// A journal that forgets when it is dropped: for tests, and for runs that nobody resumes.
#[derive(Debug, Default)]
pub struct MemoryJournal(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    records: Vec<Record>,
    /// Where the scored trials are.
    trials: HashMap<TrialId, usize>,
}

impl MemoryJournal {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn append(&self, record: &Record) -> Result<()> {
        let scored = match record {
            Record::TrialFinished { trial } if trial.passed().is_some() => Some(trial.id()?),
            _ => None,
        };
        let mut memory = self.memory();
        let place = memory.records.len();
        memory.trials.extend(scored.map(|id| (id, place)));
        memory.records.push(record.clone());
        Ok(())
    }

    async fn scan(&self) -> Result<BoxStream<'static, Result<Record>>> {
        let records = self.memory().records.clone();
        Ok(stream::iter(records.into_iter().map(Ok)).boxed())
    }

    async fn trial(&self, id: TrialId) -> Result<Option<Arc<Trial>>> {
        let memory = self.memory();
        Ok(match memory.trials.get(&id).and_then(|place| memory.records.get(*place)) {
            Some(Record::TrialFinished { trial }) => Some(Arc::clone(trial)),
            _ => None,
        })
    }
}

#[async_trait]
impl<J: Journal + ?Sized> Journal for Arc<J> {
    async fn append(&self, record: &Record) -> Result<()> {
        (**self).append(record).await
    }
    async fn queue(&self, record: &Record) -> Result<()> {
        (**self).queue(record).await
    }
    async fn scan(&self) -> Result<BoxStream<'static, Result<Record>>> {
        (**self).scan().await
    }
    async fn outline(&self) -> Result<BoxStream<'static, Result<Record>>> {
        (**self).outline().await
    }
    async fn trial(&self, id: TrialId) -> Result<Option<Arc<Trial>>> {
        (**self).trial(id).await
    }
}
