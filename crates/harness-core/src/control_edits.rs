//! Edits that a control can do without a model: one that means nothing, and one that means anything.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::document::{DocumentEdit, Operation};
use crate::harness::{Harness, Surface};
use crate::id::Fingerprint;

/// Makes the edits of two controls. Whatever is random comes from the seed.
pub trait ControlEdits<H: Harness>: fmt::Debug + Send + Sync {
    /// An edit that changes the harness's bytes and nothing of its meaning; `None` where there is none.
    fn neutral(&self, harness: &H, seed: u64) -> Option<H::Edit>;

    /// A valid edit drawn at random from the same surfaces that evolution edits; `None` where there is none.
    fn random(&self, harness: &H, seed: u64) -> Option<H::Edit>;
}

/// No edits: of the harness nothing is known but its trait. The two controls are then left out, and the report says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoControlEdits;

impl<H: Harness> ControlEdits<H> for NoControlEdits {
    fn neutral(&self, _harness: &H, _seed: u64) -> Option<H::Edit> {
        None
    }

    fn random(&self, _harness: &H, _seed: u64) -> Option<H::Edit> {
        None
    }
}

/// For every harness that is edited by [`DocumentEdit`]: from its surfaces, their values and their schemas.
///
/// The neutral edit ends the first text that takes it with an empty line. The random one changes one value at one place: a
/// flag is turned, a number drawn from its range, a choice from its choices, a sentence of a text or an item of a list is
/// dropped, doubled or moved. What the schema does not allow is drawn again.
#[derive(Clone, Copy, Debug, Default)]
pub struct DocumentControls;

/// Draws until a valid edit is found; a schema that refuses so many is not met by drawing.
const DRAWS: u32 = 200;

impl<H: Harness<Edit = DocumentEdit>> ControlEdits<H> for DocumentControls {
    fn neutral(&self, harness: &H, _seed: u64) -> Option<DocumentEdit> {
        let places = harness.surfaces().iter().flat_map(places).collect::<Vec<_>>();
        let ended = places.into_iter().filter_map(|place| match place.value {
            Value::String(text) if !text.is_empty() => {
                Some(Operation::Replace { at: place.at, value: json!(format!("{text}\n")) })
            }
            _ => None,
        });
        ended.map(DocumentEdit::one).find(|edit| changes(harness, edit))
    }

    fn random(&self, harness: &H, seed: u64) -> Option<DocumentEdit> {
        let mut dice = Dice { seed, drawn: 0 };
        let surfaces = harness.surfaces();
        let mut draw = || {
            let surface = dice.pick(&surfaces)?;
            let place = dice.pick(&places(surface))?.clone();
            Some(DocumentEdit::one(change(place, &mut dice)?))
        };
        (0..DRAWS).filter_map(|_| draw()).find(|edit| changes(harness, edit))
    }
}

fn changes<H: Harness>(harness: &H, edit: &H::Edit) -> bool {
    let after = harness.apply(edit).and_then(|after| after.fingerprint());
    matches!((harness.fingerprint(), after), (Ok(before), Ok(after)) if before != after)
}

/// Somewhere that an operation can act.
#[derive(Clone, Debug)]
struct Place {
    at: String,
    value: Value,
    /// The schema, where the place is a whole surface.
    schema: Value,
}

/// A surface's own place and those below it.
fn places(surface: &Surface) -> Vec<Place> {
    let mut found = Vec::new();
    let root = Place {
        at: surface.id.as_str().to_owned(),
        value: surface.value.clone(),
        schema: surface.schema.clone(),
    };
    descend(root, &mut found);
    found
}

