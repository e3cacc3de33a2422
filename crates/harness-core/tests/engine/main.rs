//! The engine with the doubles in every seat: what a run does, records, refuses and survives.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows only functions marked as tests"
)]

mod algebra;
mod claim;
mod contract;
mod controls;
mod drift;
mod drops;
mod faults;
mod leak;
mod limits;
mod money;
mod outage;
mod promotion;
mod prune;
mod reassessment;
mod replay;
mod resume;
mod setting;
mod twin;
mod void;
mod world;
