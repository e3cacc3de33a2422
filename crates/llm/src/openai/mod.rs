//! Any server that speaks OpenAI's chat completions: OpenAI, vLLM, SGLang, llama.cpp, Ollama, LiteLLM, OpenRouter, …; or, by option,
//! its Responses API.
//!
//! Reading order: `chat` and `responses`, each with `wire` (what is sent), `reply` (what comes back) and `pieces` (the same, streamed).

mod chat;
mod responses;

use std::fmt;

use async_trait::async_trait;
use futures::stream::BoxStream;
use harness_core::{Completion, Delta, LlmBackend, ModelId, Request, Result};

pub use self::chat::TokenLimitField;
use self::chat::{Chat, Dialect};
use self::responses::Responses;
use crate::http::{self, Http, KeyHeader, Protocol, Timeouts};
use crate::secret::Secret;

/// Which of OpenAI's two interfaces is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// `POST …/chat/completions`: what every compatible server has.
    ChatCompletions,
    /// `POST …/responses`, without state on the server. It has neither seeds nor stop texts: both are left out.
    Responses,
}

impl Api {
    fn endpoint(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat/completions",
            Self::Responses => "responses",
        }
    }
}

/// OpenAI's wire over HTTP.
///
/// Nothing is read from the environment: address, model, key and proxy are given. Requests are not repeated here, except without
/// their schema where a server refuses to take it; wrap it in [`Retried`](crate::Retried). Redirects are not followed, so a key goes nowhere else.
///
/// # Errors
/// As [`LlmBackend`] asks: no connection, a time-out, 408, 429, 5xx, a broken or senseless answer are
/// [`ErrorKind::ModelUnavailable`](harness_core::ErrorKind::ModelUnavailable) (with the server's `Retry-After`); a conversation that is
/// too long, or 413, is [`ErrorKind::ContextOverflow`](harness_core::ErrorKind::ContextOverflow); everything else is
/// [`ErrorKind::ModelRejected`](harness_core::ErrorKind::ModelRejected) and names the address, the model and the remedy. What a content
/// filter withheld is a completion that ends with [`FinishReason::ContentFilter`](harness_core::FinishReason::ContentFilter). The whole
/// table is in the guide on models.
#[derive(Clone)]
pub struct OpenAiBackend {
    http: Http,
    model: ModelId,
    api: Api,
    dialect: Dialect,
    streaming: bool,
}

impl fmt::Debug for OpenAiBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiBackend")
            .field("model", &self.model)
            .field("api", &self.api)
            .field("dialect", &self.dialect)
            .field("streaming", &self.streaming)
            .field("http", &self.http)
            .finish()
    }
}

impl OpenAiBackend {
    /// The model `name` at `base_url`, the address before `/chat/completions`, such as `http://127.0.0.1:8080/v1`.
    ///
    /// Chat completions, whole replies, the default [`Timeouts`], no key, provider `openai`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](harness_core::ErrorKind::InvalidInput) for what is no such address, or holds a password; or when the
    /// address is encrypted and the system has no trusted certificates.
    pub fn new(base_url: &str, name: impl Into<String>) -> Result<Self> {
        let (name, api) = (name.into(), Api::ChatCompletions);
        let http = Http::new(base_url, api.endpoint(), &name, "OPENAI_API_KEY", KeyHeader::Bearer)?;
        let dialect = Dialect::of_host(http.host());
        Ok(Self { http, model: ModelId::new("openai", name), api, dialect, streaming: false })
    }

    /// Speaks the other interface.
    ///
    /// # Errors
    /// Those of [`OpenAiBackend::new`].
    pub fn with_api(mut self, api: Api) -> Result<Self> {
        self.http.set_endpoint(api.endpoint())?;
        self.api = api;
        Ok(self)
    }

    /// Sends `key` with each request.
    #[must_use]
    pub fn with_key(mut self, key: Secret) -> Self {
        self.http.set_key(key);
        self
    }

    /// The environment variable that messages name when a key is missing or refused; `OPENAI_API_KEY` by default.
    /// It is not read here: see [`Secret::from_variable`].
    #[must_use]
    pub fn with_key_variable(mut self, variable: impl Into<String>) -> Self {
        self.http.set_key_variable(variable.into());
        self
    }

    /// Names who serves the model, for the record: `vllm`, `openrouter`, ….
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
    /// Those of [`OpenAiBackend::new`].
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

    /// Which field bounds the reply in chat completions; [`TokenLimitField::MaxTokens`] unless the server is OpenAI's own.
    #[must_use]
    pub fn with_token_limit_field(mut self, field: TokenLimitField) -> Self {
        self.dialect.token_limit = field;
        self
    }

    /// Whether schemas are sent as strict. OpenAI then guarantees them, and refuses schemas outside its own
    /// subset; off by default, and callers validate in any case.
    #[must_use]
    pub fn with_strict_schema(mut self, strict: bool) -> Self {
        self.dialect.strict_schema = strict;
        self
    }

    /// Whether the model's reasoning is sent back with the conversation. Some servers demand it between tool calls, others
    /// refuse it; off by default. The Responses API always wants it back.
    #[must_use]
    pub fn with_reasoning_returned(mut self, returned: bool) -> Self {
        self.dialect.return_reasoning = returned;
        self
    }

    /// Whether [`LlmBackend::complete`] asks for a stream and puts it together. A stalled server is then found out by
    /// [`Timeouts::between_chunks`], and nothing between here and there hangs up on a silent connection. Off by default: a few
    /// servers tell no usage in streams.
    #[must_use]
    pub fn with_streaming(mut self, streaming: bool) -> Self {
        self.streaming = streaming;
        self
    }

    /// Whether the server answers and takes the key, without spending anything: asks for its list of models. A server
    /// without such a list passes.
    ///
    /// # Errors
    /// [`ErrorKind::ModelUnavailable`](harness_core::ErrorKind::ModelUnavailable) when nobody answers, or a web page;
    /// [`ErrorKind::ModelRejected`](harness_core::ErrorKind::ModelRejected) when the key is refused. Both name the address.
    pub async fn probe(&self) -> Result<()> {
        self.http.probe().await
    }

    fn protocol(&self) -> Box<dyn Protocol> {
        match self.api {
            Api::ChatCompletions => Box::new(Chat(self.dialect)),
            Api::Responses => Box::new(Responses { strict_schema: self.dialect.strict_schema }),
        }
    }
}

#[async_trait]
impl LlmBackend for OpenAiBackend {
    fn model(&self) -> &ModelId {
        &self.model
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        http::complete(&self.http, &*self.protocol(), request, self.streaming).await
    }

    async fn stream(&self, request: Request) -> Result<BoxStream<'static, Result<Delta>>> {
        http::stream(&self.http, &*self.protocol(), request).await
    }
}
