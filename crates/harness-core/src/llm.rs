//! What a language model is: the fixed part that a harness is built around.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::id::ModelId;
use crate::origin::Origin;
use crate::price::Price;

/// Answers requests.
///
/// # Contract
/// - [`LlmBackend::model`] names who answers, for as long as the backend lives. Only a simulated model
///   uses the provider [`ModelId::SIMULATED`].
/// - A completion carries its usage, or `None` where the server told none: unknown is never 0.
/// - Errors are classified: [`ErrorKind::ModelUnavailable`](crate::ErrorKind::ModelUnavailable) may succeed
///   later unchanged, [`ErrorKind::ModelRejected`](crate::ErrorKind::ModelRejected) never will,
///   [`ErrorKind::ContextOverflow`](crate::ErrorKind::ContextOverflow) would with a shorter conversation.
/// - A failure that certainly cost nothing says so ([`Error::uncharged`](crate::Error::uncharged)); of every other one it is
///   assumed that the server charges for it.
/// - A reply that was cut (no terminal event) is an error, never a completion.
/// - Dropping the future, or the stream, stops the request.
/// - Who sends a request more than once says so before each further attempt: [`Request::sent_again`].
/// - `Debug` never shows a key.
#[async_trait]
pub trait LlmBackend: fmt::Debug + Send + Sync {
    /// Who answers.
    fn model(&self) -> &ModelId;

    /// What it charges, or `None` when that is not known. Wrappers pass it on.
    fn price(&self) -> Option<Price> {
        None
    }

    /// One reply.
    async fn complete(&self, request: Request) -> Result<Completion>;

    /// The reply in pieces: text as it comes, then exactly one [`Delta::Done`] with the whole.
    async fn stream(&self, request: Request) -> Result<BoxStream<'static, Result<Delta>>> {
        let completion = self.complete(request).await?;
        let text = Delta::Text(completion.message.content.clone());
        Ok(stream::iter([Ok(text), Ok(Delta::Done(Box::new(completion)))]).boxed())
    }
}

/// What is asked of a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// The tools that the model may call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolSpec>,
    /// The JSON schema that the reply's text must satisfy. Callers validate in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_schema: Option<ResponseSchema>,
    /// At most this many tokens in the reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Sampling temperature, 0 or more; the backend's default when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// For backends that can repeat a sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Texts at which the reply ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// Who asks. Never sent, and no part of what is asked.
    #[serde(skip)]
    pub origin: Origin,
}

impl Request {
    /// For whoever repeats a request: the last attempt failed with `error`, and another is about to be sent. Each attempt may
    /// be charged, so each is reserved and on record before it is sent.
    ///
    /// # Errors
    /// [`ErrorKind::Budget`](crate::ErrorKind::Budget) when a cap does not allow another attempt;
    /// [`ErrorKind::Journal`](crate::ErrorKind::Journal) when it cannot be recorded. It must not be sent then.
    pub async fn sent_again(&self, error: &Error) -> Result<()> {
        self.origin.attempts.another(error).await
    }
}

/// A named schema for structured replies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResponseSchema {
    /// A short identifier, letters, digits, `_` and `-`.
    pub name: String,
    /// The JSON schema.
    pub schema: Value,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Standing instructions.
    System,
    /// The task, and the harness speaking to the model.
    User,
    /// The model.
    Assistant,
    /// A tool's result.
    Tool,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// The text; may be empty beside tool calls.
    pub content: String,
    /// What the model thought before it spoke, where the server tells; returned to servers that want it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// What the server wants back unchanged with this message: signed thinking, encrypted reasoning. Only the backend that
    /// made it reads it; a backend that finds another's ignores it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_data: Option<Value>,
    /// Calls made by the model; empty for others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The call that a tool message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl Message {
    fn plain(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            reasoning: None,
            provider_data: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
        }
    }

    /// Standing instructions.
    pub fn system(content: impl Into<String>) -> Self {
        Self::plain(Role::System, content)
    }

    /// The harness, or the user, speaking.
    pub fn user(content: impl Into<String>) -> Self {
        Self::plain(Role::User, content)
    }

    /// The model speaking, without calls.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::plain(Role::Assistant, content)
    }

    /// The result of the call `id`.
    pub fn tool(id: impl Into<String>, content: impl Into<String>) -> Self {
        Self { tool_call_id: Some(id.into()), ..Self::plain(Role::Tool, content) }
    }

    /// The same with tool calls.
    #[must_use]
    pub fn with_tool_calls(mut self, calls: Vec<ToolCall>) -> Self {
        self.tool_calls = calls;
        self
    }
}

