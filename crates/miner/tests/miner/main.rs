//! How the miner behaves, from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod answers;
mod cause;
mod conformance;
mod laws;
mod support;
