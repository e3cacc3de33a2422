//! Laws of the vocabulary, for any values.

use std::collections::BTreeMap;
use std::sync::Arc;

use harness_core::testing::{WorldEdit, WorldHarness};
use harness_core::{
    Benchmark, ErrorKind, Fingerprint, Harness, Lineage, PromotedEdit, SandboxPath, Score, Spent,
    SplitName, Task, Usage,
};
use proptest::prelude::*;
use serde_json::Value;

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-1e9..1e9_f64).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn usage() -> impl Strategy<Value = Option<Usage>> {
    let cost = proptest::option::of((0..1000_u32).prop_map(|cents| f64::from(cents) / 4.0));
    proptest::option::of((0..10_000_u64, 0..10_000_u64, cost).prop_map(
        |(prompt_tokens, completion_tokens, cost_usd)| Usage {
            prompt_tokens,
            completion_tokens,
            cached_tokens: 0,
            cache_write_tokens: 0,
            cost_usd,
        },
    ))
}

fn path() -> impl Strategy<Value = SandboxPath> {
    "/?([a-zA-Zü .]{1,4}/{1,2}){0,3}[a-z]{1,4}"
        .prop_filter_map("not a path", |text| SandboxPath::new(text).ok())
}

fn edits() -> impl Strategy<Value = Vec<WorldEdit>> {
    let edit =
        ("[abc]", -8..8_i32).prop_map(|(lever, by)| WorldEdit::new(lever, f64::from(by) / 4.0));
    proptest::collection::vec(edit, 0..6)
}

