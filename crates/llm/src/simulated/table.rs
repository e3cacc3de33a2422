//! The numbers of `doses` as the Markdown that the documentation shows. Only tests run this: they compare the two.

use std::fmt::Write as _;

use super::doses::*;
use super::profiles::{Doses, Habit, PROFILES};

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
            Self::NoArtifact => "leaves no artifact",
            Self::NeverChecks => "never checks",
            Self::MalformedCalls => "writes calls that cannot be run",
            Self::DrownedInOutput => "drowns in output",
            Self::OverwritesInputs => "overwrites inputs",
            Self::BlocksInForeground => "waits in the foreground",
            Self::OversizedDownload => "downloads too much",
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
            Self::WriteWhereAsked => "write the result where the task asks for it",
            Self::CheckWork => "check before finishing",
            Self::CallFormat => "exact tool names and valid arguments",
            Self::LimitOutput => "print little",
            Self::UseBackground => "servers in the background",
            Self::FetchLittle => "download only what is needed",
            Self::UnderstandFirst => "restate every requirement",
        }
    }
}

impl Deed {
    /// In words, for the table.
    fn words(self) -> &'static str {
        match self {
            Self::Exploring => "one more look",
            Self::Retrying => "the repeated call",
            Self::Destroying => "the removal of inputs",
            Self::Overwriting => "the draft over the inputs",
            Self::Waiting => "the wait",
            Self::Fetching => "the download",
            Self::FinishingWithoutOutput => "a finish without the outputs",
            Self::FinishingUnchecked => "a finish without a check that passes",
        }
    }
}

impl Habit {
    /// In words, for the table.
    fn words(self) -> &'static str {
        match self {
            Self::Studies => "reads something long",
            Self::Polls => "asks the same twice",
            Self::Caches => "keeps a large file",
            Self::DryRuns => "tries without effect first",
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
    text.push_str(&habits());
    text.push_str(&improvers());
    text.push_str("\n### What mends\n\nShare of a weakness's attempts that are mended, by advice and by where it stands (at full attention, before a profile's \"words\"):\n\n| weakness | advice |");
    for (_, place, _) in SOURCES {
        let _ = write!(text, " {place} |");
    }
    text.push_str("\n|---|---|");
    text.push_str(&"---|".repeat(SOURCES.len()));
    text.push('\n');
    for (weakness, advice, fit) in FITS {
        let _ = write!(text, "| {} | {} |", weakness.words(), advice.words());
        for (_, _, weight) in SOURCES {
            let _ = write!(text, " {} |", percent(weight * fit));
        }
        text.push('\n');
    }
    text.push_str("\nAnd by a control that steps into the weakness's own deed, whatever its words:\n\n| weakness | stopped at | mended |\n|---|---|---|\n");
    for (weakness, deed, share) in INTERRUPTIONS {
        let _ = writeln!(text, "| {} | {} | {} |", weakness.words(), deed.words(), percent(*share));
    }
    text.push_str("\nSome controls need no advice at all, because they change what really happens: an environment that is kept, a call that is repaired, inputs that are put back, output that is cut to 6000 characters or less.\n");
    text.push_str(&harms());
    text
}

fn habits() -> String {
    let mut text = String::from(
        "\n| profile | out of reach | slips | words | looks before work | and | checks unasked | gives up when stopped | spoils when sent back |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for Doses {
        name,
        out_of_reach,
        slip,
        heeds_words,
        looks,
        habits,
        checks,
        concedes,
        meddles,
        ..
    } in PROFILES
    {
        let [out_of_reach, slip, words, checks, concedes, meddles] =
            [out_of_reach, slip, heeds_words, checks, concedes, meddles]
                .map(|chance| percent(*chance));
        let habits = habits.iter().map(|habit| habit.words()).collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            text,
            "| `{name}` | {out_of_reach} of tasks | {slip} | {words} | {looks} | {habits} | {checks} | {concedes} | {meddles} |"
        );
    }
    text
}

fn improvers() -> String {
    let mut text = String::from(
        "\n| as improver | right diagnoses | invented failures | good / useless / harmful ideas | declines | invalid edits | names a task | obeys what is not quoted |\n|---|---|---|---|---|---|---|---|\n",
    );
    for Doses { name, improver, .. } in PROFILES {
        let [good, useless, harmful, declines, invalid] = improver.ideas.map(percent);
        let [right, invents, names, obeys] =
            [improver.right, improver.invents, improver.names_tasks, improver.obeys].map(percent);
        let _ = writeln!(
            text,
            "| `{name}` | {right} | {invents} | {good} / {useless} / {harmful} | {declines} | {invalid} | {names} | {obeys} |"
        );
    }
    text
}

fn harms() -> String {
    let (hurry, hurried) = (percent(HURRIES), percent(SLIP_BY_HURRY));
    let (per, most) = (percent(SLIP_PER_THOUSAND), percent(SLIP_BY_LENGTH_AT_MOST));
    let (least, blind) = (percent(LEAST_ATTENTION), percent(SLIP_BY_BLINDNESS));
    let (tasks, placeholder, blunt) =
        (percent(PLACEHOLDER_TASKS), percent(PLACEHOLDER), percent(PLACEHOLDER_BLUNT));
    let (torn, rush, cares) = (percent(SLIP_BY_TORN), percent(SLIP_BY_RUSH), percent(UNDERSTANDS));
    format!(
        "\n### What harms\n\n| in the harness | effect |\n|---|---|\n\
         | more than {READ_WELL} characters at the beginning | attention falls as {READ_WELL} / length, not below {least}; {per} more slips per thousand, at most {most} |\n\
         | advice to write a placeholder | on {tasks} of the tasks, {placeholder} of attempts finish with it |\n\
         | advice to produce early without a word on content | the same, {blunt} |\n\
         | advice to be quick | followed in {hurry}: no check, and {hurried} more slips |\n\
         | an inspection cut to under {SEEN_ENOUGH} characters | {blind} more slips |\n\
         | advice to restate every requirement | {cares} fewer slips; beside advice to begin at once, {torn} more |\n\
         | a profile that looks before it works is kept from it, by words or a control | {rush} more slips |\n\
         | one that reads {STUDY} characters sees them cut | {blind} more slips |\n\
         | one that asks the same twice is denied the second time | {rush} more slips |\n\
         | one that keeps {CACHE} MiB beside its work may not | {rush} more slips |\n\
         | one that tries without effect first works in a shell that remembers | its first pass has no effect |\n\
         | an input guard, where the work changes what was given | the work is undone |\n\
         | a control that stops real work (a tight call budget, a tight cap) | a share of attempts gives the rest up, by profile |\n\
         | a finish refused although nothing is wrong | a share of attempts spoils its output, by profile |\n"
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
