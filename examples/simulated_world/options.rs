//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Shows what harnesses are really worth to simulated models, and how much of it the loop finds. Everything is simulated.
#[derive(Debug, Parser)]
#[command(name = "simulated_world")]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) what: What,
    /// A Harbor task, or a directory of tasks, each with its solution; the bundled ones when left out.
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) tasks: Option<PathBuf>,
    /// Only tasks whose name matches (may be given several times).
    #[arg(long, value_name = "GLOB", global = true)]
    pub(crate) include: Vec<String>,
    /// Take for granted how the tasks' commands behave (work succeeds and changes something, checks fail before it), instead of playing
    /// them once in a sandbox.
    #[arg(long, global = true)]
    pub(crate) assume: bool,
    /// Which tasks bring a model's weaknesses out, and everything else that is random.
    #[arg(long, value_name = "N", default_value_t = 1, global = true)]
    pub(crate) seed: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// The true chance to pass, task by task.
    Truth(Asked),
    /// The true chance beside the share of real attempts that pass, in a real sandbox.
    Attempts(Attempts),
    /// Runs of the loop in every profile's world, and how each profile fares with the others' harnesses.
    Table(Table),
    /// Whether playing each task's solution call by call, as a model does, ends as running it once does: the same files in the working directory,
    /// the same status.
    Solutions(Solutions),
}

#[derive(Debug, Args)]
pub(crate) struct Solutions {
    /// How long a solution may take in seconds; one that takes longer is not compared.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// Solutions at once.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) at_once: u32,
    /// Only count how many calls each takes; run nothing.
    #[arg(long)]
    pub(crate) unplayed: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Asked {
    /// The simulated model.
    #[arg(long, value_name = "PROFILE", default_value = "explorer")]
    pub(crate) profile: String,
    /// A harness as JSON, such as a run leaves in `harness.json`; the minimal one when left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) harness: Option<PathBuf>,
    /// Also what every edit within reach would change.
    #[arg(long)]
    pub(crate) edits: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Attempts {
    #[command(flatten)]
    pub(crate) asked: Asked,
    /// Attempts at each task.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempts: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Table {
    /// Only these profiles (may be given several times).
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Vec<String>,
    /// Runs of the loop in each profile's world; their figures are averaged.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) runs: u64,
    /// Tasks made of each task: alike in all but what they bring out.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) variants: u32,
    /// At most this many rounds a run.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Proposals a round.
    #[arg(long, value_name = "K", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) width: u32,
    /// Which rule decides.
    #[arg(long, value_name = "GATE", default_value = "sequential")]
    pub(crate) gate: String,
}
