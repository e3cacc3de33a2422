//! What crosses the rooms. One binary, so that everything is linked once.

mod architecture;
mod minimal;
