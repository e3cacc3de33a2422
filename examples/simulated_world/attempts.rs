//! The truth beside real attempts in a real sandbox.

use std::sync::Arc;

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use harness_benchmark::HarborVerifier;
use harness_core::{Engine, EngineConfig, MinimalHarness, Outcome, Result, Trial};
use harness_llm::Profile;
use harness_sandbox::TokioExecutor;

use crate::options::{Attempts, Options};
use crate::truth::harness;
use crate::world::{World, limits, runtime, sandbox};

pub(crate) fn show(asked: &Attempts, options: &Options) -> Result<String> {
    let world = World::load(options, 1)?;
    let model = world.model(Profile::named(&asked.asked.profile)?, 0);
    let truth = world.truth(&model);
    let harness = harness(&asked.asked)?;
    let trials = runtime()?.block_on(attempt(&world, model, harness.clone(), asked.attempts))?;
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(["task", "true pass rate", "passed", "z"]);
    let (mut all, mut expected, mut variance) = (0.0, 0.0, 0.0);
    for task in &world.tasks {
        let rate = truth.pass_rate(&harness, &task.name)?;
        let of_task: Vec<_> = trials.iter().filter(|trial| trial.key.task == task.name).collect();
        let scored =
            of_task.iter().filter(|trial| matches!(trial.outcome, Outcome::Scored { .. })).count();
        let passed = of_task.iter().filter(|trial| trial.outcome.passed() == Some(true)).count();
        let (count, passes) = (number(scored), number(passed));
        let deviation = (count * rate * (1.0 - rate)).sqrt();
        let z = if passes == count * rate {
            0.0
        } else {
            (passes - count * rate) / deviation.max(1e-9)
        };
        (all, expected, variance) =
            (all + passes, expected + count * rate, variance + deviation * deviation);
        let passed = format!("{passed} of {scored}");
        table.add_row([task.name.to_string(), format!("{rate:.4}"), passed, format!("{z:+.1}")]);
    }
    let z = (all - expected) / variance.sqrt().max(1e-9);
    let profile = &asked.asked.profile;
    Ok(format!(
        "[simulated] {profile}\n\n{table}\n\npassed {all}, expected {expected:.1}, z {z:+.2}\n"
    ))
}

#[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^52")]
fn number(count: usize) -> f64 {
    count as f64
}

async fn attempt(
    world: &World,
    model: harness_llm::SimulatedLlm,
    harness: MinimalHarness,
    attempts: u32,
) -> Result<Vec<Arc<Trial>>> {
    let config = EngineConfig { attempts, limits: limits(), ..EngineConfig::default() };
    let builder = Engine::builder(harness)
        .model(model)
        .sandbox(sandbox()?)
        .verifier(HarborVerifier::new(&world.harbor)?)
        .config(config);
    let builder = match TokioExecutor::current() {
        Some(executor) => builder.executor(executor),
        None => builder,
    };
    Ok(builder.measure(world.tasks.clone()).await?.trials)
}
