//! Controls: candidates that are known to be nothing, and the same trials without evolution.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::executor::block_on;
use harness_core::testing::{
    ScriptedProposer, ScriptedValidator, ToyEdit, ToyHarness, World, WorldEdit, WorldHarness,
    WorldTask,
};
use harness_core::{
    BeatSampling, Caps, ControlEdits, ControlGroup, ControlKind, Engine, EngineConfig, ErrorKind,
    Journal, MemoryJournal, Phase, Placebo, Record, Result, RunReport, SplitName, Verdict,
};

use crate::drops::poll;
use crate::setting::{Setting, SlowJournal, forget, learn, records, trials};

/// A skill that no task needs, and the loss of one that some need.
#[derive(Debug)]
struct ToyControls;

impl ControlEdits<ToyHarness> for ToyControls {
    fn neutral(&self, _harness: &ToyHarness, _seed: u64) -> Option<ToyEdit> {
        Some(learn("whistle"))
    }

    fn random(&self, _harness: &ToyHarness, _seed: u64) -> Option<ToyEdit> {
        Some(forget("read"))
    }
}

fn group() -> ControlGroup<ToyHarness> {
    ControlGroup::judged_by(ScriptedValidator::<Placebo<ToyHarness>>::counting())
        .with_edits(ToyControls)
}

async fn controlled(setting: &Setting) -> Result<Engine<ToyHarness>> {
    let journal = SlowJournal(Arc::clone(&setting.journal));
    setting.builder().journal(journal).controls(group()).build().await
}

/// The trials of controls in a journal.
fn of_controls(setting: &Setting) -> Vec<Arc<harness_core::Trial>> {
    let all = trials(&setting.records()).into_iter();
    all.filter(|trial| trial.key.replicate.phase == Phase::Control).collect()
}

#[test]
fn every_control_is_judged_by_the_gate_on_trials_of_its_own() {
    let setting = Setting::default();
    let report = setting.clock.block_on(async { controlled(&setting).await?.run().await }).unwrap();
    let controls = report.controls.unwrap();
    let kinds: Vec<_> = controls.arms.iter().map(|arm| arm.kind).collect();
    assert_eq!(kinds, ControlKind::ALL);
    for arm in &controls.arms {
        let decision = arm.decision.as_ref().unwrap();
        assert_eq!(decision.verdict, Verdict::Reject, "{}", decision.reason);
        let evidence = decision.evidence.as_ref().unwrap();
        assert_eq!(evidence.held_in.candidate.scored, 6);
        assert_eq!(evidence.held_in.change(), if arm.kind == ControlKind::Random { -2 } else { 0 });
    }
    let gating: Vec<_> = of_controls(&setting)
        .into_iter()
        .filter(|trial| trial.split != SplitName::Sealed)
        .collect();
    assert_eq!(
        gating.len(),
        3 * 12,
        "a byte-identical candidate is not answered by the incumbent's trials"
    );
    let evolved: BTreeSet<_> = trials(&setting.records())
        .iter()
        .filter(|trial| trial.key.replicate.phase != Phase::Control)
        .map(|trial| trial.key.harness)
        .collect();
    assert!(gating.iter().all(|trial| !evolved.contains(&trial.key.harness)));
    let floor = controls.arms[0].floor.unwrap();
    assert_eq!((floor.tasks, floor.attempts), (6, 2));
    assert!(floor.change() < 1e-9, "this harness knows no chance");
}

#[test]
fn the_seed_harness_is_sampled_with_no_more_trials_than_evolution_took() {
    let setting = Setting::default();
    let report = setting.clock.block_on(async { controlled(&setting).await?.run().await }).unwrap();
    let sampling = report.controls.unwrap().sampling.unwrap();
    let evolution = trials(&setting.records())
        .iter()
        .filter(|trial| {
            matches!(trial.key.replicate.phase, Phase::Assess | Phase::Judge | Phase::Compose)
        })
        .count();
    assert_eq!(sampling.evolution, evolution as u64);
    assert_eq!(u64::from(sampling.attempts), sampling.evolution / 3);
    // One task is solved at once; two never are.
    assert_eq!((sampling.solved, sampling.tasks), (1, 3));
    assert_eq!(sampling.trials, 1 + 2 * u64::from(sampling.attempts));
    assert!(sampling.trials <= sampling.evolution);
    // The last harness passes all six of its claim's attempts: four where sampling failed.
    assert_eq!((sampling.pairs.better, sampling.pairs.same), (4, 2));
    assert_eq!(sampling.answer(), BeatSampling::Open, "six attempts are few");
}

