//! A model that says what it is told to.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::error::{Error, ErrorKind, Result};
use crate::id::ModelId;
use crate::llm::{Completion, LlmBackend, Request};
use crate::price::Price;

type Answer = dyn Fn(&Request) -> Result<Completion> + Send + Sync;

/// Answers by a closure or from a queue, and remembers what it was asked. Clones share both.
#[derive(Clone)]
pub struct ScriptedLlm {
    model: ModelId,
    price: Option<Price>,
    answer: Arc<Answer>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl ScriptedLlm {
    /// Answers by `answer`.
    pub fn new(answer: impl Fn(&Request) -> Result<Completion> + Send + Sync + 'static) -> Self {
        let model = ModelId::new(ModelId::SIMULATED, "scripted");
        Self { model, price: None, answer: Arc::new(answer), requests: Arc::default() }
    }

    /// Always says the same.
    pub fn always(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::new(move |_| Ok(Completion::text(&text)))
    }

    /// Gives these answers in order. A call too many is [`ErrorKind::ModelRejected`].
    pub fn queue(answers: impl IntoIterator<Item = Result<Completion>>) -> Self {
        let answers = Mutex::new(answers.into_iter().collect::<VecDeque<_>>());
        Self::new(move |_| {
            let next = answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            next.unwrap_or_else(|| {
                let message = "the script has no answer left: queue one more";
                Err(Error::new(ErrorKind::ModelRejected, message))
            })
        })
    }

    /// The same under another name; `simulated:scripted` otherwise.
    #[must_use]
    pub fn named(mut self, model: ModelId) -> Self {
        self.model = model;
        self
    }

    /// The same at a price; without one, what it costs is unknown.
    #[must_use]
    pub fn priced(mut self, price: Price) -> Self {
        self.price = Some(price);
        self
    }

    /// Every request so far, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ScriptedLlm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedLlm").field("model", &self.model).finish_non_exhaustive()
    }
}

#[async_trait]
impl LlmBackend for ScriptedLlm {
    fn model(&self) -> &ModelId {
        &self.model
    }

    fn price(&self) -> Option<Price> {
        self.price
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        self.lock().push(request.clone());
        (self.answer)(&request)
    }
}
