//! A framework's own client in the model's seat: [`genai`], which speaks with some thirty providers, behind
//! [`LlmBackend`]. Three translations are all there is to it: the request, the reply, and, what matters most, the errors.

mod reply;
mod request;

use std::fmt;

use async_trait::async_trait;
use genai::adapter::AdapterKind;
use genai::resolver::{AuthData, Endpoint};
use genai::{Client, ModelIden, ServiceTarget};
use harness_core::{Completion, Error, ErrorKind, LlmBackend, ModelId, Request, Result};

/// A model behind genai's client.
#[derive(Clone)]
pub struct GenaiBackend {
    client: Client,
    model: ModelId,
}

impl fmt::Debug for GenaiBackend {
    // Written out: the client holds the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GenaiBackend").field("model", &self.model).finish_non_exhaustive()
    }
}

impl GenaiBackend {
    /// The model `name` of a server that speaks OpenAI's chat completions at `base_url`, such as `http://127.0.0.1:8080/v1`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when no client can be built.
    pub fn new(base_url: &str, name: &str, key: &str) -> Result<Self> {
        // The client asks the process for its cryptography, which is the program's to choose.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let unusable =
            |why: String| Error::new(ErrorKind::InvalidInput, format!("genai's client: {why}"));
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .map_err(|why| unusable(why.to_string()))?;
        // It joins the endpoint's last part itself.
        let endpoint = Endpoint::from_owned(format!("{}/", base_url.trim_end_matches('/')));
        let auth = AuthData::from_single(key);
        let target = move |asked: ServiceTarget| {
            let model = ModelIden::new(AdapterKind::OpenAI, asked.model.model_name);
            Ok::<_, genai::resolver::Error>(ServiceTarget {
                endpoint: endpoint.clone(),
                auth: auth.clone(),
                model,
            })
        };
        let client = Client::builder()
            .with_reqwest(http)
            .with_service_target_resolver_fn(target)
            .build()
            .map_err(|why| unusable(why.to_string()))?;
        Ok(Self { client, model: ModelId::new("genai", name) })
    }

    /// Classified, so that an outage is waited out and never taken for a failed task.
    fn classified(&self, error: &genai::Error) -> Error {
        let failed =
            |kind, what: String| Error::new(kind, format!("asking {}: {what}", self.model));
        let Some(status) = reply::status(error) else {
            // Nobody knows whether it arrived: it may have been charged.
            return failed(ErrorKind::ModelUnavailable, error.to_string());
        };
        match status {
            408 | 429 | 503 | 529 => {
                failed(ErrorKind::ModelUnavailable, format!("status {status}")).uncharged()
            }
            500..=599 => failed(ErrorKind::ModelUnavailable, format!("status {status}")),
            413 => failed(ErrorKind::ContextOverflow, format!("status {status}")),
            400 if error.to_string().contains("context") => {
                failed(ErrorKind::ContextOverflow, error.to_string())
            }
            _ => failed(ErrorKind::ModelRejected, error.to_string()),
        }
    }
}

#[async_trait]
impl LlmBackend for GenaiBackend {
    fn model(&self) -> &ModelId {
        &self.model
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        let (chat, options) = (request::chat(&request), request::options(&request));
        match self.client.exec_chat(&self.model.name, chat, Some(&options)).await {
            Ok(answer) => Ok(reply::completion(&answer)),
            Err(error) => Err(self.classified(&error)),
        }
    }
}
