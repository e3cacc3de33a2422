//! The network namespace of the next session. Making one takes as long as most of a session's start, so that the supervisor
//! makes it while the session before is at work, and waits in it.

use std::cell::Cell;
use std::os::fd::AsFd as _;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use super::failure::{Doing as _, Failure};
use crate::sys;

/// Whether the supervisor, which uses no network, is in a network namespace of its own that no session has been in.
#[derive(Debug, Default)]
pub(super) struct Network {
    unused: Cell<bool>,
}

impl Network {
    /// What to clone a session with: nothing where it inherits the namespace that is ready, which it alone ever gets.
    pub(super) fn take(&self) -> i32 {
        if self.unused.take() { 0 } else { libc::CLONE_NEWNET }
    }

    /// Leaves the namespace that a session has got for a new one.
    pub(super) fn renew(&self) {
        if !self.unused.get() {
            // Refused, sessions make theirs themselves, and say what they cannot.
            let made = sys::unshare(libc::CLONE_NEWNET).is_ok() && loopback_up().is_ok();
            self.unused.set(made);
        }
    }
}

/// Switches the loopback interface on where the caller is.
pub(super) fn loopback_up() -> Result<(), Failure> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .doing("opening a socket for the loopback interface")?;
    sys::loopback_up(socket.as_fd()).doing("switching the loopback interface on")
}
