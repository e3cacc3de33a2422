//! What an audit found, as text.

use std::fmt::{self, Write as _};

use harness_journal::{Audit, AuditedEdit};

use crate::judged::JudgedAgain;

/// An audit, for a person.
pub(crate) fn audit(found: &Audit, judged: &JudgedAgain) -> String {
    let mut out = String::new();
    // Writing to a text cannot fail.
    let _ = write_audit(&mut out, found, judged);
    out
}

fn write_audit(out: &mut String, found: &Audit, judged: &JudgedAgain) -> fmt::Result {
    writeln!(
        out,
        "records   {}, each as it was appended; the last is {}",
        found.records, found.chain
    )?;
    let closed = match found.sealed {
        true => "byte for byte as it was closed",
        false => {
            "not closed in good order, or not closed yet: what lies between its records is not under a seal"
        }
    };
    writeln!(out, "file      {closed}")?;
    writeln!(out, "trials    {} scored, {} void", found.scored, found.void)?;
    let spent = &found.spent;
    writeln!(
        out,
        "spent     {} calls, {} tokens; {} calls of unknown outcome, at most {} tokens more",
        spent.calls,
        spent.tokens(),
        spent.calls_unknown,
        spent.unknown_tokens
    )?;
    match spent.usd_at_most() {
        Some(usd) => writeln!(out, "dollars   {usd:.4} at most")?,
        None => writeln!(out, "dollars   unknown: no price")?,
    }
    writeln!(out, "judged    {}", judged.told)?;
    judged.expected.iter().try_for_each(|prior| writeln!(out, "expected  {prior}"))?;
    writeln!(out, "promoted  {} edits", found.lineage.len())?;
    found.lineage.iter().try_for_each(|edit| write_edit(out, edit))?;
    for discrepancy in &found.discrepancies {
        writeln!(out, "DOES NOT HOLD: {discrepancy}")?;
    }
    Ok(())
}

fn write_edit(out: &mut String, edit: &AuditedEdit) -> fmt::Result {
    writeln!(out, "\nround {}: {} on {}", edit.round, edit.proposal, edit.surface)?;
    writeln!(out, "  edit        {}", edit.edit)?;
    if let Some(weakness) = &edit.weakness {
        writeln!(
            out,
            "  weakness    {}: {} ({} tasks)",
            weakness.id,
            weakness.signature,
            weakness.tasks.len()
        )?;
    }
    for shown in &edit.shown_by {
        let step =
            shown.step.map_or_else(|| "the verifier".to_owned(), |step| format!("step {step}"));
        writeln!(
            out,
            "  shown by    trial {} of {}, {step}: {}",
            shown.trial, shown.task, shown.quote
        )?;
    }
    let Some(decision) = &edit.decision else { return Ok(()) };
    writeln!(out, "  decided     {}: {}", decision.verdict.as_str(), decision.reason)?;
    if let Some(evidence) = &decision.evidence {
        for (split, pair) in [("held-in", evidence.held_in), ("held-out", evidence.held_out)] {
            let (old, new) = (pair.incumbent, pair.candidate);
            writeln!(
                out,
                "  {split:<10}  {} of {} before, {} of {} after",
                old.passed, old.scored, new.passed, new.scored
            )?;
        }
        let trials: Vec<String> = evidence.trials.iter().map(ToString::to_string).collect();
        writeln!(out, "  by trials   {}", trials.join(" "))?;
    }
    match decision.finding.as_ref().and_then(|finding| finding.stake) {
        Some(stake) => {
            writeln!(out, "  error spent level {:.6}, e-value {:.3}", stake.level, stake.e_value)
        }
        None => writeln!(out, "  error spent  none on account by this gate"),
    }
}
