//! Prints what this machine offers for isolation, which level is reached, and for each missing feature the setting that
//! brings it: `cargo run --example doctor`. Exits with 0 when commands can be isolated at all, else with 1.

use harness_sandbox::{SandboxKind, build, detect, features};
use std::process::ExitCode;

fn main() -> ExitCode {
    println!("features");
    for feature in features() {
        println!("  {feature}");
    }
    println!("\nlevels");
    for line in detect().to_string().lines() {
        println!("  {line}");
    }
    match build(SandboxKind::Auto) {
        Ok(sandbox) => {
            println!("\n--sandbox auto takes {}", sandbox.isolation());
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("\n--sandbox auto refuses: {}", error.report());
            ExitCode::FAILURE
        }
    }
}
