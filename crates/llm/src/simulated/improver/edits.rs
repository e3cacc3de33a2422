//! How an idea becomes an edit of a surface as it is now. Pure.

use serde_json::{Value, json};

use super::ideas::Change;

/// The edit that carries `change` out on `surface`, as the harness's own schema has it; `None` when it would change nothing or
/// does not fit.
pub(super) fn edit(change: Change, surface: &Value) -> Option<Value> {
    let at = surface["id"].as_str()?;
    let operation = match change {
        Change::Say(sentence) => say(at, sentence, surface)?,
        Change::Put(value) => put(at, &serde_json::from_str(value).ok()?, &surface["value"])?,
        Change::Insert(item) => insert(at, &serde_json::from_str(item).ok()?, surface)?,
        Change::PutBoth(value, beside, other) => {
            let first = put(at, &serde_json::from_str(value).ok()?, &surface["value"])?;
            let second = put(beside, &serde_json::from_str(other).ok()?, &Value::Null)?;
            return Some(json!({ "operations": [first, second] }));
        }
    };
    Some(json!({ "operations": [operation] }))
}

fn say(at: &str, sentence: &str, surface: &Value) -> Option<Value> {
    let text = surface["value"].as_str()?;
    let most = surface["schema"]["maxLength"].as_u64().unwrap_or(u64::MAX);
    let length = u64::try_from(text.chars().count() + 1 + sentence.chars().count()).ok()?;
    if text.contains(sentence) || length > most {
        return None;
    }
    let last = text.rfind(". ").map_or(text, |at| &text[at + 2..]);
    if !last.trim().is_empty() && text.matches(last).count() == 1 {
        return Some(
            json!({ "op": "splice", "at": at, "old": last, "new": format!("{last} {sentence}") }),
        );
    }
    let whole = format!("{text} {sentence}");
    Some(json!({ "op": "replace", "at": at, "value": whole.trim() }))
}

fn put(at: &str, value: &Value, held: &Value) -> Option<Value> {
    (value != held).then(|| json!({ "op": "replace", "at": at, "value": value }))
}

fn insert(at: &str, item: &Value, surface: &Value) -> Option<Value> {
    let items = surface["value"].as_array()?;
    let most = surface["schema"]["maxItems"].as_u64().unwrap_or(u64::MAX);
    let full = u64::try_from(items.len()).ok()? >= most;
    let same = |known: &&Value| {
        ["name", "text", "tool"].iter().any(|key| !item[key].is_null() && known[key] == item[key])
    };
    if full || items.iter().any(|known| same(&known)) {
        return None;
    }
    Some(json!({ "op": "insert", "at": at, "index": items.len(), "value": item }))
}

#[cfg(test)]
mod tests {
    use harness_core::{DocumentEdit, Harness, MinimalHarness};

    use super::super::ideas::IDEAS;
    use super::*;

    /// Every idea, on the seed and again on what it made of it.
    #[test]
    fn every_idea_is_a_valid_edit_of_the_minimal_harness_once() {
        for idea in IDEAS {
            let seed = MinimalHarness::default();
            let surface = |harness: &MinimalHarness| {
                let surfaces = serde_json::to_value(harness.surfaces()).unwrap();
                let surfaces = surfaces.as_array().unwrap().clone();
                surfaces.into_iter().find(|surface| surface["id"] == idea.surface)
            };
            let edit = edit(
                idea.change,
                &surface(&seed).unwrap_or_else(|| panic!("no surface {}", idea.surface)),
            );
            let edit: DocumentEdit = serde_json::from_value(edit.unwrap()).unwrap();
            let edited = seed
                .apply(&edit)
                .unwrap_or_else(|error| panic!("{}: {}", idea.name, error.report()));
            assert_ne!(edited, seed, "{}", idea.name);
            assert!(
                super::edit(idea.change, &surface(&edited).unwrap()).is_none(),
                "{} twice",
                idea.name
            );
        }
    }
}
