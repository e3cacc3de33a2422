//! A harness that is no document, with edits and surfaces of its own make.

use harness_core::{
    Error, ErrorKind, Finish, Harness, Result, RunContext, Surface, SurfaceId, Task,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{Case, Script, material, proposing};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Knobs {
    temperature: i32,
    execution_notes: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
enum Turn {
    Knob {
        to: i32,
        #[serde(default)]
        fine: u32,
    },
    Note {
        text: String,
    },
}

impl Harness for Knobs {
    type Edit = Turn;

    fn surfaces(&self) -> Vec<Surface> {
        let surface = |id: &str, value: Value| Surface {
            id: id.into(),
            description: String::new(),
            schema: Value::Bool(true),
            value,
        };
        vec![
            surface("knob", json!(self.temperature)),
            surface("Execution notes", json!(self.execution_notes)),
        ]
    }

    fn surface_of(edit: &Turn) -> SurfaceId {
        match edit {
            Turn::Knob { .. } => "knob".into(),
            Turn::Note { .. } => "Execution notes".into(),
        }
    }

    fn apply(&self, edit: &Turn) -> Result<Self> {
        let mut turned = self.clone();
        match edit {
            Turn::Knob { to: 0..=9, .. } if self.temperature > 9 => return Err(stuck()),
            Turn::Knob { to, .. } => turned.temperature = *to,
            Turn::Note { text } => turned.execution_notes.clone_from(text),
        }
        Ok(turned)
    }

    async fn run(&self, _task: &Task, _cx: &RunContext<'_>) -> Result<Finish> {
        Ok(Finish::Done)
    }
}

fn stuck() -> Error {
    Error::new(ErrorKind::InvalidEdit, "the knob is stuck")
}

fn case() -> Case<Knobs> {
    Case::with(
        Knobs { temperature: 3, execution_notes: String::new() },
        &["never_seen_word", "no_artifact"],
    )
}

#[test]
fn its_own_surfaces_and_edits_are_used() {
    let script = Script::by_slot(|data| {
        let surface = data["slot"]["surface"].as_str().unwrap_or("knob");
        let edit = match surface {
            // A constrained decoder writes null for what is left out.
            "knob" => {
                json!({ "Knob": { "to": data["weaknesses"][0]["tasks"].as_array().unwrap().len() + 4, "fine": null } })
            }
            _ => json!({ "Note": { "text": data["slot"]["weakness"] } }),
        };
        proposing(&data["slot"]["weakness"], surface, &edit)
    });
    let case = case();
    let proposals = case.propose(&script).unwrap();
    let asked = script.asked();
    assert_eq!(material(&asked[0])["slot"]["surface"], "Execution notes");
    assert!(asked[0].messages[0].content.contains("\"Knob\""));
    assert_eq!(proposals.len(), 4);
    assert!(proposals.iter().all(|proposal| case.incumbent.apply(&proposal.edit).is_ok()));
}
