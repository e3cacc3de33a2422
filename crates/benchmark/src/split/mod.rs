//! Which tasks are mined, which gate promotion, and which are kept sealed.

mod assignment;
mod selection;
mod stratified;

pub use assignment::Assignment;
pub use selection::Selection;
pub use stratified::Proportions;
