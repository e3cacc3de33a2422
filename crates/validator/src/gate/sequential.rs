//! A gate that buys evidence where it is worth most, and stops when more is not worth its price.

use harness_core::{Comparison, Decision, Finding, Prior, Verdict};
use serde::{Deserialize, Serialize};

use super::block::{self, Block, Wanted};
use super::loans::Loans;
use super::paper::{before_after, too_void};
use super::posterior::{Observed, Posterior, Stratum, observe};
use super::prior::{Learnt, SpikeAndSlab, single_edits};
use super::rates::{self, Pool};
use super::value::{expected_rise, knowledge_gradient, movement};
use super::veto::Objections;
use super::{Gate, Step, WorstCase};
use crate::docket::{Docket, Hearing};
use crate::evidence::{Cell, Counts, GatingSplit, PairedTask, Tally, TaskCells, comparison, total};

/// Decides from a posterior of each edit's effect, by the value of information.
///
/// # Rule
/// With what the run has taught so far ([`Learnt`]) as the prior:
///
/// 1. *Buy* for every open candidate the block of trials, on its target or elsewhere, that is worth most per trial: by how much
///    the decision between it and the incumbent is expected to improve ([`knowledge_gradient`], and exactly for a spike and a slab), looking
///    one, two, four and eight blocks ahead. The incumbent is attempted beside it, once for all candidates, and what one
///    candidate's attempts tell of the incumbent is lent to the others.
/// 2. *Stop* when no block is worth its [`price`](Self::price). A candidate of negative expectation is rejected, and one
///    aimed at nothing whose expected gain is below its [`upkeep`](Self::upkeep).
/// 3. *Confirm* any other candidate: P(effect ≤ 0) must fall to [`confirm`](Self::confirm); every task that the
///    incumbent rather passes than not is attempted once (the regression look); on each split a loss of more than
///    [`margin`](Self::margin) must be unlikely; and no single task may be credibly broken, tasks that look so being
///    attempted again first.
///
/// # Formula
/// A task's pass rate under the incumbent is Beta, pooled over tasks, from all attempts of the run. On the *target* an
/// edit does nothing or changes the mean rate by a normal amount. Elsewhere it does nothing (if it has a
/// target) or shifts log-odds by β: attempts at flaky tasks tell most of it. `docs/guides/validation.md` derives all of it.
///
/// # What it is not
/// It controls no error rate over a run: it answers which harness one wants for the trials one can pay. Its operating
/// characteristics are those that `examples/operating_characteristics` shows for a stated world, no more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SequentialGate {
    /// Buy while a thousand trials are worth at least so many points (hundredths of the mean pass rate).
    pub price: f64,
    /// The same for an edit that is aimed at nothing: its gain is spread over all tasks, and costs more trials to see.
    pub unaimed_price: f64,
    /// What an edit aimed at nothing must be expected to gain, in points, to be worth having: every edit stays in the prompt
    /// or the code for good, and the next ones are judged beside it.
    pub upkeep: f64,
    /// Promote when P(effect ≤ 0) is at most this.
    pub confirm: f64,
    /// The share of the price that trials must still be worth while a candidate of positive expectation lacks only that
    /// certainty, 0 to 1.
    pub patience: f64,
    /// A loss on a split that is not worth caring about, in pass rate; half a task where the split is so small that half
    /// a task is more, because nothing finer can be resolved there.
    pub margin: f64,
    /// The largest P(effect ≤ −margin) on a split with which a candidate is promoted.
    pub tolerance: f64,
    /// What is expected of edits before the run has taught anything.
    pub start: Learnt,
    /// How many edits that counts for.
    pub start_weight: f64,
    /// Tasks in a block elsewhere than on the target.
    pub block: usize,
    /// Attempts of the incumbent beside each attempt of the candidate that has most at the same task.
    pub beside: f64,
    /// Posterior mean pass rate (uniform prior) from which the incumbent counts as reliable on a task.
    pub reliable: f64,
    /// Probability of a loss from which a reliable task is attempted more often before a promotion.
    pub suspicion: f64,
    /// One minus the probability of a loss that vetoes, shared by all tasks.
    pub veto_level: f64,
    /// The largest share of attempts that may be void on either side of a split.
    pub void_share: f64,
}

