//! One attempt of one harness at one task, with its outcome; and trials of one split, as a type.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::call::Reserved;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Fingerprint, ModelId, TaskName};
use crate::llm::Usage;
use crate::sandbox::Isolation;
use crate::trajectory::Trajectory;

/// Everything that matters to a trial's result, and nothing else. Ports, paths, concurrency and log levels are
/// not in it, so changing them re-runs nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TrialKey {
    /// The harness that ran.
    pub harness: Fingerprint,
    /// The task's name, for people.
    pub task: TaskName,
    /// The task's content.
    pub task_fingerprint: Fingerprint,
    /// Who thought.
    pub model: ModelId,
    /// What the attempt was allowed: steps, tokens, time.
    pub limits: Fingerprint,
    /// The frozen judge.
    pub verifier: Fingerprint,
    /// Backend and level of the sandbox.
    pub isolation: Fingerprint,
    /// Which of the repeated attempts this is.
    pub replicate: Replicate,
}

impl TrialKey {
    /// The trial's identity in one digest.
    ///
    /// # Errors
    /// None in practice.
    pub fn id(&self) -> Result<TrialId> {
        Fingerprint::of(self).map(TrialId)
    }
}

/// A trial's identity: the digest of its [`TrialKey`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrialId(pub Fingerprint);

impl fmt::Display for TrialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.short())
    }
}

impl fmt::Debug for TrialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrialId({self})")
    }
}

/// Which repetition a trial is. A trial is never answered by another's luck: trials that decided a
/// promotion and trials that measure the promoted harness differ in phase or round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Replicate {
    /// The run's seed.
    pub seed: u64,
    /// The round that asked for it, from 1; 0 outside rounds.
    pub round: u32,
    /// What it was asked for.
    pub phase: Phase,
    /// 0, 1, 2, … within the phase.
    pub attempt: u32,
}

/// What a trial was run for.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// To measure the incumbent and mine its failures.
    Assess,
    /// To measure and mine it further at tasks of which the run's record says little.
    Deepen,
    /// To judge a candidate, or its incumbent beside it.
    Judge,
    /// To judge a composition of edits that passed one by one.
    Compose,
    /// To make the final claim on the sealed split.
    Claim,
    /// To judge a control, or to sample the seed harness: no trial of an evolution is of this phase.
    Control,
    /// Outside any evolution: a single agent measured on tasks.
    Direct,
}

/// One finished attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its identity.
    pub key: TrialKey,
    /// The split its task belongs to.
    pub split: SplitName,
    /// What the verifier said, or why nobody could say.
    pub outcome: Outcome,
    /// How the attempt itself ended.
    pub finish: Finish,
    /// What happened.
    pub trajectory: Trajectory,
    /// How often each control or surface of the harness acted, by name: an edit that never fired gets no credit.
    pub activations: BTreeMap<String, u64>,
    /// What it cost.
    pub spent: Spent,
    /// How long it took, verification included.
    pub elapsed: Duration,
    /// Where it ran.
    pub isolation: Isolation,
    /// How many attempts were void before this one, by the infrastructure's fault.
    pub void_attempts: u32,
}

impl Trial {
    /// Its identity in one digest.
    ///
    /// # Errors
    /// None in practice.
    pub fn id(&self) -> Result<TrialId> {
        self.key.id()
    }

    /// Passed, failed, or `None` when void.
    pub fn passed(&self) -> Option<bool> {
        self.outcome.passed()
    }
}

/// The verifier's word. Void is neither a failure nor a success, and is never scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The verifier judged.
    Scored {
        /// A finite number in [0, 1].
        reward: f64,
        /// What the verifier printed and which checks failed: evidence for mining (held-in only).
        evidence: Vec<String>,
    },
    /// The infrastructure failed; nothing is known about the harness.
    Void {
        /// What failed, for a person.
        reason: String,
    },
}

impl Outcome {
    /// Rewards from here on count as passed.
    pub const PASS_THRESHOLD: f64 = 1.0;

