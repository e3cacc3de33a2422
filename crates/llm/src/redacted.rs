//! Replies without the keys that a server, or a model that was shown one, may say.

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use harness_core::{
    Arguments, Completion, Delta, Error, LlmBackend, Message, ModelId, Price, Redactor, Request,
    Result,
};

/// Takes known secrets, by value and in their usual encodings, out of requests before they are sent and out of replies and
/// errors before anybody sees them: nothing that comes by here brings a key to a journal, a report or a sandbox.
#[derive(Debug)]
pub struct Redacted<L> {
    inner: L,
    redactor: Redactor,
}

impl<L: LlmBackend> Redacted<L> {
    /// Wraps `inner`.
    pub fn new(inner: L, redactor: Redactor) -> Self {
        Self { inner, redactor }
    }

    fn request(&self, mut request: Request) -> Request {
        for message in &mut request.messages {
            // A long conversation without a secret is not copied.
            if self.redactor.finds(message.content.as_bytes()) {
                message.content = self.redactor.text(&message.content);
            }
        }
        request
    }
}

fn clean_message(redactor: &Redactor, message: &mut Message) {
    message.content = redactor.text(&message.content);
    if let Some(reasoning) = &mut message.reasoning {
        *reasoning = redactor.text(reasoning);
    }
    for call in &mut message.tool_calls {
        call.name = redactor.text(&call.name);
        match &mut call.arguments {
            Arguments::Parsed(value) => redactor.json(value),
            Arguments::Malformed(text) => *text = redactor.text(text),
        }
    }
}

fn clean(redactor: &Redactor, mut completion: Completion) -> Completion {
    if !redactor.is_empty() {
        clean_message(redactor, &mut completion.message);
    }
    completion
}

/// The same error; its causes are dropped when they, or it, held a secret.
fn clean_error(redactor: &Redactor, error: Error) -> Error {
    let shown = format!("{} {error:?}", error.report());
    if !redactor.finds(shown.as_bytes()) {
        return error;
    }
    let mut clean = Error::new(error.kind(), redactor.text(error.message()));
    if let Some(wait) = error.retry_after() {
        clean = clean.with_retry_after(wait);
    }
    if error.is_uncharged() { clean.uncharged() } else { clean }
}

/// A stream that holds back what may be the beginning of a secret.
struct Reading {
    deltas: BoxStream<'static, Result<Delta>>,
    redactor: Redactor,
    /// What is held back, and whether it is reasoning.
    held: (Vec<u8>, bool),
    /// What comes next, after what was held back.
    next: Option<Result<Delta>>,
}

impl Reading {
    async fn step(&mut self) -> Option<Result<Delta>> {
        loop {
            if let Some(next) = self.next.take() {
                return Some(next);
            }
            let (piece, reasoning) = match self.deltas.next().await {
                Some(Ok(Delta::Text(piece))) => (piece, false),
                Some(Ok(Delta::Reasoning(piece))) => (piece, true),
                Some(Ok(Delta::Done(completion))) => {
                    let done = Delta::Done(Box::new(clean(&self.redactor, *completion)));
                    self.next = Some(Ok(done));
                    match self.release(true) {
                        Some(rest) => return Some(Ok(rest)),
                        None => continue,
                    }
                }
                Some(Err(error)) => return Some(Err(clean_error(&self.redactor, error))),
                None => return None,
            };
            let turned = if self.held.1 == reasoning { None } else { self.release(true) };
            self.held.0.extend_from_slice(piece.as_bytes());
            self.held.1 = reasoning;
            if let Some(delta) = turned.or_else(|| self.release(false)) {
                return Some(Ok(delta));
            }
        }
    }

    fn release(&mut self, last: bool) -> Option<Delta> {
        let mut bytes = self.redactor.settled(&mut self.held.0, last);
        // A letter of several bytes stays whole.
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let whole = error.utf8_error().valid_up_to();
                bytes = error.into_bytes();
                let mut rest = bytes.split_off(whole);
                rest.append(&mut self.held.0);
                self.held.0 = rest;
                String::from_utf8(bytes).unwrap_or_default()
            }
        };
        let delta = if self.held.1 { Delta::Reasoning } else { Delta::Text };
        (!text.is_empty()).then(|| delta(text))
    }
}

#[async_trait]
impl<L: LlmBackend> LlmBackend for Redacted<L> {
    fn model(&self) -> &ModelId {
        self.inner.model()
    }

    fn price(&self) -> Option<Price> {
        self.inner.price()
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        match self.inner.complete(self.request(request)).await {
            Ok(completion) => Ok(clean(&self.redactor, completion)),
            Err(error) => Err(clean_error(&self.redactor, error)),
        }
    }

    async fn stream(&self, request: Request) -> Result<BoxStream<'static, Result<Delta>>> {
        let deltas = self.inner.stream(self.request(request)).await;
        let deltas = deltas.map_err(|error| clean_error(&self.redactor, error))?;
        let redactor = self.redactor.clone();
        let reading = Reading { deltas, redactor, held: (Vec::new(), false), next: None };
        let clean = stream::unfold(reading, |mut reading| async move {
            let delta = reading.step().await?;
            Some((delta, reading))
        });
        Ok(clean.boxed())
    }
}
