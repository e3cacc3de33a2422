//! A harness that is not a document: a set of habits, and a list of words it has learnt.

use std::collections::BTreeMap;

use harness_core::{
    Error, ErrorKind, File, Finish, Harness, Message, Request, Result, RunContext, SandboxPath,
    Step, StepSource, Surface, SurfaceId, Task,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What surrounds the model: learnt words, and whether the answer is checked for completeness.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Phrasebook {
    words: BTreeMap<String, String>,
    double_check: bool,
}

/// The smallest changes this harness understands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Change {
    /// Teaches a word.
    Learn {
        /// The word.
        word: String,
        /// Its translation.
        translation: String,
    },
    /// Turns the check on or off.
    DoubleCheck(bool),
    /// Not a place that may be edited: must be refused.
    SwapModel(String),
}

impl Harness for Phrasebook {
    type Edit = Change;

    fn surfaces(&self) -> Vec<Surface> {
        let surface = |id: &str, description: &str, schema, value| Surface {
            id: id.into(),
            description: description.into(),
            schema,
            value,
        };
        vec![
            surface(
                "words",
                "Words with their translations.",
                json!({ "type": "object" }),
                json!(self.words),
            ),
            surface(
                "double_check",
                "Check before answering.",
                json!({ "type": "boolean" }),
                json!(self.double_check),
            ),
        ]
    }

    fn surface_of(edit: &Change) -> SurfaceId {
        match edit {
            Change::Learn { .. } => "words".into(),
            Change::DoubleCheck(_) => "double_check".into(),
            Change::SwapModel(_) => "model".into(),
        }
    }

    fn apply(&self, edit: &Change) -> Result<Self> {
        let mut next = self.clone();
        match edit {
            Change::Learn { word, translation } => {
                next.words.insert(word.clone(), translation.clone());
            }
            Change::DoubleCheck(on) => next.double_check = *on,
            Change::SwapModel(_) => {
                return Err(Error::new(ErrorKind::InvalidEdit, "the model is not a surface"));
            }
        }
        Ok(next)
    }

    async fn run(&self, task: &Task, cx: &RunContext<'_>) -> Result<Finish> {
        let known: Vec<String> =
            self.words.iter().map(|(word, to)| format!("{word}={to}")).collect();
        let messages = vec![Message::system(known.join(",")), Message::user(&task.instruction)];
        let completion = cx.complete(Request { messages, ..Request::default() }).await?;
        cx.record(Step::reply(&completion));
        let answer = completion.message.content;
        if self.double_check && answer.contains('?') {
            cx.fired("double_check");
            cx.record(Step::said(StepSource::System, "the answer has gaps"));
        }
        let place = SandboxPath::new("answer.txt")?;
        cx.session().write(&place, File::plain(answer.as_bytes())).await?;
        Ok(Finish::Done)
    }
}
