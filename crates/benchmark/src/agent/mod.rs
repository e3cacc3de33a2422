//! Agents that need no model: what a task's own solution gives, and what nothing gives.

mod nop;
mod oracle;

pub use nop::NopHarness;
pub use oracle::OracleHarness;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The edit of a harness that cannot be edited: there is none, so that none can be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoEdit {}

impl JsonSchema for NoEdit {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NoEdit".into()
    }

    /// Nothing fits it.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!(false)
    }
}
