//! What crosses the rooms. One binary, so that everything is linked once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::io::Write;

mod architecture;
mod audit;
mod bounds;
mod bundle;
mod characteristics;
mod cli;
mod guards;
mod identity;
mod input;
mod minimal;
mod outage;
mod planted;
#[path = "../examples/common/playbook.rs"]
mod playbook;
mod secrecy;
mod spans;
mod tasks;
mod wire;
mod world;

/// Says aloud what this machine cannot run, and fails instead where everything is required to run.
fn skip(what: &str, why: &str) {
    assert!(
        std::env::var("HARNESS_TEST_REQUIRE").as_deref() != Ok("all"),
        "{what} cannot run here, and HARNESS_TEST_REQUIRE=all is set: {why}"
    );
    // Not `eprintln!`: the test harness would swallow it.
    let _lost = writeln!(std::io::stderr(), "SKIPPED {what}: {why}");
}