    /// Passed, failed, or `None` when void.
    pub fn passed(&self) -> Option<bool> {
        match self {
            Self::Scored { reward, .. } => Some(*reward >= Self::PASS_THRESHOLD),
            Self::Void { .. } => None,
        }
    }
}

/// How an attempt ended, before anybody judged it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The agent said that it was done.
    Done,
    /// The agent stopped without saying so.
    Stopped,
    /// It ran out of steps.
    OutOfSteps,
    /// It ran out of tokens.
    OutOfTokens,
    /// It ran out of time.
    OutOfTime,
    /// Its conversation outgrew the model.
    OutOfContext,
    /// The model refused, or its answer was withheld.
    Refused,
    /// It never got that far: the trial is void.
    Void,
}

/// What trials or calls cost. Unknown cost is counted, never taken for 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// Calls to the model.
    pub calls: u64,
    /// Calls of which the server told no usage.
    pub calls_without_usage: u64,
    /// Tokens sent.
    pub prompt_tokens: u64,
    /// Tokens received.
    pub completion_tokens: u64,
    /// Dollars of the calls whose price is known.
    pub known_usd: f64,
    /// Calls whose price is not known.
    pub calls_without_price: u64,
    /// Calls of which nobody knows whether they were charged: the process ended, or waiting did, after they were sent.
    #[serde(default)]
    pub calls_unknown: u64,
    /// The most tokens of the calls whose usage or outcome is unknown. Not in the tokens above.
    #[serde(default)]
    pub unknown_tokens: u64,
    /// The most dollars of these calls, as far as prices are known. Not in the dollars above.
    #[serde(default)]
    pub unknown_usd: f64,
}

impl Spent {
    /// One call with what the server told of it.
    pub fn call(usage: Option<&Usage>) -> Self {
        let mut spent = Self { calls: 1, ..Self::default() };
        match usage {
            None => (spent.calls_without_usage, spent.calls_without_price) = (1, 1),
            Some(usage) => {
                spent.prompt_tokens = usage.prompt_tokens;
                spent.completion_tokens = usage.completion_tokens;
                match usage.cost_usd {
                    Some(usd) => spent.known_usd = usd,
                    None => spent.calls_without_price = 1,
                }
            }
        }
        spent
    }

    /// The most that a call can have cost, of which nothing else is known. Counts no call.
    pub fn at_worst(reserved: &Reserved) -> Self {
        Self {
            unknown_tokens: reserved.tokens,
            unknown_usd: reserved.usd.unwrap_or(0.0),
            calls_without_price: u64::from(reserved.usd.is_none()),
            ..Self::default()
        }
    }

    /// All tokens that are known of.
    pub fn tokens(&self) -> u64 {
        self.prompt_tokens + self.completion_tokens
    }

    /// All tokens, those of unknown calls at their worst case: what counts against a cap.
    pub fn tokens_at_most(&self) -> u64 {
        self.tokens() + self.unknown_tokens
    }

    /// Dollars, or `None` as soon as one call's price, usage or outcome is unknown.
    pub fn usd(&self) -> Option<f64> {
        let unknown = self.calls_without_price + self.calls_without_usage + self.calls_unknown;
        (unknown == 0).then_some(self.known_usd)
    }

    /// Dollars, unknown calls at their worst case: what counts against a cap. `None` as soon as one call's price is unknown.
    pub fn usd_at_most(&self) -> Option<f64> {
        (self.calls_without_price == 0).then_some(self.known_usd + self.unknown_usd)
    }
}

impl std::ops::AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.calls_without_usage += other.calls_without_usage;
        self.prompt_tokens += other.prompt_tokens;
        self.completion_tokens += other.completion_tokens;
        self.known_usd += other.known_usd;
        self.calls_without_price += other.calls_without_price;
        self.calls_unknown += other.calls_unknown;
        self.unknown_tokens += other.unknown_tokens;
        self.unknown_usd += other.unknown_usd;
    }
}

