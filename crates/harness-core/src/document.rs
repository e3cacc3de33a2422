//! Edits for any `serde` + `schemars` struct: one operation at one place, or an atomic pair, with an exact inverse.
//!
//! The struct's own schema says what may be edited and within which bounds: every property that is not `readOnly` is a
//! surface, with its description, type, range and length. So a configuration becomes evolvable with a few lines:
//!
//! ```
//! use harness_core::document::{self, DocumentEdit, Operation};
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//! use serde_json::json;
//!
//! #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct MyConfig {
//!     /// What the agent is told.
//!     #[schemars(length(max = 200))]
//!     prompt: String,
//!     /// How often a failed call is tried again.
//!     #[schemars(range(max = 5))]
//!     retries: u32,
//! }
//!
//! let config = MyConfig { prompt: "Be brief.".into(), retries: 1 };
//! let edit = DocumentEdit::one(Operation::Splice {
//!     at: "/prompt".into(), old: "brief".into(), new: "thorough".into(),
//! });
//! let applied = document::apply(&config, &edit)?;
//! assert_eq!(applied.document.prompt, "Be thorough.");
//! assert_eq!(document::apply(&applied.document, &applied.inverse)?.document, config);
//!
//! let too_many = DocumentEdit::one(Operation::Replace { at: "/retries".into(), value: json!(9) });
//! assert!(document::apply(&config, &too_many).is_err()); // out of the schema's bounds
//! # Ok::<(), harness_core::Error>(())
//! ```

mod edit;
mod schema;
#[cfg(test)]
mod tests;

pub use self::edit::{Applied, DocumentEdit, Operation, apply};
pub use self::schema::surfaces;
