//! Task directories in Harbor's format, which is that of Terminal-Bench 2.
//!
//! ```text
//! <task>/task.toml              limits, environment, metadata
//!        instruction.md         what the agent reads
//!        environment/           Dockerfile and the files it copies
//!        tests/test.sh          judges; placed in the session only after the agent has ended
//!        solution/solve.sh      optional: a solution, for the oracle
//! ```
//!
//! # The environment without Docker
//!
//! A sandbox without images lets the host's system directories stand in for a distribution's (`debian`, `ubuntu`,
//! `buildpack-deps`, `python`, `bash`). `environment/Dockerfile` is read as far as that goes: `COPY` and `ADD` of local
//! files become uploads, `RUN` becomes set-up lines in the `WORKDIR` of the moment, `ENV`, `ARG` and `SHELL` apply to
//! them. What cannot be given so (packages, downloads, other images, stages, other users) makes the task *skipped*,
//! with the line and the reason.
//!
//! Known differences from an image build, all deliberate:
//! - Uploads are placed before the first `RUN`. A path that is copied both before and after a `RUN` is refused.
//! - An image without `WORKDIR` works in `/app`, where Docker would work in `/`.
//! - Files get mode 755 when the host's file is executable and 644 otherwise, unless `--chmod` says more.
//! - A task that says nothing of the network has none, unless [`Loader::with_public_network`] was called: the model is
//!   called from outside of the session, so most tasks need none. Tests that would download what they run, as most of
//!   Terminal-Bench 2's do, then make the task skipped: nobody could judge an attempt.

mod dockerfile;
mod environment;
mod ignore;
mod instruction;
mod loader;
mod manifest;
mod sizes;
mod support;
mod task;
mod tree;
mod variables;

pub use loader::{Loaded, Loader, Skipped};
pub use task::{HarborTask, Solution};
pub use tree::{Entry, Tree};
pub use variables::Variables;
