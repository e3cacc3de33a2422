//! One run of the loop in a profile's world: real miner, proposer, gate and engine, with attempts drawn from the truth.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use harness_benchmark::{Assignment, Proportions};
use harness_core::testing::{InMemorySandbox, Twin};
use harness_core::{
    DocumentEdit, Engine, EngineConfig, Environment, Event, Harness, MinimalHarness, Observer,
    Result, SplitName, Task, Verdict,
};
use harness_llm::{Profile, Truth};
use harness_miner::SignatureMiner;
use harness_proposer::LlmProposer;
use harness_validator::{GateKind, RegressionValidator};

use crate::options::Table;
use crate::world::{World, limits, mean};

/// An edit whose true gain is at least this should not be refused.
const WORTH_HAVING: f64 = 0.03;

/// What came of a run.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) last: MinimalHarness,
    /// True pass rates on the sealed split.
    pub(crate) sealed: (f64, f64),
    /// True pass rates over all tasks.
    pub(crate) all: (f64, f64),
    pub(crate) promoted: f64,
    /// Promoted edits that truly gain nothing where they were promoted, and those that truly lose.
    pub(crate) false_promotions: f64,
    pub(crate) harmful: f64,
    /// Edits that were refused although they would truly have gained three points.
    pub(crate) missed: f64,
    pub(crate) trials: f64,
    pub(crate) tokens: f64,
}

/// Adds up what trials cost that nobody made.
#[derive(Clone, Debug, Default)]
struct Tokens(Arc<AtomicU64>);

impl Observer for Tokens {
    fn observe(&self, event: &Event<'_>) {
        if let Event::TrialFinished { trial, reused: false } = event {
            self.0.fetch_add(trial.spent.tokens(), Ordering::Relaxed);
        }
    }
}

/// Runs the loop once, from the minimal harness. `number` seeds the run; the world stays the same.
pub(crate) async fn run(
    world: &World,
    profile: Profile,
    truth: &Truth,
    asked: &Table,
    number: u64,
) -> Result<Found> {
    let tasks: Vec<Arc<Task>> = world.tasks.iter().map(|task| undemanding(task)).collect();
    let benchmark =
        Assignment::stratified(&tasks, number, Proportions::default())?.benchmark(&tasks)?;
    let sealed: Vec<_> =
        benchmark.tasks(SplitName::Sealed).iter().map(|task| task.name.clone()).collect();
    let gate: GateKind = asked.gate.parse()?;
    let tokens = Tokens::default();
    let mut engine = Engine::builder(Twin::new(MinimalHarness::default(), Arc::new(truth.clone())))
        .model(world.model(profile, 0))
        .sandbox(InMemorySandbox::default())
        .verifier(Twin::<MinimalHarness>::verifier())
        .benchmark(benchmark)
        .miner(SignatureMiner::new())
        .proposer(LlmProposer::new())
        .validator(RegressionValidator::from(gate))
        .identity("gate", gate)
        .observer(tokens.clone())
        .config(EngineConfig {
            rounds: asked.rounds,
            width: asked.width as usize,
            claim_attempts: 4,
            dry_rounds: 4,
            seed: number,
            limits: limits(),
            ..EngineConfig::default()
        })
        .build()
        .await?;
    let report = engine.run().await?;
    let first = MinimalHarness::default();
    let last = engine.lineage().tip().harness().clone();
    let beliefs = beliefs(world, truth, &report)?;
    Ok(Found {
        sealed: (mean(truth, &first, sealed.iter())?, mean(truth, &last, sealed.iter())?),
        all: (world.pass_rate(truth, &first)?, world.pass_rate(truth, &last)?),
        last,
        promoted: beliefs.promoted,
        false_promotions: beliefs.false_promotions,
        harmful: beliefs.harmful,
        missed: beliefs.missed,
        trials: count(report.trials.scored + report.trials.void),
        tokens: count(tokens.0.load(Ordering::Relaxed) + report.spent.tokens()),
    })
}

/// The task without an environment: attempts that are drawn need nothing set up.
fn undemanding(task: &Task) -> Arc<Task> {
    Arc::new(Task { environment: Environment::default(), ..task.clone() })
}

#[derive(Debug, Default)]
struct Beliefs {
    promoted: f64,
    false_promotions: f64,
    harmful: f64,
    missed: f64,
}

/// The run's verdicts beside the truth, round by round.
fn beliefs(world: &World, truth: &Truth, report: &harness_core::RunReport) -> Result<Beliefs> {
    let mut beliefs = Beliefs::default();
    let mut harness = MinimalHarness::default();
    for round in &report.rounds {
        let incumbent = world.pass_rate(truth, &harness)?;
        let mut next = harness.clone();
        for judged in &round.judged {
            let Ok(edit) = serde_json::from_value::<DocumentEdit>(judged.proposal.edit.clone())
            else {
                continue;
            };
            if round.promoted.contains(&judged.proposal.id) {
                let before = world.pass_rate(truth, &next)?;
                next = next.apply(&edit)?;
                let gain = world.pass_rate(truth, &next)? - before;
                beliefs.promoted += 1.0;
                beliefs.false_promotions += f64::from(u8::from(gain <= 1e-9));
                beliefs.harmful += f64::from(u8::from(gain < -1e-9));
            } else if judged.decision.verdict != Verdict::Promote
                && let Ok(refused) = harness.apply(&edit)
            {
                let gain = world.pass_rate(truth, &refused)? - incumbent;
                beliefs.missed += f64::from(u8::from(gain >= WORTH_HAVING));
            }
        }
        harness = next;
    }
    Ok(beliefs)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn count(number: u64) -> f64 {
    number as f64
}
