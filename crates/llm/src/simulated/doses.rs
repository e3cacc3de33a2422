//! Every number behind a simulated model, in one place; the table in the documentation is written from here.

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