proptest! {
    /// Written in whatever order of keys and read back, a value has one fingerprint.
    #[test]
    fn a_fingerprint_is_of_content(value in json()) {
        let fingerprint = Fingerprint::of(&value).unwrap();
        let back: Value = serde_json::from_str(&serde_json::to_string_pretty(&value).unwrap()).unwrap();
        prop_assert_eq!(Fingerprint::of(&back).unwrap(), fingerprint);
        if let Value::Object(map) = &value {
            let reversed: Vec<(&String, &Value)> = map.iter().rev().collect();
            let text: Vec<String> = reversed
                .iter()
                .map(|(key, value)| format!("{}:{value}", serde_json::to_string(key).unwrap()))
                .collect();
            let back: Value = serde_json::from_str(&format!("{{{}}}", text.join(","))).unwrap();
            prop_assert_eq!(Fingerprint::of(&back).unwrap(), fingerprint);
        }
    }

    #[test]
    fn different_values_have_different_fingerprints(one in json(), two in json()) {
        prop_assert_eq!(one == two, Fingerprint::of(&one).unwrap() == Fingerprint::of(&two).unwrap());
    }

    #[test]
    fn a_fingerprint_reads_back(bytes in any::<Vec<u8>>()) {
        let fingerprint = Fingerprint::of_bytes(&bytes);
        prop_assert_eq!(fingerprint.to_string().parse::<Fingerprint>().unwrap(), fingerprint);
        let json = serde_json::to_string(&fingerprint).unwrap();
        prop_assert_eq!(serde_json::from_str::<Fingerprint>(&json).unwrap(), fingerprint);
    }

    /// Sums keep what is known, count what is not, and do not depend on the order.
    #[test]
    fn costs_add_up(usages in proptest::collection::vec(usage(), 0..12), at in 0..12_usize) {
        let spent: Vec<Spent> = usages.iter().map(|usage| Spent::call(usage.as_ref())).collect();
        let total: Spent = spent.iter().copied().sum();
        let at = at.min(spent.len());
        let mut parts: Spent = spent[at..].iter().copied().sum();
        parts += spent[..at].iter().copied().sum();
        prop_assert_eq!(total, parts);
        prop_assert_eq!(total.calls, usages.len() as u64);
        let untold = usages.iter().filter(|usage| usage.is_none()).count() as u64;
        prop_assert_eq!(total.calls_without_usage, untold);
        let priced = usages.iter().all(|usage| usage.is_some_and(|usage| usage.cost_usd.is_some()));
        prop_assert_eq!(total.usd().is_some(), priced);
        prop_assert_eq!(total.tokens(), usages.iter().flatten().map(Usage::tokens).sum::<u64>());
    }

    /// Normalising twice is normalising once; the result has no odd parts and reads back.
    #[test]
    fn paths_are_normal(text in "[a./ \u{fc}]{0,12}") {
        if let Ok(path) = SandboxPath::new(&text) {
            prop_assert_eq!(&SandboxPath::new(path.as_str()).unwrap(), &path);
            prop_assert!(path.as_str().split('/').skip(usize::from(path.is_absolute())).all(|part| part != ".."));
            prop_assert!(!path.as_str().contains("//"));
            prop_assert_eq!(path.is_absolute(), text.starts_with('/'));
            let json = serde_json::to_string(&path).unwrap();
            prop_assert_eq!(serde_json::from_str::<SandboxPath>(&json).unwrap(), path);
        } else {
            prop_assert!(text.is_empty() || text.split('/').any(|part| part == ".."));
        }
    }

    /// Going into a directory twice is going into their join, and absolute paths stay.
    #[test]
    fn paths_compose(outer in path(), inner in path(), leaf in path()) {
        prop_assert_eq!(leaf.within(&inner).within(&outer), leaf.within(&inner.within(&outer)));
        if leaf.is_absolute() {
            prop_assert_eq!(leaf.within(&outer), leaf);
        } else {
            let whole = leaf.within(&outer);
            prop_assert_eq!(whole.is_absolute(), outer.is_absolute());
            prop_assert_eq!(SandboxPath::new(whole.relative_to(&outer)).unwrap(), leaf);
        }
    }

    /// A benchmark takes names that are all different, in splits of which the first two have some, and nothing else.
    #[test]
    fn benchmarks_have_no_task_twice(names in proptest::collection::vec("[a-d]", 0..6), cut in (0..7_usize, 0..7_usize)) {
        let tasks: Vec<Arc<Task>> = names.iter().map(|name| Arc::new(Task::new(name.as_str(), "do it"))).collect();
        let (one, two) = (cut.0.min(tasks.len()), cut.1.min(tasks.len()));
        let (one, two) = (one.min(two), one.max(two));
        let distinct = names.iter().collect::<std::collections::BTreeSet<_>>().len() == names.len();
        let split = (tasks[..one].to_vec(), tasks[one..two].to_vec(), tasks[two..].to_vec());
        let built = Benchmark::new(split.0, split.1, split.2);
        prop_assert_eq!(built.is_ok(), distinct && one > 0 && two > one);
        match built {
            Ok(benchmark) => {
                prop_assert_eq!(benchmark.all().count(), names.len());
                prop_assert_eq!(benchmark.tasks(SplitName::Sealed).len(), names.len() - two);
            }
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::InvalidInput),
        }
    }

    /// A lineage replays to its tip from any edits, and each promotion can be told by its parent and child.
    #[test]
    fn lineages_replay(rounds in proptest::collection::vec(edits(), 0..5)) {
        let seed = WorldHarness::default();
        let mut lineage = Lineage::new(seed.clone());
        for (round, edits) in (1..).zip(rounds) {
            let edits: Vec<_> = edits
                .into_iter()
                .map(|edit| PromotedEdit { proposal: "p".into(), edit })
                .collect();
            let promotion = lineage.promotion(round, edits).unwrap();
            let stored = serde_json::to_string(&promotion).unwrap();
            lineage.push(serde_json::from_str(&stored).unwrap()).unwrap();
        }
        let replayed = Lineage::replay(seed, lineage.promotions().to_vec()).unwrap();
        prop_assert_eq!(replayed.tip(), lineage.tip());
        for pair in lineage.promotions().windows(2) {
            prop_assert_eq!(pair[0].child, pair[1].parent);
        }
    }

    /// Moving levers there and back, in any order, is no move.
    #[test]
    fn world_edits_can_be_undone(edits in edits()) {
        let apply = |harness: WorldHarness, edit: &WorldEdit| harness.apply(edit).unwrap();
        let moved = edits.iter().fold(WorldHarness::default(), apply);
        let back = edits.iter().map(|edit| WorldEdit::new(&edit.lever, -edit.by)).collect::<Vec<_>>();
        prop_assert_eq!(back.iter().fold(moved, apply), WorldHarness::default());
    }

    /// Scores count every trial once, and a rate exists where something was scored.
    #[test]
    fn rates_are_shares(passed in 0..50_u64, failed in 0..50_u64, void in 0..50_u64) {
        let score = Score { passed, scored: passed + failed, void };
        match score.pass_rate() {
            None => prop_assert_eq!(passed + failed, 0),
            Some(rate) => prop_assert!((0.0..=1.0).contains(&rate)),
        }
    }
}

#[test]
fn values_without_a_form_have_no_fingerprint() {
    assert_eq!(Fingerprint::of(&f64::NAN).unwrap_err().kind(), ErrorKind::Contract);
    let odd: BTreeMap<(u8, u8), u8> = [((1, 2), 3)].into();
    assert_eq!(Fingerprint::of(&odd).unwrap_err().kind(), ErrorKind::Contract);
}
