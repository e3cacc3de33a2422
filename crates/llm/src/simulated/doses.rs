//! Every number behind a simulated model, in one place; the table in the documentation is written from here.

use std::fmt::Write as _;

/// What a simulated model does wrong unless its harness keeps it from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weakness {
    Explores,
    RepeatsFailure,
    /// Follows on repeating: never on its own.
    DestroysInputs,
    LosesEnvironment,
    FinishesOverFailure,
    StopsWithPlan,
}

/// Advice that a model can find in what its harness says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    ProduceEarly,
    StopLooking,
    ChangeApproach,
    KeepInputs,
    CarryEnvironment,
    FixBeforeFinish,
    ActDontPlan,
    /// Bad advice: an output without content.
    Placeholder,
    /// Advice to produce early that does not speak of content: bad for some tasks.
    ProduceBluntly,
    /// Bad advice: speed before care.
    Hurry,
    /// No advice that is understood, but something stepped in.
    Interruption,
}

/// Where the harness says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The system message.
    Standing,
    /// Beside the task, at the start.
    Start,
    /// A tool's description.
    Tool,
    /// A skill that was looked up.
    Skill,
    /// Beside a tool's result.
    Beside,
    /// A message in the middle of the work.
    Reminder,
    /// Instead of a tool's result.
    Interception,
}

/// How much of what is said in a place gets through: enforced is stronger than said, late is stronger than early.
pub(super) const SOURCES: &[(Source, &str, f64)] = &[
    (Source::Tool, "tool description", 0.40),
    (Source::Standing, "system message", 0.45),
    (Source::Start, "beside the task", 0.55),
    (Source::Skill, "a skill that was read", 0.60),
    (Source::Beside, "beside a result", 0.60),
    (Source::Reminder, "reminder during work", 0.70),
    (Source::Interception, "instead of a result", 0.95),
];

/// How well advice fits a weakness. The product with the place's weight and the attention is the chance that an attempt is
/// mended.
pub(super) const FITS: &[(Weakness, Advice, f64)] = &[
    (Weakness::Explores, Advice::ProduceEarly, 1.0),
    (Weakness::Explores, Advice::ProduceBluntly, 1.0),
    (Weakness::Explores, Advice::StopLooking, 0.9),
    (Weakness::Explores, Advice::Interruption, 0.5),
    (Weakness::RepeatsFailure, Advice::ChangeApproach, 1.0),
    (Weakness::RepeatsFailure, Advice::Interruption, 0.9),
    (Weakness::DestroysInputs, Advice::KeepInputs, 1.0),
    (Weakness::LosesEnvironment, Advice::CarryEnvironment, 1.0),
    (Weakness::FinishesOverFailure, Advice::FixBeforeFinish, 1.0),
    (Weakness::FinishesOverFailure, Advice::Interruption, 0.9),
    (Weakness::StopsWithPlan, Advice::ActDontPlan, 1.0),
    (Weakness::StopsWithPlan, Advice::ProduceEarly, 0.8),
    (Weakness::StopsWithPlan, Advice::ProduceBluntly, 0.8),
    (Weakness::StopsWithPlan, Advice::Interruption, 0.95),
];

