//! A call to the model as the ledger sees it: what it may cost at worst, and what became of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::Fingerprint;
use crate::llm::{Request, Usage};
use crate::price::Price;
use crate::trial::{Spent, TrialId};

/// A call's place in its run: 1, 2, 3, … over all sessions.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct CallId(pub u64);

/// A call that is about to be sent. On record before it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallIntent {
    /// Its place.
    pub id: CallId,
    /// What it is made for.
    pub purpose: Purpose,
    /// The digest of the request.
    pub request: Fingerprint,
    /// The most that it can cost.
    pub reserved: Reserved,
    /// Time since the session began.
    pub elapsed: Duration,
}

/// What a call is made for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A trial's agent thinks.
    Trial(TrialId),
    /// A stage of the loop, such as `mine` or `propose`.
    Stage {
        /// The round, from 1; 0 outside rounds.
        round: u32,
        /// The stage.
        stage: String,
    },
}

/// The most that a call can cost, set aside before it is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reserved {
    /// Tokens, sent and received.
    pub tokens: u64,
    /// US dollars, or `None` when the price is not known.
    pub usd: Option<f64>,
}

impl Reserved {
    /// Tokens of a reply to a request that does not bound it.
    pub const REPLY_TOKENS: u32 = 4096;
    /// What servers put around each message and each tool, in tokens; generous.
    const FRAME: u64 = 16;

    /// The worst case of `request`: no tokenizer makes more tokens than there are bytes, and the reply is as long as it may be.
    pub fn worst_case(request: &Request, price: Option<&Price>) -> Self {
        let prompt = request_bytes(request)
            + Self::FRAME * (1 + request.messages.len() + request.tools.len()) as u64;
        let completion = u64::from(request.max_tokens.unwrap_or(Self::REPLY_TOKENS));
        Self {
            tokens: prompt + completion,
            usd: price.map(|price| price.at_most(prompt, completion)),
        }
    }
}

fn request_bytes(request: &Request) -> u64 {
    let messages = request.messages.iter().map(|message| {
        let calls = message
            .tool_calls
            .iter()
            .map(|call| call.id.len() + call.name.len() + call.arguments.to_text().len());
        message.content.len()
            + message.reasoning.as_ref().map_or(0, String::len)
            + message.tool_call_id.as_ref().map_or(0, String::len)
            + calls.sum::<usize>()
    });
    let tools = request
        .tools
        .iter()
        .map(|tool| tool.name.len() + tool.description.len() + tool.parameters.to_string().len());
    let schema =
        request.response_schema.as_ref().map_or(0, |schema| schema.schema.to_string().len());
    (messages.sum::<usize>() + tools.sum::<usize>() + schema) as u64
}

/// What became of a call. A call without one (the process ended, or whoever waited was dropped) is [`Settlement::Unknown`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// The server answered.
    Answered {
        /// What it says that it cost, or `None` where it says nothing.
        usage: Option<Usage>,
    },
    /// It failed before any work was done: certainly not charged.
    Free {
        /// Why it failed.
        reason: String,
    },
    /// It may have been charged; nobody knows. Counted at its worst case.
    Unknown {
        /// Why it failed.
        reason: String,
    },
}

impl Settlement {
    /// What a call that failed with `error` is.
    pub fn of_failure(error: &Error) -> Self {
        let reason = error.message().to_owned();
        if error.is_uncharged() { Self::Free { reason } } else { Self::Unknown { reason } }
    }

    /// What the call counts as.
    pub fn spent(&self, reserved: &Reserved) -> Spent {
        match self {
            Self::Free { .. } => Spent::default(),
            Self::Unknown { .. } => {
                Spent { calls: 1, calls_unknown: 1, ..Spent::at_worst(reserved) }
            }
            Self::Answered { usage: None } => {
                Spent { calls: 1, calls_without_usage: 1, ..Spent::at_worst(reserved) }
            }
            Self::Answered { usage } => Spent::call(usage.as_ref()),
        }
    }
}

/// Told when one request is sent several times.
#[async_trait]
pub(crate) trait AttemptLedger: fmt::Debug + Send + Sync {
    /// The last attempt failed with `error`, and another is about to be sent.
    async fn another(&self, error: &Error) -> Result<()>;
}

/// Who is told of a request's further attempts; nobody outside a run. Not part of the request's content: never
/// serialised, always equal.
#[derive(Clone, Default)]
pub struct Attempts(Option<Arc<dyn AttemptLedger>>);

impl Attempts {
    pub(crate) fn told_to(ledger: Arc<dyn AttemptLedger>) -> Self {
        Self(Some(ledger))
    }

    pub(crate) async fn another(&self, error: &Error) -> Result<()> {
        match &self.0 {
            Some(ledger) => ledger.another(error).await,
            None => Ok(()),
        }
    }
}

impl PartialEq for Attempts {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Attempts(recorded)" } else { "Attempts(unrecorded)" })
    }
}
