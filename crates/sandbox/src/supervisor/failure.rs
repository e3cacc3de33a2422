//! What went wrong while a session was being opened, in a form that can be sent.

use std::io;

use crate::wire::Reply;

/// A step that failed, and the kernel's reason.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    doing: String,
    errno: i32,
}

impl Failure {
    pub(super) fn new(doing: impl Into<String>, errno: rustix::io::Errno) -> Self {
        Self { doing: doing.into(), errno: errno.raw_os_error() }
    }

    #[cfg(feature = "tarballs")]
    pub(super) fn from_io(doing: &str, error: &io::Error) -> Self {
        Self { doing: doing.to_owned(), errno: error.raw_os_error().unwrap_or(libc::EIO) }
    }

    pub(super) fn into_reply(self) -> Reply {
        Reply::Failed { doing: self.doing, errno: self.errno }
    }
}

/// Names the step whose error this is.
pub(super) trait Doing<T> {
    fn doing(self, what: &str) -> Result<T, Failure>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure {
            doing: what.to_owned(),
            errno: error.raw_os_error().unwrap_or(libc::EIO),
        })
    }
}

impl<T> Doing<T> for rustix::io::Result<T> {
    fn doing(self, what: &str) -> Result<T, Failure> {
        self.map_err(|errno| Failure::new(what, errno))
    }
}
