//! Root file systems from tarballs: what is kept of them, what is refused, and how one lives on them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by them")]

mod debian;
mod hostile;
mod interrupted;
mod kept;
mod tarball;
