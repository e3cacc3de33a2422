//! Checks a run's journal, tells how its harness came about, and carries what it achieved elsewhere.
//!
//! ```sh
//! cargo run --example audit -- STATE                          # derive everything anew; print the lineage with its evidence
//! cargo run --example audit -- STATE --export run.bundle      # one file: final harness, edits with inverses, evidence
//! cargo run --example audit -- --verify run.bundle
//! cargo run --example audit -- --apply run.bundle harness.json      # prints the improved harness
//! cargo run --example audit -- --revert run.bundle harness.json --edits 1
//! ```
//!
//! Exit status: 0 all holds; 1 something does not, or could not be read; 2 usage.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use futures::executor::block_on;
use harness_core::{
    Bundle, DocumentEdit, Error, ErrorKind, Evidence, Lineage, MinimalHarness, PromotedEdit,
    Promotion, Result, RunFacts,
};
use harness_journal::{Audit, AuditedEdit, audit};

/// Checks a run's journal, and carries what it achieved elsewhere.
#[derive(Debug, Parser)]
struct Options {
    /// The state directory of a run.
    directory: Option<PathBuf>,
    /// Write what the run achieved to this file.
    #[arg(long, value_name = "BUNDLE", requires = "directory")]
    export: Option<PathBuf>,
    /// Check a bundle by itself.
    #[arg(long, value_name = "BUNDLE", conflicts_with = "directory")]
    verify: Option<PathBuf>,
    /// Print the harness with the bundle's edits.
    #[arg(long, num_args = 2, value_names = ["BUNDLE", "HARNESS"], conflicts_with = "directory")]
    apply: Option<Vec<PathBuf>>,
    /// Print the harness without the bundle's last edits.
    #[arg(long, num_args = 2, value_names = ["BUNDLE", "HARNESS"], conflicts_with = "directory")]
    revert: Option<Vec<PathBuf>>,
    /// How many edits to take back; all when left out.
    #[arg(long, value_name = "N", requires = "revert")]
    edits: Option<usize>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {}", error.report());
            ExitCode::FAILURE
        }
    }
}

/// Whether all holds.
fn run(options: &Options) -> Result<bool> {
    if let Some(directory) = &options.directory {
        let found = block_on(audit(directory))?;
        print_audit(&found);
        if let Some(file) = &options.export {
            write(file, &json(&bundle(&found)?)?)?;
            println!("\nwritten to {}", file.display());
        }
        return Ok(found.discrepancies.is_empty());
    }
    if let Some(file) = &options.verify {
        let bundle = read_bundle(file)?;
        println!(
            "{} edits from {} to {}: the bundle holds",
            bundle.edits.len(),
            bundle.first,
            bundle.last
        );
        return Ok(true);
    }
    let harness = match (&options.apply, &options.revert) {
        (Some(files), _) => read_bundle(&files[0])?.apply(&read_harness(&files[1])?)?,
        (_, Some(files)) => {
            let bundle = read_bundle(&files[0])?;
            let count = options.edits.unwrap_or(bundle.edits.len());
            bundle.revert(&read_harness(&files[1])?, count)?
        }
        _ => {
            return Err(wrong(
                "name the state directory of a run, or a bundle with --verify, --apply or --revert",
            ));
        }
    };
    println!("{}", json(&harness)?);
    Ok(true)
}

fn print_audit(found: &Audit) {
    println!("records   {}, each as it was appended; the last is {}", found.records, found.chain);
    println!("trials    {} scored, {} void", found.scored, found.void);
    let spent = &found.spent;
    println!(
        "spent     {} calls, {} tokens; {} calls of unknown outcome, at most {} tokens more",
        spent.calls,
        spent.tokens(),
        spent.calls_unknown,
        spent.unknown_tokens
    );
    match spent.usd_at_most() {
        Some(usd) => println!("dollars   {usd:.4} at most"),
        None => println!("dollars   unknown: no price"),
    }
    println!("promoted  {} edits", found.lineage.len());
    found.lineage.iter().for_each(print_edit);
    for discrepancy in &found.discrepancies {
        println!("DOES NOT HOLD: {discrepancy}");
    }
}

