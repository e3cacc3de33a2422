//! Diversity by assignment, and its memory.

use std::collections::BTreeSet;

use harness_core::{MinimalHarness, Verdict};
use harness_proposer::{Slot, assign};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::{Case, fitting, past};

const GUARD: &str = "/controls/artifact_guard";

fn slots(case: &Case<MinimalHarness>) -> Vec<Slot> {
    assign(&case.brief(), 3, 7).unwrap()
}

fn surfaces(case: &Case<MinimalHarness>) -> Vec<String> {
    let named = slots(case).into_iter().filter_map(|slot| slot.surface);
    named.map(|surface| surface.as_str().to_owned()).collect()
}

#[test]
fn weaknesses_take_turns_and_offer_their_likeliest_surface_first() {
    let case = Case::new(&["no_artifact", "identical_retry", "loses_environment"]);
    let slots = slots(&case);
    let order: Vec<_> = slots.iter().map(|slot| &slot.weakness).collect();
    let ids: Vec<_> = case.weaknesses.iter().map(|weakness| &weakness.id).collect();
    assert_eq!(order, [ids[0], ids[1], ids[2], ids[0]]);
    assert_eq!(
        surfaces(&case),
        [
            GUARD,
            "/controls/identical_call_guard",
            "/controls/environment_persistence",
            "/prompts/bootstrap"
        ]
    );
    assert_eq!(slots[0].mechanism_family, Some("runtime control"));
}

#[test]
fn what_was_rejected_is_passed_over_for_three_rounds() {
    let mut case = Case::new(&["no_artifact"]);
    case.history = vec![past(&case, 5, GUARD, &fitting(GUARD), Verdict::Reject)];
    for (round, again) in [(6, false), (7, false), (8, false), (9, true), (12, true)] {
        case.round = round;
        assert_eq!(surfaces(&case).contains(&GUARD.to_owned()), again, "round {round}");
    }
}

#[test]
fn a_place_inside_a_rejected_surface_counts_as_that_surface() {
    let mut case = Case::new(&["misreads_task"]);
    case.width = 40;
    let inside = past(&case, 5, "/sub_agents/0/prompt", &Value::Null, Verdict::Reject);
    assert!(surfaces(&case).contains(&"/sub_agents".to_owned()));
    case.history = vec![inside];
    assert!(!surfaces(&case).contains(&"/sub_agents".to_owned()));
}

#[test]
fn an_inconclusive_edit_may_be_tried_again_and_a_promoted_one_waits() {
    let mut case = Case::new(&["no_artifact"]);
    case.history = vec![past(&case, 5, GUARD, &fitting(GUARD), Verdict::Inconclusive)];
    assert_eq!(surfaces(&case)[0], GUARD);
    case.history[0].verdict = Verdict::Promote;
    assert_eq!(surfaces(&case)[0], "/prompts/bootstrap");
    case.width = 40;
    assert!(surfaces(&case).contains(&GUARD.to_owned()));
}

#[test]
fn the_same_mechanism_is_passed_over_against_another_weakness_too() {
    let mut case = Case::new(&["no_artifact"]);
    let mut other = past(&case, 5, GUARD, &fitting(GUARD), Verdict::Reject);
    other.proposal.weakness = "w-other".into();
    case.history = vec![other.clone()];
    assert_eq!(surfaces(&case)[0], GUARD);
    other.proposal.mechanism = "Runtime-Control".into();
    case.history = vec![other];
    assert_ne!(surfaces(&case)[0], GUARD);
}

#[test]
fn each_weakness_leaves_one_slot_to_the_model_after_its_likely_surfaces() {
    let mut case = Case::new(&["identical_retry"]);
    case.width = 100;
    let slots = slots(&case);
    let free: Vec<usize> = (0..slots.len()).filter(|at| slots[*at].surface.is_none()).collect();
    assert_eq!(free, [4]);
    assert_eq!(slots.len(), case.brief().surfaces.len() + 1);
}

fn mechanisms() -> impl Strategy<Value = Vec<&'static str>> {
    let words = [
        "no_artifact",
        "identical_retry",
        "misreads_task",
        "never_checks",
        "wrong_method",
        "other",
    ];
    prop::sample::subsequence(words.to_vec(), 0..=6)
}

proptest! {
    #[test]
    fn slots_are_distinct_known_and_at_most_width(
        mechanisms in mechanisms(), width in 0usize..60, seed in any::<u64>(), rejected in prop::collection::vec(0usize..20, 0..8),
    ) {
        let mut case = Case::new(&mechanisms);
        case.width = width;
        let all = case.brief().surfaces;
        if !case.weaknesses.is_empty() {
            let reject = |index: &usize| past(&case, 4, all[index % all.len()].id.as_str(), &Value::Null, Verdict::Reject);
            case.history = rejected.iter().map(reject).collect();
        }
        let slots = assign(&case.brief(), 3, seed).unwrap();
        prop_assert!(slots.len() <= width);
        prop_assert_eq!(slots.iter().collect::<BTreeSet<_>>().len(), slots.len());
        for slot in &slots {
            prop_assert!(case.weaknesses.iter().any(|weakness| weakness.id == slot.weakness));
            if let Some(surface) = &slot.surface {
                prop_assert!(all.iter().any(|known| known.id == *surface));
                let spurned = slot.weakness == case.weaknesses[0].id
                    && case.history.iter().any(|past| past.proposal.surface == *surface);
                prop_assert!(!spurned);
            }
        }
        let named: BTreeSet<_> = slots.iter().map(|slot| &slot.weakness).collect();
        prop_assert_eq!(named.len(), case.weaknesses.len().min(width), "every weakness has its turn");
        prop_assert_eq!(assign(&case.brief(), 3, seed).unwrap(), slots);
    }
}
