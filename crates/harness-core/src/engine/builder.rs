//! Putting an engine together.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::report::typed_promotion;
use super::resume::Earlier;
use super::{ControlGroup, Engine, Pruning, RoundReport, TrialCounts};
use crate::arena::Arena;
use crate::budget::{Budget, Caps};
use crate::call::Purpose;
use crate::clock::{Clock, Executor, SystemClock};
use crate::context::TrialLimits;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer, Unobserved};
use crate::harness::Harness;
use crate::id::Fingerprint;
use crate::journal::{Journal, MemoryJournal, Record, RunIdentity};
use crate::lineage::Lineage;
use crate::llm::LlmBackend;
use crate::meter::{Ledger, Meter};
use crate::miner::Miner;
use crate::outage::Breaker;
use crate::paid::PaidTrials;
use crate::proposer::Proposer;
use crate::runner::{Order, Runner};
use crate::sandbox::Sandbox;
use crate::split::Benchmark;
use crate::task::Task;
use crate::trial::{Phase, Replicate, Spent, SplitName, Trial};
use crate::validator::Validator;
use crate::verifier::Verifier;

/// How a run goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EngineConfig {
    /// At most this many rounds.
    pub rounds: u32,
    /// At most this many proposals a round (K in the paper).
    pub width: usize,
    /// Attempts at each task when a harness is measured on a whole split.
    pub attempts: u32,
    /// Attempts at each sealed task for the final claim.
    pub claim_attempts: u32,
    /// Rounds in a row without a promotion after which to stop; 0 never stops for that.
    pub dry_rounds: u32,
    /// Everything random comes from it.
    pub seed: u64,
    /// What one attempt may use.
    pub limits: TrialLimits,
    /// Trials at once. Not part of a run's identity.
    #[serde(skip)]
    pub concurrency: usize,
    /// How often a void trial is tried again. Not part of a run's identity.
    #[serde(skip)]
    pub void_retries: u32,
    /// How long to wait for a model's server that is down before the run stops, to be resumed. Not part of a run's identity.
    #[serde(skip)]
    pub patience: Duration,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            rounds: 4,
            width: 4,
            attempts: 2,
            claim_attempts: 2,
            dry_rounds: 2,
            seed: 0,
            limits: TrialLimits::default(),
            concurrency: 4,
            void_retries: 2,
            patience: Duration::from_secs(3600),
        }
    }
}

/// Describes an [`Engine`]. Model, sandbox, verifier, benchmark, miner, proposer and validator must be given; the journal
/// is in memory and nobody observes unless said otherwise.
pub struct EngineBuilder<H: Harness> {
    seed: H,
    model: Option<Arc<dyn LlmBackend>>,
    improver: Option<Arc<dyn LlmBackend>>,
    sandbox: Option<Arc<dyn Sandbox>>,
    verifier: Option<Arc<dyn Verifier>>,
    benchmark: Option<Benchmark>,
    miner: Option<Arc<dyn Miner>>,
    proposer: Option<Arc<dyn Proposer<H>>>,
    validator: Option<Arc<dyn Validator<H>>>,
    journal: Arc<dyn Journal>,
    observer: Arc<dyn Observer>,
    clock: Arc<dyn Clock>,
    executor: Option<Arc<dyn Executor>>,
    caps: Caps,
    read_again: bool,
    controlled_by: Option<Arc<ControlGroup<H>>>,
    pruning: Option<Pruning>,
    bar: Option<f64>,
    config: EngineConfig,
    identity: RunIdentity,
    fork: bool,
}

impl<H: Harness> fmt::Debug for EngineBuilder<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

macro_rules! part {
    ($(#[$doc:meta])* $name:ident: dyn $($part:tt)+) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: impl $($part)+ + 'static) -> Self {
            self.$name = Some(Arc::new($name));
            self
        }
    };
}

impl<H: Harness> EngineBuilder<H> {
    pub(super) fn new(seed: H) -> Self {
        Self {
            seed,
            model: None,
            improver: None,
            sandbox: None,
            verifier: None,
            benchmark: None,
            miner: None,
            proposer: None,
            validator: None,
            journal: Arc::new(MemoryJournal::default()),
            observer: Arc::new(Unobserved),
            clock: Arc::new(SystemClock::default()),
            executor: None,
            caps: Caps::default(),
            read_again: false,
            controlled_by: None,
            pruning: None,
            bar: None,
            config: EngineConfig::default(),
            identity: RunIdentity::default(),
            fork: false,
        }
    }

