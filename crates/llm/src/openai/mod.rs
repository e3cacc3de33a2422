//! Any server that speaks OpenAI's chat completions: OpenAI, vLLM, llama.cpp, Ollama, LiteLLM, OpenRouter, ….
//!
//! Reading order: `wire` (what is sent), `reply` (what comes back), `fault` (what goes wrong), `address`, `tls`.

mod address;
mod fault;
mod reply;
mod tls;
mod wire;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use harness_core::{
    Completion, Error, ErrorKind, FinishReason, LlmBackend, Message, ModelId, Request, Result,
};
use reqwest::{Client, Proxy, Response, header, redirect};
use serde_json::Value;

use self::address::Address;
use self::fault::{Asked, Fault};
use self::wire::Dialect;
pub use self::wire::TokenLimitField;
use crate::secret::Secret;

/// A reply beyond this is nonsense: no model writes so much.
const MAX_REPLY_BYTES: usize = 32 << 20;

/// Chat completions over HTTP, one request and one whole reply at a time.
///
/// Nothing is read from the environment: address, model, key and proxy are given. Requests are not repeated here, except without
/// their schema where a server refuses to take it; wrap it in [`Retried`](crate::Retried). Redirects are not followed, so a key goes nowhere else.
///
/// # Errors
/// As [`LlmBackend`] asks: no connection, a time-out, 408, 429, 5xx, a broken or senseless answer are
/// [`ErrorKind::ModelUnavailable`] (with the server's `Retry-After`); a conversation that is too long is
/// [`ErrorKind::ContextOverflow`]; everything else is [`ErrorKind::ModelRejected`] and names the address, the model and the
/// remedy. What a content filter withheld is a completion that ends with [`FinishReason::Refusal`].
#[derive(Clone)]
pub struct ChatBackend {
    client: Client,
    address: Address,
    model: ModelId,
    key: Option<Secret>,
    key_variable: String,
    dialect: Dialect,
    limits: Limits,
    proxy: Option<Proxy>,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    connect: Duration,
    total: Duration,
}

