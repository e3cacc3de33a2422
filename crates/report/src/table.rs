//! The final table on standard output.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};

use crate::summary::{
    Change, ControlSummary, ControlsSummary, Cost, Counts, MeasurementSummary, ProposalSummary,
    Rate, RoundSummary, Skipped, SplitRates, Summary,
};
use crate::text::{COLUMNS, counted, cut, names, percent, plain, range, wrap};

/// A run for a person: rounds, pass rates, trials, cost, the conclusion, and where the report is. Plain text without
/// colours, at most 100 columns.
pub fn run_table(summary: &Summary) -> String {
    let mut lines = vec![heading(summary)];
    for round in &summary.rounds {
        lines.push(String::new());
        lines.extend(round_lines(round));
    }
    lines.push(String::new());
    lines.push(rates_table(summary));
    lines.push(String::new());
    lines.extend(summary.worth.iter().map(|edit| {
        format!("edit {}: {}; {}", plain(&edit.proposal), edit.in_words(), edit.outcome)
    }));
    lines.extend(control_lines(summary.controls.as_ref()));
    lines.extend(closing(summary));
    label(lines, summary.simulated)
}

/// A measurement without evolution: each task with its attempts.
pub fn measurement_table(summary: &MeasurementSummary) -> String {
    let mut table = table(&["task", "attempts"]);
    for task in &summary.tasks {
        let attempts = task.attempts.iter().map(|attempt| match (attempt.reward, &attempt.void) {
            (Some(reward), _) => format!("{reward}"),
            (None, reason) => {
                format!("void: {}", cut(&plain(reason.as_deref().unwrap_or("unknown")), 60))
            }
        });
        table.add_row([plain(&task.name), attempts.collect::<Vec<_>>().join(", ")]);
    }
    let mut lines = vec![
        format!("agent {}, model {}", plain(&summary.agent), plain(&summary.model)),
        String::new(),
        table.to_string(),
        String::new(),
        trials_line(&summary.trials),
        cost_line(&summary.cost),
    ];
    lines.extend(skipped_lines(&summary.skipped));
    label(lines, summary.simulated)
}

fn heading(summary: &Summary) -> String {
    let improver = match summary.improver == summary.model {
        true => "which also mined and proposed".to_owned(),
        false => format!("mined and proposed by {}", plain(&summary.improver)),
    };
    let (model, isolation) = (plain(&summary.model), plain(&summary.isolation));
    format!("model {model} ({improver}), sandbox {isolation}")
}

fn round_lines(round: &RoundSummary) -> Vec<String> {
    if let Some(words) = &round.pruned {
        return vec![format!(
            "Round {}: {}: harness {}",
            round.round,
            plain(words),
            short(&round.tip)
        )];
    }
    let mut lines = vec![format!(
        "Round {}: incumbent {} passes {} held-in and {} held-out",
        round.round,
        short(&round.incumbent),
        of(&round.held_in),
        of(&round.held_out)
    )];
    lines.extend(round.drift_in_words().map(|words| format!("  {words}")));
    let weakness = |weakness: &crate::summary::WeaknessSummary| {
        format!(
            "  weakness {}: {}, in {}: {}",
            plain(&weakness.id),
            plain(&weakness.signature),
            counted(weakness.tasks.len() as u64, "task"),
            names(weakness.tasks.iter().map(String::as_str), 6)
        )
    };
    lines.extend(round.weaknesses.iter().map(weakness));
    lines.extend(round.prior_in_words().map(|words| format!("  {words}")));
    if !round.proposals.is_empty() {
        lines.push(proposals_table(round));
        let reason = |proposal: &ProposalSummary| {
            format!(
                "  {} {}: {}",
                plain(&proposal.id),
                plain(&proposal.verdict),
                plain(&proposal.reason)
            )
        };
        lines.extend(round.proposals.iter().map(reason));
    }
    lines.push(match (&round.reverted_to, round.promoted.is_empty()) {
        (Some(ancestor), _) => format!("  went back to harness {}", short(ancestor)),
        (None, true) if round.is_inconclusive() => {
            format!("  inconclusive: {}", round.void_in_words())
        }
        (None, true) => "  promoted nothing".to_owned(),
        (None, false) => format!(
            "  promoted {}: harness {}",
            names(round.promoted.iter().map(String::as_str), 9),
            short(&round.tip)
        ),
    });
    lines
}

/// What the controls said; that there were none is said as well.
fn control_lines(controls: Option<&ControlsSummary>) -> Vec<String> {
    let Some(controls) = controls else {
        return vec!["controls: none in this run".to_owned()];
    };
    let arm = |arm: &ControlSummary| {
        let verdict = arm.verdict.as_deref().unwrap_or("–");
        format!("control {}: {verdict}: {}", plain(&arm.name), plain(&arm.reason))
    };
    let mut lines: Vec<String> = controls.arms.iter().map(arm).collect();
    lines.push(controls.floor_in_words());
    lines.push(controls.beat_sampling_in_words.clone());
    lines
}

