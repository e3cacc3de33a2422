//! Rounds of evolution under a rule, with their price and their true gain.

use std::collections::{BTreeMap, BTreeSet};

use harness_core::{Decision, TaskName, Verdict};
use harness_validator::{
    Cell, Composing, Docket, Evidence, ForwardSelection, Gate, GatingSplit, Hearing, PastDecision,
    Tally, TaskCells,
};
use rand::{Rng, RngExt};

use crate::hearing::{attempt, hear};
use crate::world::{Edits, Harness, Task, World};

/// What becomes of accepted edits, and of the incumbent's trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loop {
    /// The incumbent is measured every round; the accepted edit with the largest gain is applied.
    Best,
    /// The trials that accepted an edit are the next baseline; all accepted are merged, and the merge is gated once more.
    Published,
    /// As `RegressionValidator` does it: forward selection, each step gated on fresh trials.
    Composed,
}

/// One simulated run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    /// After each round: trials so far, and true gain on unseen tasks in points.
    pub(crate) rounds: Vec<(usize, f64)>,
    /// By round: edits promoted, and of these such as cost half a point or more on unseen tasks.
    pub(crate) promoted: Vec<(usize, usize)>,
}

impl Run {
    /// The gain that a budget of trials reaches: that of the last round which it pays to the end.
    pub(crate) fn gain_at(&self, trials: usize) -> f64 {
        let paid = self.rounds.iter().rev().find(|(spent, _)| *spent <= trials);
        paid.map_or(0.0, |(_, gain)| *gain)
    }
}

/// The state between rounds.
struct Evolution<'a> {
    world: &'a World,
    tasks: Vec<Task>,
    names: Vec<(GatingSplit, TaskName)>,
    incumbent: Harness,
    /// This incumbent's attempts in earlier rounds, and earlier incumbents', by task: what
    /// [`TaskRecord`](harness_core::TaskRecord) is to the engine.
    earlier: Vec<Tally>,
    untouched: Vec<Tally>,
    ancestors: Vec<Tally>,
    /// The baseline that the published loop keeps.
    kept: Option<Vec<Vec<Cell>>>,
    past: Vec<PastDecision>,
    trials: usize,
}

/// Runs rounds until `rounds` are done and `trials` are spent.
pub(crate) fn evolve(
    gate: &dyn Gate,
    which: Loop,
    world: &World,
    trials: usize,
    rng: &mut impl Rng,
) -> Run {
    let tasks = world.tasks(rng);
    let on = |split, prefix: &str, count: usize| -> Vec<_> {
        (0..count).map(|index| (split, TaskName::new(format!("{prefix}{index}")))).collect()
    };
    let mut names = on(GatingSplit::HeldIn, "in", world.held_in);
    names.extend(on(GatingSplit::HeldOut, "out", world.held_out));
    let none = vec![Tally::default(); names.len()];
    let mut evolution = Evolution {
        world,
        incumbent: Harness::seed(&tasks),
        tasks,
        names,
        earlier: none.clone(),
        untouched: none.clone(),
        ancestors: none,
        kept: None,
        past: Vec::new(),
        trials: 0,
    };
    let seed = evolution.incumbent.unseen(world);
    let mut run = Run::default();
    // A loop that spends next to nothing a round must end too.
    while run.rounds.len() < world.rounds || (evolution.trials < trials && run.rounds.len() < 200) {
        let promoted = evolution.round(gate, which, rng);
        run.rounds.push((evolution.trials, evolution.incumbent.unseen(world) - seed));
        run.promoted.push(promoted);
    }
    run
}

