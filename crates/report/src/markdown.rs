//! The human-readable report.

use std::fmt::Write;

use harness_core::Expected;

use crate::summary::prior::{distribution, in_log_odds, in_points};
use crate::summary::{
    Change, ControlsSummary, PriorSummary, ProposalSummary, Rate, RoundSummary, SplitRates,
    Summary, WeaknessSummary, WorthSummary,
};
use crate::text::{cut, percent, plain, range};

/// A run as Markdown: the conclusion, pass rates, the lineage with the evidence of each promoted edit, every round with
/// every verdict.
///
/// Texts from models and tasks are escaped: they cannot become markup of the report.
pub fn markdown(summary: &Summary) -> String {
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    let _infallible = write_report(&mut text, summary);
    text
}

fn write_report(out: &mut String, summary: &Summary) -> std::fmt::Result {
    writeln!(out, "# Self-Harness run\n")?;
    if summary.simulated {
        writeln!(
            out,
            "> **Simulated.** The model is a program that plays a model; its figures say nothing about a real one.\n"
        )?;
    }
    writeln!(out, "**Verdict:** {}\n", escaped(&summary.verdict_in_words))?;
    writeln!(out, "| | |\n|---|---|")?;
    writeln!(out, "| model | {} |", escaped(&summary.model))?;
    if summary.improver != summary.model {
        writeln!(out, "| mined and proposed by | {} |", escaped(&summary.improver))?;
    }
    writeln!(out, "| sandbox | {} |", escaped(&summary.isolation))?;
    writeln!(out, "| first harness | `{}` |", summary.harness.first)?;
    writeln!(out, "| last harness | `{}` |", summary.harness.last)?;
    let trials = &summary.trials;
    writeln!(
        out,
        "| trials | {} scored, {} void, {} from the journal |",
        trials.scored, trials.void, trials.reused
    )?;
    let usd = summary.cost.usd.map_or_else(|| "unknown".to_owned(), |usd| format!("{usd:.4}"));
    writeln!(out, "| cost | {} tokens, USD {usd} |", summary.cost.tokens)?;
    if let Some(words) = summary.cost.unknown_in_words() {
        writeln!(out, "| not known | {words} |")?;
    }
    writeln!(out, "| stopped | {} |\n", escaped(&summary.stopped))?;
    write_rates(out, summary)?;
    write_worth(out, &summary.worth)?;
    write_controls(out, summary.controls.as_ref())?;
    write_lineage(out, summary)?;
    write_priors(out, &summary.rounds)?;
    writeln!(out, "## Rounds\n")?;
    summary.rounds.iter().try_for_each(|round| write_round(out, round))?;
    if !summary.skipped.is_empty() {
        writeln!(out, "## Tasks left out\n")?;
        for task in &summary.skipped {
            writeln!(out, "- {}: {}", escaped(&task.name), escaped(&task.reason))?;
        }
    }
    Ok(())
}

fn write_rates(out: &mut String, summary: &Summary) -> std::fmt::Result {
    writeln!(out, "## Pass rates\n")?;
    writeln!(out, "| split | before | after | difference, 95 % | |\n|---|---|---|---|---|")?;
    let rates = &summary.pass_rates;
    write_split(out, "held-in", &rates.held_in)?;
    write_split(out, "held-out", &rates.held_out)?;
    if let Some(sealed) = &rates.sealed {
        write_split(out, "sealed", sealed)?;
    }
    writeln!(
        out,
        "\nIntervals are Wilson's for a rate; for a difference Newcombe's (method 10), on the sealed split that of paired trials \
         by betting (error at most 5 % at any size). Held-in and held-out decided the promotions; only the sealed split, read \
         once by fresh trials, can carry a claim.\n"
    )?;
    match rates.sealed_reading {
        Some(reading) if reading > 1 => writeln!(
            out,
            "> This is reading {reading} of the sealed split, **forced** after an earlier one: what was chosen may have been \
             chosen for it, and no claim rests on it.\n"
        ),
        _ => Ok(()),
    }
}

fn write_worth(out: &mut String, worth: &[WorthSummary]) -> std::fmt::Result {
    if worth.is_empty() {
        return Ok(());
    }
    writeln!(out, "## What each edit is worth\n")?;
    writeln!(
        out,
        "Each was taken out once, and the harness with it met the harness without it on both gating splits:\n"
    )?;
    writeln!(
        out,
        "| edit | worth (error at most 5 %) | with it only | without it only | pairs | |\n|---|---|--:|--:|--:|---|"
    )?;
    for edit in worth {
        let (better, worse, pairs) = (edit.better, edit.worse, edit.pairs);
        let (name, outcome) = (escaped(&edit.proposal), escaped(&edit.outcome));
        writeln!(
            out,
            "| {name} | {} | {better} | {worse} | {pairs} | {outcome} |",
            edit.in_words()
        )?;
    }
    writeln!(out)
}

