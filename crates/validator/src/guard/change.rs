//! What an edit changes, as data.

use std::collections::BTreeSet;

use serde_json::Value;

/// The difference between two documents.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Change {
    /// JSON pointers to what is different: the outermost place that exists on one side only, or a leaf with another value. A list whose
    /// items differ is one place.
    pub(super) places: BTreeSet<String>,
    /// Names of properties that are there now and were not, anywhere below.
    pub(super) keys: BTreeSet<String>,
    /// Texts that are there now and were not, whole, and all of them in one.
    pub(super) texts: Vec<String>,
    /// Texts that were there before.
    pub(super) known: Vec<String>,
}

impl Change {
    pub(super) fn between(before: &Value, after: &Value) -> Self {
        let mut change = Self::default();
        difference(before, after, "", &mut change.places);
        change.keys = &keys(after) - &keys(before);
        let old: BTreeSet<String> = texts(before).into_iter().collect();
        change.texts = texts(after).into_iter().filter(|text| !old.contains(text)).collect();
        change.known = old.into_iter().collect();
        if change.texts.len() > 1 {
            change.texts.push(change.texts.join("\n"));
        }
        change
    }
}

/// Every text of a document, in order; numbers as they are written.
pub(super) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(map) => map.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) => Vec::new(),
    }
}

fn keys(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(keys).collect(),
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| std::iter::once(key.clone()).chain(keys(value)))
            .collect(),
        _ => BTreeSet::new(),
    }
}

fn difference(before: &Value, after: &Value, at: &str, places: &mut BTreeSet<String>) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(before), Value::Object(after)) => {
            let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for name in names {
                let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                let (old, new) = (before.get(name), after.get(name));
                match (old, new) {
                    (Some(old), Some(new)) => difference(old, new, &place, places),
                    _ => {
                        places.insert(place);
                    }
                }
            }
        }
        _ => {
            places.insert(at.to_owned());
        }
    }
}