fn proposals_table(round: &RoundSummary) -> String {
    let mut table = table(&["proposal", "surface", "mechanism", "held-in", "held-out", "verdict"]);
    for proposal in &round.proposals {
        table.add_row([
            plain(&proposal.id),
            cut(&plain(&proposal.surface), 36),
            cut(&plain(&proposal.mechanism), 30),
            change(proposal.held_in.as_ref()),
            change(proposal.held_out.as_ref()),
            plain(&proposal.verdict),
        ]);
    }
    // A path is no sentence: broken at the edge of its column it reads as two.
    for column in [0, 1, 5] {
        if let Some(column) = table.column_mut(column) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.to_string()
}

fn rates_table(summary: &Summary) -> String {
    let mut table =
        table(&["split", "before [95 %]", "after [95 %]", "difference, 95 %", "rests on"]);
    let rates = &summary.pass_rates;
    let sealed = rates.sealed.as_ref();
    for (name, split) in
        [("held-in", Some(&rates.held_in)), ("held-out", Some(&rates.held_out)), ("sealed", sealed)]
    {
        let Some(split) = split else { continue };
        let again = rates.sealed_reading.filter(|reading| *reading > 1);
        table.add_row([
            name.to_owned(),
            rate(split.before.as_ref()),
            rate(split.after.as_ref()),
            split.difference.map_or_else(
                || "–".to_owned(),
                |interval| {
                    format!("{:+.1} to {:+.1} points", 100.0 * interval.low, 100.0 * interval.high)
                },
            ),
            match (name, again) {
                ("sealed", Some(reading)) => format!("reading {reading}, forced: no claim"),
                _ => basis(name, split).to_owned(),
            },
        ]);
    }
    table.to_string()
}

fn basis(name: &str, split: &SplitRates) -> &'static str {
    match (name, split.after.is_some()) {
        ("sealed", _) => "fresh trials: the claim",
        (_, true) => "trials that selected it: no claim",
        (_, false) => "nothing was promoted",
    }
}

fn closing(summary: &Summary) -> Vec<String> {
    let mut lines = vec![trials_line(&summary.trials), cost_line(&summary.cost)];
    lines.extend(skipped_lines(&summary.skipped));
    lines.push(format!(
        "harness: {} → {} (stopped: {})",
        short(&summary.harness.first),
        short(&summary.harness.last),
        plain(&summary.stopped)
    ));
    lines.push(format!("verdict: {}", plain(&summary.verdict_in_words)));
    if let Some(report) = &summary.report {
        lines.push(format!("report: {report}"));
    }
    lines
}

fn trials_line(trials: &Counts) -> String {
    let Counts { scored, void, reused } = trials;
    format!("trials: {scored} scored, {void} void ({reused} from the journal)")
}

fn cost_line(cost: &Cost) -> String {
    let usd = cost.usd.map_or_else(|| "unknown".to_owned(), |usd| format!("{usd:.4} USD"));
    let unknown = match cost.calls_without_usage {
        0 => String::new(),
        calls => format!(" and those of {} that the server did not tell", counted(calls, "call")),
    };
    let at_worst = cost.unknown_in_words().map(|words| format!("; {words}")).unwrap_or_default();
    let calls = counted(cost.calls, "call");
    format!("cost: {usd}, {} tokens{unknown} in {calls}{at_worst}", cost.tokens)
}

fn skipped_lines(skipped: &[Skipped]) -> Vec<String> {
    skipped
        .iter()
        .map(|task| format!("skipped: {}: {}", plain(&task.name), plain(&task.reason)))
        .collect()
}

/// The rate with its counts, and below it its interval.
fn rate(rate: Option<&Rate>) -> String {
    let Some(rate) = rate else { return "–".to_owned() };
    let interval = rate.interval.map(|interval| format!("\n[{}]", range(interval)));
    format!("{} ({}){}", percent(rate.rate), of(rate), interval.unwrap_or_default())
}

fn of(rate: &Rate) -> String {
    match rate.void {
        0 => format!("{} of {}", rate.passed, rate.scored),
        void => format!("{} of {} ({void} void)", rate.passed, rate.scored),
    }
}

fn change(change: Option<&Change>) -> String {
    let Some(Change { incumbent, candidate }) = change else { return "–".to_owned() };
    if candidate.scored == 0 {
        return "–".to_owned();
    }
    format!("{} → {} of {}", incumbent.passed, candidate.passed, candidate.scored)
}

fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(COLUMNS).unwrap_or(100))
        .set_header(header.to_vec());
    table
}

/// Wraps what is not a table, and says at both ends what a simulated model's figures are worth.
fn label(blocks: Vec<String>, simulated: bool) -> String {
    let note = "simulated: the model is a program that plays a model; its figures say nothing about a real one";
    let mut lines = Vec::new();
    if simulated {
        lines.extend(wrap(note, COLUMNS));
    }
    for block in blocks {
        if block.contains('\n') {
            lines.push(block);
        } else {
            lines.extend(wrap(&block, COLUMNS));
        }
    }
    if simulated {
        lines.extend(wrap(note, COLUMNS));
    }
    lines.join("\n") + "\n"
}
