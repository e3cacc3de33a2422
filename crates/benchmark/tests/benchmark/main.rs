//! Task directories, verifier, agents and splits, on real directories and real sessions.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests stop at what they do not expect"
)]

mod common;
mod dockerfiles;
mod loading;
mod sessions;
mod splits;
