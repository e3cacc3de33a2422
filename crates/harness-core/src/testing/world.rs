//! A world whose truth is known: what a harness really achieves, and what an edit really changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Chance, InMemorySandbox, ManualClock, ScriptedLlm, ScriptedMiner, ScriptedVerifier, answer,
};
use crate::context::RunContext;
use crate::engine::{Engine, EngineBuilder, EngineConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::harness::{Harness, Surface};
use crate::id::SurfaceId;
use crate::split::Benchmark;
use crate::task::Task;
use crate::trial::{Finish, SplitName};

/// A task of which every harness's pass rate is known.
///
/// The rate is `base` plus, for every entry of `effects`, the effect times the harness's level of that lever, kept within [0, 1]. An entry
/// `a*b` counts the product of two levels: edits that are good alone and bad together, or the other way round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorldTask {
    /// Its name.
    pub name: String,
    /// The pass rate of a harness with all levers at 0.
    pub base: f64,
    /// What a level of 1 of a lever adds.
    #[serde(default)]
    pub effects: BTreeMap<String, f64>,
    /// The rate of trials that cannot be scored, in the same way: the entry `""` is its base.
    #[serde(default)]
    pub void: BTreeMap<String, f64>,
}

impl WorldTask {
    /// A task that no lever moves.
    pub fn new(name: impl Into<String>, base: f64) -> Self {
        Self { name: name.into(), base, effects: BTreeMap::new(), void: BTreeMap::new() }
    }

    /// The same with one more effect.
    #[must_use]
    pub fn moved_by(mut self, lever: &str, effect: f64) -> Self {
        self.effects.insert(lever.to_owned(), effect);
        self
    }

    /// The same with one more effect on the rate of void trials; `""` is the rate without any lever.
    #[must_use]
    pub fn voided_by(mut self, lever: &str, effect: f64) -> Self {
        self.void.insert(lever.to_owned(), effect);
        self
    }

    /// How likely `harness` passes, given that the trial is scored.
    pub fn pass_rate(&self, harness: &WorldHarness) -> f64 {
        (self.base + harness.sum(&self.effects)).clamp(0.0, 1.0)
    }

    /// How likely a trial of `harness` is void.
    pub fn void_rate(&self, harness: &WorldHarness) -> f64 {
        harness.sum(&self.void).clamp(0.0, 1.0)
    }
}

/// A harness that is nothing but levels of levers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorldHarness {
    /// Levels by lever; absent is 0.
    pub levels: BTreeMap<String, f64>,
}

/// Moves one lever by a finite amount.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorldEdit {
    /// Which lever.
    pub lever: String,
    /// By how much.
    pub by: f64,
}

impl WorldEdit {
    /// Moves `lever` by `by`.
    pub fn new(lever: impl Into<String>, by: f64) -> Self {
        Self { lever: lever.into(), by }
    }
}

impl WorldHarness {
    /// The level of a lever; of `a*b` the product; of the empty name 1.
    pub fn level(&self, lever: &str) -> f64 {
        let level = |name: &str| match name {
            "" => 1.0,
            name => self.levels.get(name).copied().unwrap_or_default(),
        };
        lever.split('*').map(level).product()
    }

    fn sum(&self, effects: &BTreeMap<String, f64>) -> f64 {
        effects.iter().map(|(lever, effect)| effect * self.level(lever)).sum()
    }
}

impl Harness for WorldHarness {
    type Edit = WorldEdit;

    fn surfaces(&self) -> Vec<Surface> {
        vec![Surface {
            id: SurfaceId::new("/levels"),
            description: "Levels by lever.".to_owned(),
            schema: serde_json::json!({"type": "object", "additionalProperties": {"type": "number"}}),
            value: serde_json::json!(self.levels),
        }]
    }

    fn surface_of(_edit: &WorldEdit) -> SurfaceId {
        SurfaceId::new("/levels")
    }

    fn apply(&self, edit: &WorldEdit) -> Result<Self> {
        if edit.lever.is_empty() || edit.lever.contains('*') || !edit.by.is_finite() {
            return Err(Error::new(
                ErrorKind::InvalidEdit,
                format!("{edit:?} names no lever, or no amount"),
            ));
        }
        let mut next = self.clone();
        *next.levels.entry(edit.lever.clone()).or_default() += edit.by;
        // A level of 0 is no level: what is moved there and back is the same harness.
        next.levels.retain(|_, level| *level != 0.0);
        Ok(next)
    }

    async fn run(&self, task: &Task, cx: &RunContext<'_>) -> Result<Finish> {
        let task: WorldTask = serde_json::from_str(&task.instruction).map_err(|source| {
            Error::new(ErrorKind::InvalidInput, "not a task of a world").with_source(source)
        })?;
        let mut chance = Chance::new(cx.seed());
        if chance.happens(task.void_rate(self)) {
            return Err(Error::new(ErrorKind::Sandbox, "the world made this trial void"));
        }
        let passed = chance.happens(task.pass_rate(self));
        let objection = if passed { None } else { Some(complaint(&task, self)) };
        answer::leave(cx, objection.as_deref()).await?;
        Ok(Finish::Done)
    }
}

