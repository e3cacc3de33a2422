//! Where a validator buys trials: the two splits that may decide a promotion, and nothing else.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use crate::error::Result;
use crate::harness::Harness;
use crate::replay::RecordedTrials;
use crate::runner::{Order, Runner};
use crate::split::Benchmark;
use crate::stage::StageContext;
use crate::task::Task;
use crate::trial::{HeldIn, HeldOut, Phase, Replicate, Split, Trials};

/// Runs any harness on held-in and held-out tasks, with the run's own model, verifier and limits. The
/// sealed split cannot be reached from here.
#[derive(Debug)]
pub struct Arena<H: Harness> {
    source: Source,
    benchmark: Arc<Benchmark>,
    attempts: u32,
    seed: u64,
    round: u32,
    phase: Phase,
    stage: Option<Arc<StageContext>>,
    harness: PhantomData<fn(&H)>,
}

/// Where an arena's trials come from.
#[derive(Clone, Debug)]
enum Source {
    /// They are run, unless they are on record.
    Runner(Arc<Runner>),
    /// They are on record, or missing.
    Record(Arc<RecordedTrials>),
}

/// A split that a validator may run trials on.
pub trait Gating: Split {}
impl Gating for HeldIn {}
impl Gating for HeldOut {}

impl<H: Harness> Arena<H> {
    pub(crate) fn new(
        runner: Arc<Runner>,
        benchmark: Arc<Benchmark>,
        attempts: u32,
        seed: u64,
        round: u32,
        phase: Phase,
    ) -> Self {
        let source = Source::Runner(runner);
        Self { source, benchmark, attempts, seed, round, phase, stage: None, harness: PhantomData }
    }

    /// The same, where the judge may ask the model.
    pub(crate) fn with_stage(mut self, stage: StageContext) -> Self {
        self.stage = Some(Arc::new(stage));
        self
    }

    /// An arena that runs nothing.
    pub(crate) fn recorded(
        trials: Arc<RecordedTrials>,
        benchmark: Arc<Benchmark>,
        attempts: u32,
        seed: u64,
        round: u32,
        phase: Phase,
    ) -> Self {
        let source = Source::Record(trials);
        Self { source, benchmark, attempts, seed, round, phase, stage: None, harness: PhantomData }
    }

    fn in_phase(&self, phase: Phase) -> Self {
        let (source, benchmark) = (self.source.clone(), Arc::clone(&self.benchmark));
        let (attempts, seed, round) = (self.attempts, self.seed, self.round);
        let stage = self.stage.clone();
        Self { source, benchmark, attempts, seed, round, phase, stage, harness: PhantomData }
    }

    /// The same arena with replicates of its own, for judging a composition: its trials are not those that
    /// accepted its parts.
    #[must_use]
    pub fn composing(&self) -> Self {
        self.in_phase(Phase::Compose)
    }

    /// The arena in which the incumbent of the same round is assessed.
    #[cfg(feature = "testing")]
    pub(crate) fn assessing(&self) -> Self {
        self.in_phase(Phase::Assess)
    }

    /// The tasks of a split.
    pub fn tasks<S: Gating>(&self) -> &[Arc<Task>] {
        self.benchmark.tasks(S::NAME)
    }

    /// How often the operator wants each task attempted.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// What the judge may ask the model by, if it may: metered and recorded like mining, and seen by no other stage.
    pub fn stage(&self) -> Option<&StageContext> {
        self.stage.as_deref()
    }

    /// Whatever is random in judging comes from here.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The round, from 1.
    pub fn round(&self) -> u32 {
        self.round
    }

    /// Every task of a split, [`Arena::attempts`] times each.
    ///
    /// # Errors
    /// Broken machinery, or a spent budget; trials that finished before it are recorded.
    pub async fn measure<S: Gating>(&self, harness: &H) -> Result<Trials<S>> {
        let tasks: Vec<_> = self.tasks::<S>().to_vec();
        self.trials(harness, &tasks, 0..self.attempts).await
    }

    /// The given attempts at the given tasks. Asking again for the same attempt gives the same trial.
    ///
    /// # Errors
    /// As [`Arena::measure`].
    pub async fn trials<S: Gating>(
        &self,
        harness: &H,
        tasks: &[Arc<Task>],
        attempts: Range<u32>,
    ) -> Result<Trials<S>> {
        let share = Share { harness, tasks: tasks.to_vec(), attempts };
        let mut trials = self.block(std::slice::from_ref(&share)).await?;
        trials.pop().map_or_else(|| Trials::new(Vec::new()), Ok)
    }

    /// One interleaved block: the shares' attempts in the order of attempts and tasks, so that those of different
    /// harnesses at the same task run side by side and meet the same weather. The trials come back share by share.
    ///
    /// # Errors
    /// As [`Arena::measure`].
    pub async fn block<S: Gating>(&self, shares: &[Share<'_, H>]) -> Result<Vec<Trials<S>>> {
        let mut orders: Vec<(usize, Order)> = Vec::new();
        for (index, share) in shares.iter().enumerate() {
            orders.extend(self.orders::<S>(share).map(|order| (index, order)));
        }
        let mut position = BTreeMap::new();
        for (_, order) in &orders {
            let next = position.len();
            position.entry(order.task.name.clone()).or_insert(next);
        }
        orders.sort_by_key(|(share, order)| {
            (order.replicate.attempt, position.get(&order.task.name).copied(), *share)
        });
        let owners: Vec<usize> = orders.iter().map(|(share, _)| *share).collect();
        let harnesses: Vec<&H> = shares.iter().map(|share| share.harness).collect();
        let trials = match &self.source {
            Source::Runner(runner) => runner.run_block(&harnesses, orders, self.purpose()).await?,
            Source::Record(trials) => trials.block(&harnesses, &orders)?,
        };
        let mut by_share = vec![Vec::new(); shares.len()];
        for (owner, trial) in owners.into_iter().zip(trials) {
            by_share[owner].push(trial);
        }
        by_share.into_iter().map(Trials::new).collect()
    }

    fn orders<S: Gating>(&self, share: &Share<'_, H>) -> impl Iterator<Item = Order> {
        let (seed, round, phase) = (self.seed, self.round, self.phase);
        share.attempts.clone().flat_map(move |attempt| {
            share.tasks.iter().map(move |task| Order {
                task: Arc::clone(task),
                split: S::NAME,
                replicate: Replicate { seed, round, phase, attempt },
            })
        })
    }

    fn purpose(&self) -> &'static str {
        match self.phase {
            Phase::Assess | Phase::Deepen => "incumbent",
            Phase::Compose => "judging compositions",
            Phase::Control => "judging a control",
            _ => "judging candidates",
        }
    }
}

/// One harness's part of a block.
#[derive(Clone, Debug)]
pub struct Share<'a, H> {
    /// The harness.
    pub harness: &'a H,
    /// The tasks that it attempts.
    pub tasks: Vec<Arc<Task>>,
    /// Which attempts at each of them.
    pub attempts: Range<u32>,
}