/// Characters of harness text (the task apart) that are read with full attention; beyond, attention is the quotient.
pub(super) const READ_WELL: usize = 2500;
/// Attention never falls below this.
pub(super) const LEAST_ATTENTION: f64 = 0.3;
/// Chance of a slip for each further thousand characters.
pub(super) const SLIP_PER_THOUSAND: f64 = 0.05;
/// And at most this much in all.
pub(super) const SLIP_BY_LENGTH_AT_MOST: f64 = 0.35;
/// Chance of a slip when told to hurry; the check is left out as well.
pub(super) const SLIP_BY_HURRY: f64 = 0.15;
/// How often a hurrying word is followed.
pub(super) const HURRIES: f64 = 0.5;
/// Chance of a slip when what was looked at came cut to little.
pub(super) const SLIP_BY_BLINDNESS: f64 = 0.4;
/// An inspection that was cut to fewer characters than this blinds.
pub(super) const SEEN_ENOUGH: usize = 1500;
/// A failing check is noticed this often by a model without the weakness.
pub(super) const NOTICES: f64 = 0.75;
/// Share of tasks for which an output without content looks like an answer.
pub(super) const PLACEHOLDER_TASKS: f64 = 0.45;
/// And how often, on those, the model stops there when told to write one.
pub(super) const PLACEHOLDER: f64 = 0.8;
/// The same when told to produce early without a word on content.
pub(super) const PLACEHOLDER_BLUNT: f64 = 0.45;
/// How often work that is stopped by a control is given up instead of taken up again.
pub(super) const CONCEDES: f64 = 0.35;
/// How often a finish that is refused although nothing is wrong makes the model spoil its output.
pub(super) const MEDDLES: f64 = 0.25;
/// How often a listed skill is looked up, a listed sub-agent called.
pub(super) const LOOKS_UP: f64 = 0.8;

/// How often a weakness acts: on a share of the tasks nearly always, on the others rarely.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Activation {
    pub(super) prone_share: f64,
    pub(super) when_prone: f64,
    pub(super) otherwise: f64,
}

const fn acts(prone_share: f64, when_prone: f64, otherwise: f64) -> Activation {
    Activation { prone_share, when_prone, otherwise }
}

/// One profile's numbers.
#[derive(Debug)]
pub(super) struct Doses {
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) weaknesses: &'static [(Weakness, Activation)],
    /// Share of tasks that are beyond it, whatever the harness.
    pub(super) out_of_reach: f64,
    /// Chance of leaving out the main part of the work.
    pub(super) slip: f64,
    /// As improver: share of diagnoses that are right as far as the shown material tells.
    pub(super) diagnoses_right: f64,
    /// As improver: weights of good, useless and harmful ideas, of declining, and of an edit that is not valid.
    pub(super) ideas: [f64; 5],
}

/// The profiles.
pub(super) const PROFILES: &[Doses] = &[
    Doses {
        name: "explorer",
        summary: "looks and looks until its steps run out, and leaves no artifact",
        weaknesses: &[(Weakness::Explores, acts(0.50, 0.90, 0.10))],
        out_of_reach: 0.06,
        slip: 0.04,
        diagnoses_right: 0.85,
        ideas: [0.55, 0.22, 0.13, 0.06, 0.04],
    },
    Doses {
        name: "repeater",
        summary: "repeats a failing call, then destroys its own inputs and finishes",
        weaknesses: &[(Weakness::RepeatsFailure, acts(0.50, 0.90, 0.10))],
        out_of_reach: 0.06,
        slip: 0.04,
        diagnoses_right: 0.85,
        ideas: [0.55, 0.22, 0.13, 0.06, 0.04],
    },
    Doses {
        name: "amnesiac",
        summary: "loses environment changes between calls and finishes over a failing check",
        weaknesses: &[
            (Weakness::LosesEnvironment, acts(0.60, 0.90, 0.10)),
            (Weakness::FinishesOverFailure, acts(0.70, 0.90, 0.30)),
        ],
        out_of_reach: 0.05,
        slip: 0.14,
        diagnoses_right: 0.80,
        ideas: [0.55, 0.20, 0.15, 0.06, 0.04],
    },
    Doses {
        name: "mixed",
        summary: "a milder dose of each, and sometimes stops with a plan instead of work",
        weaknesses: &[
            (Weakness::Explores, acts(0.20, 0.80, 0.05)),
            (Weakness::RepeatsFailure, acts(0.15, 0.80, 0.05)),
            (Weakness::LosesEnvironment, acts(0.20, 0.80, 0.05)),
            (Weakness::FinishesOverFailure, acts(0.30, 0.80, 0.20)),
            (Weakness::StopsWithPlan, acts(0.20, 0.80, 0.05)),
        ],
        out_of_reach: 0.08,
        slip: 0.06,
        diagnoses_right: 0.70,
        ideas: [0.45, 0.25, 0.17, 0.08, 0.05],
    },
];

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
