//! The command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::RangedI64ValueParser;
use clap::{Parser, ValueEnum};

use crate::wire::Wire;

/// Improves a model's harness on Terminal-Bench tasks: mines its weaknesses, lets it propose edits, tests each
/// edit against regressions, and keeps what helps.
///
/// With no options: the bundled tasks, a simulated model, the best sandbox this machine has.
#[derive(Debug, Parser)]
#[command(name = "terminal_bench")]
pub(crate) struct Options {
    /// A Harbor task, or a directory of tasks (Terminal-Bench 2).
    #[arg(long, value_name = "DIR")]
    pub(crate) tasks: Option<PathBuf>,
    /// Only tasks whose name matches (may be given several times).
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,
    /// Not the tasks whose name matches (may be given several times).
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// At most this many tasks, the first by name.
    #[arg(long, value_name = "N", value_parser = at_least_1())]
    pub(crate) limit: Option<u32>,

    /// simulated:PROFILE, openai:MODEL, anthropic:MODEL, or with --base-url any name the server knows.
    #[arg(long, value_name = "NAME", default_value = "simulated:explorer")]
    pub(crate) model: String,
    /// Where trials run.
    #[arg(long, value_enum, default_value_t = SandboxChoice::Auto)]
    pub(crate) sandbox: SandboxChoice,
    /// The socket of Docker or Podman, where it is not in its usual place.
    #[cfg(feature = "docker")]
    #[arg(long, value_name = "PATH")]
    pub(crate) docker_socket: Option<PathBuf>,
    /// Said aloud: run without any isolation.
    #[arg(long)]
    pub(crate) yes_run_unconfined: bool,
    /// Who works on the tasks; oracle (the task's own solution) and nop are measured, not evolved.
    #[arg(long, value_enum, default_value_t = Agent::Minimal)]
    pub(crate) agent: Agent,

    /// At most this many rounds.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = at_least_1())]
    pub(crate) rounds: u32,
    /// Proposals a round.
    #[arg(long, value_name = "K", default_value_t = 4, value_parser = up_to(100))]
    pub(crate) width: u32,
    /// Attempts at each task when a harness is measured.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = up_to(1000))]
    pub(crate) attempts: u32,
    /// Attempts at each sealed task for the final claim.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = at_least_1())]
    pub(crate) claim_attempts: u32,
    /// Trials at once; twice the processors when left out.
    #[arg(long, value_name = "N", value_parser = at_least_1())]
    pub(crate) concurrency: Option<u32>,
    /// Calls to the model in one trial; 100 when left out, 30 for a simulated model, which is quick.
    #[arg(long, value_name = "N", value_parser = at_least_1())]
    pub(crate) steps: Option<u32>,
    /// Which rule decides: paper, sequential or strict.
    #[arg(long, value_name = "GATE", default_value = "sequential")]
    pub(crate) gate: String,
    /// Promote no edit unless a trial costs at most so many times what it did, such as 1.1, as far as trials tell.
    #[arg(long, value_name = "FACTOR", value_parser = factor)]
    pub(crate) cost_within: Option<f64>,
    /// The same for the time that a trial takes.
    #[arg(long, value_name = "FACTOR", value_parser = factor)]
    pub(crate) time_within: Option<f64>,
    /// Task name to split (held-in, held-out, sealed), as TOML or JSON; stratified and seeded when left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) split: Option<PathBuf>,
    /// Everything random.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Stop when this many dollars are spent, on everything.
    #[arg(long, value_name = "USD", value_parser = dollars)]
    pub(crate) max_cost: Option<f64>,
    /// Stop when this many tokens are spent, on everything.
    #[arg(long, value_name = "N")]
    pub(crate) max_tokens: Option<u64>,
    /// Stop after this many trials.
    #[arg(long, value_name = "N")]
    pub(crate) max_trials: Option<u64>,
    /// Stop after this time, such as 90s, 45m or 2h.
    #[arg(long, value_name = "DURATION")]
    pub(crate) max_time: Option<Span>,

    /// Where the journal, the summary and the report live; a new directory under .self-harness when left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Go on with the run in --state (the newest one when --state is left out).
    #[arg(long)]
    pub(crate) resume: bool,
    /// Where --resume finds another configuration: begin a new run in the same journal instead of refusing. Trials that are
    /// the same in both are taken from the record.
    #[arg(long, requires = "resume")]
    pub(crate) fork: bool,
    /// Read the sealed split again in a run that has read it: the new reading is marked wherever it is shown.
    #[arg(long, requires = "resume")]
    pub(crate) read_sealed_again: bool,
    /// At the end, controls: the same harness, a no-op edit and a random edit before the same gate, and the seed harness sampled
    /// with as many trials as evolution took. May be asked for when a finished run is resumed.
    #[arg(long)]
    pub(crate) controls: bool,
    /// At the end, take each retained edit out once: those that nobody misses go, and the report says what the others are worth.
    #[arg(long)]
    pub(crate) prune: bool,
    /// The smallest change in pass rate, in points, that the run is to tell from nothing. It is calibrated by a byte-identical harness
    /// before anything is judged, and a bar below the noise is refused.
    #[arg(long, value_name = "POINTS", value_parser = points)]
    pub(crate) bar: Option<f64>,
    /// Spend nothing: print what the run would take.
    #[arg(long)]
    pub(crate) plan: bool,
    /// With --plan: how many tasks of both gating splits an edit is thought to mend; a fifth of them otherwise.
    #[arg(long, value_name = "M", requires = "plan")]
    pub(crate) plan_targets: Option<u32>,
    /// The summary as one JSON object on stdout; everything else on stderr.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) wire: Wire,
}

fn factor(text: &str) -> Result<f64, String> {
    let sensible = text.parse().ok().filter(|factor: &f64| factor.is_finite() && *factor > 0.0);
    sensible.ok_or_else(|| format!("'{text}' is not a factor: write a number above 0, such as 1.1"))
}

fn points(text: &str) -> Result<f64, String> {
    let sensible = text.parse().ok().filter(|points: &f64| *points > 0.0 && *points <= 100.0);
    sensible.ok_or_else(|| {
        format!("'{text}' is no change in pass rate: write points above 0 and up to 100, such as 5")
    })
}

fn dollars(text: &str) -> Result<f64, String> {
    let sensible = text.parse().ok().filter(|usd: &f64| usd.is_finite() && *usd > 0.0);
    sensible
        .ok_or_else(|| format!("'{text}' is no sum of money: write dollars above 0, such as 2.50"))
}

fn at_least_1() -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..)
}

/// More of these is a slip of the finger, and a plan of it would be simulated for hours.
fn up_to(most: i64) -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=most)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SandboxChoice {
    /// The best this machine has.
    Auto,
    /// Namespaces with a private root.
    Namespace,
    /// Landlock over a private directory: no private root.
    Landlock,
    /// Containers of Docker or Podman, in the tasks' own images. Needs --features docker.
    Docker,
    /// None. Asks for --yes-run-unconfined.
    Unconfined,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Agent {
    /// The model in the minimal harness.
    Minimal,
    /// The task's own solution.
    Oracle,
    /// Nobody.
    Nop,
}

/// A duration as a person writes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a duration: write 90s, 45m or 2h");
        let (number, unit) =
            text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let seconds = match unit {
            "" | "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        Ok(Self(Duration::from_secs(number.saturating_mul(seconds))))
    }
}
