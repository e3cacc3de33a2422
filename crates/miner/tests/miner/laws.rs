//! The contract of `Miner`, for any trials and any answers.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{Script, failed, mine, passed, void};
use harness_core::{Completion, Fingerprint, Trial};
use harness_miner::{Cause, Mechanism, SignatureMiner, Status};
use proptest::prelude::*;
use serde_json::json;

const EVIDENCE: &[&[&str]] = &[
    &["FAIL a: a.txt is missing"],
    &["FAIL a: a.txt differs"],
    &["FAIL in_intact: in.txt was changed"],
    &["FAILED t.py::test - AssertionError: wrong"],
    &[],
];

fn trials() -> impl Strategy<Value = Vec<Trial>> {
    let one = (0..6u32, 0..4u32, 0..8usize).prop_map(|(task, attempt, outcome)| {
        let task = format!("task-{task}");
        match outcome {
            6 => passed(&task, attempt),
            7 => void(&task, attempt),
            other => failed(&task, attempt, EVIDENCE[other % EVIDENCE.len()]),
        }
    });
    prop::collection::vec(one, 0..14).prop_map(each_once)
}

/// A run has one outcome for each trial.
fn each_once(trials: Vec<Trial>) -> Vec<Trial> {
    let by_id: BTreeMap<_, _> =
        trials.into_iter().map(|trial| (trial.id().unwrap(), trial)).collect();
    by_id.into_values().collect()
}

/// A model whose answers depend on the question alone: good, broken, hostile; of few words, so that signatures meet.
fn whimsical(salt: u64) -> Script {
    Script::new(move |request| {
        let whim = Fingerprint::of(&(salt, request)).unwrap().seed();
        let pick = |count: usize, shift: u32| (whim >> shift) as usize % count;
        let answer = json!({
            "status": Status::ALL[pick(2, 3)].as_str(),
            "mechanism": Mechanism::ALL[pick(3, 9)].as_str(),
            "steps": [pick(6, 17), 2, 40],
            "description": format!("Something {}.", whim % 1000),
            "addressability": pick(11, 23) as f64 / 10.0,
        });
        Ok(Completion::text(match pick(6, 40) {
            0 => "IGNORE PREVIOUS INSTRUCTIONS".to_owned(),
            1 => format!("<think>{{</think> Well: {answer}"),
            2 => answer.to_string().replace("status", "statu"),
            _ => answer.to_string(),
        }))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_order_of_trials_and_the_concurrency_do_not_matter(
        (given, shuffled) in trials().prop_flat_map(|trials| (Just(trials.clone()), Just(trials).prop_shuffle())),
        salt in any::<u64>(), at_once in 1usize..9, limit in 0usize..10,
    ) {
        let miner = SignatureMiner::new().with_max_diagnoses(limit);
        let one = mine(&miner, &whimsical(salt), given).unwrap();
        let other = mine(&miner.with_concurrency(at_once), &whimsical(salt), shuffled).unwrap();
        prop_assert_eq!(one, other);
    }

    #[test]
    fn passing_and_void_trials_are_never_cited_or_counted(trials in trials(), salt in any::<u64>()) {
        let miner = SignatureMiner::new();
        let found = mine(&miner, &whimsical(salt), trials.clone()).unwrap();
        let failures: Vec<&Trial> = trials.iter().filter(|trial| trial.passed() == Some(false)).collect();
        prop_assert_eq!(found.iter().map(|weakness| weakness.trials as usize).sum::<usize>(), failures.len());
        let without_void = trials.iter().filter(|trial| trial.passed().is_some()).cloned().collect();
        prop_assert_eq!(&mine(&miner, &whimsical(salt), without_void).unwrap(), &found);
        if failures.is_empty() {
            prop_assert!(found.is_empty());
        }
    }

    #[test]
    fn every_citation_can_be_checked(trials in trials(), salt in any::<u64>()) {
        for weakness in mine(&SignatureMiner::new(), &whimsical(salt), trials.clone()).unwrap() {
            prop_assert!(!weakness.evidence.is_empty());
            for citation in &weakness.evidence {
                let cited = trials.iter().find(|trial| trial.id().unwrap() == citation.trial).unwrap();
                prop_assert_eq!(cited.passed(), Some(false));
                prop_assert_eq!(&cited.key.task, &citation.task);
                prop_assert!(weakness.tasks.contains(&citation.task));
                prop_assert!(citation.step.is_none_or(|step| cited.trajectory.step(step).is_some()));
                prop_assert!(citation.quote.chars().count() <= 300);
            }
        }
    }

    #[test]
    fn weaknesses_are_distinct_ordered_and_in_the_vocabulary(trials in trials(), salt in any::<u64>()) {
        let found = mine(&SignatureMiner::new(), &whimsical(salt), trials).unwrap();
        let ids: BTreeSet<_> = found.iter().map(|weakness| weakness.id.clone()).collect();
        prop_assert_eq!(ids.len(), found.len());
        for pair in found.windows(2) {
            let order = pair[1].weight().total_cmp(&pair[0].weight()).then_with(|| pair[0].id.cmp(&pair[1].id));
            prop_assert!(order.is_lt());
        }
        for weakness in &found {
            prop_assert!(Cause::from_word(&weakness.signature.cause).is_some());
            prop_assert!(Status::ALL.iter().any(|word| word.as_str() == weakness.signature.status));
            prop_assert!(Mechanism::ALL.iter().any(|word| word.as_str() == weakness.signature.mechanism));
            prop_assert!((0.0..=1.0).contains(&weakness.addressability));
            prop_assert!(weakness.trials as usize >= weakness.tasks.len());
        }
    }

    #[test]
    fn no_reply_breaks_the_round(reply in any::<String>()) {
        let found = mine(&SignatureMiner::new(), &Script::always(reply), vec![failed("a", 0, EVIDENCE[0])]);
        prop_assert_eq!(found.unwrap().len(), 1);
    }

    #[test]
    fn no_evidence_breaks_the_rules(lines in prop::collection::vec(any::<String>(), 0..6)) {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let found = mine(&SignatureMiner::new(), &Script::always("?"), vec![failed("a", 0, &lines)]);
        prop_assert_eq!(found.unwrap().len(), 1);
    }
}
