//! What a gate has before it: a round's candidates together, and what the run has decided so far.

use harness_core::{Decision, RunHistory, TaskName};
use serde::{Deserialize, Serialize};

use crate::evidence::{Cell, Evidence, GatingSplit};
use crate::gate::Arm;
use crate::past::Past;

/// The candidates that are heard together. They race for one pool of incumbent attempts: what is bought beside one of
/// them is evidence for all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Docket {
    /// The candidates, in the order of the proposals.
    pub hearings: Vec<Hearing>,
    /// Every decision of the run before this docket, oldest first: what a prior is learnt from and what a ledger has
    /// spent. A composition's docket holds the single edits of its own round too.
    pub past: Past,
}

/// One candidate before the gate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hearing {
    /// The outcomes. The incumbent's are the same in all hearings of a docket.
    pub evidence: Evidence,
    /// The decisions that accepted its parts, when it is a composition; empty for a single edit.
    pub parts: Vec<Decision>,
    /// How it ended, once it has.
    pub decision: Option<Decision>,
}

/// A decision of the same run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PastDecision {
    /// The round that made it.
    pub round: u32,
    /// What was decided, with what was found.
    pub decision: Decision,
}

impl PastDecision {
    /// All of a run's earlier rounds: single edits and, where there were several, their composition.
    pub fn all(history: &RunHistory) -> Vec<Self> {
        let mut past = Vec::new();
        for report in history.rounds() {
            let round = report.round;
            let mut push = |decision: &Decision| {
                past.push(Self { round, decision: decision.clone() });
            };
            report.judged.iter().for_each(|judged| push(&judged.decision));
            // The composition of one edit is that edit.
            if report.promoted.len() > 1 {
                report.composition.iter().for_each(push);
            }
        }
        past
    }
}

impl Docket {
    /// A single edit alone, in a run's first round.
    pub fn of(evidence: Evidence) -> Self {
        Self { hearings: vec![Hearing::of(evidence)], past: Past::default() }
    }

    /// The candidates that are not decided.
    pub fn open(&self) -> impl Iterator<Item = (usize, &Hearing)> {
        self.hearings.iter().enumerate().filter(|(_, hearing)| hearing.decision.is_none())
    }

    /// Adds an attempt: the candidate's to its own evidence, the incumbent's to everybody's. `fired` is whether the edited
    /// surface acted, where that is known; it says nothing of an incumbent.
    pub fn add(
        &mut self,
        arm: Arm,
        split: GatingSplit,
        task: &TaskName,
        cell: Cell,
        fired: Option<bool>,
    ) {
        for (index, hearing) in self.hearings.iter_mut().enumerate() {
            if arm.is_of(index) {
                let cells = hearing.evidence.split_mut(split);
                let Some(cells) = cells.iter_mut().find(|cells| cells.task == *task) else {
                    continue;
                };
                match arm {
                    Arm::Incumbent => cells.beside.push(cell),
                    Arm::Candidate(_) => {
                        cells.candidate.push(cell);
                        cells.idle += u32::from(fired == Some(false));
                    }
                }
            }
        }
    }
}

impl Hearing {
    /// A single edit with these outcomes.
    pub fn of(evidence: Evidence) -> Self {
        Self { evidence, parts: Vec::new(), decision: None }
    }
}
