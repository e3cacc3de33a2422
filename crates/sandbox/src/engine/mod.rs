//! The engine's side: starting the supervisor, and sessions as core's traits know them.

mod capture;
mod link;
mod session;
mod spawner;

#[cfg(feature = "docker")]
pub(crate) use capture::Kept;
pub use session::{LocalSession, OutputStream};
#[cfg(feature = "tarballs")]
pub(crate) use spawner::order;
pub(crate) use spawner::{Refusal, Spawner};

use std::io;

use harness_core::{Error, ErrorKind};

/// An error of the sandbox's own machinery.
pub(crate) fn broken(doing: &str, source: io::Error) -> Error {
    Error::new(ErrorKind::Sandbox, doing).with_source(source)
}
