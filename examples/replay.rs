//! What another gate would have done with a recorded run.
//!
//! ```sh
//! cargo run --release --example replay -- .self-harness/run-… --gate paper
//! ```
//!
//! Reads the journal of a run of `terminal_bench` and judges its proposals again, from the trials that are recorded: nothing is
//! run and nothing is written. Where they do not suffice it says how many more trials the gate would ask for first.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use futures::executor::block_on;
use harness_core::{MinimalHarness, Missing, Replay, Replayed, ReplayedRound, Result};
use harness_journal::SqliteJournal;
use harness_miner::SignatureMiner;
use harness_validator::{GateKind, RegressionValidator};

/// Judges a recorded run again, under another gate.
#[derive(Debug, Parser)]
struct Options {
    /// The state directory of the run.
    #[arg(value_name = "DIR")]
    state: PathBuf,
    /// Which rule decides this time.
    #[arg(long, value_name = "GATE", default_value = "paper")]
    gate: String,
    /// One JSON object a round on stdout.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match block_on(replay(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error.report());
            ExitCode::FAILURE
        }
    }
}

async fn replay(options: &Options) -> Result<()> {
    let gate: GateKind = options.gate.parse()?;
    let journal = SqliteJournal::read(&options.state)?;
    let replay = Replay::<MinimalHarness>::read(&journal).await?;
    // Readings of held-out failures are on record like everything else; nothing is asked.
    let validator = RegressionValidator::from(gate).with_reader(SignatureMiner::new());
    let rounds = replay.judge(&validator).await?;
    if !options.json {
        println!("the recorded run, judged again by the gate '{gate}' from its journal alone\n");
    }
    for round in &rounds {
        if options.json {
            println!("{}", serde_json::to_string(round).unwrap_or_default());
        } else {
            tell(round);
        }
    }
    if !options.json {
        summarise(&rounds);
    }
    Ok(())
}

fn tell(round: &ReplayedRound) {
    println!("round {}", round.round);
    for judged in &round.judged {
        let recorded = judged.recorded.verdict.as_str();
        match &judged.replayed {
            Replayed::Decided(decision) => {
                let (verdict, reason) = (decision.verdict.as_str(), &decision.reason);
                println!(
                    "  {}: recorded {recorded}, would be {verdict}: {reason}",
                    judged.proposal
                );
            }
            Replayed::Short(missing) => {
                let missing: Vec<String> = missing.iter().map(lacks).collect();
                println!(
                    "  {}: recorded {recorded}, cannot be told: it would need {} first",
                    judged.proposal,
                    missing.join(" and ")
                );
            }
        }
    }
    let names = |ids: &[harness_core::ProposalId]| match ids {
        [] => "nothing".to_owned(),
        ids => ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let would = round.would_promote.as_deref().map_or_else(|| "cannot be told".to_owned(), names);
    println!("  promoted {}; this gate: {would}", names(&round.promoted));
}

fn lacks(missing: &Missing) -> String {
    let who = if missing.of_incumbent { "the incumbent" } else { "the candidate" };
    format!(
        "{} more trials of {who} ({}) on {}",
        missing.trials,
        missing.harness.short(),
        missing.split
    )
}

fn summarise(rounds: &[ReplayedRound]) {
    match rounds.iter().find(|round| !round.agrees()) {
        None => println!("\nevery verdict is the recorded one"),
        Some(first) => println!(
            "\nthe recorded run is this gate's own up to round {}; from there on it shows what the gate says of each recorded \
             round, not what a run under it would have become",
            first.round.saturating_sub(1)
        ),
    }
}