impl Default for SequentialGate {
    fn default() -> Self {
        Self {
            price: 2.0,
            unaimed_price: 1.25,
            upkeep: 1.6,
            confirm: 0.2,
            patience: 0.6,
            margin: 0.03,
            tolerance: 0.15,
            start: Learnt {
                target: SpikeAndSlab { share: 0.6, mean: 0.5, sd: 0.3 },
                side_effect: SpikeAndSlab { share: 0.4, mean: -0.7, sd: 0.4 },
                everywhere: SpikeAndSlab { share: 1.0, mean: -0.03, sd: 0.28 },
                optimism: 0.05,
            },
            start_weight: 60.0,
            block: 16,
            beside: 0.5,
            reliable: 0.75,
            suspicion: 0.9,
            veto_level: 0.1,
            void_share: 0.2,
        }
    }
}

impl Gate for SequentialGate {
    fn step(&self, docket: &Docket) -> Step {
        let learnt = self.learnt(docket);
        let mut block = Block::default();
        let loans = Loans::within(docket, &learnt);
        for (candidate, hearing) in docket.open() {
            match View::of(self, hearing, &learnt, &loans[candidate]).next() {
                Next::Decide(decision) => return Step::Decide { candidate, decision: *decision },
                Next::Want(wanted) => block.add(candidate, hearing, wanted),
            }
        }
        Step::Buy(block.purchases())
    }

    fn worst_case(&self, attempts: u32) -> WorstCase {
        let most = most(attempts);
        WorstCase { candidate: most, incumbent: most }
    }

    /// Half, because the run's record is evidence too.
    fn reassessment(&self, attempts: u32) -> u32 {
        attempts.div_ceil(2)
    }

    fn prior(&self, docket: &Docket) -> Option<Prior> {
        // The incumbent's attempts are the same in all hearings.
        let evidence = docket.hearings.first().map(|hearing| &hearing.evidence);
        let pool = evidence.map_or(rates::START, |evidence| Pool::of(evidence).beta());
        Some(Prior {
            start: self.start.expecting(rates::START),
            start_edits: self.start_weight,
            start_tasks: rates::START_TASKS,
            learnt: self.learnt(docket).expecting(pool),
            edits: u32::try_from(single_edits(&docket.past).count()).unwrap_or(u32::MAX),
            tasks: evidence.map(rates::expected).unwrap_or_default(),
        })
    }
}

/// Attempts at one task at most.
pub(super) fn most(attempts: u32) -> u32 {
    attempts.saturating_mul(3).max(1)
}

impl SequentialGate {
    /// What it expects of the docket's edits, before any trial of them.
    pub fn learnt(&self, docket: &Docket) -> Learnt {
        docket.past.learnt(&self.start, self.start_weight)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of tasks are far below 2^52")]
    fn margin_on(&self, tasks: &[TaskCells]) -> f64 {
        self.margin.max(0.5 / tasks.len().max(1) as f64)
    }
}

enum Next {
    Decide(Box<Decision>),
    Want(Vec<Wanted>),
}

/// One hearing as the gate sees it at one step.
struct View<'a> {
    gate: &'a SequentialGate,
    learnt: &'a Learnt,
    hearing: &'a Hearing,
    tasks: Vec<Observed<'a>>,
    posterior: Posterior,
    most: u32,
}

/// How many blocks ahead a purchase is valued: one batch alone can never overturn a gloomy prior.
const LOOK_AHEAD: [u32; 4] = [1, 2, 4, 8];

impl<'a> View<'a> {
    fn of(
        gate: &'a SequentialGate,
        hearing: &'a Hearing,
        learnt: &'a Learnt,
        loans: &Loans,
    ) -> Self {
        let tasks = observe(&hearing.evidence, loans);
        let posterior = Posterior::of(&tasks, learnt, hearing);
        Self { gate, learnt, hearing, tasks, posterior, most: most(hearing.evidence.attempts) }
    }

