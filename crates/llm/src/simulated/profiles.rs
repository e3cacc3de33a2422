//! The profiles: who does what wrong how often, and how good an improver each is.

use super::doses::Weakness::{self, *};
use super::doses::{Activation, acts};

use Habit::*;

/// How well a profile improves harnesses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Improver {
    /// Share of diagnoses that are right as far as the shown material tells.
    pub(super) right: f64,
    /// Share of diagnoses of a failure that is not there, shown by steps that do not exist.
    pub(super) invents: f64,
    /// Weights of good, useless and harmful ideas, of declining, and of an edit that is not valid.
    pub(super) ideas: [f64; 5],
    /// Share of its sentences that name a task.
    pub(super) names_tasks: f64,
    /// How often an instruction is obeyed that stands in the prompt outside of quoted material.
    pub(super) obeys: f64,
}

/// Something that a profile does for good reason, and that some control gets in the way of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// Reads something long, and needs all of it.
    Studies,
    /// Asks the same question twice, because the first answer is "not yet".
    Polls,
    /// Keeps one large file beside its work.
    Caches,
    /// Tries its calls without effect first, and takes it that a shell forgets that.
    DryRuns,
}

/// One profile's numbers.
#[derive(Debug)]
pub(super) struct Doses {
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) weaknesses: &'static [(Weakness, Activation)],
    /// Share of tasks that are beyond it, whatever the harness.
    pub(super) out_of_reach: f64,
    /// Chance of leaving out the work.
    pub(super) slip: f64,
    /// What it gives on words, as a factor; what is enforced counts in full.
    pub(super) heeds_words: f64,
    /// How many further calls it looks before it works, for good reason.
    pub(super) looks: usize,
    /// What else it does before it works, for good reason.
    pub(super) habits: &'static [Habit],
    /// Chance that it checks its work unasked, where none of its weaknesses keeps it from it.
    pub(super) checks: f64,
    /// How often work that is stopped by a control is given up instead of taken up again.
    pub(super) concedes: f64,
    /// How often a finish that is refused although nothing is wrong makes it spoil its output.
    pub(super) meddles: f64,
    pub(super) improver: Improver,
}

/// A model without weaknesses, for the others to differ from.
const PLAIN: Doses = Doses {
    name: "",
    summary: "",
    weaknesses: &[],
    out_of_reach: 0.06,
    slip: 0.04,
    heeds_words: 1.0,
    looks: 0,
    habits: &[],
    checks: 1.0,
    concedes: 0.35,
    meddles: 0.25,
    improver: SHARP,
};

const SHARP: Improver = Improver {
    right: 0.90,
    invents: 0.02,
    ideas: [0.62, 0.18, 0.10, 0.06, 0.04],
    names_tasks: 0.03,
    obeys: 0.50,
};

const FAIR: Improver = Improver {
    right: 0.78,
    invents: 0.06,
    ideas: [0.52, 0.22, 0.15, 0.06, 0.05],
    names_tasks: 0.08,
    obeys: 0.75,
};

const POOR: Improver = Improver {
    right: 0.60,
    invents: 0.12,
    ideas: [0.38, 0.28, 0.20, 0.08, 0.06],
    names_tasks: 0.15,
    obeys: 1.0,
};

/// The profiles.
pub(super) const PROFILES: &[Doses] = &[
    Doses {
        name: "explorer",
        summary: "looks and looks until its steps run out, and leaves no artifact",
        weaknesses: &[(Explores, acts(0.50, 0.90, 0.10))],
        habits: &[Polls, DryRuns],
        ..PLAIN
    },
    Doses {
        name: "repeater",
        summary: "repeats a failing call, then destroys its own inputs and finishes",
        weaknesses: &[
            (RepeatsFailure, acts(0.50, 0.90, 0.10)),
            (OverwritesInputs, acts(0.20, 0.70, 0.02)),
        ],
        looks: 7,
        habits: &[Caches],
        ..PLAIN
    },
    Doses {
        name: "amnesiac",
        summary: "loses environment changes between calls and finishes over a failing check",
        weaknesses: &[
            (LosesEnvironment, acts(0.60, 0.90, 0.10)),
            (FinishesOverFailure, acts(0.70, 0.90, 0.30)),
        ],
        out_of_reach: 0.05,
        slip: 0.10,
        looks: 7,
        habits: &[Polls, Studies],
        improver: FAIR,
        ..PLAIN
    },
    Doses {
        name: "planner",
        summary: "stops with a plan, or keeps the answer to itself; fusses when it is sent back",
        weaknesses: &[
            (StopsWithPlan, acts(0.45, 0.85, 0.08)),
            (NoArtifact, acts(0.35, 0.80, 0.05)),
        ],
        habits: &[Polls, DryRuns],
        checks: 0.25,
        meddles: 0.60,
        ..PLAIN
    },
    Doses {
        name: "flooder",
        summary: "drowns in its own output, fetches too much, and waits for servers",
        weaknesses: &[
            (DrownedInOutput, acts(0.40, 0.85, 0.05)),
            (OversizedDownload, acts(0.30, 0.80, 0.03)),
            (BlocksInForeground, acts(0.30, 0.80, 0.03)),
        ],
        heeds_words: 0.8,
        habits: &[DryRuns],
        checks: 0.50,
        meddles: 0.50,
        improver: FAIR,
        ..PLAIN
    },
    Doses {
        name: "clumsy",
        summary: "writes calls that cannot be run and never looks whether its work is right",
        weaknesses: &[
            (MalformedCalls, acts(0.50, 0.90, 0.08)),
            (NeverChecks, acts(0.40, 0.85, 0.10)),
        ],
        looks: 7,
        habits: &[Polls, Caches],
        meddles: 0.10,
        improver: FAIR,
        ..PLAIN
    },
    Doses {
        name: "scholar",
        summary: "needs to look long before it works, and overwrites what it was given",
        weaknesses: &[
            (OverwritesInputs, acts(0.45, 0.85, 0.08)),
            (NeverChecks, acts(0.30, 0.80, 0.05)),
        ],
        looks: 7,
        habits: &[Studies, DryRuns],
        meddles: 0.10,
        ..PLAIN
    },
    Doses {
        name: "mixed",
        summary: "a milder dose of most, with a poor improver",
        weaknesses: &[
            (Explores, acts(0.20, 0.80, 0.05)),
            (RepeatsFailure, acts(0.15, 0.80, 0.05)),
            (LosesEnvironment, acts(0.20, 0.80, 0.05)),
            (FinishesOverFailure, acts(0.30, 0.80, 0.20)),
            (StopsWithPlan, acts(0.20, 0.80, 0.05)),
        ],
        habits: &[Studies, Caches],
        out_of_reach: 0.08,
        slip: 0.06,
        improver: POOR,
        ..PLAIN
    },
];
