//! What the wires have in common: one HTTP client with its bounds, its key and its errors.
//!
//! Reading order: `call` (one request, whole or streamed, for any protocol), `events`, `fault` (what goes wrong), `timeouts`,
//! `address`, `tls`.

mod address;
mod call;
mod events;
mod fault;
mod names;
mod timeouts;
mod tls;

use std::fmt;
use std::time::Duration;

use futures::{Stream, stream};
use harness_core::{Error, ErrorKind, ModelId, Result};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Proxy, RequestBuilder, Response, redirect};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use self::address::Address;
pub(crate) use self::call::{Protocol, complete, stream};
pub(crate) use self::events::{Assembly, Broken};
use self::fault::{Asked, Fault};
pub(crate) use self::names::callable;
pub use self::timeouts::Timeouts;
use crate::secret::Secret;

/// A reply beyond this is nonsense: no model writes so much.
const MAX_REPLY_BYTES: usize = 32 << 20;

/// How a protocol carries the key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KeyHeader {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// A header of this name.
    Named(&'static str),
}

/// One endpoint of one server.
#[derive(Clone)]
pub(crate) struct Http {
    client: Client,
    address: Address,
    asked: Asked,
    key: Option<Secret>,
    key_header: KeyHeader,
    headers: HeaderMap,
    timeouts: Timeouts,
    proxy: Option<Proxy>,
}

impl fmt::Debug for Http {
    // Written out: the client's and the proxy's own would show a proxy's password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("address", &self.address.shown)
            .field("key", &self.key)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

impl Http {
    pub(crate) fn new(
        base_url: &str,
        endpoint: &'static str,
        model: &str,
        key_variable: &str,
        key_header: KeyHeader,
    ) -> Result<Self> {
        let address = Address::of(base_url, endpoint)?;
        let timeouts = Timeouts::default();
        let asked = Asked {
            address: address.shown.clone(),
            model: model.to_owned(),
            endpoint,
            key_variable: key_variable.to_owned(),
            has_key: false,
        };
        Ok(Self {
            client: client(&address, timeouts.connect, None)?,
            address,
            asked,
            key: None,
            key_header,
            headers: HeaderMap::new(),
            timeouts,
            proxy: None,
        })
    }

    pub(crate) fn host(&self) -> &str {
        self.address.host()
    }

    pub(crate) fn set_endpoint(&mut self, endpoint: &'static str) -> Result<()> {
        let base = self.address.base();
        self.address = Address::of(&base, endpoint)?;
        self.asked.address = self.address.shown.clone();
        self.asked.endpoint = endpoint;
        Ok(())
    }

    pub(crate) fn set_key(&mut self, key: Secret) {
        self.asked.has_key = true;
        self.key = Some(key);
    }

    pub(crate) fn set_key_variable(&mut self, variable: String) {
        self.asked.key_variable = variable;
    }

    /// `name` and `value` are this crate's own.
    pub(crate) fn set_header(&mut self, name: &'static str, value: &'static str) {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }

    pub(crate) fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<()> {
        self.client = client(&self.address, timeouts.connect, self.proxy.clone())?;
        self.timeouts = timeouts;
        Ok(())
    }

    pub(crate) fn set_proxy(&mut self, url: &str) -> Result<()> {
        let proxy = Proxy::all(url).map_err(|source| {
            let why = "the proxy's address cannot be used";
            Error::new(ErrorKind::InvalidInput, why).with_source(source)
        })?;
        self.client = client(&self.address, self.timeouts.connect, Some(proxy.clone()))?;
        self.proxy = Some(proxy);
        Ok(())
    }

