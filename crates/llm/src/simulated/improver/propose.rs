//! What to change, from the weaknesses, surfaces and history that a request shows.

use serde_json::{Value, json};

use super::super::dice::Dice;
use super::super::profiles::Doses;
use super::edits::edit;
use super::ideas::{Change, IDEAS, Idea, Worth};

/// How often a suggested surface is followed when there is an idea for it.
const FOLLOWS: f64 = 0.85;
/// How often an idea that was rejected is passed over.
const REMEMBERS: f64 = 0.8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Inspired(Worth),
    Declining,
    Careless,
}

/// The answer to a proposal request whose material is `data`. A careless answer is mended when it is asked for again.
pub(super) fn answer(data: &Value, is_repair: bool, doses: &Doses, dice: &Dice) -> Value {
    let [good, useless, harmful, declining, careless] = doses.improver.ideas;
    let moods = [
        (Mood::Inspired(Worth::Good), good),
        (Mood::Inspired(Worth::Useless), useless),
        (Mood::Inspired(Worth::Harmful), harmful),
        (Mood::Declining, declining),
        (Mood::Careless, if is_repair { 0.0 } else { careless }),
    ];
    let weakness = weakness(data);
    let mechanism = weakness["signature"]["mechanism"].as_str().unwrap_or("unknown");
    match dice.pick("mood", &moods) {
        Some(Mood::Inspired(worth)) => {
            inspired(data, weakness, mechanism, *worth, doses.improver.names_tasks, dice)
        }
        Some(Mood::Careless) => careless_answer(weakness),
        _ => decline(weakness, "The evidence is too thin for an edit."),
    }
}

/// The slot's weakness; the first where the slot names none.
fn weakness(data: &Value) -> &Value {
    let all = data["weaknesses"].as_array().map(Vec::as_slice).unwrap_or_default();
    let wanted = &data["slot"]["weakness"];
    all.iter().find(|weakness| weakness["id"] == *wanted).or(all.first()).unwrap_or(&Value::Null)
}

fn inspired(
    data: &Value,
    weakness: &Value,
    mechanism: &str,
    worth: Worth,
    names_tasks: f64,
    dice: &Dice,
) -> Value {
    let options = options(data, mechanism, worth, dice);
    let suggested = data["slot"]["surface"].as_str().filter(|_| dice.happens("follows", FOLLOWS));
    let fitting: Vec<&Draft> =
        options.iter().filter(|draft| Some(draft.surface.as_str()) == suggested).collect();
    let fitting = if fitting.is_empty() { options.iter().collect() } else { fitting };
    let weighted: Vec<(&Draft, f64)> = fitting.into_iter().map(|draft| (draft, 1.0)).collect();
    let is_named = dice.happens("names a task", names_tasks);
    match dice.pick("idea", &weighted) {
        Some(draft) if is_named => propose(weakness, &naming(weakness, draft)),
        Some(draft) => propose(weakness, draft),
        None => decline(weakness, "No edit of these surfaces acts on this mechanism."),
    }
}

/// An idea, worked out for a surface.
#[derive(Clone, Debug)]
struct Draft {
    surface: String,
    name: &'static str,
    edit: Value,
}

/// The same with a word on the task that it is for, where it is a text: what no edit should hold.
fn naming(weakness: &Value, draft: &Draft) -> Draft {
    let task = weakness["tasks"][0].as_str().unwrap_or_default();
    let mut edit = draft.edit.clone();
    let operation = &mut edit["operations"][0];
    let key = if operation["op"] == "splice" { "new" } else { "value" };
    if let Some(text) = operation[key].as_str() {
        operation[key] = format!("{text} This matters in {task}.").into();
    }
    Draft { edit, ..draft.clone() }
}

/// What can be done, minus most of what was rejected before.
fn options(data: &Value, mechanism: &str, worth: Worth, dice: &Dice) -> Vec<Draft> {
    let surfaces = data["surfaces"].as_array().map(Vec::as_slice).unwrap_or_default();
    let fits = |idea: &&Idea| {
        idea.worth == worth && (idea.mechanisms.is_empty() || idea.mechanisms.contains(&mechanism))
    };
    let mut drafts = Vec::new();
    for idea in IDEAS.iter().filter(fits) {
        for surface in
            surfaces.iter().filter(|surface| is_place(idea, surface, &data["slot"]["surface"]))
        {
            let Some(edit) = edit(idea.change, surface) else { continue };
            let draft = Draft {
                surface: surface["id"].as_str().unwrap_or_default().to_owned(),
                name: idea.name,
                edit,
            };
            let forgets =
                !dice.happens(&format!("remembers {} {}", draft.name, draft.surface), REMEMBERS);
            if forgets || !was_rejected(&draft, &data["history"]) {
                drafts.push(draft);
            }
        }
    }
    drafts
}

/// An idea's own surface; for a sentence, also a text surface that the slot suggests.
fn is_place(idea: &Idea, surface: &Value, suggested: &Value) -> bool {
    let says = matches!(idea.change, Change::Say(_));
    surface["id"] == idea.surface
        || (says && surface["id"] == *suggested && surface["value"].is_string())
}

fn was_rejected(draft: &Draft, history: &Value) -> bool {
    history.as_array().into_iter().flatten().any(|past| {
        let same = past["mechanism"] == draft.name || past["edit"] == draft.edit;
        past["verdict"] == "reject" && past["surface"] == draft.surface.as_str() && same
    })
}

fn propose(weakness: &Value, draft: &Draft) -> Value {
    let words = weakness["description"].as_str().unwrap_or("the failures shown");
    let words: String = words.chars().take(200).collect();
    json!({
        "decision": "propose",
        "decline_reason": null,
        "weakness": weakness["id"],
        "surface": draft.surface,
        "mechanism": draft.name,
        "edit": draft.edit,
        "rationale": format!("It acts on what the evidence shows: {words}"),
        "expected_to_mend": weakness["tasks"].as_array().cloned().unwrap_or_default(),
        "risks": "Tasks that need more room than the edit leaves could suffer.",
    })
}

fn decline(weakness: &Value, reason: &str) -> Value {
    json!({
        "decision": "decline",
        "decline_reason": reason,
        "weakness": weakness["id"],
        "surface": null,
        "mechanism": "",
        "edit": null,
        "rationale": "",
        "expected_to_mend": [],
        "risks": "",
    })
}

/// An edit that fits the schema of edits and no harness.
fn careless_answer(weakness: &Value) -> Value {
    let surface = "/controls/self_discipline";
    let operation = json!({ "op": "replace", "at": surface, "value": true });
    let draft = Draft {
        surface: surface.to_owned(),
        name: "self discipline",
        edit: json!({ "operations": [operation] }),
    };
    propose(weakness, &draft)
}
