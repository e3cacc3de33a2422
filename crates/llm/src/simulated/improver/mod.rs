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
    diagnose::answer(&material(request), profile, &dice_of(request, dice)).to_string()
}

/// The answer to a proposal request, as JSON text.
pub(super) fn propose(request: &Request, profile: Profile, dice: &Dice) -> String {
    let is_repair = request.messages.iter().any(|message| message.role == Role::Assistant);
    propose::answer(&material(request), is_repair, profile, &dice_of(request, dice)).to_string()
}

/// Dice of this request alone.
fn dice_of(request: &Request, dice: &Dice) -> Dice {
    let mut named = dice.narrowed(&request.seed.unwrap_or(0).to_string());
    for message in &request.messages {
        named = dice.narrowed(&format!(
            "{}{}",
            named.name(),
            Fingerprint::of_bytes(message.content.as_bytes())
        ));
    }
    named
}

/// The evidence: one line of JSON between a line `<data>` and a line `</data>`. Null where there is none.
fn material(request: &Request) -> Value {
    let asked = request.messages.iter().filter(|message| message.role == Role::User);
    let mut lines = asked.flat_map(|message| message.content.lines());
    let line = lines.find(|line| *line == "<data>").and_then(|_| lines.next());
    line.and_then(|line| serde_json::from_str(line).ok()).unwrap_or(Value::Null)
}
