//! The sealed split is read once, at the end.

use std::collections::BTreeSet;

use harness_core::testing::ToyHarness;
use harness_core::{Benchmark, ErrorKind, Record, SplitName, StopReason};

use crate::setting::{Setting, skills, tasks, trials};

#[test]
fn the_sealed_split_is_read_once_and_only_at_the_end() {
    let setting = Setting::default();
    let report = setting.run().unwrap();
    let records = setting.records();
    let last_round =
        records.iter().rposition(|record| matches!(record, Record::Round { .. })).unwrap();
    let sealed = |records: &[Record]| {
        trials(records).iter().filter(|trial| trial.split == SplitName::Sealed).count()
    };
    assert_eq!((sealed(&records[..last_round]), sealed(&records)), (0, 12));
    let mut engine = setting.engine().unwrap();
    let again = setting.clock.block_on(engine.claim()).unwrap();
    assert_eq!(again, report.claim);
    assert_eq!(sealed(&setting.records()), 12);
    let claims =
        setting.records().iter().filter(|record| matches!(record, Record::Claimed { .. })).count();
    assert_eq!(claims, 1);
}

#[test]
fn where_nothing_was_promoted_the_same_trials_speak_for_both() {
    let seed = ToyHarness { skills: skills(&["read", "sort", "grep"]), calls: 1 };
    let setting = Setting { seed, ..Setting::default() };
    let claim = setting.run().unwrap().claim.unwrap();
    assert_eq!(claim.before, claim.after);
    let distinct: BTreeSet<_> = claim.trials.iter().collect();
    assert_eq!((claim.trials.len(), distinct.len()), (6, 6), "each trial is named once");
}

#[test]
fn without_a_sealed_split_there_is_no_claim() {
    let setting = Setting::default();
    let open = Benchmark::new(tasks("in"), tasks("out"), Vec::new()).unwrap();
    let work = async { setting.builder().benchmark(open).build().await?.run().await };
    assert_eq!(setting.clock.block_on(work).unwrap().claim, None);
}

#[test]
fn first_and_last_harness_take_turns_and_the_difference_has_an_interval() {
    let setting = Setting::default();
    let claim = setting.run().unwrap().claim.unwrap();
    let sealed = trials(&setting.records());
    let sealed: Vec<_> = sealed
        .iter()
        .filter(|trial| trial.split == SplitName::Sealed)
        .map(|trial| &trial.key)
        .collect();
    let turns = sealed.chunks(2).all(|pair| {
        pair[0].task == pair[1].task
            && pair[0].replicate == pair[1].replicate
            && (pair[0].harness, pair[1].harness) == (claim.first, claim.last)
    });
    assert!(turns, "{sealed:#?}");
    assert_eq!((claim.pairs.better, claim.pairs.same, claim.pairs.worse), (4, 2, 0));
    let interval = claim.difference.unwrap();
    assert!(interval.low < 4.0 / 6.0 && interval.high > 4.0 / 6.0);
    assert_eq!(claim.reading, 1);
}

/// A run that has been read, in a session that may go on for one more round.
fn read_already() -> Setting {
    let mut setting = Setting::default();
    setting.config.rounds = 1;
    setting.run().unwrap();
    setting.config.rounds = 3;
    setting
}

#[test]
fn a_second_reading_is_refused_unless_forced_and_then_marked() {
    let setting = read_already();
    let report = setting.run().unwrap();
    assert_eq!((report.rounds.len(), report.stopped), (1, Some(StopReason::Claimed)));
    let forced = |setting: &Setting| {
        let work = async { setting.builder().read_sealed_again(true).build().await?.run().await };
        setting.clock.block_on(work)
    };
    let report = forced(&setting).unwrap();
    assert_eq!(report.rounds.len(), 3);
    let (first, second) = (&report.earlier_claims[0], report.claim.as_ref().unwrap());
    assert_eq!((first.reading, second.reading), (1, 2));
    assert!(second.is_repeated() && first.trials.iter().all(|id| !second.trials.contains(id)));
    assert_eq!(setting.run().unwrap().claim, report.claim, "shown again, not read again");
}

#[test]
fn a_claim_about_another_harness_is_refused() {
    let setting = read_already();
    let mut engine = setting.engine().unwrap();
    setting.clock.block_on(engine.round()).unwrap();
    let refused = setting.clock.block_on(engine.claim()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert!(refused.message().contains("force"), "{refused}");
}