    fn next(&self) -> Next {
        if let Some(why) = self.void(FEW) {
            return self.decide(Verdict::Inconclusive, &why);
        }
        let objections = Objections::of(self.gate, &self.hearing.evidence, self.most);
        if let Some((task, loss)) = objections.broken.first() {
            return self
                .decide(Verdict::Reject, &format!("it breaks '{task}', P(loss) = {loss:.3}"));
        }
        if let Some(block) = self.worth_buying() {
            return Next::Want(block);
        }
        if self.net() <= 0.0 {
            return self.decide(Verdict::Reject, self.why_not());
        }
        match self.before_promotion(&objections) {
            Ok(()) => self.decide(Verdict::Promote, "it helps and breaks nothing"),
            Err(Missing::Trials(wanted)) => Next::Want(wanted),
            Err(Missing::Answer(verdict, why)) => self.decide(verdict, &why),
        }
    }

    /// The block with the largest value per trial, if that reaches the price. The first is bought whatever it is worth: nothing
    /// is rejected unseen.
    fn worth_buying(&self) -> Option<Vec<Wanted>> {
        let target = self.target_block();
        let elsewhere = self.block_elsewhere();
        let values = [self.value_on_target(&target), self.value_elsewhere(&elsewhere)];
        let (best, block) =
            if values[0] >= values[1] { (values[0], target) } else { (values[1], elsewhere) };
        let unseen = self.tasks.iter().all(|task| task.task.candidate.is_empty());
        let worth = best > 0.0 && best >= self.price();
        ((worth || unseen) && !block.is_empty()).then(|| self.wanted(&block))
    }

    fn price(&self) -> f64 {
        if self.is_aimed() { self.gate.price } else { self.gate.unaimed_price }
    }

    /// The expected gain, less what the edit must gain to be worth having.
    fn net(&self) -> f64 {
        let upkeep = if self.is_aimed() { 0.0 } else { self.gate.upkeep / 100.0 };
        self.posterior.mean() - upkeep
    }