/// A tool as the model sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// The name by which it is called.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// The JSON schema of its arguments, an object.
    pub parameters: Value,
}

/// A call that the model made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The server's id for it, unique in the conversation.
    pub id: String,
    /// The tool's name; may name no tool that exists.
    pub name: String,
    /// Its arguments.
    pub arguments: Arguments,
}

/// The arguments of a call: JSON, or the text that should have been JSON and is not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arguments {
    /// As parsed; not yet checked against the tool's schema.
    Parsed(Value),
    /// As written, because it does not parse.
    Malformed(String),
}

impl Arguments {
    /// Parses the text that a server sent; empty text is an empty object.
    pub fn parse(text: &str) -> Self {
        if text.trim().is_empty() {
            return Self::Parsed(Value::Object(serde_json::Map::new()));
        }
        match serde_json::from_str(text) {
            Ok(value) => Self::Parsed(value),
            Err(_) => Self::Malformed(text.to_owned()),
        }
    }

    /// The text to send back to a server.
    pub fn to_text(&self) -> String {
        match self {
            Self::Parsed(value) => value.to_string(),
            Self::Malformed(text) => text.clone(),
        }
    }
}

/// A whole reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// What the model said.
    pub message: Message,
    /// Why it stopped.
    pub finish: FinishReason,
    /// What it cost, or `None` where the server told nothing.
    pub usage: Option<Usage>,
    /// The model that the server says answered, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_by: Option<String>,
}

impl Completion {
    /// A plain text reply of unknown cost.
    pub fn text(content: impl Into<String>) -> Self {
        Self {
            message: Message::assistant(content),
            finish: FinishReason::Stop,
            usage: None,
            served_by: None,
        }
    }

    /// A reply that calls tools, of unknown cost.
    pub fn calls(content: impl Into<String>, calls: Vec<ToolCall>) -> Self {
        Self {
            message: Message::assistant(content).with_tool_calls(calls),
            finish: FinishReason::ToolCalls,
            ..Self::text("")
        }
    }

    /// The same with its usage.
    #[must_use]
    pub fn with_usage(mut self, usage: Usage) -> Self {
        self.usage = Some(usage);
        self
    }
}

/// Why a reply ended.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// It was done.
    Stop,
    /// It wants tools called.
    ToolCalls,
    /// It reached the limit of tokens.
    Length,
    /// The model refused.
    Refusal,
    /// The server's filter withheld it.
    ContentFilter,
    /// A reason that we do not know, as the server wrote it.
    Other(String),
}

impl FinishReason {
    /// Whether the reply was withheld, by the model or by the server's filter: asking again in the same words is no use.
    pub fn is_withheld(&self) -> bool {
        matches!(self, Self::Refusal | Self::ContentFilter)
    }
}

/// A piece of a streamed reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta {
    /// More of the text.
    Text(String),
    /// More of the reasoning.
    Reasoning(String),
    /// The end, with the whole reply. Only now may it be acted on.
    Done(Box<Completion>),
}

/// What calls cost. Sums of usages keep what is known and say how many calls told nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens sent, cached ones included.
    pub prompt_tokens: u64,
    /// Tokens received, reasoning included.
    pub completion_tokens: u64,
    /// The part of `prompt_tokens` that the server had cached.
    #[serde(default)]
    pub cached_tokens: u64,
    /// The part of `prompt_tokens` that the server wrote to its cache, where it charges for that.
    #[serde(default)]
    pub cache_write_tokens: u64,
    /// US dollars, or `None` when the price is not known.
    #[serde(default)]
    pub cost_usd: Option<f64>,
}

impl Usage {
    /// All tokens, sent and received.
    pub fn tokens(&self) -> u64 {
        self.prompt_tokens + self.completion_tokens
    }
}

macro_rules! forward_backend {
    ($pointer:ident) => {
        #[async_trait]
        impl<L: LlmBackend + ?Sized> LlmBackend for $pointer<L> {
            fn model(&self) -> &ModelId {
                (**self).model()
            }
            fn price(&self) -> Option<Price> {
                (**self).price()
            }
            async fn complete(&self, request: Request) -> Result<Completion> {
                (**self).complete(request).await
            }
            async fn stream(&self, request: Request) -> Result<BoxStream<'static, Result<Delta>>> {
                (**self).stream(request).await
            }
        }
    };
}
forward_backend!(Arc);
forward_backend!(Box);
