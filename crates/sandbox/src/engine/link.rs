//! A session's socket: requests out, replies sorted to those who wait for them.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use harness_core::{Error, ErrorKind, Result};
use rustix::net::Shutdown;
use rustix::process::{Signal, pidfd_send_signal};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use super::broken;
use crate::wire::{self, Numbered, Reply, Request};

/// A reply and the descriptors that came with it.
pub(crate) type Answer = (Reply, Vec<OwnedFd>);

/// One session's connection. Dropping all handles does not close it: [`Link::hang_up`] does.
#[derive(Debug)]
pub(crate) struct Link {
    socket: UnixStream,
    waiting: Mutex<Option<HashMap<u64, oneshot::Sender<Answer>>>>,
    next: AtomicU64,
    process: Mutex<Option<OwnedFd>>,
}

/// A request that was sent and not yet answered.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) id: u64,
    answer: oneshot::Receiver<Answer>,
}

impl Link {
    /// Takes over the engine's end of a session's socket. Must be called on a tokio runtime.
    pub(crate) fn new(socket: OwnedFd) -> Result<Self> {
        // A packet socket, in truth: only its readiness is used, and `wire` does the rest.
        let socket = std::os::unix::net::UnixStream::from(socket);
        let socket = socket
            .set_nonblocking(true)
            .and_then(|()| UnixStream::from_std(socket))
            .map_err(|error| broken("watching a session's socket", error))?;
        Ok(Self {
            socket,
            waiting: Mutex::new(Some(HashMap::new())),
            next: AtomicU64::new(1),
            process: Mutex::new(None),
        })
    }

    /// Waits until the session is open; returns its private directory, empty when it has its own root. The end of a `view` is
    /// that of a process of which the spawner tells.
    pub(crate) async fn opened(&self, view: bool) -> Result<String> {
        // The spawner and the session speak independently: either may be heard first.
        let (mut started, mut opened) = (!view, None);
        loop {
            if let Some(root) = opened.take_if(|_| started) {
                return Ok(root);
            }
            match self.receive().await {
                Ok(Some((Numbered { body: Reply::Started, .. }, mut fds))) => {
                    *lock(&self.process) = fds.pop();
                    started = true;
                }
                Ok(Some((Numbered { body: Reply::Opened { root, .. }, .. }, mut fds))) => {
                    if !view {
                        *lock(&self.process) = fds.pop();
                    }
                    opened = Some(root);
                }
                Ok(Some((Numbered { body: Reply::Failed { doing, errno }, .. }, _))) => {
                    let cause = io::Error::from_raw_os_error(errno);
                    return Err(broken(&format!("opening a session: {doing}"), cause));
                }
                Ok(Some(_)) => {}
                Ok(None) => return Err(gone()),
                Err(error) => return Err(broken("opening a session", error)),
            }
        }
    }

    /// Sorts replies until the session is gone. Run as a task of its own.
    pub(crate) async fn sort(self: Arc<Self>) {
        while let Ok(Some((Numbered { id, body }, fds))) = self.receive().await {
            let waiting = lock(&self.waiting).as_mut().and_then(|waiting| waiting.remove(&id));
            if let Some(waiting) = waiting {
                // Nobody waits any more: the reply is of no use.
                let _ = waiting.send((body, fds));
            }
        }
        // Drops the senders, which wakes everybody with an error, and refuses later requests.
        lock(&self.waiting).take();
    }

    async fn receive(&self) -> io::Result<Option<(Numbered<Reply>, Vec<OwnedFd>)>> {
        self.socket.async_io(Interest::READABLE, || wire::receive(self.socket.as_fd())).await
    }

    /// Sends a request with descriptors. Cancel-safe: it is sent whole or not at all.
    pub(crate) async fn send(&self, body: Request, fds: &[BorrowedFd<'_>]) -> Result<Ticket> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        match lock(&self.waiting).as_mut() {
            Some(waiting) => waiting.insert(id, sender),
            None => return Err(gone()),
        };
        let request = Numbered { id, body };
        let sent = self
            .socket
            .async_io(Interest::WRITABLE, || wire::send(self.socket.as_fd(), &request, fds, false));
        match sent.await {
            Ok(()) => Ok(Ticket { id, answer }),
            Err(error) => {
                self.forget(id);
                Err(broken("sending to a session", error))
            }
        }
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn call(&self, body: Request, fds: &[BorrowedFd<'_>]) -> Result<Answer> {
        let mut ticket = self.send(body, fds).await?;
        ticket.answer().await
    }

    /// Asks for a command's end, at once and without waiting. If even that cannot be said, the
    /// whole session ends: no command outlives its caller's will.
    pub(crate) fn kill(&self, id: u64) {
        let request = Numbered { id, body: Request::Kill };
        if wire::send(self.socket.as_fd(), &request, &[], false).is_err() {
            self.hang_up();
        }
    }

    /// Nobody waits for this answer any more.
    pub(crate) fn forget(&self, id: u64) {
        if let Some(waiting) = lock(&self.waiting).as_mut() {
            waiting.remove(&id);
        }
    }

    /// Ends the session: its first process sees the end of its socket.
    pub(crate) fn hang_up(&self) {
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Both);
    }

    /// The same, by a signal that leaves it no choice: only for sessions whose end the kernel completes.
    pub(crate) fn kill_session(&self) {
        self.hang_up();
        if let Some(process) = lock(&self.process).as_ref() {
            // Gone already is as good.
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
    }

    /// Takes the descriptor that becomes readable when the session's first process has ended.
    pub(crate) fn take_process(&self) -> Option<OwnedFd> {
        lock(&self.process).take()
    }
}

impl Ticket {
    /// Waits for the answer. Cancel-safe.
    pub(crate) async fn answer(&mut self) -> Result<Answer> {
        (&mut self.answer).await.map_err(|_| gone())
    }
}

pub(crate) fn gone() -> Error {
    Error::new(ErrorKind::Sandbox, "the session has ended")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