/// The lever whose next step would help most is what the verifier complains about.
fn complaint(task: &WorldTask, harness: &WorldHarness) -> String {
    let helps = |lever: &str| {
        let edit = WorldEdit::new(lever, 1.0);
        harness.apply(&edit).map_or(0.0, |next| task.pass_rate(&next) - task.pass_rate(harness))
    };
    let levers: BTreeSet<&str> = task.effects.keys().flat_map(|name| name.split('*')).collect();
    let best = levers.into_iter().filter(|lever| helps(lever) > 0.0);
    let best = best.max_by(|a, b| helps(a).total_cmp(&helps(b)));
    best.map_or_else(|| "bad luck".to_owned(), |lever| format!("lacks {lever}"))
}

/// Tasks in three splits, and the truth about them.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Mined.
    pub held_in: Vec<WorldTask>,
    /// Gating.
    pub held_out: Vec<WorldTask>,
    /// For the claim; may be empty.
    pub sealed: Vec<WorldTask>,
}

impl World {
    /// `count` tasks in each split, all made by `task` from split and index. Names are made unique.
    pub fn uniform(count: usize, task: impl Fn(SplitName, usize) -> WorldTask) -> Self {
        let make = |split: SplitName| -> Vec<WorldTask> {
            let named =
                |index| WorldTask { name: format!("{split}-{index}"), ..task(split, index) };
            (0..count).map(named).collect()
        };
        Self {
            held_in: make(SplitName::HeldIn),
            held_out: make(SplitName::HeldOut),
            sealed: make(SplitName::Sealed),
        }
    }

    /// The tasks of one split.
    pub fn tasks(&self, split: SplitName) -> &[WorldTask] {
        match split {
            SplitName::HeldIn => &self.held_in,
            SplitName::HeldOut => &self.held_out,
            SplitName::Sealed => &self.sealed,
        }
    }

    /// The true pass rate of a harness on a split: what endless trials would show. 0 without tasks.
    #[expect(clippy::cast_precision_loss, reason = "counts of tasks are far below 2^52")]
    pub fn pass_rate(&self, harness: &WorldHarness, split: SplitName) -> f64 {
        let tasks = self.tasks(split);
        let sum: f64 = tasks.iter().map(|task| task.pass_rate(harness)).sum();
        sum / tasks.len().max(1) as f64
    }

    /// Whether `after` is truly no worse than `before` on both gating splits, and better on one: what a promotion should be.
    pub fn improves(&self, before: &WorldHarness, after: &WorldHarness) -> bool {
        let change = |split| self.pass_rate(after, split) - self.pass_rate(before, split);
        let (inside, outside) = (change(SplitName::HeldIn), change(SplitName::HeldOut));
        // The margin is for rounding in the sums.
        inside >= -1e-12 && outside >= -1e-12 && inside + outside > 1e-12
    }

    /// The world as a benchmark.
    ///
    /// # Errors
    /// Those of [`Benchmark::new`].
    pub fn benchmark(&self) -> Result<Benchmark> {
        let tasks =
            |split: SplitName| self.tasks(split).iter().map(task).collect::<Result<Vec<_>>>();
        Benchmark::new(
            tasks(SplitName::HeldIn)?,
            tasks(SplitName::HeldOut)?,
            tasks(SplitName::Sealed)?,
        )
    }

    /// The verifier of this world.
    pub fn verifier(&self) -> ScriptedVerifier {
        answer::verifier("world")
    }

    /// An engine for `seed` in this world that still lacks proposer and validator. Its clock stands still and void trials are
    /// not tried again, because the same trial would be void again.
    ///
    /// # Errors
    /// As [`World::benchmark`].
    pub fn engine(&self, seed: WorldHarness) -> Result<EngineBuilder<WorldHarness>> {
        Ok(Engine::builder(seed)
            .model(ScriptedLlm::always("…"))
            .sandbox(InMemorySandbox::default())
            .verifier(self.verifier())
            .benchmark(self.benchmark()?)
            .miner(ScriptedMiner::by_evidence())
            .clock(ManualClock::new())
            .config(self.config()))
    }

    /// The engine's default configuration without repeated void trials.
    pub fn config(&self) -> EngineConfig {
        EngineConfig { void_retries: 0, ..EngineConfig::default() }
    }
}

fn task(task: &WorldTask) -> Result<Arc<Task>> {
    let text = serde_json::to_string(task).map_err(|source| {
        Error::new(ErrorKind::Contract, "a world task has no JSON form").with_source(source)
    })?;
    Ok(Arc::new(Task::new(task.name.as_str(), text)))
}
