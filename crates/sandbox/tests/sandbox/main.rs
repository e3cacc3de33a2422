//! The sandboxes as a user meets them: real processes, nothing mocked. Where this machine cannot run a
//! backend, its tests print why and pass; with `HARNESS_TEST_REQUIRE=all` they fail instead.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by them")]

mod collecting;
mod commands;
mod common;
mod containment;
mod files;
mod laws;
mod lifecycle;
mod options;
mod views;
