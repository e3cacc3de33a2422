//! Trials, cost and power, before anything is spent.

use harness_core::{Prior, Pruning, Result, SplitName, Usage};
use harness_llm::Price;
use harness_report::PriorSummary;
use harness_validator::{Docket, Outlook, Plan, Planned, StrictGate};
use serde::Serialize;

use crate::options::Options;
use crate::parts::Tasks;
use crate::runs::{Rules, gate, limits, print_json};
use crate::wire::price;

/// What a run would take and could find.
#[derive(Serialize)]
struct Forecast {
    plan: Plan,
    trials: Planned,
    /// With `--prune`: what taking out every edit adds at most, when every proposal was promoted.
    pruning_at_most: u64,
    /// With `--controls`: three more judgements, and the seed harness sampled with as many trials as evolution took.
    controls_at_most: u64,
    /// With `--bar`: one more assessment.
    calibration_at_most: u64,
    /// All of these together, or what `--max-trials` allows.
    trials_at_most: u64,
    /// Of these trials, or what `--max-tokens` allows.
    tokens_at_most: u64,
    /// The same, or what `--max-cost` allows; `null` when the model's price is not known and there is no such limit.
    usd_at_most: Option<f64>,
    /// On average, if every trial took all the tokens it may: nobody knows yet how many it takes.
    usd_expected_at_most: Option<f64>,
    /// What the gate expects before the run has taught anything; `null` for a gate without a prior.
    prior: Option<Prior>,
    outlook: Outlook,
    with_twice_the_attempts: Outlook,
}

/// Prints what the run would take; spends nothing.
pub(crate) fn plan(options: &Options, tasks: &Tasks, rules: Option<&Rules>) -> Result<()> {
    let Some(rules) = rules else {
        let (tasks, attempts) = (tasks.tasks.len(), options.attempts);
        let trials = tasks * attempts as usize;
        println!(
            "trials          {trials}: {tasks} tasks, {attempts} attempts each; no model is asked"
        );
        return Ok(());
    };
    let forecast = Forecast::of(options, rules)?;
    if options.json {
        return print_json(&forecast);
    }
    forecast.print(options);
    Ok(())
}

impl Forecast {
    fn of(options: &Options, rules: &Rules) -> Result<Self> {
        let count = |split| u32::try_from(rules.benchmark.tasks(split).len()).unwrap_or(u32::MAX);
        let plan = Plan {
            held_in: count(SplitName::HeldIn),
            held_out: count(SplitName::HeldOut),
            sealed: count(SplitName::Sealed),
            attempts: options.attempts,
            width: options.width,
            rounds: options.rounds,
            claim_attempts: options.claim_attempts,
            targets: options.plan_targets,
        };
        let gate = gate(rules.gate, options);
        let trials = plan.at_worst(gate.as_ref());
        let outlook = plan.outlook(gate.as_ref(), options.seed);
        let tokens = |trials: u64| {
            let taken = trials.saturating_mul(limits(options).tokens);
            taken.min(options.max_tokens.unwrap_or(u64::MAX))
        };
        let price = price(options)?;
        let usd = |trials| {
            let taken = price.map(|price| dearest(&price, tokens(trials)));
            taken.into_iter().chain(options.max_cost).reduce(f64::min)
        };
        let pruning_at_most = pruning(options, &plan);
        let evolution = trials.total.saturating_sub(trials.claim).max(u64::from(plan.sealed));
        let judged = plan.one_judgement(gate.as_ref()).saturating_mul(3).saturating_add(evolution);
        let controls_at_most = if options.controls { judged } else { 0 };
        let calibration_at_most = options.bar.map_or(0, |_| plan.one_assessment());
        let trials_at_most = [pruning_at_most, controls_at_most, calibration_at_most]
            .into_iter()
            .fold(trials.total, u64::saturating_add)
            .min(options.max_trials.unwrap_or(u64::MAX));
        Ok(Self {
            plan,
            trials,
            pruning_at_most,
            controls_at_most,
            calibration_at_most,
            trials_at_most,
            tokens_at_most: tokens(trials_at_most),
            usd_at_most: usd(trials_at_most),
            usd_expected_at_most: usd(outlook.expected),
            prior: gate.prior(&Docket::default()),
            outlook,
            with_twice_the_attempts: plan.doubled().outlook(gate.as_ref(), options.seed),
        })
    }

