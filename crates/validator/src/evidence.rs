//! What a gate sees: outcomes of incumbent and candidate, cell by cell, and nothing else of the trials.

use std::collections::BTreeSet;
use std::fmt;

use harness_core::{Comparison, Pair, Score, SplitName, TaskName, Trial};
use serde::{Deserialize, Serialize};

/// The outcome of one attempt at one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// The verifier passed it.
    Passed,
    /// The verifier failed it.
    Failed,
    /// The infrastructure failed: neither a success nor a failure.
    Void,
}

impl Cell {
    /// The outcome of a trial.
    pub fn of(trial: &Trial) -> Self {
        match trial.passed() {
            Some(true) => Self::Passed,
            Some(false) => Self::Failed,
            None => Self::Void,
        }
    }

    /// Whether the verifier judged it.
    pub fn is_scored(self) -> bool {
        self != Self::Void
    }
}

/// One of the two splits that may decide a promotion. The sealed split has no value here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GatingSplit {
    /// The split whose failures were mined.
    HeldIn,
    /// The split that only the validator sees.
    HeldOut,
}

impl GatingSplit {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::HeldIn, Self::HeldOut];
}

impl From<GatingSplit> for SplitName {
    fn from(split: GatingSplit) -> Self {
        match split {
            GatingSplit::HeldIn => Self::HeldIn,
            GatingSplit::HeldOut => Self::HeldOut,
        }
    }
}

impl fmt::Display for GatingSplit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::HeldIn => "held-in",
            Self::HeldOut => "held-out",
        })
    }
}

/// Passes among scored attempts, where their order no longer matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Attempts that passed.
    pub passed: u32,
    /// Attempts that were scored.
    pub scored: u32,
}

impl Tally {
    /// Counts cells; void ones are left out.
    pub fn of(cells: impl IntoIterator<Item = Cell>) -> Self {
        cells.into_iter().filter(|cell| cell.is_scored()).fold(Self::default(), |tally, cell| {
            Self {
                passed: tally.passed + u32::from(cell == Cell::Passed),
                scored: tally.scored + 1,
            }
        })
    }

    /// The share that passed; `None` when nothing was scored.
    pub fn rate(self) -> Option<f64> {
        (self.scored > 0).then(|| f64::from(self.passed) / f64::from(self.scored))
    }
}

impl std::ops::Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, scored: self.scored + other.scored }
    }
}

/// Both sides' attempts at one task, each in the order of attempts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskCells {
    /// The task.
    pub task: TaskName,
    /// The same incumbent in earlier rounds, since it became one.
    pub earlier: Tally,
    /// Earlier incumbents from which it differs only by edits that were aimed at other tasks.
    pub untouched: Tally,
    /// Other incumbents before it, in rounds of their own: what the task is like, not what this incumbent does.
    pub ancestors: Tally,
    /// The incumbent's attempts of the round's assessment: those that were mined.
    pub assessed: Vec<Cell>,
    /// The incumbent's attempts bought beside the candidates, after the mining.
    pub beside: Vec<Cell>,
    /// The candidate's attempts.
    pub candidate: Vec<Cell>,
    /// Of the candidate's attempts, those in which the edited surface is known not to have acted.
    pub idle: u32,
}

impl TaskCells {
    /// A task nobody has attempted.
    pub fn new(task: TaskName) -> Self {
        Self {
            task,
            earlier: Tally::default(),
            untouched: Tally::default(),
            ancestors: Tally::default(),
            assessed: Vec::new(),
            beside: Vec::new(),
            candidate: Vec::new(),
            idle: 0,
        }
    }

    /// Whether the edit is known to have acted in none of the candidate's attempts: what they show is then no merit of its.
    pub fn never_acted(&self) -> bool {
        self.idle > 0 && self.idle as usize >= self.candidate.len()
    }

    /// Every attempt of this incumbent: earlier rounds, the assessment, beside the candidates.
    pub fn incumbent(&self) -> Tally {
        self.earlier + Tally::of(self.assessed.iter().chain(&self.beside).copied())
    }
}

/// All that a gate may decide from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// How often the operator wants each task attempted.
    pub attempts: u32,
    /// Tasks of both splits that show the weakness which the proposal targets: of held-in as mined, of held-out by the
    /// validator's own reading.
    pub target: BTreeSet<TaskName>,
    /// The mined split.
    pub held_in: Vec<TaskCells>,
    /// The other one.
    pub held_out: Vec<TaskCells>,
}