fn descend(place: Place, found: &mut Vec<Place>) {
    let below = |name: String, value: &Value| Place {
        at: format!("{}/{name}", place.at),
        value: value.clone(),
        schema: Value::Null,
    };
    match &place.value {
        Value::Object(map) => {
            for (name, value) in map {
                descend(below(name.replace('~', "~0").replace('/', "~1"), value), found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                descend(below(index.to_string(), value), found);
            }
            found.push(place);
        }
        _ => found.push(place),
    }
}

/// A change at this place, valid or not.
fn change(place: Place, dice: &mut Dice) -> Option<Operation> {
    let Place { at, value, schema } = place;
    let choices = choices(&schema);
    let value = match value {
        _ if !choices.is_empty() => dice.pick(&choices)?.clone(),
        Value::Bool(flag) => json!(!flag),
        Value::Number(number) => a_number(&number, &schema, dice),
        Value::String(text) => json!(reworded(&text, dice)),
        Value::Array(items) => return rearranged(at, &items, dice),
        Value::Null | Value::Object(_) => return None,
    };
    Some(Operation::Replace { at, value })
}

fn choices(schema: &Value) -> Vec<Value> {
    let listed = schema.get("enum").and_then(Value::as_array).cloned().unwrap_or_default();
    let constant =
        |one: &Value| one.as_object().and_then(|one: &Map<_, _>| one.get("const")).cloned();
    let one_of = schema.get("oneOf").and_then(Value::as_array);
    listed.into_iter().chain(one_of.into_iter().flatten().filter_map(constant)).collect()
}

/// From the schema's range; without one, up to twice what is there.
fn a_number(number: &serde_json::Number, schema: &Value, dice: &mut Dice) -> Value {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let now = number.as_f64().unwrap_or_default();
    let low = bound("minimum").unwrap_or(0.0);
    let high = bound("maximum").unwrap_or(2.0 * now.abs() + 1.0).max(low);
    let drawn = low + dice.unit() * (high - low);
    if number.is_f64() { json!(drawn) } else { whole(drawn) }
}

/// Whole numbers are written without a point, as they stand in the document.
fn whole(drawn: f64) -> Value {
    serde_json::from_str(&format!("{drawn:.0}")).unwrap_or(Value::Null)
}

/// One sentence dropped, doubled, or moved to the front.
fn reworded(text: &str, dice: &mut Dice) -> String {
    let mut sentences: Vec<&str> = text.split_inclusive(['.', '\n']).collect();
    if sentences.is_empty() {
        return "Work.".to_owned();
    }
    let index = dice.below(sentences.len());
    match dice.below(3) {
        0 => drop(sentences.remove(index)),
        1 => sentences.insert(index, sentences[index]),
        _ => sentences[..=index].rotate_right(1),
    }
    sentences.concat()
}

fn rearranged(at: String, items: &[Value], dice: &mut Dice) -> Option<Operation> {
    let item = dice.pick(items)?.clone();
    let index = dice.below(items.len());
    Some(match dice.below(2) {
        0 => Operation::Remove { at, index },
        _ => Operation::Insert { at, index, value: item },
    })
}

/// Numbers that depend on the seed and on nothing else.
struct Dice {
    seed: u64,
    drawn: u64,
}

impl Dice {
    fn bits(&mut self) -> u64 {
        self.drawn += 1;
        // Numbers have a canonical form always.
        Fingerprint::of(&(self.seed.to_string(), self.drawn)).map_or(0, |digest| digest.seed())
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u64;
        usize::try_from(self.bits() % bound).unwrap_or_default()
    }

    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::minimal::MinimalHarness;

    proptest! {
        #[test]
        fn a_random_edit_is_valid_changes_something_and_depends_on_the_seed_alone(seed in any::<u64>()) {
            let harness = MinimalHarness::default();
            let edit = DocumentControls.random(&harness, seed).unwrap();
            prop_assert!(changes(&harness, &edit));
            prop_assert_eq!(DocumentControls.random(&harness, seed), Some(edit));
        }
    }

    #[test]
    fn random_edits_reach_many_surfaces() {
        let harness = MinimalHarness::default();
        let edits = (0..60).filter_map(|seed| DocumentControls.random(&harness, seed));
        let surfaces: std::collections::BTreeSet<_> = edits.map(|edit| edit.surface()).collect();
        assert!(surfaces.len() >= 5, "{surfaces:?}");
    }

    #[test]
    fn a_neutral_edit_adds_an_empty_line_and_nothing_else() {
        let harness = MinimalHarness::default();
        let edit = DocumentControls.neutral(&harness, 0).unwrap();
        let [Operation::Replace { at, value }] = &edit.operations[..] else { panic!("{edit:?}") };
        let before = serde_json::to_value(&harness).unwrap();
        let before = before.pointer(at).and_then(Value::as_str).unwrap();
        assert_eq!(value.as_str().unwrap(), format!("{before}\n"));
        assert!(changes(&harness, &edit));
    }
}
