//! Who thinks: an OpenAI-compatible wire, retries, prices, and simulated models.
//!
#![cfg_attr(all(feature = "openai", feature = "simulated"), doc = include_str!("../README.md"))]

mod backoff;
#[cfg(feature = "openai")]
mod openai;
mod price;
mod priced;
mod retried;
#[cfg(feature = "openai")]
mod secret;
#[cfg(feature = "simulated")]
pub mod simulated;

pub use self::backoff::Backoff;
#[cfg(feature = "openai")]
pub use self::openai::{ChatBackend, TokenLimitField};
pub use self::price::PriceTable;
pub use self::priced::Priced;
pub use self::retried::Retried;
#[cfg(feature = "openai")]
pub use self::secret::Secret;
#[cfg(feature = "simulated")]
pub use self::simulated::{Playbook, Profile, SimulatedLlm};
pub use harness_core::Price;