impl fmt::Debug for ChatBackend {
    // Written out: the client's and the proxy's own would show a proxy's password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatBackend")
            .field("address", &self.address.shown)
            .field("model", &self.model)
            .field("key", &self.key)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl ChatBackend {
    /// The model `name` at `base_url`, the address before `/chat/completions`, such as `http://127.0.0.1:8080/v1`.
    ///
    /// Ten seconds to connect, ten minutes for a reply, no key, provider `openai`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for what is no such address, or holds a password; or when the address is encrypted and the
    /// system has no trusted certificates.
    pub fn new(base_url: &str, name: impl Into<String>) -> Result<Self> {
        let address = Address::of(base_url)?;
        let limits = Limits { connect: Duration::from_secs(10), total: Duration::from_secs(600) };
        let token_limit = match address.host() {
            "api.openai.com" => TokenLimitField::MaxCompletionTokens,
            _ => TokenLimitField::MaxTokens,
        };
        let dialect = Dialect { token_limit, strict_schema: false, return_reasoning: false };
        Ok(Self {
            client: client(&address, limits, None)?,
            address,
            model: ModelId::new("openai", name),
            key: None,
            key_variable: "OPENAI_API_KEY".to_owned(),
            dialect,
            limits,
            proxy: None,
        })
    }

    /// Sends `key` with each request.
    #[must_use]
    pub fn with_key(mut self, key: Secret) -> Self {
        self.key = Some(key);
        self
    }

    /// The environment variable that messages name when a key is missing or refused; `OPENAI_API_KEY` by default.
    /// It is not read here: see [`Secret::from_variable`].
    #[must_use]
    pub fn with_key_variable(mut self, variable: impl Into<String>) -> Self {
        self.key_variable = variable.into();
        self
    }

    /// Names who serves the model, for the record: `vllm`, `openrouter`, ….
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for [`ModelId::SIMULATED`]: only a simulated model may be called so.
    pub fn with_provider(mut self, provider: impl Into<String>) -> Result<Self> {
        self.model.provider = provider.into();
        if self.model.is_simulated() {
            let why = format!("a model behind a server cannot be called '{}'", ModelId::SIMULATED);
            return Err(Error::new(ErrorKind::InvalidInput, why));
        }
        Ok(self)
    }

    /// How long connecting may take, and how long the whole of a request.
    ///
    /// # Errors
    /// Those of [`ChatBackend::new`].
    pub fn with_timeouts(mut self, connect: Duration, total: Duration) -> Result<Self> {
        self.limits = Limits { connect, total };
        self.client = client(&self.address, self.limits, self.proxy.clone())?;
        Ok(self)
    }

    /// Goes through the HTTP proxy at `url`. Without this, no proxy is used, whatever the environment says.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when `url` is no address of a proxy.
    pub fn with_proxy(mut self, url: &str) -> Result<Self> {
        let proxy = Proxy::all(url).map_err(|source| {
            Error::new(ErrorKind::InvalidInput, "the proxy's address cannot be used")
                .with_source(source)
        })?;
        self.client = client(&self.address, self.limits, Some(proxy.clone()))?;
        self.proxy = Some(proxy);
        Ok(self)
    }

    /// Which field bounds the reply; [`TokenLimitField::MaxTokens`] unless the server is OpenAI's own.
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
    /// refuse it; off by default.
    #[must_use]
    pub fn with_reasoning_returned(mut self, returned: bool) -> Self {
        self.dialect.return_reasoning = returned;
        self
    }

    /// Whether the server answers and takes the key, without spending anything: asks for its list of models. A server
    /// without such a list passes.
    ///
    /// # Errors
    /// [`ErrorKind::ModelUnavailable`] when nobody answers, or a web page; [`ErrorKind::ModelRejected`] when the key is refused.
    /// Both name the address.
    pub async fn probe(&self) -> Result<()> {
        // Beside `…/chat/completions`.
        let Ok(list) = self.address.url.join("../models") else { return Ok(()) };
        let mut get = self.client.get(list).timeout(self.limits.connect.saturating_mul(2));
        if let Some(key) = &self.key {
            get = get.bearer_auth(key.reveal());
        }
        let lost = |error| {
            fault::of_transport(self.asked(), error, (self.limits.connect, self.limits.total))
        };
        let mut response = get.send().await.map_err(lost)?;
        let status = response.status().as_u16();
        match (status, fault::of_status(self.asked(), status, None, "")) {
            (401 | 403, Fault::Failed(error)) => Err(error),
            (200..300, _) => {
                // Enough to tell a web page from JSON.
                let first = response.chunk().await.map_err(lost)?.unwrap_or_default();
                let page = String::from_utf8_lossy(&first);
                match page.trim_start().starts_with('<') {
                    true => Err(fault::nonsense(self.asked(), "a web page", &page)),
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            address: &self.address.shown,
            model: &self.model.name,
            key_variable: &self.key_variable,
            has_key: self.key.is_some(),
        }
    }

    async fn send(&self, request: &Request) -> Result<(u16, Option<String>, String)> {
        let body = wire::body(request, &self.model.name, self.dialect);
        let mut post = self.client.post(self.address.url.clone()).json(&body);
        if let Some(key) = &self.key {
            post = post.bearer_auth(key.reveal());
        }
        let lost = |error| {
            fault::of_transport(self.asked(), error, (self.limits.connect, self.limits.total))
        };
        let mut response = post.send().await.map_err(lost)?;
        let status = response.status().as_u16();
        let wait = header_text(&response, &header::RETRY_AFTER);
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_REPLY_BYTES {
                return Err(fault::nonsense(self.asked(), "more bytes than any reply has", ""));
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        // A server may echo what it was sent: no message is made of unredacted text.
        let text = self.key.as_ref().map_or_else(|| text.to_string(), |key| key.redact(&text));
        Ok((status, wait, text))
    }

    fn read(&self, body: &str, turn: usize) -> Result<Completion> {
        let asked = self.asked();
        let Ok(value) = serde_json::from_str::<Value>(body) else {
            let what = if body.trim().is_empty() { "nothing" } else { "what is not JSON" };
            return Err(fault::nonsense(asked, what, body));
        };
        if value.get("error").is_some_and(|error| !error.is_null()) {
            return completion_or_error(fault::in_success(asked, body));
        }
        reply::read(&value, turn).map_err(|what| fault::nonsense(asked, what, body))
    }
}

#[async_trait]
impl LlmBackend for ChatBackend {
    fn model(&self) -> &ModelId {
        &self.model
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        let (mut status, mut wait, mut body) = self.send(&request).await?;
        if request.response_schema.is_some() && fault::is_about_schema(status, &body) {
            // Callers validate in any case, and describe the shape in words as well.
            tracing::warn!(
                address = self.address.shown,
                "the server takes no such schema; asking without it"
            );
            let plain = Request { response_schema: None, ..request.clone() };
            (status, wait, body) = self.send(&plain).await?;
        }
        if (200..300).contains(&status) {
            return self.read(&body, request.messages.len());
        }
        completion_or_error(fault::of_status(self.asked(), status, wait.as_deref(), &body))
    }
}

fn completion_or_error(fault: Fault) -> Result<Completion> {
    match fault {
        Fault::Failed(error) => Err(error),
        Fault::Filtered(said) => Ok(Completion {
            message: Message::assistant(said),
            finish: FinishReason::Refusal,
            usage: None,
            served_by: None,
        }),
    }
}

fn header_text(response: &Response, name: &header::HeaderName) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}

fn client(address: &Address, limits: Limits, proxy: Option<Proxy>) -> Result<Client> {
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls::config(address.is_tls())?)
        .redirect(redirect::Policy::none())
        // Also keeps a proxy named by the environment out.
        .no_proxy()
        .retry(reqwest::retry::never())
        .connect_timeout(limits.connect)
        .timeout(limits.total);
    if let Some(proxy) = proxy {
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|source| {
        Error::new(ErrorKind::InvalidInput, format!("no client can be built for {}", address.shown))
            .with_source(source)
    })
}