impl Evidence {
    /// The tasks of a split.
    pub fn split(&self, split: GatingSplit) -> &[TaskCells] {
        match split {
            GatingSplit::HeldIn => &self.held_in,
            GatingSplit::HeldOut => &self.held_out,
        }
    }

    /// The tasks of a split, to add to.
    pub fn split_mut(&mut self, split: GatingSplit) -> &mut Vec<TaskCells> {
        match split {
            GatingSplit::HeldIn => &mut self.held_in,
            GatingSplit::HeldOut => &mut self.held_out,
        }
    }

    /// How many tasks both splits have.
    pub fn tasks(&self) -> usize {
        self.held_in.len() + self.held_out.len()
    }
}

/// Attempts at one task, or at many, that were scored on *both* sides, so that both have the same
/// denominator; and what had to be left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Attempts that should have been compared.
    pub cells: u32,
    /// Of these, attempts scored on both sides.
    pub scored: u32,
    /// Of the scored ones, passes of the incumbent.
    pub incumbent: u32,
    /// Of the scored ones, passes of the candidate.
    pub candidate: u32,
    /// Cells that the incumbent's side lacks: void, or never run.
    pub incumbent_void: u32,
    /// Cells that the candidate's side lacks.
    pub candidate_void: u32,
}

impl Counts {
    /// Pairs the first `cells` attempts of both sides, in order.
    pub fn paired(
        incumbent: impl IntoIterator<Item = Cell>,
        candidate: impl IntoIterator<Item = Cell>,
        cells: usize,
    ) -> Self {
        let padded = |side: &mut dyn Iterator<Item = Cell>| side.next().unwrap_or(Cell::Void);
        let (mut incumbent, mut candidate) = (incumbent.into_iter(), candidate.into_iter());
        let mut counts = Self::default();
        for _ in 0..cells {
            counts.add_pair(padded(&mut incumbent), padded(&mut candidate));
        }
        counts
    }

    fn add_pair(&mut self, incumbent: Cell, candidate: Cell) {
        self.cells += 1;
        self.incumbent_void += u32::from(!incumbent.is_scored());
        self.candidate_void += u32::from(!candidate.is_scored());
        if incumbent.is_scored() && candidate.is_scored() {
            self.scored += 1;
            self.incumbent += u32::from(incumbent == Cell::Passed);
            self.candidate += u32::from(candidate == Cell::Passed);
        }
    }

    /// Passes of the candidate minus passes of the incumbent.
    pub fn change(&self) -> i64 {
        i64::from(self.candidate) - i64::from(self.incumbent)
    }

    /// The larger of both sides' shares of void cells; 1 when nothing can be compared.
    pub fn void_share(&self) -> f64 {
        if self.scored == 0 {
            return 1.0;
        }
        f64::from(self.incumbent_void.max(self.candidate_void)) / f64::from(self.cells)
    }

    fn pair(&self) -> Pair {
        let side = |passed: u32, void: u32| Score {
            passed: u64::from(passed),
            scored: u64::from(self.scored),
            void: u64::from(void),
        };
        Pair {
            incumbent: side(self.incumbent, self.incumbent_void),
            candidate: side(self.candidate, self.candidate_void),
        }
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.cells += other.cells;
        self.scored += other.scored;
        self.incumbent += other.incumbent;
        self.candidate += other.candidate;
        self.incumbent_void += other.incumbent_void;
        self.candidate_void += other.candidate_void;
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::default(), |mut total, counts| {
            total += counts;
            total
        })
    }
}

/// One task of a comparison, already paired.
#[derive(Clone, Debug)]
pub(crate) struct PairedTask {
    pub(crate) task: TaskName,
    pub(crate) split: GatingSplit,
    pub(crate) counts: Counts,
}

/// The sum over the tasks of one split.
pub(crate) fn total(tasks: &[PairedTask], split: GatingSplit) -> Counts {
    tasks.iter().filter(|paired| paired.split == split).map(|paired| paired.counts).sum()
}

/// The record of a comparison; the trials behind it are for whoever bought them to fill in.
pub(crate) fn comparison(tasks: &[PairedTask]) -> Comparison {
    let moved = |wanted: fn(i64) -> bool| {
        let moved = tasks.iter().filter(|paired| wanted(paired.counts.change()));
        moved.map(|paired| paired.task.clone()).collect()
    };
    Comparison {
        held_in: total(tasks, GatingSplit::HeldIn).pair(),
        held_out: total(tasks, GatingSplit::HeldOut).pair(),
        trials: Vec::new(),
        mended: moved(|change| change > 0),
        broken: moved(|change| change < 0),
    }
}
