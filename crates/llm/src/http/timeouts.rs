//! How long a server may take.

use std::time::Duration;

/// Bounds of one request. Each is measured by the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands, encryption included.
    pub connect: Duration,
    /// From the beginning to the head of the answer. A server that does not stream is silent until it has thought the whole.
    pub first_byte: Duration,
    /// Between two pieces of the answer.
    pub between_chunks: Duration,
    /// For everything.
    pub total: Duration,
}

impl Default for Timeouts {
    /// Ten seconds to connect, ten minutes for the first byte and for all, two minutes between pieces.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(600),
            between_chunks: Duration::from_secs(120),
            total: Duration::from_secs(600),
        }
    }
}