fn write_controls(out: &mut String, controls: Option<&ControlsSummary>) -> std::fmt::Result {
    writeln!(out, "## Controls\n")?;
    let Some(controls) = controls else {
        return writeln!(out, "None in this run: whether evolution beat sampling is not known.\n");
    };
    writeln!(out, "**{}**\n", escaped(&controls.beat_sampling_in_words))?;
    writeln!(out, "{}.\n", escaped(&controls.floor_in_words()))?;
    writeln!(
        out,
        "Candidates that are known to be nothing, judged by the same gate as if proposed in the first round:\n"
    )?;
    writeln!(out, "| control | held-in | held-out | verdict | reason |\n|---|---|---|---|---|")?;
    for arm in &controls.arms {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            escaped(&arm.name),
            change(arm.held_in.as_ref()),
            change(arm.held_out.as_ref()),
            arm.verdict.as_deref().unwrap_or("–"),
            escaped(&arm.reason)
        )?;
    }
    writeln!(out)
}

fn write_split(out: &mut String, name: &str, split: &SplitRates) -> std::fmt::Result {
    let side = |rate: Option<&Rate>| {
        rate.map_or_else(
            || "–".to_owned(),
            |rate| {
                let interval = rate.interval.map(range).unwrap_or_default();
                format!("{} = {} [{interval}]", of(rate), percent(rate.rate))
            },
        )
    };
    let difference = split.difference.map_or_else(
        || "–".to_owned(),
        |interval| format!("{:+.1} to {:+.1} points", 100.0 * interval.low, 100.0 * interval.high),
    );
    let note = if split.used_for_selection { "used for selection" } else { "" };
    let (before, after) = (side(split.before.as_ref()), side(split.after.as_ref()));
    writeln!(out, "| {name} | {before} | {after} | {difference} | {note} |")
}

fn write_priors(out: &mut String, rounds: &[RoundSummary]) -> std::fmt::Result {
    let priors: Vec<(u32, &PriorSummary)> =
        rounds.iter().filter_map(|round| Some((round.round, round.prior.as_ref()?))).collect();
    let Some((last, prior)) = priors.last() else { return Ok(()) };
    writeln!(out, "## What the gate expected\n")?;
    writeln!(
        out,
        "Its prior, before any trial of a round's candidates: a safe start, and what the run's own edits and tasks have taught \
         since. The share is of edits that act at all; what these do is normal, mean ± standard deviation.\n"
    )?;
    writeln!(
        out,
        "| | learnt from | acts where it is aimed | elsewhere | aimed at nothing | pass rates of tasks |\n|---|---|---|---|---|---|"
    )?;
    let start = format!("worth {} edits, {} tasks", prior.start_edits, prior.start_tasks);
    write_expected(out, "safe start", &start, &prior.start)?;
    for (round, prior) in &priors {
        let from = format!("+ {} edits, {} tasks", prior.edits, prior.tasks.len());
        write_expected(out, &format!("round {round}"), &from, &prior.learnt)?;
    }
    writeln!(out, "\nThe incumbent's pass rate on each task, as expected in round {last}:\n")?;
    writeln!(out, "| task | split | pass rate |\n|---|---|--:|")?;
    for task in &prior.tasks {
        let (mean, sd) = (100.0 * task.mean, 100.0 * task.sd);
        writeln!(out, "| {} | {} | {mean:.0} ± {sd:.0} % |", escaped(&task.task), task.split)?;
    }
    writeln!(out)
}

fn write_expected(
    out: &mut String,
    name: &str,
    from: &str,
    expected: &Expected,
) -> std::fmt::Result {
    let Expected { target, side_effect, everywhere, pass_rates } = expected;
    let share = |share: f64| percent(Some(share));
    writeln!(
        out,
        "| {name} | {from} | {}: {} | {}: {} | {} | {} |",
        share(target.share),
        in_points(target),
        share(side_effect.share),
        in_log_odds(side_effect),
        in_log_odds(everywhere),
        distribution(*pass_rates)
    )
}

