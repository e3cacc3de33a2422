//! `offline.rs` with a harness of your own. Any struct that derives serde and schemars becomes evolvable: its fields are the
//! surfaces, their bounds come from the schema, and `DocumentEdit` is its edit.

mod common;

use harness_core::document::{self, DocumentEdit, Operation};
use harness_core::{
    Arguments, File, Finish, Harness, Message, Request, Result, RunContext, SandboxPath, Step,
    Surface, SurfaceId, Task, ToolSpec,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The configuration of your agent.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MyAgent {
    /// What the agent is told.
    #[schemars(length(max = 500))]
    instructions: String,
    /// How many replies it may take.
    #[schemars(range(min = 1, max = 20))]
    patience: u32,
    /// Chosen by the operator: not to be edited.
    #[schemars(extend("readOnly" = true))]
    region: String,
}

impl Harness for MyAgent {
    type Edit = DocumentEdit;

    fn surfaces(&self) -> Vec<Surface> {
        document::surfaces(self)
    }

    fn surface_of(edit: &DocumentEdit) -> SurfaceId {
        edit.surface()
    }

    fn apply(&self, edit: &DocumentEdit) -> Result<Self> {
        Ok(document::apply(self, edit)?.document)
    }

    /// Your agent's own loop. This one knows a single tool.
    async fn run(&self, task: &Task, cx: &RunContext<'_>) -> Result<Finish> {
        let tools = ["write_file", "finish"].map(|name| ToolSpec {
            name: name.into(),
            description: name.into(),
            parameters: json!({ "type": "object" }),
        });
        let mut messages =
            vec![Message::system(&self.instructions), Message::user(&task.instruction)];
        for _ in 0..self.patience {
            let request =
                Request { messages: messages.clone(), tools: tools.to_vec(), ..Request::default() };
            let completion = cx.complete(request).await?;
            cx.record(Step::reply(&completion));
            let Some(call) = completion.message.tool_calls.first() else {
                return Ok(Finish::Stopped);
            };
            if call.name == "finish" {
                return Ok(Finish::Done);
            }
            if let Arguments::Parsed(arguments) = &call.arguments {
                let text = |key: &str| arguments[key].as_str().unwrap_or_default().to_owned();
                let place = SandboxPath::new(text("path"))?;
                cx.session().write(&place, File::plain(text("content").as_bytes())).await?;
            }
            messages.push(completion.message.clone());
        }
        Ok(Finish::OutOfSteps)
    }
}

fn edits() -> Vec<DocumentEdit> {
    let replace = |at: &str, value| DocumentEdit::one(Operation::Replace { at: at.into(), value });
    vec![
        replace("/patience", json!(20)),
        DocumentEdit::one(Operation::Splice {
            at: "/instructions".into(),
            old: "Be quick.".into(),
            new: "Write answer.txt first.".into(),
        }),
        replace("/region", json!("elsewhere")), // not a surface: never even becomes a proposal
    ]
}

#[tokio::main]
async fn main() -> Result<()> {
    let seed = MyAgent {
        instructions: "Do the task. Be quick.".into(),
        patience: 5,
        region: "home".into(),
    };
    let mut engine = common::scripted(seed, edits())?.build().await?;
    let report = engine.run().await?;
    common::print(&report);
    let tip = engine.lineage().tip();
    assert_eq!(
        (tip.instructions.as_str(), tip.region.as_str()),
        ("Do the task. Write answer.txt first.", "home")
    );
    Ok(())
}
