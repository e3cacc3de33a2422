//! The loop with scripted parts: runs anywhere, in a second. Start here, then swap one part for your own.

mod common;

use harness_core::minimal::ArtifactGuard;
use harness_core::{DocumentEdit, MinimalHarness, Operation, Result};
use serde_json::json;

/// Two edits that a model might propose: a control that mends the weakness, and a sentence that does not.
fn edits() -> Vec<DocumentEdit> {
    let guard =
        ArtifactGuard { message: "The output is missing: write it.".into(), max_refusals: 3 };
    let replace = |at: &str, value| DocumentEdit::one(Operation::Replace { at: at.into(), value });
    vec![
        replace("/controls/artifact_guard", json!(guard)),
        replace("/prompts/memory", json!("Patience is a virtue.")),
    ]
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut engine = common::scripted(MinimalHarness::default(), edits())?.build().await?;
    let report = engine.run().await?;
    common::print(&report);
    assert_eq!(engine.lineage().promotions().len(), 1, "the guard helps, the sentence does not");
    Ok(())
}
