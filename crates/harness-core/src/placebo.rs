//! A harness under a label: what a control judges beside the harness itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::RunContext;
use crate::error::Result;
use crate::harness::{Harness, Surface};
use crate::id::{Fingerprint, SurfaceId};
use crate::task::Task;
use crate::trial::Finish;

/// Any harness, behaving exactly as it does, under a label of its own.
///
/// A trial's identity holds the harness's fingerprint, so a byte-identical candidate would be answered by the incumbent's own
/// trials. The label gives it another fingerprint and thereby trials of its own; without a label it *is* the harness, and
/// shares its trials. Trials of a labelled harness are never mistaken for those of an evolution, because no
/// evolution has a label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Placebo<H> {
    #[serde(default)]
    label: Option<String>,
    harness: H,
}

/// What makes a candidate of a control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlaceboEdit<E> {
    /// The candidate's label.
    pub label: String,
    /// What is changed besides; nothing for a byte-identical candidate.
    pub edit: Option<E>,
}

impl<H: Harness> Placebo<H> {
    /// The harness itself.
    pub fn of(harness: H) -> Self {
        Self { label: None, harness }
    }

    /// The surface that stands for the label.
    pub const SURFACE: &str = "/label";
}

impl<H: Harness> Harness for Placebo<H> {
    type Edit = PlaceboEdit<H::Edit>;

    fn surfaces(&self) -> Vec<Surface> {
        // The label is none: an edit that is known to act nowhere would not be believed to act, and A/A measured nothing.
        self.harness.surfaces()
    }

    fn surface_of(edit: &Self::Edit) -> SurfaceId {
        edit.edit.as_ref().map_or_else(|| SurfaceId::new(Self::SURFACE), H::surface_of)
    }

    fn apply(&self, edit: &Self::Edit) -> Result<Self> {
        let harness = match &edit.edit {
            Some(edit) => self.harness.apply(edit)?,
            None => self.harness.clone(),
        };
        Ok(Self { label: Some(edit.label.clone()), harness })
    }

    async fn run(&self, task: &Task, cx: &RunContext<'_>) -> Result<Finish> {
        self.harness.run(task, cx).await
    }

    fn fingerprint(&self) -> Result<Fingerprint> {
        match self.label {
            None => self.harness.fingerprint(),
            Some(_) => Fingerprint::of(self),
        }
    }
}
