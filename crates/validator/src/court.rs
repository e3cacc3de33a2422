//! Candidates before a gate: the only place where evidence is bought.

use std::collections::BTreeSet;
use std::sync::Arc;

use harness_core::{
    Arena, Decision, Error, ErrorKind, Gating, Harness, HeldIn, HeldOut, Prior, Result, Score,
    Share, Task, TaskName, Trial, Verdict,
};

use crate::activation::Activation;
use crate::attempts::Attempts;
use crate::baseline::Baseline;
use crate::bounded;
use crate::constraint::{Compliance, Constraints};
use crate::docket::{Docket, Hearing, PastDecision};
use crate::evidence::{Cell, Evidence, GatingSplit, Tally, TaskCells};
use crate::gate::{Arm, Gate, Purchase, Step};

/// A candidate with its trials so far.
#[derive(Debug)]
pub(crate) struct Case<'a, H> {
    harness: &'a H,
    target: BTreeSet<TaskName>,
    parts: Vec<Decision>,
    activation: Activation,
    trials: Attempts,
}

impl<'a, H: Harness> Case<'a, H> {
    /// A candidate; `parts` are the decisions that accepted its edits one by one, when it is a composition.
    pub(crate) fn new(
        incumbent: &H,
        harness: &'a H,
        target: BTreeSet<TaskName>,
        parts: Vec<Decision>,
    ) -> Self {
        let activation = Activation::between(incumbent, harness);
        Self { harness, target, parts, activation, trials: Attempts::default() }
    }
}

/// The candidates that race before a gate for one pool of incumbent trials.
#[derive(Debug)]
pub(crate) struct Court<'c, 'i, H: Harness> {
    cases: Vec<Case<'c, H>>,
    baseline: &'c mut Baseline<'i, H>,
    arena: &'c Arena<H>,
    docket: Docket,
    constraints: Constraints,
    /// What the gate expected before it was shown a trial.
    prior: Option<Arc<Prior>>,
}

