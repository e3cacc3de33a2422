//! The smallest harness there is: it has skills, and a task needs one.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::RunContext;
use crate::error::{Error, ErrorKind, Result};
use crate::harness::{Harness, Surface};
use crate::id::SurfaceId;
use crate::llm::{Message, Request};
use crate::sandbox::{File, SandboxPath};
use crate::task::Task;
use crate::trajectory::{Step, StepSource};
use crate::trial::Finish;

/// A harness whose attempt is known beforehand: it asks the model `calls` times, records each answer, and leaves a file `answer` that
/// says `done` when it has the skill that the task asks for, and `lacks <skill>` when it has not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ToyHarness {
    /// What it can do.
    pub skills: BTreeSet<String>,
    /// How often it asks the model in one attempt.
    pub calls: u32,
}

/// A change to a [`ToyHarness`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToyEdit {
    /// It gains a skill. Learning what it knows changes nothing.
    Learn(String),
    /// It loses a skill that it must have.
    Forget(String),
    /// A change to a surface that it does not have: never applies.
    Repaint(String),
}

impl Harness for ToyHarness {
    type Edit = ToyEdit;

    fn surfaces(&self) -> Vec<Surface> {
        vec![Surface {
            id: SurfaceId::new("/skills"),
            description: "What the harness can do.".to_owned(),
            schema: serde_json::json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true}),
            value: serde_json::json!(self.skills),
        }]
    }

    fn surface_of(edit: &ToyEdit) -> SurfaceId {
        SurfaceId::new(match edit {
            ToyEdit::Learn(_) | ToyEdit::Forget(_) => "/skills",
            ToyEdit::Repaint(_) => "/paint",
        })
    }

    fn apply(&self, edit: &ToyEdit) -> Result<Self> {
        let mut next = self.clone();
        let applies = match edit {
            ToyEdit::Learn(skill) => {
                next.skills.insert(skill.clone());
                true
            }
            ToyEdit::Forget(skill) => next.skills.remove(skill),
            ToyEdit::Repaint(_) => false,
        };
        let refuse = || Error::new(ErrorKind::InvalidEdit, format!("{edit:?} does not apply"));
        applies.then_some(next).ok_or_else(refuse)
    }

    async fn run(&self, task: &Task, cx: &RunContext<'_>) -> Result<Finish> {
        for _ in 0..self.calls {
            let request =
                Request { messages: vec![Message::user(&task.instruction)], ..Request::default() };
            let completion = cx.complete(request).await?;
            cx.record(Step::reply(&completion));
        }
        let skill = task.instruction.trim_start_matches("needs ");
        let answer = match self.skills.contains(skill) {
            true => {
                cx.fired(skill);
                "done".to_owned()
            }
            false => format!("lacks {skill}"),
        };
        cx.session().write(&SandboxPath::new("answer")?, File::plain(answer.as_bytes())).await?;
        cx.record(Step::said(StepSource::Agent, answer));
        Ok(Finish::Done)
    }
}

/// A task that needs a skill.
pub fn toy_task(name: &str, skill: &str) -> Task {
    Task::new(name, format!("needs {skill}"))
}