impl std::iter::Sum for Spent {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::default(), |mut total, item| {
            total += item;
            total
        })
    }
}

/// The three parts of a benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitName {
    /// Mined: its failures are shown to miner and proposer.
    HeldIn,
    /// Gates promotion: only the validator sees it.
    HeldOut,
    /// Read once, at the end, for the claim.
    Sealed,
}

impl fmt::Display for SplitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::HeldIn => "held-in",
            Self::HeldOut => "held-out",
            Self::Sealed => "sealed",
        })
    }
}

mod closed {
    pub trait Closed {}
}

/// A split as a type: [`HeldIn`], [`HeldOut`] or [`Sealed`], and no other.
pub trait Split: closed::Closed + fmt::Debug + Clone + Copy + Send + Sync + 'static {
    /// The split's name as a value.
    const NAME: SplitName;
}

macro_rules! split {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {}
        impl closed::Closed for $name {}
        impl Split for $name {
            const NAME: SplitName = SplitName::$name;
        }
    };
}
split! {
    /// The split whose failures are mined.
    HeldIn
}
split! {
    /// The split that gates promotion.
    HeldOut
}
split! {
    /// The split that carries the final claim.
    Sealed
}

/// Trials of one split.
///
/// Showing held-out trials to a miner does not compile:
///
/// ```compile_fail
/// use harness_core::{HeldOut, Miner, StageContext, Trials};
/// async fn leak(miner: &dyn Miner, trials: &Trials<HeldOut>, cx: &StageContext) {
///     let _ = miner.mine(trials, cx).await; // expected `&Trials<HeldIn>`, found `&Trials<HeldOut>`
/// }
/// ```
///
/// while held-in ones do:
///
/// ```
/// use harness_core::{HeldIn, Miner, StageContext, Trials};
/// async fn allowed(miner: &dyn Miner, trials: &Trials<HeldIn>, cx: &StageContext) {
///     let _ = miner.mine(trials, cx).await;
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Trials<S: Split> {
    trials: Vec<Arc<Trial>>,
    split: PhantomData<S>,
}

impl<S: Split> Trials<S> {
    /// Takes trials that are all of this split.
    ///
    /// # Errors
    /// [`ErrorKind::Contract`] naming the first trial of another split.
    pub fn new(trials: Vec<Arc<Trial>>) -> Result<Self> {
        if let Some(stray) = trials.iter().find(|trial| trial.split != S::NAME) {
            let message =
                format!("a trial of '{}' is {}, not {}", stray.key.task, stray.split, S::NAME);
            return Err(Error::new(ErrorKind::Contract, message));
        }
        Ok(Self { trials, split: PhantomData })
    }

    /// All of them, void ones included.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Trial>> {
        self.trials.iter()
    }

    /// Those that the verifier failed.
    pub fn failed(&self) -> impl Iterator<Item = &Arc<Trial>> {
        self.iter().filter(|trial| trial.passed() == Some(false))
    }

    /// How many there are, void ones included.
    pub fn len(&self) -> usize {
        self.trials.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.trials.is_empty()
    }

    /// How they came out.
    pub fn score(&self) -> Score {
        Score::of(self.trials.iter().map(AsRef::as_ref))
    }
}

/// Counts of outcomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// Trials that passed.
    pub passed: u64,
    /// Trials that were scored.
    pub scored: u64,
    /// Trials that could not be scored.
    pub void: u64,
}

impl Score {
    /// Counts.
    pub fn of<'a>(trials: impl IntoIterator<Item = &'a Trial>) -> Self {
        trials.into_iter().fold(Self::default(), |mut score, trial| {
            match trial.passed() {
                Some(passed) => {
                    score.scored += 1;
                    score.passed += u64::from(passed);
                }
                None => score.void += 1,
            }
            score
        })
    }

    /// The share of scored trials that passed; `None` when none was scored.
    #[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^52")]
    pub fn pass_rate(&self) -> Option<f64> {
        (self.scored > 0).then(|| self.passed as f64 / self.scored as f64)
    }
}
