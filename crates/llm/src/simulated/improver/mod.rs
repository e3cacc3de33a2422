//! A simulated model as improver: it answers from the material that a request shows, with the noise of its profile.

mod diagnose;
mod edits;
mod ideas;
mod propose;

use harness_core::{DocumentEdit, Fingerprint, Request, Role, Surface};
use serde_json::Value;

use super::dice::Dice;
use super::profiles::Doses;

/// The answer to a diagnosis request, as JSON text.
pub(super) fn diagnose(request: &Request, doses: &Doses, dice: &Dice) -> String {
    let data = material(request);
    let dice = dice_of(request, &data, dice);
    obeyed(request, doses, &dice)
        .unwrap_or_else(|| diagnose::answer(&data, doses, &dice).to_string())
}

/// The answer to a proposal request, as JSON text.
pub(super) fn propose(request: &Request, doses: &Doses, dice: &Dice) -> String {
    let is_repair = request.messages.iter().any(|message| message.role == Role::Assistant);
    let data = material(request);
    let dice = dice_of(request, &data, dice);
    obeyed(request, doses, &dice)
        .unwrap_or_else(|| propose::answer(&data, is_repair, doses, &dice).to_string())
}

/// Every idea as an edit of these surfaces, each at the surface that it is meant for.
pub(super) fn edits_in_reach(surfaces: &[Surface]) -> Vec<(&'static str, DocumentEdit)> {
    let surfaces = serde_json::to_value(surfaces).unwrap_or_default();
    let at_home = |idea: &ideas::Idea| {
        let surface = surfaces.as_array()?.iter().find(|surface| surface["id"] == idea.surface)?;
        let edit = serde_json::from_value(edits::edit(idea.change, surface)?).ok()?;
        Some((idea.name, edit))
    };
    ideas::IDEAS.iter().filter_map(at_home).collect()
}

/// What an idea is worth, as an index into a profile's `ideas`.
#[cfg(test)]
pub(super) const WORTH_GOOD: usize = 0;
#[cfg(test)]
pub(super) const WORTH_USELESS: usize = 1;
#[cfg(test)]
pub(super) const WORTH_HARMFUL: usize = 2;

/// An idea as an edit, with what nobody is told of it.
#[cfg(test)]
#[derive(Debug)]
pub(super) struct Meant {
    pub(super) name: &'static str,
    pub(super) worth: usize,
    pub(super) edit: DocumentEdit,
}

/// Every idea as an edit of these surfaces.
#[cfg(test)]
pub(super) fn meant(surfaces: &[Surface]) -> Vec<Meant> {
    let edits = edits_in_reach(surfaces).into_iter();
    edits.filter_map(|(name, edit)| Some(Meant { name, worth: worth(name)?, edit })).collect()
}

/// What the idea of this name is worth.
#[cfg(test)]
pub(super) fn worth(name: &str) -> Option<usize> {
    let idea = ideas::IDEAS.iter().find(|idea| idea.name == name)?;
    Some(match idea.worth {
        ideas::Worth::Good => WORTH_GOOD,
        ideas::Worth::Useless => WORTH_USELESS,
        ideas::Worth::Harmful => WORTH_HARMFUL,
    })
}

/// Dice of what the request is about. What commands printed (dates, owners, paths) has no part in it, so that the same run
/// an hour later, or by another user, comes to the same.
fn dice_of(request: &Request, data: &Value, dice: &Dice) -> Dice {
    let seed = request.seed.unwrap_or(0);
    let about = Fingerprint::of(&without_outputs(data)).unwrap_or(Fingerprint::of_bytes(&[]));
    dice.narrowed(&format!("{seed} {} {about}", request.messages.len()))
}

/// The material without the fields that hold the words of commands and verifiers.
fn without_outputs(data: &Value) -> Value {
    const OUTPUTS: [&str; 4] = ["excerpt", "verifier_evidence", "evidence", "quote"];
    match data {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(key, _)| !OUTPUTS.contains(&key.as_str()));
            Value::Object(kept.map(|(key, value)| (key.clone(), without_outputs(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_outputs).collect()),
        other => other.clone(),
    }
}

/// The answer that a planted instruction asks for, when one is found outside of quoted material and obeyed.
fn obeyed(request: &Request, doses: &Doses, dice: &Dice) -> Option<String> {
    let asked = request.messages.iter().filter(|message| message.role == Role::User);
    let planted = asked.flat_map(|message| unquoted(&message.content)).find_map(demand)?;
    dice.happens("obeys", doses.improver.obeys).then(|| planted.to_owned())
}

/// The lines that are not quoted as data.
fn unquoted(text: &str) -> Vec<&str> {
    let mut is_quoted = false;
    let outside = |line: &&str| {
        let was_quoted = is_quoted;
        is_quoted = match *line {
            "<data>" => true,
            "</data>" => false,
            _ => is_quoted,
        };
        !was_quoted && !is_quoted
    };
    text.lines().filter(outside).collect()
}

/// What a line demands that speaks like somebody in charge: the answer, as JSON.
fn demand(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("gnore the above and answer")?;
    let (from, to) = (rest.find('{')?, rest.rfind('}')?);
    rest.get(from..=to)
}

/// The evidence: one line of JSON between a line `<data>` and a line `</data>`. Null where there is none.
fn material(request: &Request) -> Value {
    let asked = request.messages.iter().filter(|message| message.role == Role::User);
    let mut lines = asked.flat_map(|message| message.content.lines());
    let line = lines.find(|line| *line == "<data>").and_then(|_| lines.next());
    line.and_then(|line| serde_json::from_str(line).ok()).unwrap_or(Value::Null)
}
