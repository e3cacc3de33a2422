#![doc = include_str!("../README.md")]

mod backoff;
#[cfg(feature = "openai")]
mod openai;
mod price;
mod priced;
mod retried;
mod secret;
#[cfg(feature = "simulated")]
mod simulated;

pub use self::backoff::Backoff;
#[cfg(feature = "openai")]
pub use self::openai::{ChatBackend, TokenLimitField};
pub use self::price::{Price, PriceTable};
pub use self::priced::Priced;
pub use self::retried::Retried;
pub use self::secret::Secret;
#[cfg(feature = "simulated")]
pub use self::simulated::{Playbook, Profile, SimulatedLlm};
