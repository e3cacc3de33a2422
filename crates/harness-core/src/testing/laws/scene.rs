//! Servers that behave in a certain way, and the backends before them.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::Fixture;
use crate::llm::{LlmBackend, ToolCall, Usage};

/// What the server behind a backend does.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub enum Scene {
    /// It answers with this text.
    Reply(String),
    /// It repeats the last message of each request.
    Echo,
    /// It calls a tool.
    Call(ToolCall),
    /// It answers and tells this usage. A price need not be told: it may come from the backend.
    Usage(Usage),
    /// It answers and tells no usage.
    NoUsage,
    /// It refuses for now and says how long to wait, in whole seconds.
    RateLimited(Duration),
    /// It is overloaded.
    Overloaded,
    /// What it sends is no answer at all.
    Nonsense,
    /// It refuses the request for good.
    BadRequest,
    /// It does not take the key.
    BadKey,
    /// The conversation is too long for its model.
    Overflow,
    /// It sends the beginning of an answer and closes the connection.
    Cut,
    /// It takes the request and never answers.
    Silence,
}

/// A backend whose server plays a scene.
#[derive(Clone)]
pub struct LlmSeat {
    /// The backend.
    pub backend: Arc<dyn LlmBackend>,
    /// Whether the model is a simulated one.
    pub simulated: bool,
    /// The key that the backend was given.
    pub secret: Option<String>,
    /// How many requests the server is busy with.
    pub in_flight: Option<Arc<dyn Fn() -> usize + Send + Sync>>,
}

impl fmt::Debug for LlmSeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmSeat").field("backend", &self.backend).finish_non_exhaustive()
    }
}

/// A backend without a key, whose server cannot be asked, and whose word on being simulated is taken.
impl<L: LlmBackend + 'static> From<L> for LlmSeat {
    fn from(backend: L) -> Self {
        let simulated = backend.model().is_simulated();
        Self { backend: Arc::new(backend), simulated, secret: None, in_flight: None }
    }
}

/// Where backends come from: any closure from a scene to a fixture.
pub trait LlmPlace: Send + Sync {
    /// A backend whose server plays `scene`.
    fn serve(&self, scene: Scene) -> BoxFuture<'_, Fixture<LlmSeat>>;
}

impl<F, Served> LlmPlace for F
where
    F: Fn(Scene) -> Served + Send + Sync,
    Served: IntoFuture<Output = Fixture<LlmSeat>, IntoFuture: Send + 'static>,
{
    fn serve(&self, scene: Scene) -> BoxFuture<'_, Fixture<LlmSeat>> {
        self(scene).into_future().boxed()
    }
}
