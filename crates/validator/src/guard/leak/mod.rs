//! Whether an edit carries what belongs to a task: its name, its answers, its texts.

mod index;
mod literals;
mod ordinary;
mod shingles;
mod source;

pub use self::index::{LeakIndex, LeakIndexBuilder};
pub(super) use self::ordinary::is_word;
pub use self::source::{Leak, LeakKind, Source};