    part! {
        /// The fixed model: the same handle serves harness, miner and proposer. That is what "self" means.
        model: dyn LlmBackend
    }
    part! {
        /// Another model for mining and proposing. Then it is no longer *self*-improvement, and the run's identity and
        /// report say so.
        improver: dyn LlmBackend
    }
    part! {
        /// Where trials run.
        sandbox: dyn Sandbox
    }
    part! {
        /// The frozen judge.
        verifier: dyn Verifier
    }
    part! {
        /// Finds weaknesses.
        miner: dyn Miner
    }
    part! {
        /// Writes edits.
        proposer: dyn Proposer<H>
    }
    part! {
        /// Decides.
        validator: dyn Validator<H>
    }
    part! {
        /// Runs trials on other threads.
        executor: dyn Executor
    }

    /// The tasks.
    #[must_use]
    pub fn benchmark(mut self, benchmark: Benchmark) -> Self {
        self.benchmark = Some(benchmark);
        self
    }

    /// Where everything is recorded, and resumed from.
    #[must_use]
    pub fn journal(mut self, journal: impl Journal + 'static) -> Self {
        self.journal = Arc::new(journal);
        self
    }

    /// Who watches.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// Another clock than the machine's.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Caps over everything.
    #[must_use]
    pub fn caps(mut self, caps: Caps) -> Self {
        self.caps = caps;
        self
    }

    /// Forces another reading of a sealed split that earlier sessions of the run have read, and rounds before it if there
    /// are any left. Its claim is marked wherever it is shown ([`Claim::reading`](super::Claim::reading)).
    #[must_use]
    pub fn read_sealed_again(mut self, yes: bool) -> Self {
        self.read_again = yes;
        self
    }

    /// Controls at the end of the run: candidates that are known to be nothing, judged like any other, and the seed harness
    /// sampled with as many trials as evolution took. They may be asked for when a finished run is resumed.
    #[must_use]
    pub fn controls(mut self, group: ControlGroup<H>) -> Self {
        self.controlled_by = Some(Arc::new(group));
        self
    }

    /// Takes each retained edit out at the end of the run, and leaves out those that nobody misses
    /// ([`Engine::prune`](super::Engine::prune)). It buys trials for each of them, and is part of a run's identity, for the last harness may be
    /// another one.
    #[must_use]
    pub fn pruning(mut self, pruning: Pruning) -> Self {
        self.pruning = Some(pruning);
        self
    }

    /// The smallest change in pass rate, 0 to 1, that the run is to tell from nothing. Before anything is judged the engine measures the seed harness
    /// once more under another label, and refuses a bar below the noise that shows ([`NoiseFloor`](super::NoiseFloor)). No trial and no verdict depends on it, so
    /// it is not part of a run's identity.
    #[must_use]
    pub fn bar(mut self, change: f64) -> Self {
        self.bar = Some(change);
        self
    }

    /// How the run goes on.
    #[must_use]
    pub fn config(mut self, config: EngineConfig) -> Self {
        self.config = config;
        self
    }

    /// One more thing that makes this run this run, such as the gate: resuming with another value is refused.
    #[must_use]
    pub fn identity(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.identity = self.identity.with(key, value);
        self
    }

    /// Where the journal belongs to another configuration, begins a new run in it instead of refusing: rounds begin anew
    /// from the seed, while trials that are the same in both are taken from the record. Caps count both runs together.
    #[must_use]
    pub fn fork(mut self, fork: bool) -> Self {
        self.fork = fork;
        self
    }

