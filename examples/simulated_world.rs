//! The simulated world: what harnesses are really worth to simulated models, and how much of that the loop finds.
//!
//! ```sh
//! cargo run --release --example simulated_world -- table                       # what the loop finds in every profile's world
//! cargo run --release --example simulated_world -- truth --profile explorer    # true pass rates of a harness, task by task
//! cargo run --release --example simulated_world -- attempts --profile planner  # the same beside real attempts in a sandbox
//! cargo run --release --example simulated_world -- solutions                   # whether playing solutions ends as running them does
//! ```
//!
//! Everything here is simulated. Its models are programs with documented weaknesses; no figure says anything about a real one.

#[path = "simulated_world/attempts.rs"]
mod attempts;
#[path = "simulated_world/options.rs"]
mod options;
#[path = "common/playbook.rs"]
mod playbook;
#[path = "simulated_world/reach.rs"]
mod reach;
#[path = "simulated_world/run.rs"]
mod run;
#[path = "simulated_world/solutions.rs"]
mod solutions;
#[path = "simulated_world/table.rs"]
mod table;
#[path = "simulated_world/truth.rs"]
mod truth;
#[path = "simulated_world/world.rs"]
mod world;

use std::process::ExitCode;

use clap::Parser;
use harness_core::Result;
use options::{Options, What};

fn main() -> ExitCode {
    let options = Options::parse();
    match show(&options) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {}", error.report());
            ExitCode::FAILURE
        }
    }
}

fn show(options: &Options) -> Result<String> {
    match &options.what {
        What::Truth(asked) => truth::show(asked, options),
        What::Attempts(asked) => attempts::show(asked, options),
        What::Table(asked) => table::show(asked, options),
        What::Solutions(asked) => solutions::show(asked, options),
    }
}
