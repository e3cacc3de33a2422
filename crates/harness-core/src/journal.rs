//! What a journal is: the durable record of what was measured, decided and paid.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::{Claim, RoundReport};
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
/// - When `append` returns `Ok`, the record survives a crash of the process and of the machine.
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

    /// Every record, oldest first.
    ///
    /// # Errors
    /// [`ErrorKind::Journal`](crate::ErrorKind::Journal) when it cannot be read, or is damaged.
    async fn scan(&self) -> Result<BoxStream<'static, Result<Record>>>;
}

/// One fact of a run.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// A run began, or was resumed.
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
    },
    /// A trial ended; written before its outcome is used.
    TrialFinished {
        /// The trial.
        trial: Arc<Trial>,
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
    /// The sealed split was read.
    Claimed {
        /// What it said.
        claim: Claim,
    },
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
pub struct MemoryJournal(Mutex<Vec<Record>>);

#[async_trait]
impl Journal for MemoryJournal {
    async fn append(&self, record: &Record) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record.clone());
        Ok(())
    }

    async fn scan(&self) -> Result<BoxStream<'static, Result<Record>>> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(stream::iter(records.into_iter().map(Ok)).boxed())
    }
}

#[async_trait]
impl<J: Journal + ?Sized> Journal for Arc<J> {
    async fn append(&self, record: &Record) -> Result<()> {
        (**self).append(record).await
    }
    async fn scan(&self) -> Result<BoxStream<'static, Result<Record>>> {
        (**self).scan().await
    }
}
