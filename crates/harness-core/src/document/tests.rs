//! The laws of edits, over many documents and edits.

use std::collections::BTreeSet;

use proptest::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{DocumentEdit, Operation, apply, surfaces};
use crate::{ErrorKind, Fingerprint};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// A text.
    #[schemars(length(max = 40))]
    prompt: String,
    /// A bounded number.
    #[schemars(range(min = 0, max = 100))]
    retries: u32,
    /// Not to be edited.
    #[schemars(extend("readOnly" = true))]
    model: String,
    /// A list.
    #[schemars(length(max = 5))]
    notes: Vec<Note>,
    /// A nested object: its fields are surfaces.
    inner: Inner,
    /// On or off.
    guard: Option<Guard>,
    /// Numbers only: its fields are surfaces, and it may be replaced as a whole.
    window: Window,
    /// Numbers, one of them not to be edited: its other field is a surface.
    caps: Caps,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Window {
    #[schemars(range(max = 9))]
    head: u8,
    #[schemars(range(max = 9))]
    tail: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Caps {
    soft: u8,
    #[schemars(extend("readOnly" = true))]
    hard: u8,
}

const CAPS: Caps = Caps { soft: 1, hard: 2 };

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inner {
    /// A text below.
    text: String,
    /// With characters that a pointer escapes.
    #[serde(rename = "a/b~c")]
    odd: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Note {
    body: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Guard {
    #[schemars(range(min = 1, max = 9))]
    limit: u8,
}

fn config() -> impl Strategy<Value = Config> {
    let note = "[a-c ]{0,6}".prop_map(|body| Note { body });
    let guard = proptest::option::of((1u8..=9).prop_map(|limit| Guard { limit }));
    (
        "[ab ]{0,20}",
        0u32..=100,
        proptest::collection::vec(note, 0..=5),
        "[xy]{0,8}",
        any::<bool>(),
        guard,
        (0u8..=9, 0u8..=9),
    )
        .prop_map(|(prompt, retries, notes, text, odd, guard, (head, tail))| Config {
            prompt,
            retries,
            model: "fixed".into(),
            notes,
            inner: Inner { text, odd },
            guard,
            window: Window { head, tail },
            caps: CAPS,
        })
}

/// Operations that often apply and often do not.
fn operation() -> impl Strategy<Value = Operation> {
    let text_at = prop_oneof![
        Just("/prompt"),
        Just("/inner/text"),
        Just("/notes/0/body"),
        Just("/model"),
        Just("/retries"),
        Just("/nowhere")
    ];
    let value = prop_oneof![
        "[ab]{0,50}".prop_map(Value::from),
        (0u32..200).prop_map(Value::from),
        Just(Value::Null),
        (0u8..12).prop_map(|limit| json!({ "limit": limit })),
        (0u8..12).prop_map(|head| json!({ "head": head, "tail": 3 })),
        (0u8..12).prop_map(|hard| json!({ "soft": 3, "hard": hard })),
        Just(json!([{ "body": "x" }])),
        Just(json!({ "body": "x", "stray": 1 })),
    ];
    let anywhere = prop_oneof![
        Just("/prompt"),
        Just("/retries"),
        Just("/model"),
        Just("/notes"),
        Just("/notes/1"),
        Just("/inner"),
        Just("/inner/text"),
        Just("/inner/a~1b~0c"),
        Just("/guard"),
        Just("/guard/limit"),
        Just("/window"),
        Just("/window/head"),
        Just("/caps"),
        Just("/caps/hard"),
        Just("")
    ];
    let list = prop_oneof![Just("/notes"), Just("/prompt")];
    prop_oneof![
        (anywhere, value).prop_map(|(at, value)| Operation::Replace { at: at.into(), value }),
        (text_at, "[abx ]{0,3}", "[abz]{0,30}").prop_map(|(at, old, new)| Operation::Splice {
            at: at.into(),
            old,
            new
        }),
        (list.clone(), 0usize..7, "[a-c]{0,4}").prop_map(|(at, index, body)| Operation::Insert {
            at: at.into(),
            index,
            value: json!({ "body": body })
        }),
        (list, 0usize..7).prop_map(|(at, index)| Operation::Remove { at: at.into(), index }),
    ]
}

fn edit() -> impl Strategy<Value = DocumentEdit> {
    proptest::collection::vec(operation(), 1..=2).prop_map(|operations| DocumentEdit { operations })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, max_global_rejects: 50_000, ..ProptestConfig::default() })]

    #[test]
    fn apply_then_inverse_is_identity(document in config(), edit in edit()) {
        if let Ok(applied) = apply(&document, &edit) {
            let back = apply(&applied.document, &applied.inverse);
            prop_assert_eq!(back.map(|back| back.document).ok(), Some(document));
        }
    }

    #[test]
    fn the_inverse_of_the_inverse_is_the_edit_by_effect(document in config(), edit in edit()) {
        if let Ok(applied) = apply(&document, &edit) {
            let back = apply(&applied.document, &applied.inverse).unwrap();
            prop_assert_eq!(apply(&document, &back.inverse).unwrap().document, applied.document);
        }
    }

    #[test]
    fn same_edit_same_fingerprint(document in config(), edit in edit()) {
        let stored: DocumentEdit = serde_json::from_str(&serde_json::to_string(&edit).unwrap()).unwrap();
        let print = |edit| apply(&document, edit).ok().map(|applied| Fingerprint::of(&applied.document).unwrap());
        prop_assert_eq!(print(&edit), print(&stored));
    }

    #[test]
    fn disjoint_edits_commute(document in config(), first in edit(), second in edit()) {
        prop_assume!(first.is_disjoint(&second));
        let both = |one: &DocumentEdit, other: &DocumentEdit| {
            let half = apply(&document, one).ok()?;
            Some(apply(&half.document, other).ok()?.document)
        };
        prop_assert_eq!(both(&first, &second), both(&second, &first));
    }

    #[test]
    fn an_edit_that_applies_stays_within_surfaces_and_bounds(document in config(), edit in edit()) {
        if let Ok(applied) = apply(&document, &edit) {
            prop_assert_eq!(&applied.document.model, "fixed");
            prop_assert!(applied.document.retries <= 100);
            prop_assert!(applied.document.prompt.chars().count() <= 40);
            prop_assert!(applied.document.notes.len() <= 5);
            prop_assert!(applied.document.guard.is_none_or(|guard| (1..=9).contains(&guard.limit)));
            let Window { head, tail } = applied.document.window;
            prop_assert!(head <= 9 && tail <= 9);
            prop_assert_eq!(applied.document.caps.hard, CAPS.hard);
        }
    }
}

