//! Coming back to a run: nothing that was finished is done again, and nothing else is taken for it.

use futures::executor::block_on;
use harness_core::testing::Noted;
use harness_core::{Caps, EngineConfig, ErrorKind, Record};

use crate::setting::{Setting, finished};

/// A whole run without interruption, to compare with.
fn whole() -> harness_core::RunReport {
    Setting::default().run().unwrap()
}

#[test]
fn a_resumed_run_goes_on_and_repeats_no_finished_trial() {
    let setting = Setting::default();
    let mut first = setting.engine().unwrap();
    setting.clock.block_on(first.round()).unwrap();
    setting.clock.block_on(first.round()).unwrap();
    drop(first);
    let report = setting.run().unwrap();
    assert_eq!((&report.rounds, &report.claim), (&whole().rounds, &whole().claim));
    assert!(finished(&setting.records()).values().all(|count| *count == 1));
    assert!(setting.observer.events().contains(&Noted::RunStarted(2)));
}

#[test]
fn a_resumed_run_counts_what_earlier_sessions_did() {
    let setting = Setting::default();
    let mut first = setting.engine().unwrap();
    setting.clock.block_on(first.round()).unwrap();
    drop(first);
    let (report, whole) = (setting.run().unwrap(), whole());
    assert_eq!(
        (report.trials.scored, report.trials.void),
        (whole.trials.scored, whole.trials.void)
    );
    assert_eq!(report.spent, whole.spent);
    // Round 1: six tasks twice, for the incumbent and for two candidates.
    assert_eq!((report.trials.reused, whole.trials.reused), (36, 0));
}

#[test]
fn a_finished_run_spends_nothing_more() {
    let setting = Setting::default();
    let first = setting.run().unwrap();
    let calls = setting.model.requests().len();
    let again = setting.run().unwrap();
    assert_eq!(setting.model.requests().len(), calls);
    assert_eq!((first.rounds, first.claim, first.last), (again.rounds, again.claim, again.last));
}

#[test]
fn another_configuration_is_refused_and_the_difference_shown() {
    let setting = Setting::default();
    setting.engine().unwrap();
    let config = EngineConfig { width: 3, ..setting.config.clone() };
    let error =
        block_on(setting.builder().config(config).identity("gate", "strict").build()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    for difference in ["width: 2, now 3", "gate: nothing, now strict"] {
        assert!(error.message().contains(difference), "{error}");
    }
}

#[test]
fn how_fast_it_goes_is_no_part_of_a_run() {
    let setting = Setting::default();
    setting.engine().unwrap();
    let config =
        EngineConfig { concurrency: 1, void_retries: 9, rounds: 9, ..setting.config.clone() };
    assert!(block_on(setting.builder().config(config).build()).is_ok());
}

#[test]
fn a_cap_on_trials_stops_the_run_and_a_higher_one_goes_on() {
    let mut setting = Setting::default();
    for trials in [5, 17, 40] {
        setting.caps = Caps { trials: Some(trials), ..Caps::default() };
        let error = setting.run().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Budget, "{error}");
        let started = setting
            .records()
            .iter()
            .filter(|record| matches!(record, Record::TrialStarted { .. }))
            .count();
        assert_eq!(started as u64, trials, "a cap is spent to the last trial and not beyond");
    }
    setting.caps = Caps::default();
    let report = setting.run().unwrap();
    assert_eq!((report.rounds, report.claim), (whole().rounds, whole().claim));
    assert!(finished(&setting.records()).values().all(|count| *count == 1));
}

#[test]
fn a_harness_is_written_down_once() {
    let setting = Setting::default();
    setting.run().unwrap();
    setting.run().unwrap();
    let mut harnesses: Vec<_> = setting
        .records()
        .into_iter()
        .filter_map(|record| match record {
            Record::Harness { fingerprint, .. } => Some(fingerprint),
            _ => None,
        })
        .collect();
    let count = harnesses.len();
    harnesses.sort();
    harnesses.dedup();
    assert_eq!(count, harnesses.len());
}

#[test]
fn a_fork_begins_anew_and_pays_for_no_trial_twice() {
    let setting = Setting::default();
    let mut first = setting.engine().unwrap();
    setting.clock.block_on(first.round()).unwrap();
    setting.clock.block_on(first.round()).unwrap();
    drop(first);
    let trials = finished(&setting.records()).len();
    let fork = |setting: &Setting| {
        let builder = setting.builder().identity("gate", "another").fork(true);
        let work = async { builder.build().await?.run().await };
        setting.clock.block_on(work).unwrap()
    };
    let report = fork(&setting);
    assert_eq!(report.trials.reused as usize, trials, "what is the same in both is not run again");
    assert_eq!((&report.rounds, &report.claim), (&whole().rounds, &whole().claim));
    assert!(finished(&setting.records()).values().all(|count| *count == 1));
    // Going on with it needs no more forking; going back to the first configuration is another fork.
    let again = setting.builder().identity("gate", "another").build();
    assert!(block_on(again).is_ok());
    assert_eq!(block_on(setting.builder().build()).unwrap_err().kind(), ErrorKind::Mismatch);
}

#[test]
fn a_fork_that_changes_a_trial_runs_it_anew() {
    let setting = Setting::default();
    let mut engine = setting.engine().unwrap();
    setting.clock.block_on(engine.round()).unwrap();
    drop(engine);
    let trials = finished(&setting.records()).len();
    let config = EngineConfig { seed: 9, ..setting.config.clone() };
    let builder = setting.builder().config(config).fork(true);
    let mut engine = block_on(builder.build()).unwrap();
    assert!(engine.rounds().is_empty(), "a fork begins with the seed harness");
    setting.clock.block_on(engine.round()).unwrap();
    assert_eq!(finished(&setting.records()).len(), 2 * trials);
}
