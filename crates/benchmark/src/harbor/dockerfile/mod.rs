//! The part of a Dockerfile that needs no Docker.

mod build;
mod copy;
mod copying;
mod packages;
mod parse;
mod run;
mod stand_in;
mod words;

pub(crate) use build::{Build, Built};
pub(crate) use packages::unconditional;
pub(crate) use run::quote;
pub(crate) use stand_in::stand_in;
