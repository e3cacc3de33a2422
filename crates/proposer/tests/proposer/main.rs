//! How the proposer behaves, from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod answers;
mod conformance;
mod foreign;
mod laws;
mod slots;
mod support;