fn sample() -> Config {
    Config {
        prompt: "aaa b".into(),
        retries: 1,
        model: "fixed".into(),
        notes: vec![Note { body: "n".into() }],
        inner: Inner { text: "t".into(), odd: false },
        guard: None,
        window: Window { head: 1, tail: 2 },
        caps: CAPS,
    }
}

fn refusal(operation: Operation) -> String {
    let error = apply(&sample(), &DocumentEdit::one(operation)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidEdit);
    error.message().to_owned()
}

#[test]
fn surfaces_are_the_properties_that_are_not_read_only() {
    let surfaces = surfaces(&sample());
    let names: Vec<&str> = surfaces.iter().map(|surface| surface.id.as_str()).collect();
    let expected = [
        "/caps/soft",
        "/guard",
        "/inner/a~1b~0c",
        "/inner/text",
        "/notes",
        "/prompt",
        "/retries",
        "/window/head",
        "/window/tail",
    ];
    assert_eq!(names.iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from(expected));
    let prompt = surfaces.iter().find(|surface| surface.id.as_str() == "/prompt").unwrap();
    assert_eq!((prompt.description.as_str(), &prompt.value), ("A text.", &json!("aaa b")));
    assert_eq!(prompt.schema["maxLength"], json!(40));
}

#[test]
fn outside_declared_surfaces_is_refused() {
    for at in ["/model", "/unknown", "", "/inner", "/caps", "/caps/hard", "/promptx", "prompt"] {
        let message = refusal(Operation::Replace { at: at.into(), value: json!("x") });
        assert!(
            message.contains("not a surface") || message.contains("the document"),
            "{at}: {message}"
        );
    }
}

#[test]
fn a_few_settings_that_stand_together_may_be_set_together() {
    let set = |value| DocumentEdit::one(Operation::Replace { at: "/window".into(), value });
    let applied = apply(&sample(), &set(json!({ "head": 3, "tail": 4 }))).unwrap();
    assert_eq!(applied.document.window, Window { head: 3, tail: 4 });
    assert_eq!(apply(&applied.document, &applied.inverse).unwrap().document, sample());
    for value in [json!({ "head": 10, "tail": 4 }), json!({ "head": 3 }), json!(3), json!(null)] {
        let error = apply(&sample(), &set(value)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidEdit);
    }
}

#[test]
fn a_passage_must_occur_exactly_once() {
    let splice =
        |old: &str| Operation::Splice { at: "/prompt".into(), old: old.into(), new: "x".into() };
    assert!(refusal(splice("zz")).contains("0 times"));
    assert!(refusal(splice("aa")).contains("2 times"), "overlapping occurrences count");
    assert!(refusal(splice("")).contains("empty"));
    let edit = DocumentEdit::one(splice("aaa"));
    assert_eq!(apply(&sample(), &edit).unwrap().document.prompt, "x b");
}

#[test]
fn a_pair_applies_whole_or_not_at_all() {
    let good = Operation::Replace { at: "/retries".into(), value: json!(2) };
    let bad = Operation::Replace { at: "/retries".into(), value: json!(200) };
    let next = Operation::Replace { at: "/inner/text".into(), value: json!("u") };
    assert!(apply(&sample(), &DocumentEdit::pair(good.clone(), bad)).is_err());
    let applied = apply(&sample(), &DocumentEdit::pair(good, next)).unwrap();
    assert_eq!((applied.document.retries, applied.document.inner.text.as_str()), (2, "u"));
}

#[test]
fn types_local_to_two_functions_do_not_share_a_shape() {
    fn first() -> usize {
        #[derive(Clone, Serialize, Deserialize, JsonSchema)]
        struct Local {
            a: u8,
        }
        surfaces(&Local { a: 1 }).len()
    }
    fn second() -> usize {
        #[derive(Clone, Serialize, Deserialize, JsonSchema)]
        struct Local {
            a: u8,
            b: u8,
        }
        surfaces(&Local { a: 1, b: 2 }).len()
    }
    assert_eq!((first(), second()), (1, 2));
}
