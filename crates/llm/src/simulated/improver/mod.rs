//! A simulated model as improver: it answers from the material that a request shows, with the noise of its profile.

mod diagnose;
mod edits;
mod ideas;
mod propose;

use harness_core::{Fingerprint, Request, Role};
use serde_json::Value;

use super::dice::Dice;
use super::profile::Profile;

/// The answer to a diagnosis request, as JSON text.
pub(super) fn diagnose(request: &Request, profile: Profile, dice: &Dice) -> String {
    let data = material(request);
    diagnose::answer(&data, profile, &dice_of(request, &data, dice)).to_string()
}

/// The answer to a proposal request, as JSON text.
pub(super) fn propose(request: &Request, profile: Profile, dice: &Dice) -> String {
    let is_repair = request.messages.iter().any(|message| message.role == Role::Assistant);
    let data = material(request);
    propose::answer(&data, is_repair, profile, &dice_of(request, &data, dice)).to_string()
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

/// The evidence: one line of JSON between a line `<data>` and a line `</data>`. Null where there is none.
fn material(request: &Request) -> Value {
    let asked = request.messages.iter().filter(|message| message.role == Role::User);
    let mut lines = asked.flat_map(|message| message.content.lines());
    let line = lines.find(|line| *line == "<data>").and_then(|_| lines.next());
    line.and_then(|line| serde_json::from_str(line).ok()).unwrap_or(Value::Null)
}