fn print_edit(edit: &AuditedEdit) {
    println!("\nround {}: {} on {}", edit.round, edit.proposal, edit.surface);
    println!("  edit        {}", edit.edit);
    if let Some(weakness) = &edit.weakness {
        println!(
            "  weakness    {}: {} ({} tasks)",
            weakness.id,
            weakness.signature,
            weakness.tasks.len()
        );
    }
    for shown in &edit.shown_by {
        let step =
            shown.step.map_or_else(|| "the verifier".to_owned(), |step| format!("step {step}"));
        println!("  shown by    trial {} of {}, {step}: {}", shown.trial, shown.task, shown.quote);
    }
    let Some(decision) = &edit.decision else { return };
    println!("  decided     {}: {}", decision.verdict.as_str(), decision.reason);
    if let Some(evidence) = &decision.evidence {
        for (split, pair) in [("held-in", evidence.held_in), ("held-out", evidence.held_out)] {
            let (old, new) = (pair.incumbent, pair.candidate);
            println!(
                "  {split:<10}  {} of {} before, {} of {} after",
                old.passed, old.scored, new.passed, new.scored
            );
        }
        let trials: Vec<String> = evidence.trials.iter().map(ToString::to_string).collect();
        println!("  by trials   {}", trials.join(" "));
    }
    match decision.finding.as_ref().and_then(|finding| finding.stake) {
        Some(stake) => {
            println!("  error spent level {:.6}, e-value {:.3}", stake.level, stake.e_value);
        }
        None => println!("  error spent  none on account by this gate"),
    }
}

fn bundle(found: &Audit) -> Result<Bundle> {
    if !found.discrepancies.is_empty() {
        return Err(wrong("the journal does not hold: no bundle is made of it"));
    }
    let missing = || wrong("the journal has no seed harness: the run never began a trial");
    let first = found.identity.0.get("harness").ok_or_else(missing)?.parse()?;
    let document = found.harnesses.get(&first).ok_or_else(missing)?;
    let seed: MinimalHarness = typed(document.clone())?;
    let promotions = found.promotions.iter().map(typed_promotion).collect::<Result<_>>()?;
    let facts = RunFacts {
        identity: found.identity.clone(),
        evidence: Evidence { records: found.records, chain: found.chain.clone() },
        spent: found.spent,
    };
    Bundle::of(&Lineage::replay(seed, promotions)?, facts)
}

fn typed_promotion(promotion: &Promotion<serde_json::Value>) -> Result<Promotion<DocumentEdit>> {
    let edits = promotion.edits.iter().map(|promoted| {
        Ok(PromotedEdit {
            proposal: promoted.proposal.clone(),
            edit: typed(promoted.edit.clone())?,
        })
    });
    Ok(Promotion {
        round: promotion.round,
        parent: promotion.parent,
        child: promotion.child,
        base: promotion.base,
        edits: edits.collect::<Result<_>>()?,
    })
}

fn read_bundle(file: &Path) -> Result<Bundle> {
    Bundle::parse::<MinimalHarness>(&read(file)?).map_err(|error| error.while_doing(file.display()))
}

fn read_harness(file: &Path) -> Result<MinimalHarness> {
    serde_json::from_str(&read(file)?)
        .map_err(|source| wrong(format!("{} is no harness", file.display())).with_source(source))
}

fn typed<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> Result<T> {
    serde_json::from_value(value)
        .map_err(|source| wrong("the run's harness is no minimal harness").with_source(source))
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string_pretty(value)
        .map_err(|source| wrong("it has no JSON form").with_source(source))
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file)
        .map_err(|source| wrong(format!("reading {}", file.display())).with_source(source))
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text)
        .map_err(|source| wrong(format!("writing {}", file.display())).with_source(source))
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}
