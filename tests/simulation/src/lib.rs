//! Whole runs of the real engine, budget, journal records and gate, on simulated time, disk and model, from one seed.
//!
//! A [`Plan`] is drawn from the seed: the world, the gate, how much goes on at once, what fails and when. [`undisturbed`] runs
//! it with nothing failing. [`disturbed`] runs it on a [`Scheduler`] that picks who goes next, over a [`Disk`] that forgets, tears
//! and fails, against a [`Server`] that answers late, badly or not at all, and kills it at any step; then it resumes, until the run
//! is over. Whatever happened, the result is the undisturbed one, and [`Account`] holds what else was seen.
//!
//! What is not simulated: SQLite and the operating system (the journal here is a log of checked frames) and threads that run at the
//! same instant. The kill tests of `tests/durability` cover those with the real program.

mod asking;
mod disk;
mod history;
mod journal;
mod plan;
mod scheduler;
mod server;
mod stages;
mod witness;

pub use asking::Asking;
pub use disk::{Disk, DiskFault};
pub use history::{Account, check, disturbed, undisturbed};
pub use journal::LogJournal;
pub use plan::Plan;
pub use scheduler::Scheduler;
pub use server::{Server, Told};
pub use witness::Witness;
