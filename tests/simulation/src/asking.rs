//! A harness of the statistical world that asks the model first.

use harness_core::testing::{WorldEdit, WorldHarness};
use harness_core::{
    Error, ErrorKind, File, Finish, Harness, Message, Request, Result, RunContext, SandboxPath,
    Step, Surface, SurfaceId, Task,
};
use serde::{Deserialize, Serialize};

use crate::server;

/// Asks `calls` questions, checks that each answer is its own, and then fares as the world says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Asking {
    /// How it fares.
    pub fares: WorldHarness,
    /// Questions in one attempt.
    pub calls: u32,
}

impl Asking {
    /// Where an attempt leaves its seed, so that whoever verifies it knows which trial it is.
    pub fn seed_path() -> Result<SandboxPath> {
        SandboxPath::new("seed")
    }
}

impl Harness for Asking {
    type Edit = WorldEdit;

    fn surfaces(&self) -> Vec<Surface> {
        self.fares.surfaces()
    }

    fn surface_of(edit: &WorldEdit) -> SurfaceId {
        WorldHarness::surface_of(edit)
    }

    fn apply(&self, edit: &WorldEdit) -> Result<Self> {
        Ok(Self { fares: self.fares.apply(edit)?, calls: self.calls })
    }

    async fn run(&self, task: &Task, cx: &RunContext<'_>) -> Result<Finish> {
        let seed = cx.seed();
        for call in 0..self.calls {
            let question = server::question(seed, call);
            let request =
                Request { messages: vec![Message::user(&question)], ..Request::default() };
            let completion = cx.complete(request).await?;
            if completion.message.content != server::answer(&question) {
                let message = format!("'{question}' got the answer of another question");
                return Err(Error::new(ErrorKind::Contract, message));
            }
            cx.record(Step::reply(&completion));
        }
        cx.session().write(&Self::seed_path()?, File::plain(seed.to_string().as_bytes())).await?;
        self.fares.run(task, cx).await
    }
}
