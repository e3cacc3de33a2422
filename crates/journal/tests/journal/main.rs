//! The journal on real files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests stop at what they do not expect"
)]

mod appending;
mod auditing;
mod crash;
mod damage;
mod documented;
mod laws;
mod opening;
mod records;
mod toy;
mod versions;
mod views;