    fn print(&self, options: &Options) {
        let Self { plan, trials, outlook, .. } = self;
        println!(
            "tasks           {} held-in, {} held-out, {} sealed",
            plan.held_in, plan.held_out, plan.sealed
        );
        println!(
            "trials at most  {}: {} to assess, {} to judge, {} to compose, {} for the claim",
            trials.total, trials.assess, trials.judge, trials.compose, trials.claim
        );
        if self.pruning_at_most > 0 {
            println!(
                "pruning at most {} trials more: {} attempts with and without each of {} edits",
                self.pruning_at_most,
                Pruning::default().attempts,
                plan.rounds.saturating_mul(plan.width)
            );
        }
        if self.controls_at_most > 0 {
            println!(
                "controls at most {} trials more: three judgements, and as many samples as evolution takes",
                self.controls_at_most
            );
        }
        if self.calibration_at_most > 0 {
            println!("calibration     {} trials more, for --bar", self.calibration_at_most);
        }
        if let Some(most) = options.max_trials {
            println!(
                "never beyond    {most} trials, by --max-trials; what follows is counted without it"
            );
        }
        println!(
            "trials expected {}, if one proposal in four mends what it targets and the others do nothing (simulated)",
            outlook.expected
        );
        println!(
            "tokens at most  {} ({} a trial; mining and proposing come on top, below --max-tokens)",
            self.tokens_at_most,
            limits(options).tokens
        );
        match (self.usd_at_most, self.usd_expected_at_most) {
            (Some(most), Some(expected)) => {
                println!(
                    "cost at most    ${most:.2}; ${expected:.2} for the expected trials, each at its most"
                );
            }
            _ => println!(
                "cost at most    unknown: --prices tells the model's; --max-tokens caps it in any case"
            ),
        }
        println!("judged by       {}{}", options.gate, declared(options));
        if let Some(prior) = self.prior.as_ref().map(PriorSummary::from) {
            let mut lines = prior.parts().into_iter().chain([format!("by {}", prior.rests_on())]);
            println!("expects         {}", lines.next().unwrap_or_default());
            lines.for_each(|line| println!("                {line}"));
        }
        println!(
            "smallest effect that is found in four of five cases, in points over all tasks (simulated)"
        );
        self.power("as planned", outlook);
        self.power("twice the attempts", &self.with_twice_the_attempts);
    }

    fn power(&self, what: &str, outlook: &Outlook) {
        let points = |gain: Option<f64>| {
            gain.map_or("none up to 28".to_owned(), |gain| format!("{:.1}", 100.0 * gain))
        };
        println!(
            "  {what:<18} {} spread evenly, {} when all of it is on {} targeted tasks",
            points(outlook.smallest_uniform),
            points(outlook.smallest_targeted),
            outlook.targeted
        );
        println!(
            "  {:<18} {} trials expected; an edit that does nothing is promoted {:.1} % (± {:.1}) of the time, by a run of them {:.0} %",
            "",
            outlook.expected,
            100.0 * outlook.false_promotion,
            200.0 * outlook.false_promotion_error,
            100.0 * outlook.false_promotion_run
        );
    }
}

/// Trials to take out every edit, where that is asked for: those with all edits in it are shared.
fn pruning(options: &Options, plan: &Plan) -> u64 {
    if !options.prune {
        return 0;
    }
    let block = u64::from(plan.held_in + plan.held_out) * u64::from(Pruning::default().attempts);
    let edits = u64::from(plan.rounds).saturating_mul(u64::from(plan.width));
    block.saturating_mul(edits.saturating_add(1))
}

/// The level that a gate keeps over the whole run, if it keeps one.
fn declared(options: &Options) -> String {
    let level = 100.0 * StrictGate::default().ledger.level;
    match options.gate.as_str() {
        "strict" => format!(": at most {level:.0} % of runs promote anything that does not help"),
        _ => String::new(),
    }
}

/// What so many tokens cost at the dearest of their prices.
fn dearest(price: &Price, tokens: u64) -> f64 {
    let all = |prompt_tokens, completion_tokens| {
        price.of(&Usage { prompt_tokens, completion_tokens, ..Usage::default() })
    };
    all(tokens, 0).max(all(0, tokens))
}
