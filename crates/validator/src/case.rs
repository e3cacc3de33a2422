//! One candidate before a gate: the only place where evidence is bought.

use std::collections::BTreeSet;
use std::sync::Arc;

use harness_core::{
    Arena, Decision, Error, ErrorKind, Harness, HeldIn, HeldOut, Result, Task, TaskName,
};

use crate::attempts::Attempts;
use crate::baseline::Baseline;
use crate::evidence::{Evidence, GatingSplit, TaskCells};
use crate::gate::{Arm, Gate, Purchase, Step};

/// A candidate with its trials so far.
#[derive(Debug)]
pub(crate) struct Case<'a, H> {
    harness: &'a H,
    target: BTreeSet<TaskName>,
    trials: Attempts,
}

impl<'a, H: Harness> Case<'a, H> {
    pub(crate) fn new(harness: &'a H, target: BTreeSet<TaskName>) -> Self {
        Self { harness, target, trials: Attempts::default() }
    }

    /// Buys what the gate asks for until it decides.
    ///
    /// # Errors
    /// Those of the arena; [`ErrorKind::Contract`] for a gate that asks for what it has.
    pub(crate) async fn hear(
        mut self,
        gate: &dyn Gate,
        baseline: &mut Baseline<'_, H>,
        arena: &Arena<H>,
    ) -> Result<Decision> {
        loop {
            match gate.step(&self.evidence(baseline, arena)) {
                Step::Decide(decision) => return self.with_trials(decision, baseline),
                Step::Buy(purchases) => self.buy(purchases, baseline, arena).await?,
            }
        }
    }

    async fn buy(
        &mut self,
        purchases: Vec<Purchase>,
        baseline: &mut Baseline<'_, H>,
        arena: &Arena<H>,
    ) -> Result<()> {
        let mut bought = 0;
        for Purchase { arm, split, tasks, upto } in purchases {
            bought += match arm {
                Arm::Candidate => {
                    self.trials.bring(self.harness, arena, split, &tasks, upto).await?
                }
                Arm::Incumbent => {
                    baseline.beside.bring(baseline.harness, arena, split, &tasks, upto).await?
                }
            };
        }
        if bought == 0 {
            let message = "the gate asks for attempts that it has: it would never decide";
            return Err(Error::new(ErrorKind::Contract, message));
        }
        Ok(())
    }

    fn evidence(&self, baseline: &Baseline<'_, H>, arena: &Arena<H>) -> Evidence {
        let cells = |split, tasks: &[Arc<Task>]| -> Vec<TaskCells> {
            let of = |task: &Arc<Task>| TaskCells {
                task: task.name.clone(),
                assessed: baseline.assessed.cells(split, &task.name),
                beside: baseline.beside.cells(split, &task.name),
                candidate: self.trials.cells(split, &task.name),
            };
            tasks.iter().map(of).collect()
        };
        Evidence {
            attempts: arena.attempts(),
            target: self.target.clone(),
            held_in: cells(GatingSplit::HeldIn, arena.tasks::<HeldIn>()),
            held_out: cells(GatingSplit::HeldOut, arena.tasks::<HeldOut>()),
        }
    }

    fn with_trials(&self, mut decision: Decision, baseline: &Baseline<'_, H>) -> Result<Decision> {
        if let Some(evidence) = &mut decision.evidence {
            evidence.trials = baseline.assessed.ids()?;
            evidence.trials.extend(baseline.beside.ids()?);
            evidence.trials.extend(self.trials.ids()?);
        }
        Ok(decision)
    }
}
