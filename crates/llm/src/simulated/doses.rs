//! Every number behind a simulated model, in one place; the table in the documentation is written from here.

/// What a simulated model does wrong unless its harness keeps it from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Weakness {
    Explores,
    NoArtifact,
    RepeatsFailure,
    /// Follows on repeating: never on its own.
    DestroysInputs,
    LosesEnvironment,
    FinishesOverFailure,
    NeverChecks,
    MalformedCalls,
    DrownedInOutput,
    OverwritesInputs,
    StopsWithPlan,
    BlocksInForeground,
    OversizedDownload,
}

/// Advice that a model can find in what its harness says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    ProduceEarly,
    StopLooking,
    WriteWhereAsked,
    ChangeApproach,
    KeepInputs,
    CarryEnvironment,
    FixBeforeFinish,
    CheckWork,
    CallFormat,
    LimitOutput,
    ActDontPlan,
    UseBackground,
    FetchLittle,
    /// Good alone, bad beside advice to begin at once.
    UnderstandFirst,
    /// Bad advice: an output without content.
    Placeholder,
    /// Advice to produce early that does not speak of content: bad for some tasks.
    ProduceBluntly,
    /// Bad advice: speed before care.
    Hurry,
}

/// What a model was doing when something stepped in, whatever it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Exploring,
    Retrying,
    Destroying,
    Overwriting,
    Waiting,
    Fetching,
    /// A finish that was refused because an output is missing.
    FinishingWithoutOutput,
    /// A finish that was refused for another reason.
    FinishingUnchecked,
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

/// How well advice fits a weakness. The product with the place's weight, what the profile gives on words, and the attention
/// is the share of the weakness's attempts that are mended.
pub(super) const FITS: &[(Weakness, Advice, f64)] = &[
    (Weakness::Explores, Advice::ProduceEarly, 1.0),
    (Weakness::Explores, Advice::ProduceBluntly, 1.0),
    (Weakness::Explores, Advice::StopLooking, 0.9),
    (Weakness::NoArtifact, Advice::WriteWhereAsked, 1.0),
    (Weakness::NoArtifact, Advice::ProduceEarly, 0.9),
    (Weakness::NoArtifact, Advice::ProduceBluntly, 0.9),
    (Weakness::RepeatsFailure, Advice::ChangeApproach, 1.0),
    (Weakness::DestroysInputs, Advice::KeepInputs, 1.0),
    (Weakness::LosesEnvironment, Advice::CarryEnvironment, 1.0),
    (Weakness::FinishesOverFailure, Advice::FixBeforeFinish, 1.0),
    (Weakness::NeverChecks, Advice::CheckWork, 1.0),
    (Weakness::NeverChecks, Advice::FixBeforeFinish, 0.6),
    (Weakness::MalformedCalls, Advice::CallFormat, 1.0),
    (Weakness::DrownedInOutput, Advice::LimitOutput, 1.0),
    (Weakness::OverwritesInputs, Advice::KeepInputs, 1.0),
    (Weakness::StopsWithPlan, Advice::ActDontPlan, 1.0),
    (Weakness::StopsWithPlan, Advice::ProduceEarly, 0.8),
    (Weakness::StopsWithPlan, Advice::ProduceBluntly, 0.8),
    (Weakness::BlocksInForeground, Advice::UseBackground, 1.0),
    (Weakness::OversizedDownload, Advice::FetchLittle, 1.0),
];

/// How often a control that steps into a weakness's own deed mends it, whatever its words. One that steps into anything else does
/// nothing for it.
pub(super) const INTERRUPTIONS: &[(Weakness, Deed, f64)] = &[
    (Weakness::Explores, Deed::Exploring, 0.50),
    (Weakness::NoArtifact, Deed::FinishingWithoutOutput, 0.85),
    (Weakness::RepeatsFailure, Deed::Retrying, 0.50),
    (Weakness::DestroysInputs, Deed::Destroying, 0.85),
    (Weakness::OverwritesInputs, Deed::Overwriting, 0.85),
    (Weakness::FinishesOverFailure, Deed::FinishingUnchecked, 0.85),
    (Weakness::NeverChecks, Deed::FinishingUnchecked, 0.85),
    (Weakness::StopsWithPlan, Deed::FinishingWithoutOutput, 0.90),
    (Weakness::BlocksInForeground, Deed::Waiting, 0.90),
    (Weakness::OversizedDownload, Deed::Fetching, 0.85),
];

/// Characters of standing and opening words (the task apart) that are read with full attention; beyond, attention is
/// the quotient.
pub(super) const READ_WELL: usize = 1200;
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
/// Share of its slips that a model avoids which is told to understand first.
pub(super) const UNDERSTANDS: f64 = 0.5;
/// Chance of a slip when told both to understand first and to begin at once.
pub(super) const SLIP_BY_TORN: f64 = 0.25;
/// Chance of a slip for a profile that was kept from what it does for good reason, by words or by a control.
pub(super) const SLIP_BY_RUSH: f64 = 0.35;
/// Characters of what a profile studies before it works: cut to less, it is blind.
pub(super) const STUDY: usize = 5600;
/// Mebibytes of the one file that a profile needs beside its work.
pub(super) const CACHE: u64 = 48;
/// How often work is incomplete when it is never checked.
pub(super) const UNCHECKED_SLIP: f64 = 0.8;
/// Lines of a flood of output.
pub(super) const FLOOD_LINES: usize = 12_000;
/// Whoever sees more characters of it than this has lost the thread.
pub(super) const DROWNS: usize = 6_000;
/// Seconds that a wait for a server takes unless something ends it earlier.
pub(super) const WAIT: u64 = 4;
/// Mebibytes of one download that nobody needs.
pub(super) const DOWNLOAD: u64 = 96;
/// A failing check is noticed this often by a model without the weakness.
pub(super) const NOTICES: f64 = 0.75;
/// Share of tasks for which an output without content looks like an answer.
pub(super) const PLACEHOLDER_TASKS: f64 = 0.45;
/// And how often, on those, the model stops there when told to write one.
pub(super) const PLACEHOLDER: f64 = 0.8;
/// The same when told to produce early without a word on content.
pub(super) const PLACEHOLDER_BLUNT: f64 = 0.45;
/// How often a listed skill is looked up, a listed sub-agent called.
pub(super) const LOOKS_UP: f64 = 0.8;

/// How often a weakness acts: on a share of the tasks nearly always, on the others rarely.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Activation {
    pub(super) prone_share: f64,
    pub(super) when_prone: f64,
    pub(super) otherwise: f64,
}

pub(super) const fn acts(prone_share: f64, when_prone: f64, otherwise: f64) -> Activation {
    Activation { prone_share, when_prone, otherwise }
}
