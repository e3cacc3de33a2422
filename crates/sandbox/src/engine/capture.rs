//! Reading a command's output as it comes, keeping its head and its tail.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use harness_core::{Captured, OutputLimit};
use tokio::net::unix::pipe::Receiver;

/// What a command left in its pipe when it ended is at most this much: the largest pipe the kernel gives.
const PIPE: usize = 1024 * 1024;
/// How long a pipe that something still holds open is listened to after the command has ended.
const GRACE: Duration = Duration::from_millis(50);
/// A daemon that keeps writing is read at this pace, so that it neither blocks nor burns our time.
const PACE: Duration = Duration::from_millis(20);

/// One output stream of a command.
#[derive(Debug)]
pub(crate) struct Stream {
    pipe: Option<Receiver>,
    kept: Kept,
}

impl Stream {
    pub(crate) fn new(pipe: Receiver, limit: OutputLimit) -> Self {
        Self { pipe: Some(pipe), kept: Kept::new(limit) }
    }

    /// Reads once, when there is something, and tells how much; never returns after the end. Cancel-safe.
    pub(crate) async fn fill(&mut self, buffer: &mut [u8]) -> usize {
        let Some(pipe) = &self.pipe else { return std::future::pending().await };
        if pipe.readable().await.is_err() {
            self.pipe = None;
        }
        self.read_ready(buffer)
    }

    /// Reads what is there without waiting; returns how much that was.
    fn read_ready(&mut self, buffer: &mut [u8]) -> usize {
        let Some(pipe) = &self.pipe else { return 0 };
        match pipe.try_read(buffer) {
            Ok(0) => self.pipe = None,
            Ok(read) => {
                self.kept.push(&buffer[..read]);
                return read;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.pipe = None,
        }
        0
    }

    /// Takes what the pipe holds, up to the largest pipe's worth; returns how much of that is left. The kernel is asked, not
    /// the runtime, which may not have heard yet that there is something to read.
    fn drain(&mut self, buffer: &mut [u8], heard: &mut (impl FnMut(&[u8]) + Send)) -> usize {
        let mut left = PIPE;
        while let Some(pipe) = self.pipe.as_ref().filter(|_| left > 0) {
            match rustix::io::read(pipe, &mut *buffer) {
                Ok(0) => self.pipe = None,
                Ok(read) => {
                    self.kept.push(&buffer[..read]);
                    heard(&buffer[..read]);
                    left = left.saturating_sub(read);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => break,
                Err(_) => self.pipe = None,
            }
        }
        left
    }

    /// After the command's end: reads what it left. A process that still holds the pipe is given a short
    /// grace (the rest of a pipeline), then left to itself, its output discarded.
    pub(crate) async fn finish(
        mut self,
        buffer: &mut [u8],
        mut heard: impl FnMut(&[u8]) + Send,
    ) -> Captured {
        let mut left = self.drain(buffer, &mut heard);
        let drain = async {
            while self.pipe.is_some() && left > 0 {
                match self.read_ready(buffer) {
                    0 => match &self.pipe {
                        Some(pipe) if pipe.readable().await.is_ok() => {}
                        _ => break,
                    },
                    read => {
                        heard(&buffer[..read]);
                        left = left.saturating_sub(read);
                    }
                }
            }
        };
        let _ = tokio::time::timeout(GRACE, drain).await;
        if let Some(pipe) = self.pipe.take() {
            // Closing it instead would kill a daemon at its next word.
            tokio::spawn(discard(pipe));
        }
        self.kept.into_captured()
    }
}

/// Reads and forgets until the last writer has gone, at the latest with the session.
async fn discard(pipe: Receiver) {
    let mut buffer = vec![0_u8; 64 * 1024];
    while pipe.readable().await.is_ok() {
        match pipe.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => tokio::time::sleep(PACE).await,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

/// The head and the tail of what was pushed.
#[derive(Debug)]
pub(crate) struct Kept {
    limit: OutputLimit,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: u64,
}

impl Kept {
    pub(crate) fn new(limit: OutputLimit) -> Self {
        Self { limit, head: Vec::new(), tail: VecDeque::new(), dropped: 0 }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let room = self.limit.head.saturating_sub(self.head.len()).min(bytes.len());
        let (head, rest) = bytes.split_at(room);
        self.head.extend_from_slice(head);
        let keep = rest.len().min(self.limit.tail);
        let excess = (self.tail.len() + keep).saturating_sub(self.limit.tail);
        self.tail.drain(..excess);
        self.tail.extend(&rest[rest.len() - keep..]);
        self.dropped += (excess + rest.len() - keep) as u64;
    }

    pub(crate) fn into_captured(self) -> Captured {
        let (mut head, tail) = (self.head, Vec::from(self.tail));
        if self.dropped == 0 {
            // Nothing is missing between them: the tail is empty by contract.
            head.extend_from_slice(&tail);
            return Captured::whole(head);
        }
        Captured { head, tail, dropped: self.dropped }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by it")]
    use super::*;

    /// A daemon's command once came back with nothing printed: the runtime had not been told of the pipe's content by the time
    /// the grace was over. Here it never is, because nothing is awaited, and the writer stays.
    #[tokio::test]
    async fn what_the_runtime_has_not_heard_of_is_read() {
        let (writer, reader) = tokio::net::unix::pipe::pipe().unwrap();
        let writer = writer.into_blocking_fd().unwrap();
        let mut stream = Stream::new(reader, OutputLimit { head: 1 << 20, tail: 0 });
        rustix::io::write(&writer, b"started\n").unwrap();
        let left = stream.drain(&mut [0; 3], &mut |_| {});
        assert_eq!(left, PIPE - 8);
        assert_eq!(stream.kept.into_captured(), Captured::whole(*b"started\n"));
    }

    fn kept(limit: OutputLimit, parts: &[&[u8]]) -> Captured {
        let mut kept = Kept::new(limit);
        parts.iter().for_each(|part| kept.push(part));
        kept.into_captured()
    }

    #[test]
    fn what_fits_is_whole() {
        let limit = OutputLimit { head: 4, tail: 4 };
        assert_eq!(kept(limit, &[b"abc", b"defgh"]), Captured::whole(*b"abcdefgh"));
    }

    #[test]
    fn the_middle_is_dropped_and_counted() {
        let limit = OutputLimit { head: 2, tail: 3 };
        for parts in [&[&b"abcdefgh"[..]][..], &[b"a", b"bcd", b"efg", b"h"]] {
            let captured = kept(limit, parts);
            assert_eq!((&captured.head[..], &captured.tail[..]), (&b"ab"[..], &b"fgh"[..]));
            assert_eq!(captured.dropped, 3);
        }
    }

    #[test]
    fn a_limit_of_nothing_counts_all() {
        let captured = kept(OutputLimit { head: 0, tail: 0 }, &[b"abc", b"de"]);
        assert_eq!(captured, Captured { head: vec![], tail: vec![], dropped: 5 });
    }
}
