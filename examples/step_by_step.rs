//! `offline.rs` with the loop in the caller's hands: one round at a time, with a look at each, and a pause in the middle from
//! which another engine goes on.

mod common;

use std::sync::Arc;

use harness_core::minimal::ArtifactGuard;
use harness_core::{DocumentEdit, MemoryJournal, MinimalHarness, Operation, Result};
use serde_json::json;

fn edits() -> Vec<DocumentEdit> {
    let guard = ArtifactGuard { message: "It is missing: write it.".into(), max_refusals: 3 };
    let replace = |at: &str, value| DocumentEdit::one(Operation::Replace { at: at.into(), value });
    vec![
        replace("/prompts/memory", json!("Patience.")),
        replace("/controls/artifact_guard", json!(guard)),
    ]
}

#[tokio::main]
async fn main() -> Result<()> {
    // Any journal that both engines share; a `SqliteJournal` survives the process too.
    let journal = Arc::new(MemoryJournal::default());
    let engine = || {
        common::scripted(MinimalHarness::default(), edits())
            .map(|parts| parts.journal(Arc::clone(&journal)))
    };

    let mut first = engine()?.build().await?;
    let round = first.round().await?;
    println!(
        "round {}: held-in {}/{}",
        round.round, round.assessed.held_in.passed, round.assessed.held_in.scored
    );
    for judged in &round.judged {
        println!("  {}: {}", judged.proposal.surface, judged.decision.reason);
    }
    let tip = first.lineage().tip().clone();
    drop(first); // a pause, a crash, or the end of the working day

    let mut second = engine()?.build().await?;
    assert_eq!(second.lineage().tip(), &tip, "the second engine takes up where the first was");
    let stopped = loop {
        if let Some(reason) = second.stop_reason() {
            break reason;
        }
        let round = second.round().await?;
        println!(
            "round {}: held-in {}/{}",
            round.round, round.assessed.held_in.passed, round.assessed.held_in.scored
        );
    };
    second.claim().await?;
    let report = second.report(Some(stopped));
    println!("stopped: {stopped:?}");
    common::print(&report);
    assert_eq!(second.lineage().promotions().len(), 1);
    Ok(())
}
