//! The agent that does nothing.

use harness_core::{Finish, Harness, Result, RunContext, Surface, SurfaceId, Task};
use serde::{Deserialize, Serialize};

use super::NoEdit;

/// Does nothing and says that it is done: a task that it passes has a verifier that checks nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NopHarness {}

impl Harness for NopHarness {
    type Edit = NoEdit;

    fn surfaces(&self) -> Vec<Surface> {
        Vec::new()
    }

    fn surface_of(edit: &NoEdit) -> SurfaceId {
        match *edit {}
    }

    fn apply(&self, edit: &NoEdit) -> Result<Self> {
        match *edit {}
    }

    async fn run(&self, _task: &Task, _cx: &RunContext<'_>) -> Result<Finish> {
        Ok(Finish::Done)
    }
}
