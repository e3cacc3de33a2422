//! Who thinks: the wires of OpenAI and Anthropic, wrappers that compose, and simulated models.
//!
#![cfg_attr(
    all(feature = "openai", feature = "anthropic", feature = "simulated"),
    doc = include_str!("../README.md")
)]

#[cfg(feature = "anthropic")]
mod anthropic;
mod backoff;
mod breaker;
mod cassette;
#[cfg(any(feature = "openai", feature = "anthropic"))]
#[cfg_attr(
    not(all(feature = "openai", feature = "anthropic")),
    allow(dead_code, reason = "each wire uses its part")
)]
mod http;
#[cfg(feature = "limits")]
mod limited;
#[cfg(feature = "openai")]
mod openai;
mod price;
mod priced;
mod redacted;
mod retried;
mod secret;
#[cfg(feature = "simulated")]
pub mod simulated;
mod timed;

#[cfg(feature = "anthropic")]
pub use self::anthropic::AnthropicBackend;
pub use self::backoff::Backoff;
pub use self::breaker::{Breaker, Outage};
pub use self::cassette::{Cassette, Recorded, Replayed};
#[cfg(any(feature = "openai", feature = "anthropic"))]
pub use self::http::Timeouts;
#[cfg(feature = "limits")]
pub use self::limited::{Limited, Limiter};
#[cfg(feature = "openai")]
pub use self::openai::{Api, OpenAiBackend, TokenLimitField};
pub use self::price::PriceTable;
pub use self::priced::Priced;
pub use self::redacted::Redacted;
pub use self::retried::Retried;
pub use self::secret::Secret;
#[cfg(feature = "simulated")]
pub use self::simulated::{
    Course, Facts, Playbook, Profile, SimulatedLlm, SolutionFiles, StanzaFacts, Truth,
};
pub use self::timed::{Patience, Timed};
pub use harness_core::Price;
