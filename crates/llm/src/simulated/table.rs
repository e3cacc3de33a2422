//! The numbers of `doses` as the Markdown that the documentation shows. Only tests run this: they compare the two.

use std::fmt::Write as _;

use super::doses::*;

impl Weakness {
    /// In words, for the table.
    fn words(self) -> &'static str {
        match self {
            Self::Explores => "explores until its steps run out",
            Self::RepeatsFailure => "repeats a failing call",
            Self::DestroysInputs => "then destroys its inputs",
            Self::LosesEnvironment => "loses its environment between calls",
            Self::FinishesOverFailure => "finishes over a failing check",
            Self::StopsWithPlan => "stops with a plan",
        }
    }
}

impl Advice {
    /// In words, for the table.
    fn words(self) -> &'static str {
        match self {
            Self::ProduceEarly => "produce the output early, with its content",
            Self::ProduceBluntly => "produce the output early",
            Self::StopLooking => "stop looking around",
            Self::ChangeApproach => "do not repeat the same failing call",
            Self::KeepInputs => "never delete or overwrite inputs",
            Self::CarryEnvironment => "set environment and directory in every call",
            Self::FixBeforeFinish => "when a check fails, fix it before finishing",
            Self::ActDontPlan => "carry out, do not only plan",
            Self::Placeholder => "write a placeholder",
            Self::Hurry => "be quick",
            Self::Interruption => "any interception or refused finish",
        }
    }
}

fn percent(chance: f64) -> String {
    format!("{:.0} %", chance * 100.0)
}

/// The numbers above as the Markdown that the documentation shows.
pub(super) fn table() -> String {
    let mut text = String::from(
        "### Profiles\n\n| profile | weakness | acts on prone tasks | share of prone tasks | on other tasks |\n|---|---|---|---|---|\n",
    );
    for profile in PROFILES {
        for (weakness, acts) in profile.weaknesses {
            let (prone, share) = (percent(acts.when_prone), percent(acts.prone_share));
            let _ = writeln!(
                text,
                "| `{}` | {} | {prone} | {share} | {} |",
                profile.name,
                weakness.words(),
                percent(acts.otherwise)
            );
        }
    }
    text.push_str("\n| profile | out of reach | slips | right diagnoses | good / useless / harmful ideas | declines | invalid edits |\n|---|---|---|---|---|---|---|\n");
    for profile in PROFILES {
        let [good, useless, harmful, declines, invalid] = profile.ideas.map(percent);
        let (reach, slip, right) = (
            percent(profile.out_of_reach),
            percent(profile.slip),
            percent(profile.diagnoses_right),
        );
        let name = profile.name;
        let _ = writeln!(
            text,
            "| `{name}` | {reach} of tasks | {slip} | {right} | {good} / {useless} / {harmful} | {declines} | {invalid} |"
        );
    }
    text.push_str("\n### What mends\n\nChance that an attempt is mended, by advice and by where it stands (at full attention):\n\n| weakness | advice |");
    for (_, place, _) in SOURCES {
        let _ = write!(text, " {place} |");
    }
    text.push_str("\n|---|---|");
    text.push_str(&"---|".repeat(SOURCES.len()));
    text.push('\n');
    for (weakness, advice, fit) in FITS {
        let _ = write!(text, "| {} | {} |", weakness.words(), advice.words());
        for (source, _, weight) in SOURCES {
            let only_there = *advice == Advice::Interruption && *source != Source::Interception;
            let chance = if only_there { "–".to_owned() } else { percent(weight * fit) };
            let _ = write!(text, " {chance} |");
        }
        text.push('\n');
    }
    text.push_str("\nKeeping the environment between calls needs no advice at all: then the state that was set is really there.\n");
    text.push_str(&harms());
    text
}

fn harms() -> String {
    let (hurry, hurried) = (percent(HURRIES), percent(SLIP_BY_HURRY));
    let (per, most) = (percent(SLIP_PER_THOUSAND), percent(SLIP_BY_LENGTH_AT_MOST));
    let (least, blind) = (percent(LEAST_ATTENTION), percent(SLIP_BY_BLINDNESS));
    let (tasks, placeholder, blunt) =
        (percent(PLACEHOLDER_TASKS), percent(PLACEHOLDER), percent(PLACEHOLDER_BLUNT));
    let (concedes, meddles) = (percent(CONCEDES), percent(MEDDLES));
    format!(
        "\n### What harms\n\n| in the harness | effect |\n|---|---|\n\
         | more than {READ_WELL} characters of its own | attention falls as {READ_WELL} / length, not below {least}; {per} more slips per thousand, at most {most} |\n\
         | advice to write a placeholder | on {tasks} of the tasks, {placeholder} of attempts finish with it |\n\
         | advice to produce early without a word on content | the same, {blunt} |\n\
         | advice to be quick | followed in {hurry}: no check, and {hurried} more slips |\n\
         | an inspection cut to under {SEEN_ENOUGH} characters | {blind} more slips |\n\
         | a control that stops real work (a tight call budget, a tight cap) | {concedes} of attempts give the rest up |\n\
         | a finish refused although the check passed | {meddles} of attempts spoil their output |\n\
         | a time cap below what a command takes | the command is really ended |\n"
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_documentation_shows_these_numbers() {
        let shown = include_str!("doses.md");
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/simulated/doses.md");
        if std::env::var_os("HARNESS_LLM_WRITE_TABLE").is_some() {
            std::fs::write(path, super::table()).unwrap();
        } else {
            assert_eq!(shown, super::table(), "write it anew with HARNESS_LLM_WRITE_TABLE=1");
        }
    }
}
