//! Whether a change stays where changes are allowed.

use std::collections::BTreeSet;

use harness_core::Surface;
use serde_json::Value;

use super::change::Change;

/// Why the change is refused, if it touches what is no surface, or moves the surfaces' own bounds.
pub(super) fn outside(
    before: &[Surface],
    after: &[Surface],
    document: &Value,
    change: &Change,
) -> Option<String> {
    let bounds = |surfaces: &[Surface]| -> Vec<(String, Value)> {
        surfaces
            .iter()
            .map(|surface| (surface.id.as_str().to_owned(), surface.schema.clone()))
            .collect()
    };
    if bounds(before) != bounds(after) {
        return Some("it changes which surfaces there are, or their bounds".to_owned());
    }
    // Surfaces of a harness that is no document need not be places in its JSON, or named at all: its own `apply` knows where they are.
    let places: Vec<&str> = before.iter().map(|surface| surface.id.as_str()).collect();
    if places.is_empty() || !places.iter().all(|place| document.pointer(place).is_some()) {
        return None;
    }
    let covered = |place: &&String| places.iter().any(|surface| is_at_or_below(place, surface));
    let stray = change.places.iter().find(|place| !covered(place))?;
    Some(format!("it changes '{stray}', which is no surface"))
}

fn is_at_or_below(place: &str, surface: &str) -> bool {
    place.strip_prefix(surface).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Every property name that a schema declares.
pub(super) fn properties(schema: &Value) -> BTreeSet<String> {
    match schema {
        Value::Object(map) => {
            let own = map
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(|named| named.keys().cloned());
            own.chain(map.values().flat_map(properties)).collect()
        }
        Value::Array(items) => items.iter().flat_map(properties).collect(),
        _ => BTreeSet::new(),
    }
}
