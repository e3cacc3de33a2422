#![doc = include_str!("../README.md")]

mod files;
mod interval;
mod markdown;
mod progress;
mod story;
mod summary;
mod table;
mod text;

pub use files::{publish, write_atomically};
pub use interval::{Interval, difference, wilson};
pub use markdown::markdown;
pub use progress::ProgressObserver;
pub use story::Story;
pub use summary::{
    AttemptSummary, Change, CitationSummary, Conclusion, ControlSummary, ControlsSummary, Cost,
    Counts, DriftSummary, Endpoints, FloorSummary, MeasurementSummary, PassRates, PriorSummary,
    ProposalSummary, Rate, RoundSummary, SamplingSummary, Skipped, SplitRates, Summary,
    TaskRateSummary, TaskSummary, WeaknessSummary, WorthSummary,
};
pub use table::{measurement_table, run_table};