impl Evolution<'_> {
    fn round(&mut self, gate: &dyn Gate, which: Loop, rng: &mut impl Rng) -> (usize, usize) {
        let assessed = self.assess(gate, which, rng);
        let aims = self.mine(&assessed, rng);
        let mut edits = Vec::new();
        let mut docket = Docket { hearings: Vec::new(), past: self.past.clone().into() };
        for (signature, target) in &aims {
            edits.push(self.world.edit(&self.tasks, *signature, rng));
            docket.hearings.push(Hearing::of(self.evidence(&assessed, target.clone())));
        }
        let candidates: Vec<Harness> =
            edits.iter().map(|edit| self.incumbent.with(edit, self.world)).collect();
        let (decisions, trials) =
            hear(gate, &mut docket, &self.incumbent, &candidates, self.world, rng);
        self.trials += trials;
        self.remember(&decisions);
        let accepted = by_gain(&decisions);
        let targets: Vec<_> = aims.into_iter().map(|(_, target)| target).collect();
        let parts = Parts {
            decisions: &decisions,
            edits: &edits,
            candidates: &candidates,
            targets: &targets,
            docket: &docket,
        };
        let (kept, harness) = match which {
            Loop::Best => match accepted.first() {
                Some(first) => (vec![*first], candidates[*first].clone()),
                None => (Vec::new(), self.incumbent.clone()),
            },
            Loop::Published => self.merge(gate, &accepted, &parts, &assessed, rng),
            Loop::Composed => self.compose(gate, &accepted, &parts, &assessed, rng),
        };
        let harm = |member: &&usize| {
            candidates[**member].unseen(self.world) - self.incumbent.unseen(self.world) <= -0.5
        };
        let harmful = kept.iter().filter(harm).count();
        let aims: Vec<_> = kept.iter().map(|member| &targets[*member]).collect();
        self.account(&assessed, &docket, &aims);
        self.incumbent = harness;
        (kept.len(), harmful)
    }

    /// The incumbent's attempts of the round, by task.
    fn assess(&mut self, gate: &dyn Gate, which: Loop, rng: &mut impl Rng) -> Vec<Vec<Cell>> {
        if which == Loop::Published
            && let Some(kept) = self.kept.take()
        {
            return kept;
        }
        let most = self.world.attempts;
        let least = gate.reassessment(most).clamp(1, most);
        let known =
            |task: usize| 2 * self.earlier[task].scored + self.untouched[task].scored >= 2 * most;
        let draw = |task| {
            let attempts = if known(task) { least } else { most };
            (0..attempts).map(|_| attempt(&self.incumbent, task, rng)).collect()
        };
        let assessed: Vec<Vec<Cell>> = (0..self.names.len()).map(draw).collect();
        self.trials += assessed.iter().map(Vec::len).sum::<usize>();
        assessed
    }

    /// The weaknesses to aim at, those with most tasks first, with the tasks that are taken to show them.
    fn mine(
        &self,
        assessed: &[Vec<Cell>],
        rng: &mut impl Rng,
    ) -> Vec<(Option<usize>, BTreeSet<TaskName>)> {
        let Edits::Targeted { signatures, misread, .. } = self.world.edits else {
            return vec![(None, BTreeSet::new()); self.world.width];
        };
        let mut seen: BTreeMap<usize, BTreeSet<TaskName>> = BTreeMap::new();
        let mut mined: BTreeMap<usize, usize> = BTreeMap::new();
        for (task, cells) in assessed.iter().enumerate() {
            let failed = cells.contains(&Cell::Failed);
            let wrong = rng.random::<f64>() < misread;
            let read = if wrong {
                Some(rng.random_range(0..signatures))
            } else {
                self.tasks[task].signature
            };
            if let (true, Some(signature)) = (failed, read) {
                seen.entry(signature).or_default().insert(self.names[task].1.clone());
                *mined.entry(signature).or_default() += usize::from(task < self.world.held_in);
            }
        }
        let mut order: Vec<usize> = mined
            .iter()
            .filter(|(_, support)| **support > 0)
            .map(|(signature, _)| *signature)
            .collect();
        order.sort_by_key(|signature| std::cmp::Reverse(mined[signature]));
        let aims =
            order.into_iter().cycle().take(if mined.is_empty() { 0 } else { self.world.width });
        aims.map(|signature| (Some(signature), seen.remove(&signature).unwrap_or_default()))
            .filter(|(_, target)| !target.is_empty())
            .collect()
    }

    fn evidence(&self, assessed: &[Vec<Cell>], target: BTreeSet<TaskName>) -> Evidence {
        let mut evidence =
            Evidence { attempts: self.world.attempts, target, ..Evidence::default() };
        for (index, (split, name)) in self.names.iter().enumerate() {
            evidence.split_mut(*split).push(TaskCells {
                earlier: self.earlier[index],
                untouched: self.untouched[index],
                ancestors: self.ancestors[index],
                assessed: assessed[index].clone(),
                ..TaskCells::new(name.clone())
            });
        }
        evidence
    }

    /// What the incumbent's history gains by a round; promoted edits, aimed at these tasks, make it that of an ancestor.
    fn account(&mut self, assessed: &[Vec<Cell>], docket: &Docket, aims: &[&BTreeSet<TaskName>]) {
        for (index, (split, name)) in self.names.iter().enumerate() {
            let beside = docket.hearings.first().and_then(|hearing| {
                hearing.evidence.split(*split).iter().find(|cells| cells.task == *name)
            });
            let beside = beside.map(|cells| Tally::of(cells.beside.iter().copied()));
            let round = Tally::of(assessed[index].iter().copied()) + beside.unwrap_or_default();
            self.earlier[index] = self.earlier[index] + round;
            if aims.is_empty() {
                continue;
            }
            let own = std::mem::take(&mut self.earlier[index]);
            if aims.iter().any(|aim| aim.contains(name)) {
                self.untouched[index] = Tally::default();
                self.ancestors[index] = Tally::default();
            } else if aims.iter().any(|aim| aim.is_empty()) {
                let untouched = std::mem::take(&mut self.untouched[index]);
                self.ancestors[index] = self.ancestors[index] + untouched + own;
            } else {
                self.untouched[index] = self.untouched[index] + own;
            }
        }
    }

    fn remember(&mut self, decisions: &[Decision]) {
        let round = u32::try_from(self.past.len()).unwrap_or(u32::MAX);
        let past =
            decisions.iter().map(|decision| PastDecision { round, decision: decision.clone() });
        self.past.extend(past);
    }

    /// Forward selection over real gates, as the validator does it.
    fn compose(
        &mut self,
        gate: &dyn Gate,
        accepted: &[usize],
        parts: &Parts<'_>,
        assessed: &[Vec<Cell>],
        rng: &mut impl Rng,
    ) -> (Vec<usize>, Harness) {
        if accepted.is_empty() {
            return (Vec::new(), self.incumbent.clone());
        }
        let mut selection = ForwardSelection::new(accepted.len());
        loop {
            match selection.next() {
                Composing::Keep(kept) => {
                    let kept: Vec<usize> =
                        kept.into_iter().map(|member| accepted[member]).collect();
                    return (kept.clone(), self.together(&kept, parts));
                }
                Composing::Try(members) => {
                    let members: Vec<usize> =
                        members.into_iter().map(|member| accepted[member]).collect();
                    let passed = self.gate_together(gate, &members, parts, assessed, rng);
                    selection.learn(passed);
                }
            }
        }
    }

    /// All or nothing, and the evidence that passed the merge is the next baseline.
    fn merge(
        &mut self,
        gate: &dyn Gate,
        accepted: &[usize],
        parts: &Parts<'_>,
        assessed: &[Vec<Cell>],
        rng: &mut impl Rng,
    ) -> (Vec<usize>, Harness) {
        self.kept = Some(assessed.to_vec());
        match accepted {
            [] => (Vec::new(), self.incumbent.clone()),
            [only] => {
                self.kept = Some(candidate_cells(&parts.docket.hearings[*only].evidence));
                (vec![*only], parts.candidates[*only].clone())
            }
            several => {
                if self.gate_together(gate, several, parts, assessed, rng) {
                    (several.to_vec(), self.together(several, parts))
                } else {
                    (Vec::new(), self.incumbent.clone())
                }
            }
        }
    }

    fn gate_together(
        &mut self,
        gate: &dyn Gate,
        members: &[usize],
        parts: &Parts<'_>,
        assessed: &[Vec<Cell>],
        rng: &mut impl Rng,
    ) -> bool {
        let target = members.iter().flat_map(|member| parts.targets[*member].iter().cloned());
        let hearing = Hearing {
            evidence: self.evidence(assessed, target.collect()),
            parts: members.iter().map(|member| parts.decisions[*member].clone()).collect(),
            decision: None,
        };
        let mut docket = Docket { hearings: vec![hearing], past: self.past.clone().into() };
        let harness = self.together(members, parts);
        let (decisions, trials) =
            hear(gate, &mut docket, &self.incumbent, &[harness], self.world, rng);
        self.trials += trials;
        let passed = decisions.iter().all(|decision| decision.verdict == Verdict::Promote);
        if passed && self.kept.is_some() {
            self.kept = Some(candidate_cells(&docket.hearings[0].evidence));
        }
        self.remember(&decisions);
        passed
    }

    fn together(&self, members: &[usize], parts: &Parts<'_>) -> Harness {
        let with =
            |harness: Harness, member: &usize| harness.with(&parts.edits[*member], self.world);
        members.iter().fold(self.incumbent.clone(), with)
    }
}

/// A round's candidates.
struct Parts<'a> {
    decisions: &'a [Decision],
    edits: &'a [crate::world::Edit],
    candidates: &'a [Harness],
    targets: &'a [BTreeSet<TaskName>],
    docket: &'a Docket,
}

fn candidate_cells(evidence: &Evidence) -> Vec<Vec<Cell>> {
    let splits = GatingSplit::BOTH.into_iter().flat_map(|split| evidence.split(split));
    splits.map(|task| task.candidate.clone()).collect()
}

/// The accepted candidates, largest gain per attempt first.
#[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^52")]
fn by_gain(decisions: &[Decision]) -> Vec<usize> {
    let gain = |index: &usize| {
        decisions[*index].evidence.as_ref().map_or(0.0, |evidence| {
            let scored = evidence.held_in.candidate.scored + evidence.held_out.candidate.scored;
            (evidence.held_in.change() + evidence.held_out.change()) as f64 / scored.max(1) as f64
        })
    };
    let mut accepted: Vec<usize> = (0..decisions.len())
        .filter(|index| decisions[*index].verdict == Verdict::Promote)
        .collect();
    accepted.sort_by(|left, right| gain(right).total_cmp(&gain(left)));
    accepted
}
