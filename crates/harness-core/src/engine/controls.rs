//! Controls: what the same gate says of candidates that are known to be nothing, and what the same trials would have bought
//! without any evolution.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Claim, Engine, report};
use crate::arena::Arena;
use crate::control_edits::{ControlEdits, NoControlEdits};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::harness::Harness;
use crate::history::RunHistory;
use crate::id::{ProposalId, SurfaceId, TaskName, WeaknessId};
use crate::interval::{Interval, Pairs};
use crate::journal::Record;
use crate::placebo::{Placebo, PlaceboEdit};
use crate::proposal::Proposal;
use crate::replay::RecordedTrials;
use crate::runner::Order;
use crate::split::Benchmark;
use crate::trial::{HeldIn, HeldOut, Phase, Replicate, SplitName, Trial, Trials};
use crate::validator::{Incumbent, Validator};
use crate::verdict::Decision;
use crate::weakness::Weakness;

/// Who judges the controls, and where their edits come from.
#[derive(Debug)]
pub struct ControlGroup<H: Harness> {
    validator: Arc<dyn Validator<Placebo<H>>>,
    edits: Arc<dyn ControlEdits<H>>,
}

impl<H: Harness> ControlGroup<H> {
    /// Controls before this validator: give it the same gate as the engine's own, or they control nothing.
    pub fn judged_by(validator: impl Validator<Placebo<H>> + 'static) -> Self {
        Self { validator: Arc::new(validator), edits: Arc::new(NoControlEdits) }
    }

    /// With a neutral and a random edit.
    #[must_use]
    pub fn with_edits(mut self, edits: impl ControlEdits<H> + 'static) -> Self {
        self.edits = Arc::new(edits);
        self
    }
}

/// What is known beforehand of a control's candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlKind {
    /// It is the seed harness, byte for byte (A/A).
    Same,
    /// It differs in bytes and not in meaning.
    Neutral,
    /// It differs by a random edit of the surfaces that evolution edits.
    Random,
}

impl ControlKind {
    /// All, in the order in which they are judged.
    pub const ALL: [Self; 3] = [Self::Same, Self::Neutral, Self::Random];

    /// What a person calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "A/A: the same harness",
            Self::Neutral => "no-op edit",
            Self::Random => "random edit",
        }
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Same => "control-same",
            Self::Neutral => "control-neutral",
            Self::Random => "control-random",
        }
    }
}

/// A control and its verdict, as if it had been proposed in the first round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ControlArm {
    /// Which one.
    pub kind: ControlKind,
    /// The edit as plain data; `None` for A/A, and where the harness offers none.
    pub edit: Option<Value>,
    /// What the gate decided; `None` when the harness offers no such edit.
    pub decision: Option<Decision>,
    /// How noisy the tasks are; of A/A only.
    pub floor: Option<NoiseFloor>,
}

/// How far two measurements of one and the same harness differ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoiseFloor {
    /// The mean variance of one attempt around its task's own pass rate, 0 to about 0.25: `x (n − x) / (n (n − 1))` of n attempts with
    /// x passes, averaged over the tasks with at least two.
    pub within_task: f64,
    /// Tasks of both gating splits.
    pub tasks: u64,
    /// Attempts at each of them in one measurement.
    pub attempts: u32,
}

impl NoiseFloor {
    /// The change in pass rate over all tasks that one measurement in twenty shows against another of the same harness:
    /// `1.645 √(2 v / (tasks · attempts))`, the normal approximation. A smaller bar separates nothing from nothing.
    #[expect(clippy::cast_precision_loss, reason = "counts of tasks are far below 2^52")]
    pub fn change(&self) -> f64 {
        const ONE_IN_TWENTY: f64 = 1.644_854;
        let trials = self.tasks as f64 * f64::from(self.attempts);
        ONE_IN_TWENTY * (2.0 * self.within_task / trials.max(1.0)).sqrt()
    }