    fn target_block(&self) -> Vec<&Observed<'a>> {
        self.tasks.iter().filter(|task| task.targeted && self.has_room(task)).collect()
    }

    /// The tasks that tell most of the change elsewhere.
    fn block_elsewhere(&self) -> Vec<&Observed<'a>> {
        let tell = |task: &Observed<'_>| {
            self.posterior.taken_away(&[(task.rate.flake, task.gained(1))], 1.0)
        };
        let others = self.tasks.iter().filter(|task| !task.targeted && self.has_room(task));
        let mut others: Vec<_> = others.map(|task| (tell(task), task)).collect();
        others.sort_by(|(left, _), (right, _)| right.total_cmp(left));
        others.into_iter().take(self.gate.block).map(|(_, task)| task).collect()
    }

    fn value_on_target(&self, block: &[&Observed<'_>]) -> f64 {
        let stratum = &self.posterior.target;
        self.value(block, |times| {
            let information: f64 = block.iter().map(|task| task.gained(times)).sum();
            let null: f64 = block.iter().map(|task| task.null_gained(times)).sum();
            self.news(stratum, 1.0 / information, 1.0 / null)
        })
    }

    fn value_elsewhere(&self, block: &[&Observed<'_>]) -> f64 {
        let stratum = &self.posterior.elsewhere;
        let gains: Vec<_> = block.iter().map(|task| (task.rate.flake, task.gained(1))).collect();
        self.value(block, |times| {
            let open = stratum.change.variance;
            let taken = self.posterior.taken_away(&gains, f64::from(times));
            let noise = open * open / taken - open;
            self.news(stratum, noise, noise)
        })
    }

    /// What a measurement of this stratum is worth: by how much the better of the two harnesses is expected to rise.
    fn news(&self, stratum: &Stratum, noise: f64, null_noise: f64) -> f64 {
        let mean = self.net();
        if stratum.active < 1.0 {
            let rest = mean - stratum.weight * stratum.mean();
            expected_rise(stratum, rest, noise, null_noise)
        } else {
            knowledge_gradient(mean, stratum.weight * movement(stratum.variance(), noise))
        }
    }

    /// Points per thousand trials, at the best of the look-aheads.
    fn value(&self, block: &[&Observed<'_>], news: impl Fn(u32) -> f64) -> f64 {
        let cost: f64 = block.iter().map(|task| self.cost(task)).sum();
        if cost <= 0.0 {
            return 0.0;
        }
        let value = |times: u32| 1e5 * news(times) / (cost * f64::from(times));
        LOOK_AHEAD.into_iter().map(value).fold(0.0, f64::max)
    }

    /// Trials for one more attempt, the incumbent's beside it included.
    fn cost(&self, task: &Observed<'_>) -> f64 {
        let upto = attempts(&task.task.candidate) + 1;
        let beside = block::beside(self.gate.beside, upto);
        1.0 + f64::from(beside.saturating_sub(attempts(&task.task.beside)))
    }

    fn has_room(&self, task: &Observed<'_>) -> bool {
        attempts(&task.task.candidate) < self.most
    }

    /// What stands between a candidate of positive expectation and its promotion.
    fn before_promotion(&self, objections: &Objections) -> Result<(), Missing> {
        let unsure = self.posterior.at_most(0.0);
        if unsure > self.gate.confirm {
            return Err(self.confirmation(unsure));
        }
        self.regression_look()?;
        for split in GatingSplit::BOTH {
            self.is_not_worse_on(split)?;
        }
        let suspect = self.tasks.iter().filter(|task| {
            objections.suspect.iter().any(|(split, name)| {
                *split == task.split && *name == task.task.task && self.has_room(task)
            })
        });
        let suspect: Vec<_> = suspect.collect();
        if !suspect.is_empty() {
            return Err(Missing::Trials(self.wanted(&suspect)));
        }
        self.complete_pairs()?;
        if !self.counts_show_a_gain() {
            let why = "by the plain counts it passes no more than the incumbent";
            return Err(Missing::Answer(Verdict::Reject, why.to_owned()));
        }
        Ok(())
    }

    /// One more attempt at each task, with the incumbent's share.
    fn wanted(&self, block: &[&Observed<'_>]) -> Vec<Wanted> {
        let one_more = |task: &&Observed<'_>| {
            let upto = attempts(&task.task.candidate) + 1;
            let beside = block::beside(self.gate.beside, upto);
            Wanted { split: task.split, task: task.task.task.clone(), upto, beside }
        };
        block.iter().map(one_more).collect()
    }

    /// The incumbent's attempts that are missing for plain counts where the edit is aimed, as many as of the candidate. An
    /// edit that is aimed at nothing is counted on the pairs there are (to pair all of them costs more than it tells), and
    /// where there is none, on one block of them.
    fn complete_pairs(&self) -> Result<(), Missing> {
        let short = if self.is_aimed() {
            self.unpaired().filter(|task| task.targeted).collect()
        } else if self.tasks.iter().any(|task| is_paired(task)) {
            Vec::new()
        } else {
            self.telling()
        };
        let beside = |task: &Observed<'_>| {
            let upto = attempts(&task.task.candidate);
            Wanted { split: task.split, task: task.task.task.clone(), upto, beside: upto }
        };
        let short: Vec<Wanted> = short.into_iter().map(beside).collect();
        if short.is_empty() { Ok(()) } else { Err(Missing::Trials(short)) }
    }

    fn is_aimed(&self) -> bool {
        self.tasks.iter().any(|task| task.targeted)
    }

    fn unpaired(&self) -> impl Iterator<Item = &Observed<'_>> {
        self.tasks.iter().filter(|task| task.task.beside.len() < task.task.candidate.len())
    }

    /// One block of unpaired tasks: those on which the candidate came out least as the incumbent was expected to.
    fn telling(&self) -> Vec<&Observed<'_>> {
        let surprise = |task: &Observed<'_>| {
            let tally = Tally::of(task.task.candidate.iter().copied());
            (f64::from(tally.passed) - task.rate.mean * f64::from(tally.scored)).abs()
        };
        let mut tasks: Vec<_> = self.unpaired().collect();
        tasks.sort_by(|left, right| surprise(right).total_cmp(&surprise(left)));
        tasks.truncate(self.gate.block);
        tasks
    }

    /// Whether the plain counts show a gain: attempt by attempt where the edit is aimed; if at nothing, where pairs are few, no loss
    /// attempt by attempt, and a gain task by task against all of the incumbent's attempts. No belief may promote what they do not show, nor an edit whose attempts all
    /// came out as those of the incumbent beside them.
    fn counts_show_a_gain(&self) -> bool {
        if self.is_aimed() {
            let targeted = self.tasks.iter().filter(|task| task.targeted);
            return targeted.flat_map(side_by_side).sum::<i64>() > 0;
        }
        let differs = self.tasks.iter().flat_map(side_by_side).any(|change| change != 0);
        let paired: i64 = self.pairs().iter().map(|pair| pair.counts.change()).sum();
        let gained: f64 = self.tasks.iter().filter_map(Observed::counted).sum();
        differs && paired >= 0 && gained > 0.0
    }

    /// The block that moves the belief most, whatever it is worth.
    fn confirmation(&self, unsure: f64) -> Missing {
        let (target, elsewhere) = (self.target_block(), self.block_elsewhere());
        let values = [self.value_on_target(&target), self.value_elsewhere(&elsewhere)];
        let (value, block) =
            if values[0] >= values[1] { (values[0], target) } else { (values[1], elsewhere) };
        if block.is_empty() {
            let why = format!(
                "all attempts are used, and a gain is not certain enough: P(no gain) = {unsure:.2}"
            );
            return Missing::Answer(Verdict::Inconclusive, why);
        }
        if value < self.gate.patience * self.price() {
            let why = format!(
                "a gain is not worth the trials to be sure of it: P(no gain) = {unsure:.2}"
            );
            return Missing::Answer(Verdict::Reject, why);
        }
        Missing::Trials(self.wanted(&block))
    }

    /// Every task that can be lost has been attempted, and each split at all.
    fn regression_look(&self) -> Result<(), Missing> {
        let unseen = |task: &&Observed<'_>| task.task.candidate.is_empty();
        let mut look: Vec<_> =
            self.tasks.iter().filter(|task| task.rate.mean >= 0.5).filter(unseen).collect();
        for split in GatingSplit::BOTH {
            let mut on_split = self.tasks.iter().filter(|task| task.split == split).peekable();
            if on_split.peek().is_some() && on_split.clone().all(|task| unseen(&task)) {
                look.extend(on_split.filter(|task| task.rate.mean < 0.5).take(1));
            }
        }
        if look.is_empty() { Ok(()) } else { Err(Missing::Trials(self.wanted(&look))) }
    }

    /// Non-inferiority, from the split's own attempts.
    fn is_not_worse_on(&self, split: GatingSplit) -> Result<(), Missing> {
        let tasks: Vec<_> = self.tasks.iter().filter(|task| task.split == split).copied().collect();
        let margin = self.gate.margin_on(self.hearing.evidence.split(split));
        let learnt = self.learnt_without(split);
        let worse = Posterior::of(&tasks, &learnt, self.hearing).at_most(-margin);
        if worse <= self.gate.tolerance {
            return Ok(());
        }
        if worse >= 1.0 - self.gate.tolerance {
            let why = format!("{split} drops, P(loss > {margin:.3}) = {worse:.2}");
            return Err(Missing::Answer(Verdict::Reject, why));
        }
        let block = self.tasks.iter().filter(|task| task.split == split && self.has_room(task));
        let mut block: Vec<_> = block.collect();
        block.sort_by(|left, right| right.gained(1).total_cmp(&left.gained(1)));
        block.truncate(self.gate.block);
        if block.is_empty() {
            let points = 100.0 * margin;
            let why = format!(
                "all attempts are used, and a loss of {points:.1} points {split} cannot be ruled out"
            );
            return Err(Missing::Answer(Verdict::Inconclusive, why));
        }
        Err(Missing::Trials(self.wanted(&block)))
    }

    /// What is expected of a split's tasks from the other split's attempts.
    fn learnt_without(&self, split: GatingSplit) -> Learnt {
        let others: Vec<_> =
            self.tasks.iter().filter(|task| task.split != split).copied().collect();
        let shift = Posterior::of(&others, self.learnt, self.hearing).expected_shift();
        Learnt { side_effect: shift, everywhere: shift, ..*self.learnt }
    }

    /// Whether too many of at least so many cells are void.
    fn void(&self, least: u32) -> Option<String> {
        let pairs = self.pairs();
        let [held_in, held_out] = GatingSplit::BOTH.map(|split| total(&pairs, split));
        let attempted = |counts: &Counts| counts.cells >= least;
        let of = |counts: Counts| if attempted(&counts) { counts } else { WELL };
        too_void(of(held_in), of(held_out), self.gate.void_share)
    }

    /// Both sides' attempts at each task in order, as many as both have.
    fn pairs(&self) -> Vec<PairedTask> {
        self.tasks.iter().map(|task| pair(task.task, task.split)).collect()
    }

    fn why_not(&self) -> &'static str {
        let Posterior { target, elsewhere, .. } = &self.posterior;
        let lost = self.posterior.at_most(-1e-9);
        if lost >= 0.8 {
            "it does harm"
        } else if target.weight > 0.0 && target.active < 0.5 {
            "no gain where it was aimed"
        } else if elsewhere.weight > 0.0 && lost > 0.5 {
            "a gain is less likely than a loss"
        } else if self.posterior.mean() > 0.0 {
            "a gain is too small to be worth keeping"
        } else {
            "a gain is not worth the trials to show it"
        }
    }

    fn decide(&self, verdict: Verdict, why: &str) -> Next {
        match self.void(1) {
            Some(void) => self.decided(Verdict::Inconclusive, &void),
            None => self.decided(verdict, why),
        }
    }

    fn decided(&self, verdict: Verdict, why: &str) -> Next {
        let pairs = self.pairs();
        let [held_in, held_out] = GatingSplit::BOTH.map(|split| total(&pairs, split));
        let reason = format!(
            "{why}; gain {:+.1} ± {:.1} points, P(gain) = {:.2}, held-in {}, held-out {}",
            100.0 * self.posterior.mean(),
            100.0 * self.posterior.variance().sqrt(),
            1.0 - self.posterior.at_most(0.0),
            before_after(&held_in),
            before_after(&held_out)
        );
        let evidence: Comparison = comparison(&pairs);
        let finding = Some(Box::new(self.finding()));
        Next::Decide(Box::new(Decision { verdict, reason, evidence: Some(evidence), finding }))
    }

    fn finding(&self) -> Finding {
        Finding {
            edits: u32::try_from(self.hearing.parts.len().max(1)).unwrap_or(u32::MAX),
            aimed_at: self.hearing.evidence.target.clone(),
            target: self.posterior.target_seen,
            elsewhere: self.posterior.elsewhere_seen,
            gain: self.posterior.mean(),
            gain_sd: self.posterior.variance().sqrt(),
            stake: None,
            // Who hears the candidates adds what was expected before their first trial.
            prior: None,
        }
    }
}

