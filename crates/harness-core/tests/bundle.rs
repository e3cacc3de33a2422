//! A bundle leads there and back, and nothing else passes for it.

use harness_core::{
    Bundle, DocumentEdit, ErrorKind, Evidence, Harness, Lineage, MinimalHarness, Operation,
    PromotedEdit, ProposalId, Result, RunFacts, RunIdentity,
};
use serde_json::{Value, json};

/// The seed with two prompts replaced, one after the other.
fn lineage() -> Result<Lineage<MinimalHarness>> {
    let mut lineage = Lineage::new(MinimalHarness::default());
    for (round, text) in [(1, "Look before you leap."), (2, "Look twice.")] {
        let edit = replace(text);
        let edits = vec![PromotedEdit { proposal: ProposalId::new(format!("r{round}-p1")), edit }];
        let promotion = lineage.promotion(round, edits)?;
        lineage.push(promotion)?;
    }
    Ok(lineage)
}

fn replace(text: &str) -> DocumentEdit {
    DocumentEdit::one(Operation::Replace { at: "/prompts/system".to_owned(), value: json!(text) })
}

fn bundle() -> Result<Bundle> {
    let facts = RunFacts {
        identity: RunIdentity::default().with("seed", 7),
        evidence: Evidence { records: 12, chain: "ab".repeat(32) },
        ..RunFacts::default()
    };
    Bundle::of(&lineage()?, facts)
}

#[test]
fn it_leads_to_the_tip_and_back_edit_by_edit() {
    let (bundle, lineage) = (bundle().unwrap(), lineage().unwrap());
    let tip = bundle.apply(lineage.seed()).unwrap();
    assert_eq!(&tip, lineage.tip());
    assert_eq!(bundle.revert(&tip, 0).unwrap(), tip);
    let one_back = bundle.revert(&tip, 1).unwrap();
    assert_eq!(one_back.fingerprint().unwrap(), bundle.edits[0].after);
    assert_eq!(&bundle.revert(&tip, 2).unwrap(), lineage.seed());
}

#[test]
fn it_comes_back_from_text_as_it_was() {
    let bundle = bundle().unwrap();
    let text = serde_json::to_string(&bundle).unwrap();
    assert_eq!(Bundle::parse::<MinimalHarness>(&text).unwrap(), bundle);
}

#[test]
fn it_is_for_its_own_harness_only() {
    let (bundle, lineage) = (bundle().unwrap(), lineage().unwrap());
    assert_eq!(bundle.apply(lineage.tip()).unwrap_err().kind(), ErrorKind::Mismatch);
    assert_eq!(bundle.revert(lineage.seed(), 1).unwrap_err().kind(), ErrorKind::Mismatch);
}

#[test]
fn nothing_in_it_can_be_changed_unnoticed() {
    let whole = serde_json::to_value(bundle().unwrap()).unwrap();
    for key in whole.as_object().unwrap().keys().filter(|key| *key != "format") {
        let mut changed = whole.clone();
        changed[key] = match &whole[key] {
            Value::String(text) => json!(text.replace(|c: char| c.is_ascii_digit(), "f")),
            Value::Array(_) => json!([]),
            _ => json!({}),
        };
        assert_ne!(changed[key], whole[key], "{key}");
        let refused = Bundle::parse::<MinimalHarness>(&changed.to_string()).unwrap_err();
        assert!(
            matches!(refused.kind(), ErrorKind::Mismatch | ErrorKind::InvalidInput),
            "{key}: {refused}"
        );
    }
    let mut later = whole;
    later["format"] = json!(2);
    let refused = Bundle::parse::<MinimalHarness>(&later.to_string()).unwrap_err();
    assert!(refused.message().contains("format 2"), "{refused}");
}
