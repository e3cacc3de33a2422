//! The strict reading of a model's answer.

use std::collections::BTreeSet;

use harness_core::{TaskName, WeaknessId, visible};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a model said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer<E> {
    /// No edit, and why.
    Declined(String),
    /// An edit with its reasons; nothing about it is checked against a brief yet.
    Proposed(Box<Drafted<E>>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Drafted<E> {
    pub(crate) weakness: WeaknessId,
    pub(crate) mechanism: String,
    pub(crate) edit: E,
    pub(crate) rationale: String,
    pub(crate) expected_to_mend: BTreeSet<TaskName>,
    pub(crate) risks: String,
}

impl<E: DeserializeOwned> Answer<E> {
    /// Reads an answer; a complaint names the key and what it must hold.
    pub(crate) fn read(answer: &Value) -> Result<Self, String> {
        match answer["decision"].as_str() {
            Some("decline") => {
                let reason = answer["decline_reason"].as_str().unwrap_or("no reason given");
                return Ok(Self::Declined(one_line(reason, 400)));
            }
            Some("propose") => {}
            _ => return Err("\"decision\" must be \"propose\" or \"decline\"".to_owned()),
        }
        let text = |key: &str, limit| {
            let text = answer[key].as_str().map(|text| one_line(text, limit));
            text.ok_or_else(|| format!("\"{key}\" must be a text"))
        };
        let tasks = answer["expected_to_mend"]
            .as_array()
            .ok_or("\"expected_to_mend\" must be an array of task names")?;
        Ok(Self::Proposed(Box::new(Drafted {
            weakness: WeaknessId::new(text("weakness", 100)?),
            mechanism: text("mechanism", 80)?,
            edit: edit(&answer["edit"])?,
            rationale: text("rationale", 800)?,
            expected_to_mend: tasks.iter().filter_map(Value::as_str).map(TaskName::from).collect(),
            risks: text("risks", 500)?,
        })))
    }
}

/// Constrained decoders write `null` for what was left out; a type that means something by `null` gets it as it is.
fn edit<E: DeserializeOwned>(edit: &Value) -> Result<E, String> {
    if edit.is_null() {
        return Err("\"edit\" is missing: give one, or decline".to_owned());
    }
    serde_json::from_value(edit.clone()).or_else(|error| {
        serde_json::from_value(without_nulls(edit.clone()))
            .map_err(|_| format!("\"edit\" does not fit its schema: {error}"))
    })
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, member)| !member.is_null());
            kept.map(|(key, member)| (key, without_nulls(member))).collect()
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

fn one_line(text: &str, limit: usize) -> String {
    visible(&text.split_whitespace().collect::<Vec<_>>().join(" "), limit)
}