    /// Reads the journal and takes up the run where it is.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] naming a missing part or an impossible setting; [`ErrorKind::Mismatch`] when the journal
    /// belongs to another configuration; [`ErrorKind::Journal`] when it cannot be read.
    pub async fn build(mut self) -> Result<Engine<H>> {
        check_config(&self.config)?;
        let benchmark = required(self.benchmark.take(), "benchmark")?;
        let miner = required(self.miner.take(), "miner")?;
        let proposer = required(self.proposer.take(), "proposer")?;
        let validator = required(self.validator.take(), "validator")?;
        // Another model's server may be up while this one is down.
        let other = self.improver.take().map(|other| (other, self.breaker()));
        let improver = match &other {
            Some((other, _)) => Arc::clone(other),
            None => Arc::clone(self.model.as_ref().ok_or_else(|| missing("model"))?),
        };
        check_caps(&self.caps)?;
        check_price(&self.caps, improver.as_ref())?;
        self.identity = std::mem::take(&mut self.identity)
            .with("improver", improver.model())
            .with("tasks", benchmark.fingerprint()?)
            .with("width", self.config.width)
            .with("attempts", self.config.attempts)
            .with("claim attempts", self.config.claim_attempts);
        // A run that prunes may end with another harness. A bar only decides whether a run begins: whoever is refused may raise it.
        if let Some(Pruning { margin, attempts, error }) = self.pruning {
            let how = format!("margin {margin}, {attempts} attempts, error {error}");
            self.identity = std::mem::take(&mut self.identity).with("pruning", how);
        }
        let config = self.config.clone();
        let (seed, read_again) = (self.seed.clone(), self.read_again);
        let (controlled_by, pruning, bar) = (self.controlled_by.take(), self.pruning, self.bar);
        let tasks: Vec<_> = benchmark.all().cloned().collect();
        let (runner, earlier) = self.open(&tasks).await?;
        let promotions = earlier.promotions.iter().map(typed_promotion).collect::<Result<_>>()?;
        let improvers = other.map_or_else(|| Arc::clone(&runner.breaker), |(_, own)| own);
        Ok(Engine {
            improver: Meter::new(
                improver,
                Arc::clone(&runner.ledger),
                Purpose::Stage { round: 0, stage: String::new() },
            )
            .sheltered_by(&improvers),
            runner: Arc::new(runner),
            miner,
            proposer,
            validator,
            benchmark: Arc::new(benchmark),
            config,
            lineage: Lineage::replay(seed, promotions)?,
            history: earlier.past.rounds().iter().flat_map(RoundReport::past_proposals).collect(),
            past: earlier.past.clone(),
            claims: earlier.claims.clone(),
            read_again,
            controlled_by,
            controls: earlier.controls.clone(),
            pruning,
            bar,
            earlier,
        })
    }

    /// The parts that run trials, over the journal as it stands.
    pub(super) async fn open(mut self, tasks: &[Arc<Task>]) -> Result<(Runner, Earlier)> {
        let model = required(self.model.take(), "model")?;
        let sandbox = required(self.sandbox.take(), "sandbox")?;
        let verifier = required(self.verifier.take(), "verifier")?;
        let verifiers =
            tasks.iter().map(|task| verifier.fingerprint(task)).collect::<Result<Vec<_>>>()?;
        let identity = self
            .identity
            .clone()
            .with("harness", self.seed.fingerprint()?)
            .with("model", model.model())
            .with("verifier", Fingerprint::of(&verifiers)?)
            .with("sandbox", sandbox.isolation())
            .with("seed", self.config.seed)
            .with("limits", Fingerprint::of(&self.config.limits)?);
        check_caps(&self.caps)?;
        check_price(&self.caps, model.as_ref())?;
        let mut earlier = Earlier::read(self.journal.as_ref()).await?;
        match earlier.check(&identity) {
            Err(_) if self.fork => earlier.fork(),
            checked => checked?,
        }
        self.journal.append(&Record::Opened { identity }).await?;
        let breaker = self.breaker();
        let money = &earlier.money;
        let budget = Arc::new(Budget::new(self.caps));
        budget.carry(money.spent, money.trials, money.time);
        let clock = self.clock;
        let ledger =
            Arc::new(Ledger::new(budget, self.journal, Arc::clone(&clock), money.last_call));
        self.observer.observe(&Event::RunStarted {
            model: model.model(),
            isolation: sandbox.isolation(),
            rounds_done: u32::try_from(earlier.past.rounds().len()).unwrap_or(u32::MAX),
        });
        if earlier.opened.is_some() {
            self.observer.observe(&Event::Resumed { found: &earlier.found() });
        }
        let runner = Runner {
            model,
            sandbox,
            verifier,
            breaker,
            observer: self.observer,
            ledger,
            clock,
            executor: self.executor,
            limits: self.config.limits,
            concurrency: self.config.concurrency,
            void_retries: self.config.void_retries,
            paid: PaidTrials::new(std::mem::take(&mut earlier.stored)),
        };
        Ok((runner, earlier))
    }

