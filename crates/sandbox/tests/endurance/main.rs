//! Many sessions, killed engines, missing features: what stays, and what is said.
//!
//! Each scene runs in a process of its own, this test binary started again, so that what is counted is only what it did.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by them")]

mod held;
mod killed;
mod masked;
mod scene;
mod thousands;
