//! A small harness for command-line work: the seed of an evolution, and an example of a harness that is a document.
//!
//! Reading order: `surfaces` (what can be edited), `agent` (the loop), `tools` (what the model can do), `guards` (the controls,
//! which really intercept), `shell` (how a command is wrapped), `inputs` (what is put back).

mod agent;
mod guards;
mod inputs;
mod prompt;
mod repair;
mod shell;
mod surfaces;
mod tools;

pub use self::surfaces::*;

use crate::context::RunContext;
use crate::document::{self, DocumentEdit};
use crate::error::Result;
use crate::harness::{Harness, Surface};
use crate::id::SurfaceId;
use crate::task::Task;
use crate::trial::Finish;

impl Harness for MinimalHarness {
    type Edit = DocumentEdit;

    fn surfaces(&self) -> Vec<Surface> {
        document::surfaces(self)
    }

    fn surface_of(edit: &DocumentEdit) -> SurfaceId {
        edit.surface()
    }

    fn apply(&self, edit: &DocumentEdit) -> Result<Self> {
        document::apply(self, edit).map(|applied| applied.document)
    }

    async fn run(&self, task: &Task, cx: &RunContext<'_>) -> Result<Finish> {
        agent::Agent::for_task(self, task, cx).run().await
    }
}