    fn breaker(&self) -> Arc<Breaker> {
        let (clock, observer) = (Arc::clone(&self.clock), Arc::clone(&self.observer));
        Arc::new(Breaker::new(clock, observer, self.config.patience))
    }

    /// An arena outside any run, as a validator gets it in `round`: for a validator used alone. Miner, proposer and validator
    /// need not be given.
    ///
    /// # Errors
    /// As [`EngineBuilder::build`].
    pub async fn arena(mut self, round: u32) -> Result<Arena<H>> {
        check_config(&self.config)?;
        let benchmark = required(self.benchmark.take(), "benchmark")?;
        let (attempts, seed) = (self.config.attempts, self.config.seed);
        let tasks: Vec<_> = benchmark.all().cloned().collect();
        let (runner, _) = self.open(&tasks).await?;
        let (runner, benchmark) = (Arc::new(runner), Arc::new(benchmark));
        Ok(Arena::new(runner, benchmark, attempts, seed, round, Phase::Judge))
    }

    /// One harness on tasks, each [`EngineConfig::attempts`] times, without evolution: what `oracle` and `nop` agents
    /// are for. The trials come in the order of the tasks.
    ///
    /// # Errors
    /// As [`EngineBuilder::build`] and [`Engine::run`].
    pub async fn measure(self, tasks: Vec<Arc<Task>>) -> Result<Measured> {
        check_config(&self.config)?;
        let (seed, attempts) = (self.config.seed, self.config.attempts);
        let harness = self.seed.clone();
        let (runner, _) = self.open(&tasks).await?;
        let runner = Arc::new(runner);
        let orders = tasks.iter().flat_map(|task| {
            (0..attempts).map(|attempt| Order {
                task: Arc::clone(task),
                // Outside an evolution nothing is mined and nothing is hidden.
                split: SplitName::HeldIn,
                replicate: Replicate { seed, round: 0, phase: Phase::Direct, attempt },
            })
        });
        let trials = runner.run(&harness, orders.collect(), "measurement").await?;
        Ok(Measured { trials, counts: runner.paid.counts(), spent: runner.ledger.budget.spent() })
    }
}

/// What [`EngineBuilder::measure`] leaves.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The trials, in the order of the tasks.
    pub trials: Vec<Arc<Trial>>,
    /// How many there are.
    pub counts: TrialCounts,
    /// What they cost.
    pub spent: Spent,
}

fn required<T>(part: Option<T>, name: &str) -> Result<T> {
    part.ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Error {
    let message =
        format!("the engine has no {name}: give it one with `.{name}(…)` before `.build()`");
    Error::new(ErrorKind::InvalidInput, message)
}

/// Nothing is above a cap that is no number: it would stop nothing.
fn check_caps(caps: &Caps) -> Result<()> {
    match caps.usd {
        Some(usd) if !usd.is_finite() || usd < 0.0 => {
            let message = format!("a cap of {usd} dollars is none: name a sum that can be reached");
            Err(Error::new(ErrorKind::InvalidInput, message))
        }
        _ => Ok(()),
    }
}

/// A cap on dollars holds only where a call's worst case can be told.
fn check_price(caps: &Caps, model: &dyn LlmBackend) -> Result<()> {
    if caps.usd.is_none() || model.price().is_some() {
        return Ok(());
    }
    let message = format!(
        "a cap on dollars is set, but no price of {} is known: give its price, or cap tokens instead",
        model.model()
    );
    Err(Error::new(ErrorKind::InvalidInput, message))
}

fn check_config(config: &EngineConfig) -> Result<()> {
    let wrong = [
        (config.width == 0, "width"),
        (config.attempts == 0, "attempts"),
        (config.claim_attempts == 0, "claim_attempts"),
        (config.concurrency == 0, "concurrency"),
        (config.limits.steps == 0, "limits.steps"),
    ];
    match wrong.iter().find(|(is_wrong, _)| *is_wrong) {
        Some((_, key)) => {
            Err(Error::new(ErrorKind::InvalidInput, format!("`{key}` is 0: it must be at least 1")))
        }
        None => Ok(()),
    }
}