    /// See [`crate::OpenAiBackend::probe`].
    pub(crate) async fn probe(&self) -> Result<()> {
        let get = self.with_key(self.client.get(self.address.models.clone()));
        let get = get.timeout(self.timeouts.connect.saturating_mul(2));
        let mut response = get.send().await.map_err(|error| self.lost(error))?;
        let status = response.status().as_u16();
        match (status, fault::of_status(&self.asked, status, None, "")) {
            (401 | 403, Fault::Failed(error)) => Err(error),
            (200..300, _) => {
                // Enough to tell a web page from JSON.
                let first = response.chunk().await.map_err(|error| self.lost(error))?;
                let page =
                    String::from_utf8_lossy(first.as_deref().unwrap_or_default()).into_owned();
                match page.trim_start().starts_with('<') {
                    true => Err(fault::nonsense(&self.asked, "a web page", &page)),
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Sends `body`; the answer's head has come when this returns.
    async fn post(&self, body: &Value) -> Result<Answer> {
        let deadline = Instant::now() + self.timeouts.total;
        let post = self.client.post(self.address.url.clone()).headers(self.headers.clone());
        let post = self.with_key(post.json(body));
        let patience = self.timeouts.first_byte.min(self.timeouts.total);
        let response = match timeout(patience, post.send()).await {
            Ok(sent) => sent.map_err(|error| self.lost(error))?,
            Err(_) => return Err(fault::too_slow(&self.asked, "did not answer", patience)),
        };
        Ok(Answer { response, deadline, taken: 0 })
    }

    fn with_key(&self, request: RequestBuilder) -> RequestBuilder {
        match (&self.key, self.key_header) {
            (None, _) => request,
            (Some(key), KeyHeader::Bearer) => request.bearer_auth(key.reveal()),
            (Some(key), KeyHeader::Named(name)) => request.header(name, key.reveal()),
        }
    }

    /// The next piece of an answer.
    async fn chunk(&self, answer: &mut Answer) -> Result<Option<impl AsRef<[u8]> + use<>>> {
        let left = answer.deadline.saturating_duration_since(Instant::now());
        let limit = self.timeouts.between_chunks.min(left);
        let chunk = match timeout(limit, answer.response.chunk()).await {
            Ok(chunk) => chunk.map_err(|error| self.lost(error))?,
            Err(_) if limit == left => {
                let total = self.timeouts.total;
                return Err(fault::too_slow(&self.asked, "did not finish its answer for", total));
            }
            Err(_) => {
                return Err(fault::too_slow(
                    &self.asked,
                    "did not go on with its answer for",
                    limit,
                ));
            }
        };
        answer.taken += chunk.as_ref().map_or(0, |chunk| chunk.as_ref().len());
        if answer.taken > MAX_REPLY_BYTES {
            return Err(fault::nonsense(&self.asked, "more bytes than any reply has", ""));
        }
        Ok(chunk)
    }

    /// The whole of an answer, as text without the key: a server may echo what it was sent, and no message is made of
    /// unredacted text.
    async fn text(&self, answer: &mut Answer) -> Result<String> {
        match String::from_utf8(self.bytes(answer).await?) {
            Ok(text) => Ok(self.redact(&text)),
            Err(_) => Err(fault::nonsense(&self.asked, "bytes that are no UTF-8", "")),
        }
    }

    /// The same of an error, which is only ever shown: what is no UTF-8 is replaced.
    async fn complaint(&self, answer: &mut Answer) -> Result<String> {
        let bytes = self.bytes(answer).await?;
        Ok(self.redact(&String::from_utf8_lossy(&bytes)))
    }

    async fn bytes(&self, answer: &mut Answer) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk(answer).await? {
            bytes.extend_from_slice(chunk.as_ref());
        }
        Ok(bytes)
    }

    /// An answer's pieces as they come.
    fn chunks(
        &self,
        answer: Answer,
    ) -> impl Stream<Item = Result<impl AsRef<[u8]> + use<>>> + Send + use<> {
        let http = self.clone();
        stream::try_unfold((http, answer), |(http, mut answer)| async move {
            let chunk = http.chunk(&mut answer).await?;
            Ok(chunk.map(|chunk| (chunk, (http, answer))))
        })
    }

    fn redact(&self, text: &str) -> String {
        self.key.as_ref().map_or_else(|| text.to_owned(), |key| key.redact(text))
    }

    fn lost(&self, error: reqwest::Error) -> Error {
        fault::of_transport(&self.asked, error, self.timeouts.connect)
    }
}

/// An answer whose head has come.
struct Answer {
    response: Response,
    deadline: Instant,
    taken: usize,
}

impl Answer {
    fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    fn header(&self, name: &str) -> Option<String> {
        self.response.headers().get(name)?.to_str().ok().map(str::to_owned)
    }
}

/// The model's name with a provider of the caller's choice.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] for [`ModelId::SIMULATED`].
pub(crate) fn served_by(provider: String, name: &str) -> Result<ModelId> {
    let model = ModelId::new(provider, name);
    if model.is_simulated() {
        let why = format!("a model behind a server cannot be called '{}'", ModelId::SIMULATED);
        return Err(Error::new(ErrorKind::InvalidInput, why));
    }
    Ok(model)
}

fn client(address: &Address, connect: Duration, proxy: Option<Proxy>) -> Result<Client> {
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls::config(address.is_tls())?)
        .redirect(redirect::Policy::none())
        // Also keeps a proxy named by the environment out.
        .no_proxy()
        .retry(reqwest::retry::never())
        .connect_timeout(connect);
    if let Some(proxy) = proxy {
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|source| {
        Error::new(ErrorKind::InvalidInput, format!("no client can be built for {}", address.shown))
            .with_source(source)
    })
}
