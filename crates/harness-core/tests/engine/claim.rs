//! The sealed split is read once, at the end.

use std::collections::BTreeSet;

use harness_core::testing::ToyHarness;
use harness_core::{Benchmark, Record, SplitName};

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