impl<'c, 'i, H: Harness> Court<'c, 'i, H> {
    /// Opens a docket. `past` are the run's decisions before it.
    pub(crate) fn open(
        cases: Vec<Case<'c, H>>,
        past: Vec<PastDecision>,
        baseline: &'c mut Baseline<'i, H>,
        arena: &'c Arena<H>,
    ) -> Self {
        let hearing = |case: &Case<'c, H>| Hearing {
            evidence: evidence(case, baseline, arena),
            parts: case.parts.clone(),
            decision: None,
        };
        let hearings = cases.iter().map(hearing).collect();
        let constraints = Constraints::default();
        let docket = Docket { hearings, past: past.into() };
        Self { cases, baseline, arena, docket, constraints, prior: None }
    }

    /// The same, where a promotion must keep these too.
    pub(crate) fn under(mut self, constraints: Constraints) -> Self {
        self.constraints = constraints;
        self
    }

    /// Buys what the gate asks for until it has decided on every case; the decisions come in the order of the cases.
    ///
    /// # Errors
    /// Those of the arena; [`ErrorKind::Contract`] for a gate that asks for what it has, or decides what is decided.
    pub(crate) async fn hear(mut self, gate: &dyn Gate) -> Result<Vec<Decision>> {
        self.prior = gate.prior(&self.docket).map(Arc::new);
        while self.docket.open().next().is_some() {
            match gate.step(&self.docket) {
                Step::Buy(purchases) => self.buy(&purchases).await?,
                Step::Decide { candidate, decision } => self.decide(candidate, decision)?,
            }
        }
        Ok(self.docket.hearings.into_iter().filter_map(|hearing| hearing.decision).collect())
    }

    fn decide(&mut self, candidate: usize, mut decision: Decision) -> Result<()> {
        if let Some(finding) = &mut decision.finding {
            finding.prior = self.prior.clone();
        }
        let decision = self.bounded(candidate, decision);
        let decision = self.constrained(candidate, decision);
        let decision = self.with_trials(candidate, decision)?;
        match self.docket.hearings.get_mut(candidate) {
            Some(hearing) if hearing.decision.is_none() => {
                hearing.decision = Some(decision);
                Ok(())
            }
            _ => {
                let message =
                    format!("the gate decides on candidate {candidate}, which is not open");
                Err(Error::new(ErrorKind::Contract, message))
            }
        }
    }

    async fn buy(&mut self, purchases: &[Purchase]) -> Result<()> {
        let bought = self.buy_on::<HeldIn>(GatingSplit::HeldIn, purchases).await?
            + self.buy_on::<HeldOut>(GatingSplit::HeldOut, purchases).await?;
        if bought == 0 {
            let message = "the gate asks for attempts that it has: it would never decide";
            return Err(Error::new(ErrorKind::Contract, message));
        }
        Ok(())
    }

    /// All arms' purchases on one split as one interleaved block.
    async fn buy_on<S: Gating>(
        &mut self,
        split: GatingSplit,
        purchases: &[Purchase],
    ) -> Result<usize> {
        let mut arms = Vec::new();
        let mut shares = Vec::new();
        for purchase in purchases.iter().filter(|purchase| purchase.split == split) {
            let (harness, trials) = self.side(purchase.arm)?;
            for (has, tasks) in
                trials.short(split, self.arena.tasks::<S>(), &purchase.tasks, purchase.upto)?
            {
                arms.push(purchase.arm);
                shares.push(Share { harness, tasks, attempts: has..purchase.upto });
            }
        }
        if shares.is_empty() {
            return Ok(0);
        }
        let blocks = self.arena.block::<S>(&shares).await?;
        let mut bought = 0;
        for (arm, trials) in arms.into_iter().zip(blocks) {
            bought += trials.len();
            trials.iter().for_each(|trial| self.take(arm, split, trial));
        }
        Ok(bought)
    }

    /// Whose harness, and what it has.
    fn side(&self, arm: Arm) -> Result<(&H, &Attempts)> {
        match arm {
            Arm::Incumbent => Ok((self.baseline.harness, &self.baseline.beside)),
            Arm::Candidate(index) => match self.cases.get(index) {
                Some(case) => Ok((case.harness, &case.trials)),
                None => {
                    let message = format!("the gate buys for candidate {index}, who is not there");
                    Err(Error::new(ErrorKind::Contract, message))
                }
            },
        }
    }

    fn take(&mut self, arm: Arm, split: GatingSplit, trial: &Arc<Trial>) {
        let fired = match arm {
            Arm::Incumbent => None,
            Arm::Candidate(index) => self.fired(&self.cases[index].activation, split, trial),
        };
        let trials = match arm {
            Arm::Incumbent => &mut self.baseline.beside,
            Arm::Candidate(index) => &mut self.cases[index].trials,
        };
        trials.take(split, std::iter::once(trial));
        self.docket.add(arm, split, &trial.key.task, Cell::of(trial), fired);
    }

    /// Whether an edit acted in a candidate's trial. One that takes away what acted in the incumbent's trials acts by that.
    fn fired(&self, activation: &Activation, split: GatingSplit, trial: &Trial) -> Option<bool> {
        let fired = activation.in_trial(trial)?;
        let task = &trial.key.task;
        let before =
            self.baseline.assessed.of(split, task).chain(self.baseline.beside.of(split, task));
        Some(fired || before.filter_map(|trial| activation.in_trial(trial)).any(|acted| acted))
    }

    /// A promotion whose gain the void attempts could undo is left open.
    fn bounded(&self, candidate: usize, mut decision: Decision) -> Decision {
        let hearing = self.docket.hearings.get(candidate);
        let Some(hearing) = hearing.filter(|_| decision.verdict == Verdict::Promote) else {
            return decision;
        };
        if bounded::adverse_change(&hearing.evidence).is_some_and(|change| change <= 0.0) {
            decision.verdict = Verdict::Inconclusive;
            decision.reason = format!(
                "attempts that could not be scored decide: read against the candidate, nothing is gained; otherwise: {}",
                decision.reason
            );
        }
        decision
    }

    /// A promotion that breaks a constraint is a rejection; one that may break it is left open.
    fn constrained(&self, candidate: usize, mut decision: Decision) -> Decision {
        let case = self.cases.get(candidate).filter(|_| decision.verdict == Verdict::Promote);
        let Some(case) = case.filter(|_| !self.constraints.is_empty()) else { return decision };
        let baseline = match self.baseline.beside.is_empty() {
            // A gate that buys nothing beside the candidates compares with the assessment.
            true => &self.baseline.assessed,
            false => &self.baseline.beside,
        };
        if let Some((name, compliance)) = self.constraints.breach(&baseline.beside(&case.trials)) {
            let (verdict, why) = match compliance {
                Compliance::Open { why } => {
                    (Verdict::Inconclusive, format!("is not settled ({why})"))
                }
                _ => (Verdict::Reject, "is broken".to_owned()),
            };
            decision.verdict = verdict;
            decision.reason =
                format!("the constraint on {name} {why}; otherwise: {}", decision.reason);
        }
        decision
    }

    fn with_trials(&self, candidate: usize, mut decision: Decision) -> Result<Decision> {
        if let (Some(evidence), Some(case)) = (&mut decision.evidence, self.cases.get(candidate)) {
            evidence.trials = self.baseline.assessed.ids()?;
            evidence.trials.extend(self.baseline.beside.ids()?);
            evidence.trials.extend(case.trials.ids()?);
        }
        Ok(decision)
    }
}

fn evidence<H: Harness>(
    case: &Case<'_, H>,
    baseline: &Baseline<'_, H>,
    arena: &Arena<H>,
) -> Evidence {
    let cells = |split, tasks: &[Arc<Task>]| -> Vec<TaskCells> {
        let of = |task: &Arc<Task>| TaskCells {
            earlier: tally(baseline.record(&task.name).own),
            untouched: tally(baseline.record(&task.name).untouched),
            ancestors: tally(baseline.record(&task.name).older),
            assessed: baseline.assessed.cells(split, &task.name),
            beside: baseline.beside.cells(split, &task.name),
            ..TaskCells::new(task.name.clone())
        };
        tasks.iter().map(of).collect()
    };
    Evidence {
        attempts: arena.attempts(),
        target: case.target.clone(),
        held_in: cells(GatingSplit::HeldIn, arena.tasks::<HeldIn>()),
        held_out: cells(GatingSplit::HeldOut, arena.tasks::<HeldOut>()),
    }
}

fn tally(score: Score) -> Tally {
    let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    Tally { passed: count(score.passed), scored: count(score.scored) }
}
