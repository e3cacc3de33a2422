//! What the gates do in worlds whose truth is known: how often they are right, and what they cost.
//!
//! ```text
//! cargo run --release --example operating_characteristics -- [--world FILE] [--replicates N] [--seed N] [--json]
//! ```
//!
//! Nothing here is a copy of a rule: the gates are those of `harness-validator`, fed with drawn outcomes instead of trials.

mod evolution;
mod hearing;
mod peers;
mod scenarios;
mod table;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use harness_validator::{Gate, GateKind, SequentialGate};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::evolution::{Loop, Run, evolve};
use crate::peers::Peer;
use crate::table::Summary;
use crate::world::World;

/// Operating characteristics of the gates, by simulation.
#[derive(Clone, Debug, Parser)]
struct Options {
    /// A world as JSON; the two that the project's goals speak of when none is given.
    #[arg(long)]
    world: Vec<PathBuf>,
    /// Runs of evolution for each rule and world; single decisions get ten times as many.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    replicates: u64,
    /// Everything random comes from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Only the JSON line.
    #[arg(long)]
    json: bool,
    /// Settings of the sequential gate as JSON, over its own: `{"price": 3}`.
    #[arg(long)]
    settings: Option<String>,
    /// Only rules whose name contains this.
    #[arg(long)]
    rule: Option<String>,
    /// Leaves single decisions out.
    #[arg(long)]
    no_decisions: bool,
    /// Prints the JSON schema of worlds and ends.
    #[arg(long)]
    schema: bool,
}

const STOCK: [&str; 2] =
    [include_str!("worlds/untargeted.json"), include_str!("worlds/targeted.json")];

fn main() -> ExitCode {
    match simulate(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn simulate(options: &Options) -> Result<(), String> {
    if options.schema {
        let schema = schemars::schema_for!(World);
        println!("{}", serde_json::to_string_pretty(&schema).map_err(|error| error.to_string())?);
        return Ok(());
    }
    let mut lines = Vec::new();
    for world in worlds(options)? {
        let rules = rules(options)?;
        let summaries: Vec<Summary> = rules
            .iter()
            .map(|rule| Summary::of(&rule.name, &world, &runs(rule, &world, options)))
            .collect();
        if !options.json {
            table::print(&world, &summaries, options.replicates, options.seed);
        }
        lines.push(table::json(&world, &summaries));
    }
    let decisions = if options.no_decisions {
        Vec::new()
    } else {
        scenarios::all(options.replicates * 10, options.seed)
    };
    if !options.json {
        scenarios::print(&decisions);
    }
    let line = serde_json::json!({
        "replicates": options.replicates,
        "seed": options.seed,
        "worlds": lines,
        "decisions": decisions,
    });
    println!("{line}");
    Ok(())
}

fn worlds(options: &Options) -> Result<Vec<World>, String> {
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).map_err(|error| {
            format!("{}: {error}: give a file that can be read", path.display())
        })?;
        parse(&text, &path.display().to_string())
    };
    if options.world.is_empty() {
        return STOCK.iter().map(|text| parse(text, "stock world")).collect();
    }
    options.world.iter().map(read).collect()
}

fn parse(text: &str, whose: &str) -> Result<World, String> {
    let world: World = serde_json::from_str(text)
        .map_err(|error| format!("{whose}: {error}: --schema prints what a world may say"))?;
    match world.problem() {
        Some(problem) => Err(format!("{whose}: {problem}")),
        None => Ok(world),
    }
}

struct Rule {
    name: String,
    gate: Arc<dyn Gate>,
    which: Loop,
}

/// The sequential gate with the operator's settings.
fn sequential(options: &Options) -> Result<SequentialGate, String> {
    let gate = SequentialGate::default();
    let Some(settings) = &options.settings else { return Ok(gate) };
    let wrong =
        |error: serde_json::Error| format!("--settings: {error}: give JSON of the gate's settings");
    let mut all = serde_json::to_value(&gate).map_err(wrong)?;
    let given: serde_json::Map<_, _> = serde_json::from_str(settings).map_err(wrong)?;
    for (key, value) in given {
        match all.get_mut(&key) {
            Some(setting) => *setting = value,
            None => {
                return Err(format!("--settings: the gate has no setting '{key}': it has {all}"));
            }
        }
    }
    serde_json::from_value(all).map_err(wrong)
}

fn rules(options: &Options) -> Result<Vec<Rule>, String> {
    let rule = |name: &str, gate: Arc<dyn Gate>, which| Rule { name: name.to_owned(), gate, which };
    let mut rules = vec![
        rule("sequential", Arc::new(sequential(options)?), Loop::Composed),
        rule("paper", GateKind::Paper.gate(), Loop::Best),
        rule("published", GateKind::Paper.gate(), Loop::Published),
        rule("paper, composed", GateKind::Paper.gate(), Loop::Composed),
    ];
    if let Ok(strict) = "strict".parse::<GateKind>() {
        rules.push(rule("strict", strict.gate(), Loop::Composed));
    }
    rules.extend(Peer::ALL.map(|(name, peer)| rule(name, Arc::new(peer), Loop::Best)));
    let wanted =
        |rule: &Rule| options.rule.as_ref().is_none_or(|part| rule.name.contains(part.as_str()));
    Ok(rules.into_iter().filter(wanted).collect())
}

/// All replicates of a rule, on all threads. Every rule meets the same worlds, edits and first luck.
fn runs(rule: &Rule, world: &World, options: &Options) -> Vec<Run> {
    let next = AtomicU64::new(0);
    let most = world.budgets.iter().copied().max().unwrap_or_default();
    let work = || {
        let mut done = Vec::new();
        loop {
            let replicate = next.fetch_add(1, Ordering::Relaxed);
            if replicate >= options.replicates {
                return done;
            }
            let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
            rng.set_stream(replicate);
            done.push((replicate, evolve(rule.gate.as_ref(), rule.which, world, most, &mut rng)));
        }
    };
    let mut runs: Vec<(u64, Run)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    runs.sort_by_key(|(replicate, _)| *replicate);
    runs.into_iter().map(|(_, run)| run).collect()
}
