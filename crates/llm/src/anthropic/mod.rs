//! Anthropic's Messages, and servers that speak them.
//!
//! Reading order: `wire` (what is sent), `reply` (what comes back), `pieces` (the same, streamed).

mod pieces;
mod reply;
mod wire;

use std::fmt;

use async_trait::async_trait;
use futures::stream::BoxStream;
use harness_core::{Completion, Delta, LlmBackend, ModelId, Request, Result};
use serde_json::Value;

use self::pieces::Pieces;
use self::wire::Options;
use crate::http::{self, Assembly, Http, KeyHeader, Protocol, Timeouts};
use crate::secret::Secret;

/// Under [`Message::provider_data`](harness_core::Message::provider_data), what belongs to this protocol: the signed thinking blocks.
const DATA: &str = "anthropic";

/// The version of the interface that is spoken.
const VERSION: &str = "2023-06-01";

/// Anthropic's Messages over HTTP: tools, thinking with its signatures, marks for the prompt cache, streams.
///
/// It has no seeds: they are left out. Errors, environment, redirects and repetition are as in
/// [`OpenAiBackend`](crate::OpenAiBackend).
#[derive(Clone)]
pub struct AnthropicBackend {
    http: Http,
    model: ModelId,
    options: Options,
    streaming: bool,
}

impl fmt::Debug for AnthropicBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnthropicBackend")
            .field("model", &self.model)
            .field("options", &self.options)
            .field("streaming", &self.streaming)
            .field("http", &self.http)
            .finish()
    }
}

impl AnthropicBackend {
    /// The model `name` at `base_url`, the address before `/messages`, such as `https://api.anthropic.com/v1`.
    ///
    /// Whole replies, cache marks, no thinking, the default [`Timeouts`], no key, provider `anthropic`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](harness_core::ErrorKind::InvalidInput) for what is no such address, or holds a password; or when the
    /// address is encrypted and the system has no trusted certificates.
    pub fn new(base_url: &str, name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let key = KeyHeader::Named("x-api-key");
        let mut http = Http::new(base_url, "messages", &name, "ANTHROPIC_API_KEY", key)?;
        http.set_header("anthropic-version", VERSION);
        let options = Options { thinking: None, caching: true };
        Ok(Self { http, model: ModelId::new("anthropic", name), options, streaming: false })
    }

    /// Sends `key` with each request.
    #[must_use]
    pub fn with_key(mut self, key: Secret) -> Self {
        self.http.set_key(key);
        self
    }

    /// The environment variable that messages name when a key is missing or refused; `ANTHROPIC_API_KEY` by default.
    /// It is not read here: see [`Secret::from_variable`].
    #[must_use]
    pub fn with_key_variable(mut self, variable: impl Into<String>) -> Self {
        self.http.set_key_variable(variable.into());
        self
    }

    /// Names who serves the model, for the record.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](harness_core::ErrorKind::InvalidInput) for [`ModelId::SIMULATED`]: only a simulated model may be called so.
    pub fn with_provider(mut self, provider: impl Into<String>) -> Result<Self> {
        self.model = http::served_by(provider.into(), &self.model.name)?;
        Ok(self)
    }

    /// How long the server may take.
    ///
    /// # Errors
    /// Those of [`AnthropicBackend::new`].
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Result<Self> {
        self.http.set_timeouts(timeouts)?;
        Ok(self)
    }

    /// Goes through the HTTP proxy at `url`. Without this, no proxy is used, whatever the environment says.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](harness_core::ErrorKind::InvalidInput) when `url` is no address of a proxy.
    pub fn with_proxy(mut self, url: &str) -> Result<Self> {
        self.http.set_proxy(url)?;
        Ok(self)
    }

    /// Lets the model think for about this many tokens before it speaks, at least 1024, on top of the tokens of the reply. The
    /// interface takes no temperature beside it: it is left out.
    #[must_use]
    pub fn with_thinking(mut self, tokens: u32) -> Self {
        self.options.thinking = Some(tokens.max(1024));
        self
    }

    /// Whether the end of the instructions and of the conversation are marked for the prompt cache: on by default, because
    /// a conversation that grows step by step is read again at each step.
    #[must_use]
    pub fn with_caching(mut self, caching: bool) -> Self {
        self.options.caching = caching;
        self
    }

    /// Whether [`LlmBackend::complete`] asks for a stream and puts it together: see
    /// [`OpenAiBackend::with_streaming`](crate::OpenAiBackend::with_streaming).
    #[must_use]
    pub fn with_streaming(mut self, streaming: bool) -> Self {
        self.streaming = streaming;
        self
    }

    /// Whether the server answers and takes the key, without spending anything: see
    /// [`OpenAiBackend::probe`](crate::OpenAiBackend::probe).
    ///
    /// # Errors
    /// [`ErrorKind::ModelUnavailable`](harness_core::ErrorKind::ModelUnavailable) when nobody answers, or a web page;
    /// [`ErrorKind::ModelRejected`](harness_core::ErrorKind::ModelRejected) when the key is refused.
    pub async fn probe(&self) -> Result<()> {
        self.http.probe().await
    }
}

impl Protocol for Options {
    fn body(&self, request: &Request, model: &str, streamed: bool) -> Value {
        wire::body(request, model, *self, streamed)
    }

    fn read(&self, reply: &Value, turn: usize) -> Result<Completion, String> {
        reply::read(reply, turn)
    }

    fn relax_schema(&self, body: &mut Value) -> bool {
        body.as_object_mut().is_some_and(|fields| fields.remove("output_config").is_some())
    }

    fn assembly(&self, turn: usize) -> Box<dyn Assembly> {
        Box::new(Pieces::new(turn))
    }
}

#[async_trait]
impl LlmBackend for AnthropicBackend {
    fn model(&self) -> &ModelId {
        &self.model
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        http::complete(&self.http, &self.options, request, self.streaming).await
    }

    async fn stream(&self, request: Request) -> Result<BoxStream<'static, Result<Delta>>> {
        http::stream(&self.http, &self.options, request).await
    }
}
