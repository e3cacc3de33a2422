//! The real example, killed, starved of disk, lied to by the clock and fed with keys: nothing is lost, nothing is paid for twice.
//!
//! An ordinary run takes samples. `DURABILITY=full`, best with `--release`, takes them all: `.ci/durability`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod clocks;
mod disk;
mod flips;
mod kill;
mod pairs;
mod records;
mod rig;
mod secrets;
mod signals;
