//! The contract of `Proposer`, for any brief and any answers.

use std::collections::BTreeSet;

use harness_core::{Completion, Fingerprint, Harness};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Case, Script, material, obliging, replacing};

/// A model whose answers depend on the question alone: obliging, repetitive, declining, broken, harmful.
fn whimsical(salt: u64) -> Script {
    Script::new(move |request| {
        let whim = Fingerprint::of(&(salt, request)).unwrap().seed();
        let data = material(request);
        let weakness = &data["slot"]["weakness"];
        let answer = match whim % 9 {
            0 => replacing(weakness, "/prompts/memory", &json!("Always the same.")),
            1 => replacing(weakness, "/prompts/memory", &json!(format!("One of {}.", whim % 3))),
            2 => json!({ "decision": "decline", "decline_reason": "no" }),
            3 => replacing(&json!("w-invented"), "/prompts/memory", &json!("x")),
            4 => replacing(weakness, "/limits", &json!(1)),
            5 => replacing(weakness, "/prompts/memory", &json!("x".repeat(3900))),
            6 => replacing(weakness, "/prompts/memory", &json!("")),
            _ => obliging(&data),
        };
        Ok(Completion::text(if whim.is_multiple_of(31) {
            "{".to_owned()
        } else {
            answer.to_string()
        }))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_model_says_the_contract_holds(
        mechanisms in prop::sample::subsequence(vec!["no_artifact", "identical_retry", "never_checks", "odd"], 0..=4),
        width in 0usize..9, salt in any::<u64>(),
    ) {
        let mut case = Case::new(&mechanisms);
        case.width = width;
        let proposals = case.propose(&whimsical(salt)).unwrap();
        prop_assert!(proposals.len() <= width);
        let before = case.incumbent.fingerprint().unwrap();
        let mut effects = BTreeSet::new();
        for proposal in &proposals {
            let weakness = case.weaknesses.iter().find(|weakness| weakness.id == proposal.weakness);
            prop_assert!(proposal.expected_to_mend.is_subset(&weakness.unwrap().tasks));
            let effect = case.incumbent.apply(&proposal.edit).unwrap().fingerprint().unwrap();
            prop_assert_ne!(effect, before);
            prop_assert!(effects.insert(effect), "two proposals have the same effect");
        }
        let ids: BTreeSet<_> = proposals.iter().map(|proposal| &proposal.id).collect();
        prop_assert_eq!(ids.len(), proposals.len());
        prop_assert_eq!(case.propose(&whimsical(salt)).unwrap(), proposals);
    }

    #[test]
    fn no_reply_breaks_the_round(reply in any::<String>()) {
        prop_assert!(Case::new(&["no_artifact"]).propose(&Script::always(reply)).unwrap().is_empty());
    }

    #[test]
    fn no_json_breaks_the_round(operation in "[a-z]{0,7}", place in "(/[a-z0-9~]{0,9}){0,3}", value in "\\PC{0,20}") {
        let case = Case::new(&["no_artifact"]);
        let mut answer = replacing(&json!(case.weaknesses[0].id), &place, &json!(value));
        answer["edit"]["operations"][0]["op"] = Value::from(operation);
        case.propose(&Script::always(answer.to_string())).unwrap();
    }
}
