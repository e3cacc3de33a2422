//! Where a validator buys trials: the two splits that may decide a promotion, and nothing else.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use crate::error::Result;
use crate::harness::Harness;
use crate::runner::{Order, Runner};
use crate::split::Benchmark;
use crate::task::Task;
use crate::trial::{HeldIn, HeldOut, Phase, Replicate, Split, Trials};

/// Runs any harness on held-in and held-out tasks, with the run's own model, verifier and limits. The
/// sealed split cannot be reached from here.
#[derive(Debug)]
pub struct Arena<H: Harness> {
    runner: Arc<Runner>,
    benchmark: Arc<Benchmark>,
    attempts: u32,
    seed: u64,
    round: u32,
    phase: Phase,
    harness: PhantomData<fn(&H)>,
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
        Self { runner, benchmark, attempts, seed, round, phase, harness: PhantomData }
    }

    /// The same arena with replicates of its own, for judging a composition: its trials are not those that
    /// accepted its parts.
    #[must_use]
    pub fn composing(&self) -> Self {
        let (runner, benchmark) = (Arc::clone(&self.runner), Arc::clone(&self.benchmark));
        Self::new(runner, benchmark, self.attempts, self.seed, self.round, Phase::Compose)
    }

    /// The arena in which the incumbent of the same round is assessed.
    #[cfg(feature = "testing")]
    pub(crate) fn assessing(&self) -> Self {
        let (runner, benchmark) = (Arc::clone(&self.runner), Arc::clone(&self.benchmark));
        Self::new(runner, benchmark, self.attempts, self.seed, self.round, Phase::Assess)
    }

    /// The tasks of a split.
    pub fn tasks<S: Gating>(&self) -> &[Arc<Task>] {
        self.benchmark.tasks(S::NAME)
    }

    /// How often the operator wants each task attempted.
    pub fn attempts(&self) -> u32 {
        self.attempts
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
        let mut orders = Vec::new();
        for attempt in attempts {
            let replicate =
                Replicate { seed: self.seed, round: self.round, phase: self.phase, attempt };
            orders.extend(tasks.iter().map(|task| Order {
                task: Arc::clone(task),
                split: S::NAME,
                replicate,
            }));
        }
        let purpose = match self.phase {
            Phase::Assess => "incumbent",
            Phase::Compose => "judging compositions",
            _ => "judging candidates",
        };
        Trials::new(self.runner.run(harness, orders, purpose).await?)
    }
}
