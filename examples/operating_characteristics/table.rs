//! What many runs come to.

use serde_json::{Value, json};

use crate::evolution::Run;
use crate::world::World;

/// Means over the replicates of one rule in one world.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    rule: String,
    trials: f64,
    gain: (f64, f64),
    promoted: f64,
    harmful: f64,
    at: Vec<(f64, f64)>,
}

impl Summary {
    /// Of these runs.
    #[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^52")]
    pub(crate) fn of(rule: &str, world: &World, runs: &[Run]) -> Self {
        let rounds = world.rounds;
        let last = |run: &Run| run.rounds.get(rounds - 1).copied().unwrap_or_default();
        let sum = |of: fn(&(usize, usize)) -> usize| {
            let counts = runs
                .iter()
                .map(|run| run.promoted.iter().take(rounds).map(of).sum::<usize>() as f64);
            mean(&counts.collect::<Vec<_>>()).0
        };
        let at =
            |budget: &usize| mean(&runs.iter().map(|run| run.gain_at(*budget)).collect::<Vec<_>>());
        Self {
            rule: rule.to_owned(),
            trials: mean(&runs.iter().map(|run| last(run).0 as f64).collect::<Vec<_>>()).0,
            gain: mean(&runs.iter().map(|run| last(run).1).collect::<Vec<_>>()),
            promoted: sum(|(promoted, _)| *promoted),
            harmful: sum(|(_, harmful)| *harmful),
            at: world.budgets.iter().map(at).collect(),
        }
    }

    fn json(&self, world: &World) -> Value {
        let at: Vec<Value> = world
            .budgets
            .iter()
            .zip(&self.at)
            .map(|(trials, (gain, error))| json!({"trials": trials, "gain": gain, "standard_error": error}))
            .collect();
        json!({
            "rule": self.rule, "trials": self.trials, "gain": self.gain.0, "standard_error": self.gain.1,
            "promoted": self.promoted, "harmful": self.harmful, "at": at,
        })
    }
}

/// Mean and its standard error.
#[expect(clippy::cast_precision_loss, reason = "counts of runs are far below 2^52")]
fn mean(values: &[f64]) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0).max(1.0) / n).sqrt())
}

/// The world's rows as JSON.
pub(crate) fn json(world: &World, summaries: &[Summary]) -> Value {
    let rules: Vec<Value> = summaries.iter().map(|summary| summary.json(world)).collect();
    json!({"world": world.name, "rounds": world.rounds, "rules": rules})
}

/// A table for people: absolute, then against the paper's loop.
pub(crate) fn print(world: &World, summaries: &[Summary], replicates: u64, seed: u64) {
    println!(
        "\n{} ({replicates} runs of {} rounds, seed {seed}; simulated)",
        world.name, world.rounds
    );
    let budgets: String =
        world.budgets.iter().map(|budget| format!("{:>12}", format!("at {budget}"))).collect();
    println!(
        "{:18}{:>8}{:>14}{:>10}{:>9}{budgets}",
        "rule", "trials", "gain", "promoted", "harmful"
    );
    for summary in summaries {
        let at: String = summary.at.iter().map(|(gain, _)| format!("{gain:>12.1}")).collect();
        let gain = format!("{:.1} ± {:.1}", summary.gain.0, summary.gain.1);
        println!(
            "{:18}{:>8.0}{gain:>14}{:>10.2}{:>9.2}{at}",
            summary.rule, summary.trials, summary.promoted, summary.harmful
        );
    }
    let paper = summaries.iter().find(|summary| summary.rule == "paper");
    let ours = summaries.iter().find(|summary| summary.rule == "sequential");
    if let (Some(paper), Some(ours)) = (paper, ours) {
        let at: String = ours
            .at
            .iter()
            .zip(&paper.at)
            .map(|(ours, paper)| format!("{:>12.2}", ours.0 / paper.0))
            .collect();
        println!(
            "{:18}{:>8.2}{:>14.2}{:>10}{:>9.2}{at}",
            "sequential/paper",
            ours.trials / paper.trials,
            ours.gain.0 / paper.gain.0,
            "",
            ours.harmful / paper.harmful
        );
    }
}