fn write_lineage(out: &mut String, summary: &Summary) -> std::fmt::Result {
    writeln!(out, "## Lineage\n")?;
    let moved = |round: &&RoundSummary| !round.promoted.is_empty() || round.reverted_to.is_some();
    if !summary.rounds.iter().any(|round| moved(&round)) {
        return writeln!(out, "Nothing was promoted.\n");
    }
    for round in summary.rounds.iter().filter(moved) {
        writeln!(out, "### Round {}: `{}` → `{}`\n", round.round, round.incumbent, round.tip)?;
        if round.reverted_to.is_some() {
            writeln!(
                out,
                "Went back: {}.\n",
                escaped(&round.drift_in_words().unwrap_or_default())
            )?;
        }
        if let Some(composition) = &round.composition {
            writeln!(out, "Decided by: {}\n", escaped(composition))?;
        }
        for id in &round.promoted {
            let Some(proposal) = round.proposals.iter().find(|proposal| proposal.id == *id) else {
                continue;
            };
            let weakness =
                round.weaknesses.iter().find(|weakness| weakness.id == proposal.weakness);
            write_promoted(out, proposal, weakness)?;
        }
    }
    Ok(())
}

fn write_promoted(
    out: &mut String,
    proposal: &ProposalSummary,
    weakness: Option<&WeaknessSummary>,
) -> std::fmt::Result {
    let (id, surface) = (escaped(&proposal.id), escaped(&proposal.surface));
    writeln!(out, "#### {id} edits {surface}: {}\n", escaped(&proposal.mechanism))?;
    if let Some(weakness) = weakness {
        writeln!(
            out,
            "Weakness: {}, in {} tasks ({} failed trials). {}\n",
            escaped(&weakness.signature),
            weakness.tasks.len(),
            weakness.trials,
            escaped(&weakness.description)
        )?;
        for citation in weakness.evidence.iter().take(6) {
            let place = citation.step.map_or("verifier".to_owned(), |step| format!("step {step}"));
            writeln!(
                out,
                "- {} ({place}, trial `{}`): {}",
                escaped(&citation.task),
                cut(&citation.trial, 13),
                escaped(&cut(&plain(&citation.quote), 200))
            )?;
        }
        writeln!(out)?;
    }
    if !proposal.rationale.is_empty() {
        writeln!(out, "Reason given: {}\n", escaped(&proposal.rationale))?;
    }
    writeln!(
        out,
        "Evidence: held-in {}, held-out {}. {}\n",
        change(proposal.held_in.as_ref()),
        change(proposal.held_out.as_ref()),
        escaped(&proposal.reason)
    )?;
    let edit = serde_json::to_string_pretty(&proposal.edit).unwrap_or_default();
    let fence = fence_for(&edit);
    writeln!(out, "{fence}json\n{edit}\n{fence}\n")
}

fn write_round(out: &mut String, round: &RoundSummary) -> std::fmt::Result {
    writeln!(out, "### Round {}\n", round.round)?;
    if let Some(words) = &round.pruned {
        let tip: String = round.tip.chars().take(12).collect();
        return writeln!(out, "This was {}: harness {tip}.\n", escaped(words));
    }
    writeln!(
        out,
        "The incumbent passes {} held-in and {} held-out.\n",
        of(&round.held_in),
        of(&round.held_out)
    )?;
    if let Some(words) = round.drift_in_words() {
        writeln!(out, "Drift: {}.\n", escaped(&words))?;
    }
    for weakness in &round.weaknesses {
        writeln!(
            out,
            "- {}: {}, in {} tasks: {}",
            escaped(&weakness.id),
            escaped(&weakness.signature),
            weakness.tasks.len(),
            escaped(&weakness.tasks.join(", "))
        )?;
    }
    if round.proposals.is_empty() {
        return writeln!(out, "\nNothing was proposed.\n");
    }
    writeln!(out, "\n| proposal | surface | mechanism | held-in | held-out | verdict | reason |")?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    for proposal in &round.proposals {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            escaped(&proposal.id),
            escaped(&proposal.surface),
            escaped(&proposal.mechanism),
            change(proposal.held_in.as_ref()),
            change(proposal.held_out.as_ref()),
            escaped(&proposal.verdict),
            escaped(&proposal.reason)
        )?;
    }
    writeln!(out)
}

fn change(change: Option<&Change>) -> String {
    match change {
        Some(Change { incumbent, candidate }) if candidate.scored > 0 => {
            format!("{} → {} of {}", incumbent.passed, candidate.passed, candidate.scored)
        }
        _ => "–".to_owned(),
    }
}

fn of(rate: &Rate) -> String {
    format!("{} of {}", rate.passed, rate.scored)
}

/// On one line, with everything that Markdown or HTML could take for markup escaped.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in plain(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '|' | '#' | '!' | '~' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// A fence longer than every run of backticks in the text.
fn fence_for(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}