/// What a promotion lacks.
enum Missing {
    Trials(Vec<Wanted>),
    Answer(Verdict, String),
}

/// Cells of which a void share says something.
const FEW: u32 = 4;

/// Counts that no void cell spoils.
const WELL: Counts = Counts {
    cells: 1,
    scored: 1,
    incumbent: 0,
    candidate: 0,
    incumbent_void: 0,
    candidate_void: 0,
};

fn pair(task: &TaskCells, split: GatingSplit) -> PairedTask {
    let incumbent = || task.beside.iter().chain(&task.assessed).copied();
    let cells = task.candidate.len().min(incumbent().count());
    let counts = Counts::paired(incumbent(), task.candidate.iter().copied(), cells);
    PairedTask { task: task.task.clone(), split, counts }
}

/// What each attempt of the candidate changed against that of the incumbent beside it.
fn side_by_side<'a>(task: &'a Observed<'_>) -> impl Iterator<Item = i64> + use<'a> {
    task.task.beside.iter().zip(&task.task.candidate).map(|(before, after)| change(*before, *after))
}

/// Passes gained by one attempt against another; nothing is gained from or lost to a void one.
fn change(before: Cell, after: Cell) -> i64 {
    match (before, after) {
        (Cell::Failed, Cell::Passed) => 1,
        (Cell::Passed, Cell::Failed) => -1,
        _ => 0,
    }
}

/// Whether an attempt of the candidate's stands beside one of the incumbent's.
fn is_paired(task: &Observed<'_>) -> bool {
    !task.task.beside.is_empty() && !task.task.candidate.is_empty()
}

fn attempts<T>(cells: &[T]) -> u32 {
    u32::try_from(cells.len()).unwrap_or(u32::MAX)
}