#[test]
fn controls_are_recorded_once_and_can_be_asked_for_later() {
    let setting = Setting::default();
    assert_eq!(setting.run().unwrap().controls, None);
    let run = || setting.clock.block_on(async { controlled(&setting).await?.run().await });
    let first = run().unwrap();
    let paid = || {
        let of_trials = |record: &&Record| {
            matches!(
                record,
                Record::TrialStarted { .. } | Record::Controlled { .. } | Record::Sampled { .. }
            )
        };
        setting.records().iter().filter(of_trials).count()
    };
    let before = paid();
    let second = run().unwrap();
    assert_eq!(first.controls, second.controls);
    assert_eq!(paid(), before);
}

#[test]
fn a_harness_without_such_edits_has_the_other_controls() {
    let setting = Setting::default();
    let group = ControlGroup::judged_by(ScriptedValidator::<Placebo<ToyHarness>>::counting());
    let work = async { setting.builder().controls(group).build().await?.run().await };
    let controls = setting.clock.block_on(work).unwrap().controls.unwrap();
    let decided: Vec<_> = controls.arms.iter().map(|arm| arm.decision.is_some()).collect();
    assert_eq!(decided, [true, false, false]);
}

#[test]
fn a_cap_on_trials_holds_for_controls_and_resuming_finishes_them() {
    let mut setting = Setting::default();
    let spent = setting.run().unwrap().trials.scored;
    setting.caps = Caps { trials: Some(spent + 20), ..Caps::default() };
    let run = |setting: &Setting| {
        setting.clock.block_on(async { controlled(setting).await?.run().await })
    };
    assert_eq!(run(&setting).unwrap_err().kind(), ErrorKind::Budget);
    assert_eq!(of_controls(&setting).len(), 20);
    setting.caps = Caps::default();
    assert_eq!(run(&setting).unwrap().controls.unwrap().arms.len(), 3);
}

#[test]
fn dropped_after_any_number_of_polls_the_controls_are_finished_by_another_engine() {
    let finished = Setting::default();
    finished.run().unwrap();
    let again = || {
        let journal = MemoryJournal::default();
        for record in finished.records() {
            futures::executor::block_on(journal.append(&record)).unwrap();
        }
        Setting { journal: Arc::new(journal), ..Setting::default() }
    };
    let control = |setting: Setting| async move {
        let mut engine = controlled(&setting).await.unwrap();
        engine.control().await.unwrap();
        engine.report(None).controls
    };
    let whole = poll(usize::MAX, control(again())).unwrap();
    // Every seventh: the same awaits come again for each trial.
    for polls in (1..).step_by(7) {
        let setting = again();
        let interrupted = poll(
            polls,
            control(Setting { journal: Arc::clone(&setting.journal), ..Setting::default() }),
        );
        let controls = poll(
            usize::MAX,
            control(Setting { journal: Arc::clone(&setting.journal), ..Setting::default() }),
        )
        .unwrap();
        assert_eq!(controls, whole);
        let controlled = records(&*setting.journal)
            .iter()
            .filter(|record| matches!(record, Record::Sampled { .. }))
            .count();
        assert!(controlled >= 1);
        if interrupted.is_some() {
            break;
        }
    }
}

/// A world where each task passes half the time, and one where nothing is left to chance.
fn noisy(rate: f64) -> World {
    World::uniform(10, move |_, index| match index {
        0..8 => WorldTask::new("", rate),
        _ => WorldTask::new("", 0.0).moved_by("a", 1.0),
    })
}

fn barred(rate: f64, bar: f64, journal: &Arc<MemoryJournal>) -> Result<RunReport> {
    let world = noisy(rate);
    let config = EngineConfig { rounds: 2, width: 1, attempts: 2, ..world.config() };
    let engine = world
        .engine(WorldHarness::default())?
        .config(config)
        .journal(Arc::clone(journal))
        .proposer(ScriptedProposer::cycling(vec![WorldEdit::new("a", 1.0)]))
        .validator(ScriptedValidator::counting())
        .bar(bar);
    block_on(async { engine.build().await?.run().await })
}

#[test]
fn a_bar_below_the_noise_of_the_same_harness_is_refused_before_anything_is_judged() {
    let journal = Arc::default();
    let refused = barred(0.5, 0.02, &journal).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert!(refused.message().contains("below the noise floor"), "{refused}");
    let phases: BTreeSet<_> = trials(&records(&*journal))
        .iter()
        .map(|trial| format!("{:?}", trial.key.replicate.phase))
        .collect();
    assert_eq!(phases, BTreeSet::from(["Assess".to_owned(), "Control".to_owned()]));
    // Told again, for nothing.
    let paid = trials(&records(&*journal)).len();
    assert!(barred(0.5, 0.02, &journal).is_err());
    assert_eq!(trials(&records(&*journal)).len(), paid);
    // A bar above the noise passes with the same trials.
    assert!(barred(0.5, 0.4, &journal).is_ok());
}

#[test]
fn where_nothing_is_left_to_chance_any_bar_will_do() {
    assert!(barred(1.0, 0.001, &Arc::default()).is_ok());
}