    /// How many attempts at each task bring the floor down to `bar`, at least 1.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of tasks are far below 2^52, and the conversion saturates"
    )]
    pub fn attempts_for(&self, bar: f64) -> u32 {
        let one = Self { attempts: 1, ..*self }.change();
        // Half a trial in a million more, so that rounding leaves enough.
        ((one / bar).powi(2) * (1.0 + 1e-9)).ceil().max(1.0) as u32
    }

    fn of(outcomes: &Outcomes, attempts: u32) -> Option<Self> {
        let variance = |(passed, scored): &(f64, f64)| {
            (*scored >= 2.0).then(|| passed * (scored - passed) / (scored * (scored - 1.0)))
        };
        let variances: Vec<f64> = outcomes.values().filter_map(variance).collect();
        let tasks = outcomes.len() as u64;
        #[expect(clippy::cast_precision_loss, reason = "counts of tasks are far below 2^52")]
        let within_task = variances.iter().sum::<f64>() / variances.len() as f64;
        (!variances.is_empty()).then_some(Self { within_task, tasks, attempts })
    }
}

/// Passes and scored attempts by task.
type Outcomes = BTreeMap<TaskName, (f64, f64)>;

/// The seed harness, sampled with as many trials as evolution took: a task counts as solved when one of its attempts passes. That
/// the verifier picks the attempt flatters sampling, which has no verifier once it is used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// Trials that evolution took, the claim and the controls apart.
    pub evolution: u64,
    /// Attempts at each sealed task that as many trials buy: n of best-of-n.
    pub attempts: u32,
    /// Trials that were run: a task that is solved needs no more.
    pub trials: u64,
    /// Sealed tasks.
    pub tasks: u64,
    /// Of these, tasks that sampling solved.
    pub solved: u64,
    /// Every attempt of the last harness in the claim, beside whether sampling solved that task.
    pub pairs: Pairs,
    /// The last harness's pass rate at one attempt minus the share that sampling solved, with error at most 5 %.
    pub difference: Option<Interval>,
}

/// Whether evolution beat sampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeatSampling {
    /// The whole interval is above 0.
    Yes,
    /// It is below 0.
    No,
    /// It holds 0, or nothing could be scored.
    Open,
}

impl Sampling {
    /// Did evolution beat sampling?
    pub fn answer(&self) -> BeatSampling {
        match self.difference {
            Some(Interval { low, .. }) if low > 0.0 => BeatSampling::Yes,
            Some(Interval { high, .. }) if high < 0.0 => BeatSampling::No,
            _ => BeatSampling::Open,
        }
    }
}

/// What the controls of a run said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Controls {
    /// Candidates that are known to be nothing.
    pub arms: Vec<ControlArm>,
    /// The same trials without evolution; `None` without a claim.
    pub sampling: Option<Sampling>,
}

impl Controls {
    /// Takes an arm from the record; written down twice when the first time was dropped before it was acknowledged.
    pub(super) fn judged(&mut self, arm: ControlArm) {
        self.arms.retain(|known| known.kind != arm.kind);
        self.arms.push(arm);
    }
}

/// How likely the interval of the comparison with sampling may miss the truth.
const ERROR: f64 = 0.05;

