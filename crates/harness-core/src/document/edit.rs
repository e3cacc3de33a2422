//! The operations, and how they apply.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::schema;
use crate::error::{Error, ErrorKind, Result};
use crate::id::SurfaceId;

/// A change of a document: one operation, or an atomic pair such as a capability and its caller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentEdit {
    /// One operation, or two that only make sense together. They apply in order, or not at all.
    #[schemars(length(min = 1, max = 2))]
    pub operations: Vec<Operation>,
}

/// One change at one place. Places are JSON pointers (RFC 6901), such as `/prompts/system` or `/skills/0/body`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    /// Puts `value` in place of what is there.
    Replace {
        /// Where.
        at: String,
        /// The new value.
        value: Value,
    },
    /// Replaces one passage of a text.
    Splice {
        /// Where the text is.
        at: String,
        /// The passage, which must occur exactly once.
        old: String,
        /// What stands there afterwards.
        new: String,
    },
    /// Inserts an item into a list.
    Insert {
        /// Where the list is.
        at: String,
        /// Before which item; the length of the list appends.
        index: usize,
        /// The new item.
        value: Value,
    },
    /// Removes an item from a list.
    Remove {
        /// Where the list is.
        at: String,
        /// Which item.
        index: usize,
    },
}

impl Operation {
    /// The place it changes.
    pub fn at(&self) -> &str {
        match self {
            Self::Replace { at, .. }
            | Self::Splice { at, .. }
            | Self::Insert { at, .. }
            | Self::Remove { at, .. } => at,
        }
    }
}

impl DocumentEdit {
    /// An edit of one operation.
    pub fn one(operation: Operation) -> Self {
        Self { operations: vec![operation] }
    }

    /// Two operations that only make sense together.
    pub fn pair(first: Operation, second: Operation) -> Self {
        Self { operations: vec![first, second] }
    }

    /// The place of the first operation.
    pub fn surface(&self) -> SurfaceId {
        SurfaceId::new(self.operations.first().map(Operation::at).unwrap_or_default())
    }

    /// Whether the two touch no common place: neither's place is at or below one of the other's. Disjoint edits
    /// commute.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.operations.iter().all(|mine| {
            other.operations.iter().all(|theirs| {
                !schema::is_at_or_below(mine.at(), theirs.at())
                    && !schema::is_at_or_below(theirs.at(), mine.at())
            })
        })
    }
}

/// The result of an edit, with the way back.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied<T> {
    /// The document after the edit.
    pub document: T,
    /// The edit that leads back, exactly.
    pub inverse: DocumentEdit,
}

/// Applies `edit` to a copy of `document`.
///
/// # Errors
/// [`ErrorKind::InvalidEdit`], naming the place, when the edit has no operation or more than two, a place is not a declared
/// surface or below one, a place does not exist, a passage does not occur exactly once, an index is out of range, or
/// the result does not satisfy the document's schema or type.
pub fn apply<T>(document: &T, edit: &DocumentEdit) -> Result<Applied<T>>
where
    T: Serialize + DeserializeOwned + JsonSchema + 'static,
{
    if edit.operations.is_empty() || edit.operations.len() > 2 {
        return Err(invalid("", "an edit is one operation, or an atomic pair"));
    }
    let shape = schema::of::<T>();
    let mut value = serde_json::to_value(document)
        .map_err(|source| invalid("", "the document has no JSON form").with_source(source))?;
    let mut inverses = Vec::with_capacity(edit.operations.len());
    for operation in &edit.operations {
        shape.require_surface(operation.at())?;
        inverses.push(perform(&mut value, operation)?);
    }
    inverses.reverse();
    shape.require_valid(&value)?;
    let place = edit.surface();
    let edited: T = serde_json::from_value(value.clone()).map_err(|source| {
        invalid(place.as_str(), format!("the result is not a valid document: {source}"))
    })?;
    require_kept(&edited, &value, place.as_str())?;
    Ok(Applied { document: edited, inverse: DocumentEdit { operations: inverses } })
}

/// What the edit wrote must be what the document now holds: a value that the type silently drops or rounds would
/// make the inverse inexact.
fn require_kept<T: Serialize>(edited: &T, value: &Value, place: &str) -> Result<()> {
    let kept = serde_json::to_value(edited)
        .map_err(|source| invalid(place, "the result has no JSON form").with_source(source))?;
    if kept == *value {
        return Ok(());
    }
    Err(invalid(
        place,
        "the document does not keep the value as written (unknown fields, or a rounded number)",
    ))
}

/// Performs one operation and returns its inverse.
fn perform(document: &mut Value, operation: &Operation) -> Result<Operation> {
    let at = operation.at();
    let target =
        document.pointer_mut(at).ok_or_else(|| invalid(at, "there is nothing at this place"))?;
    match operation {
        Operation::Replace { value, .. } => {
            let before = std::mem::replace(target, value.clone());
            Ok(Operation::Replace { at: at.to_owned(), value: before })
        }
        Operation::Splice { old, new, .. } => splice(target, at, old, new),
        Operation::Insert { index, value, .. } => {
            let list = list_at(target, at)?;
            if *index > list.len() {
                return Err(invalid(
                    at,
                    format!("index {index} is beyond the end ({} items)", list.len()),
                ));
            }
            list.insert(*index, value.clone());
            Ok(Operation::Remove { at: at.to_owned(), index: *index })
        }
        Operation::Remove { index, .. } => {
            let list = list_at(target, at)?;
            if *index >= list.len() {
                return Err(invalid(
                    at,
                    format!("there is no item {index} ({} items)", list.len()),
                ));
            }
            let value = list.remove(*index);
            Ok(Operation::Insert { at: at.to_owned(), index: *index, value })
        }
    }
}

/// The inverse replaces the whole text: the new passage need not be unique in the result, so splicing back could
/// hit another place.
fn splice(target: &mut Value, at: &str, old: &str, new: &str) -> Result<Operation> {
    let Value::String(text) = target else {
        return Err(invalid(at, "only a text can be spliced"));
    };
    if old.is_empty() {
        return Err(invalid(at, "the passage to replace is empty: replace the whole text instead"));
    }
    // Overlapping occurrences count: "aa" occurs twice in "aaa".
    let occurrences =
        text.char_indices().filter(|(start, _)| text[*start..].starts_with(old)).count();
    if occurrences != 1 {
        return Err(invalid(
            at,
            format!("the passage occurs {occurrences} times, it must occur exactly once"),
        ));
    }
    let spliced = text.replacen(old, new, 1);
    let before = std::mem::replace(text, spliced);
    Ok(Operation::Replace { at: at.to_owned(), value: Value::String(before) })
}

fn list_at<'a>(target: &'a mut Value, at: &str) -> Result<&'a mut Vec<Value>> {
    target.as_array_mut().ok_or_else(|| invalid(at, "this is not a list"))
}

pub(super) fn invalid(at: &str, why: impl std::fmt::Display) -> Error {
    let place =
        if at.is_empty() { "the document".to_owned() } else { format!("the surface '{at}'") };
    Error::new(ErrorKind::InvalidEdit, format!("{place}: {why}"))
}
