//! Checks a run's journal, tells how its harness came about, and carries what it achieved elsewhere.
//!
//! ```sh
//! cargo run --example audit -- STATE                          # derive everything anew, judge again; print the lineage with its evidence
//! cargo run --example audit -- STATE --tasks DIR              # the same, where edits were refused for what the tasks say
//! cargo run --example audit -- STATE --export run.bundle      # one file: final harness, edits with inverses, evidence
//! cargo run --example audit -- --verify run.bundle
//! cargo run --example audit -- --apply run.bundle harness.json      # prints the improved harness
//! cargo run --example audit -- --revert run.bundle harness.json --edits 1
//! ```
//!
//! Keys that the environment holds (SELF_HARNESS_API_KEY, OPENAI_API_KEY, ANTHROPIC_API_KEY) are taken out of what it prints.
//!
//! Exit status: 0 all holds; 1 something does not, or could not be read; 2 usage.

#[path = "audit/judged.rs"]
mod judged;
#[path = "common/leaks.rs"]
mod leaks;
#[path = "common/rule.rs"]
mod rule;
#[path = "audit/shown.rs"]
mod shown;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use futures::executor::block_on;
use harness_core::{
    Bundle, DocumentEdit, Error, ErrorKind, Evidence, Lineage, MinimalHarness, PromotedEdit,
    Promotion, Redactor, Result, RunFacts,
};
use harness_journal::{Audit, audit};

/// Checks a run's journal, and carries what it achieved elsewhere.
#[derive(Debug, Parser)]
struct Options {
    /// The state directory of a run.
    directory: Option<PathBuf>,
    /// The run's tasks: without them, edits that were refused for what the tasks say are not judged again.
    #[arg(long, value_name = "DIR", requires = "directory")]
    tasks: Option<PathBuf>,
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
    let redactor = keys()?;
    if let Some(directory) = &options.directory {
        let mut found = block_on(audit(directory))?;
        let mut judged = block_on(judged::again(directory, &found, options.tasks.as_deref()))?;
        found.discrepancies.append(&mut judged.discrepancies);
        print!("{}", redactor.text(&shown::audit(&found, &judged)));
        if let Some(file) = &options.export {
            let bundle = json(&bundle(&found)?)?;
            if redactor.finds(bundle.as_bytes()) {
                return Err(wrong("the bundle would hold a key: none is written"));
            }
            write(file, &bundle)?;
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
    println!("{}", redactor.text(&json(&harness)?));
    Ok(true)
}

/// What finds the keys of this environment.
fn keys() -> Result<Redactor> {
    let variables = ["SELF_HARNESS_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"];
    Redactor::new(variables.into_iter().filter_map(|variable| std::env::var(variable).ok()))
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