impl<H: Harness> Engine<H> {
    /// Judges the controls and samples the seed harness, if the engine has a control group and a round to compare with.
    /// What was controlled already is not controlled again.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub async fn control(&mut self) -> Result<()> {
        let Some(group) = self.controlled_by.clone() else { return Ok(()) };
        if self.rounds().is_empty() {
            return Ok(());
        }
        let recorded = RecordedTrials::read(self.runner.ledger.journal.as_ref()).await?;
        for kind in ControlKind::ALL {
            if self.controls.arms.iter().all(|arm| arm.kind != kind) {
                let arm = Box::new(self.judge_control(&group, &recorded, kind).await?);
                self.runner.ledger.journal.append(&Record::Controlled { arm: arm.clone() }).await?;
                self.runner.observer.observe(&Event::Controlled { arm: &arm });
                self.controls.arms.push(*arm);
            }
        }
        let claim = self.claims.last().cloned();
        if let (Some(claim), None) = (claim, &self.controls.sampling) {
            let sampling = self.sample(&claim, &recorded).await?;
            self.runner.ledger.journal.append(&Record::Sampled { sampling }).await?;
            self.runner.observer.observe(&Event::Sampled { sampling: &sampling });
            self.controls.sampling = Some(sampling);
        }
        Ok(())
    }

    /// The verdict of the same gate on the seed harness beside a candidate of this kind: the incumbent's trials are those of the
    /// first round, and the weakness is the first round's heaviest.
    async fn judge_control(
        &self,
        group: &ControlGroup<H>,
        recorded: &RecordedTrials,
        kind: ControlKind,
    ) -> Result<ControlArm> {
        let (seed, chance) = (self.lineage.seed(), self.config.seed);
        let edit = match kind {
            ControlKind::Same => None,
            ControlKind::Neutral => group.edits.neutral(seed, chance),
            ControlKind::Random => group.edits.random(seed, chance),
        };
        if edit.is_none() && kind != ControlKind::Same {
            return Ok(ControlArm { kind, edit: None, decision: None, floor: None });
        }
        let plain = edit.as_ref().map(report::plain_edit).transpose()?;
        let control = Control {
            kind,
            edit,
            seed,
            weaknesses: self.rounds().first().map_or(&[][..], |round| &round.weaknesses),
        };
        let (on, arena) = ((recorded, &*self.benchmark), self.control_arena());
        let decision = control.judge(group.validator.as_ref(), on, &arena).await?;
        let floor = match kind {
            ControlKind::Same => self.noise_floor().await?,
            ControlKind::Neutral | ControlKind::Random => None,
        };
        Ok(ControlArm { kind, edit: plain, decision: Some(decision), floor })
    }

    fn control_arena(&self) -> Arena<Placebo<H>> {
        let (runner, benchmark) = (Arc::clone(&self.runner), Arc::clone(&self.benchmark));
        let (attempts, seed) = (self.config.attempts, self.config.seed);
        Arena::new(runner, benchmark, attempts, seed, 1, Phase::Control)
            .with_stage(self.stage(super::JUDGE, 1))
    }

    /// From all trials of the seed harness in the first round and in the controls, its byte-identical copy's among them.
    pub(super) async fn noise_floor(&self) -> Result<Option<NoiseFloor>> {
        let copy = PlaceboEdit { label: ControlKind::Same.label().to_owned(), edit: None };
        let seed = Placebo::of(self.lineage.seed().clone());
        let same = [seed.fingerprint()?, seed.apply(&copy)?.fingerprint()?];
        let mut outcomes = Outcomes::new();
        let recorded = RecordedTrials::read(self.runner.ledger.journal.as_ref()).await?;
        for trial in recorded.iter() {
            let replicate = trial.key.replicate;
            let chosen = matches!(replicate.phase, Phase::Assess | Phase::Control)
                && replicate.round == 1
                && trial.split != SplitName::Sealed
                && same.contains(&trial.key.harness);
            if let (true, Some(passed)) = (chosen, trial.passed()) {
                let (passes, scored) = outcomes.entry(trial.key.task.clone()).or_default();
                *passes += f64::from(u8::from(passed));
                *scored += 1.0;
            }
        }
        Ok(NoiseFloor::of(&outcomes, self.config.attempts))
    }

    /// Best-of-n of the seed harness on the sealed tasks, n such that it takes no more trials than evolution took.
    async fn sample(&self, claim: &Claim, recorded: &RecordedTrials) -> Result<Sampling> {
        let tasks = self.benchmark.tasks(SplitName::Sealed);
        let evolution = recorded.iter().filter(|trial| is_of_evolution(trial)).count() as u64;
        let each = (evolution / (tasks.len() as u64).max(1)).max(1);
        let attempts = u32::try_from(each).unwrap_or(u32::MAX);
        let (mut solved, mut trials) = (BTreeSet::new(), 0);
        let (mut done, mut wave) = (0, 1);
        while done < attempts && solved.len() < tasks.len() {
            let upto = done.saturating_add(wave).min(attempts);
            let orders = self.sampling_orders(done..upto, &solved);
            let seed = self.lineage.seed();
            let run = self.runner.run(seed, orders, "control: sampling the seed harness").await?;
            trials += run.len() as u64;
            let passed = run.iter().filter(|trial| trial.passed() == Some(true));
            solved.extend(passed.map(|trial| trial.key.task.clone()));
            // Waves grow, so that few tasks left still fill the machine.
            (done, wave) = (upto, wave.saturating_mul(2));
        }
        let pairs = beside_sampling(claim, recorded, &solved)?;
        Ok(Sampling {
            evolution,
            attempts,
            trials,
            tasks: tasks.len() as u64,
            solved: solved.len() as u64,
            pairs,
            difference: pairs.interval(ERROR),
        })
    }

    fn sampling_orders(
        &self,
        attempts: std::ops::Range<u32>,
        solved: &BTreeSet<TaskName>,
    ) -> Vec<Order> {
        let seed = self.config.seed;
        let tasks = self.benchmark.tasks(SplitName::Sealed);
        let open = || tasks.iter().filter(|task| !solved.contains(&task.name));
        let of = |attempt| {
            let replicate = Replicate { seed, round: 0, phase: Phase::Control, attempt };
            open().map(move |task| Order {
                task: Arc::clone(task),
                split: SplitName::Sealed,
                replicate,
            })
        };
        attempts.flat_map(of).collect()
    }
}

