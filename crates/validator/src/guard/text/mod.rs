//! Texts as the guards read them: the same letters however they are written, and what is hidden in codes.

mod encoded;
mod plain;
mod readings;
mod spelled;

pub(super) use self::plain::{disguise, plain, squeezed};
pub(super) use self::readings::readings;
