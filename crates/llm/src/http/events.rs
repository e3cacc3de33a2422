//! Server-sent events: from bytes as they come to the pieces of a reply.

use std::collections::VecDeque;
use std::fmt;

use eventsource_stream::{EventStreamError, Eventsource as _};
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use harness_core::{Delta, Error, ErrorKind, Result};

use super::fault::{self, Asked, Fault};

/// Puts a reply together from the data of its events. Pure.
///
/// Nothing but [`Delta::Done`] may be acted on, and it comes with the protocol's own terminal event only.
pub(crate) trait Assembly: Send {
    /// One event's data.
    fn take(&mut self, data: &str) -> Result<Vec<Delta>, Broken>;
}

/// Why a reply cannot be put together.
#[derive(Debug, PartialEq)]
pub(crate) enum Broken {
    /// It makes no sense; what is wrong with it.
    Nonsense(String),
    /// The server says so itself; the whole event.
    Said(String),
}

impl Broken {
    pub(crate) fn nonsense(what: impl Into<String>) -> Self {
        Self::Nonsense(what.into())
    }

    /// The error that a caller can act on; `data` is the event at fault.
    pub(crate) fn into_error(self, asked: &Asked, data: &str) -> Error {
        match self {
            Self::Nonsense(what) => fault::nonsense(asked, &what, data),
            Self::Said(body) => match fault::in_success(asked, &body) {
                Fault::Failed(error) => error,
                Fault::Filtered(said) => {
                    let message =
                        format!("{} withheld the rest of its answer: {said}", asked.address);
                    Error::new(ErrorKind::ModelUnavailable, message)
                }
            },
        }
    }
}

/// The pieces of a reply whose bytes are `bytes`; `redact` cleans each event before it is read.
///
/// Ends after [`Delta::Done`] or the first error. Bytes that end before the terminal event are an error.
pub(crate) fn deltas<B: AsRef<[u8]> + 'static>(
    bytes: impl Stream<Item = Result<B>> + Send + 'static,
    assembly: Box<dyn Assembly>,
    asked: Asked,
    redact: impl Fn(&str) -> String + Send + 'static,
) -> BoxStream<'static, Result<Delta>> {
    let events = bytes.eventsource().map(|event| match event {
        Ok(event) => Ok(event.data),
        Err(EventStreamError::Transport(error)) => Err(Cut::Lost(error)),
        Err(other) => Err(Cut::NoEvent(other.to_string())),
    });
    let reading = Reading {
        events: events.boxed(),
        assembly,
        asked,
        redact: Box::new(redact),
        ready: VecDeque::new(),
        over: false,
    };
    stream::unfold(reading, |mut reading| async move {
        let delta = reading.next().await?;
        Some((delta, reading))
    })
    .boxed()
}

enum Cut {
    Lost(Error),
    NoEvent(String),
}

struct Reading {
    events: BoxStream<'static, Result<String, Cut>>,
    assembly: Box<dyn Assembly>,
    asked: Asked,
    redact: Box<dyn Fn(&str) -> String + Send>,
    ready: VecDeque<Delta>,
    over: bool,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Reading {
    async fn next(&mut self) -> Option<Result<Delta>> {
        loop {
            if let Some(delta) = self.ready.pop_front() {
                self.over |= matches!(delta, Delta::Done(_));
                return Some(Ok(delta));
            }
            if self.over {
                return None;
            }
            if let Err(error) = self.read_event().await {
                self.over = true;
                return Some(Err(error));
            }
        }
    }

    async fn read_event(&mut self) -> Result<()> {
        let data = match self.events.next().await {
            Some(Ok(data)) => (self.redact)(&data),
            Some(Err(Cut::Lost(error))) => return Err(error),
            Some(Err(Cut::NoEvent(why))) => {
                let what = format!("what is no stream of events ({why})");
                return Err(fault::nonsense(&self.asked, &what, ""));
            }
            None => {
                return Err(fault::nonsense(&self.asked, "a stream that ends before its end", ""));
            }
        };
        if data.trim().is_empty() {
            return Ok(());
        }
        match self.assembly.take(&data) {
            Ok(deltas) => self.ready.extend(deltas),
            Err(broken) => return Err(broken.into_error(&self.asked, &data)),
        }
        Ok(())
    }
}