/// A candidate that is known to be nothing, as if it had been proposed in the first round.
pub(crate) struct Control<'a, H: Harness> {
    pub(crate) kind: ControlKind,
    pub(crate) edit: Option<H::Edit>,
    pub(crate) seed: &'a H,
    /// The first round's.
    pub(crate) weaknesses: &'a [Weakness],
}

impl<H: Harness> Control<'_, H> {
    /// The decision of `validator`, from the assessment of the first round and what it asks the arena for.
    pub(crate) async fn judge(
        self,
        validator: &dyn Validator<Placebo<H>>,
        (recorded, benchmark): (&RecordedTrials, &Benchmark),
        arena: &Arena<Placebo<H>>,
    ) -> Result<Decision> {
        let Self { kind, edit, seed, weaknesses } = self;
        let harness = Placebo::of(seed.clone());
        let print = harness.fingerprint()?;
        let assessed = |split| recorded.of(print, (1, Phase::Assess), split, benchmark);
        let held_in: Trials<HeldIn> = Trials::new(assessed(SplitName::HeldIn))?;
        let held_out: Trials<HeldOut> = Trials::new(assessed(SplitName::HeldOut))?;
        let history = RunHistory::default();
        let incumbent = Incumbent {
            harness: &harness,
            held_in: &held_in,
            held_out: &held_out,
            weaknesses,
            history: &history,
        };
        let edit = PlaceboEdit { label: kind.label().to_owned(), edit };
        let proposal = Proposal {
            id: ProposalId::new(kind.label()),
            weakness: weaknesses
                .first()
                .map_or_else(|| WeaknessId::new("none"), |first| first.id.clone()),
            surface: surface_of::<H>(&edit),
            mechanism: kind.as_str().to_owned(),
            edit,
            rationale: "a control".to_owned(),
            expected_to_mend: BTreeSet::new(),
            risks: String::new(),
        };
        let judgement = validator.judge(&incumbent, vec![proposal], arena).await?;
        judgement.judged.into_iter().next().map(|judged| judged.decision).ok_or_else(|| {
            Error::new(ErrorKind::Contract, "the validator of the controls gave no decision")
        })
    }
}

/// Whether a trial was run to assess, to judge or to compose, and scored.
fn is_of_evolution(trial: &Trial) -> bool {
    let phase = trial.key.replicate.phase;
    trial.passed().is_some() && matches!(phase, Phase::Assess | Phase::Judge | Phase::Compose)
}

fn beside_sampling(
    claim: &Claim,
    recorded: &RecordedTrials,
    solved: &BTreeSet<TaskName>,
) -> Result<Pairs> {
    let claimed: BTreeSet<_> = claim.trials.iter().collect();
    let mut pairs = Pairs::default();
    for trial in recorded.iter().filter(|trial| trial.key.harness == claim.last) {
        if trial.split == SplitName::Sealed && claimed.contains(&trial.id()?) {
            pairs.add(Some(solved.contains(&trial.key.task)), trial.passed());
        }
    }
    Ok(pairs)
}

fn surface_of<H: Harness>(edit: &PlaceboEdit<H::Edit>) -> SurfaceId {
    Placebo::<H>::surface_of(edit)
}
