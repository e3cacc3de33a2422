//! What a harness is: everything around the fixed model that shapes its behaviour.

use std::fmt::Debug;
use std::future::Future;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::RunContext;
use crate::error::Result;
use crate::id::{Fingerprint, SurfaceId};
use crate::task::Task;
use crate::trial::Finish;

/// The program around a fixed model, with named places where it may be edited.
///
/// A harness is a plain value: cloned, stored, compared by [`Harness::fingerprint`]. What it needs while it
/// runs (the model, the sandbox session, limits, the record) comes in through the context.
///
/// # Contract
/// - `apply` is pure: `self` is unchanged and is the way back. The same edit on the same harness gives the same
///   harness. An edit outside the declared surfaces is refused.
/// - Serialising and reading back keeps the fingerprint.
/// - Model, decoding, limits, verifier, tasks and permissions are not surfaces.
/// - `run` calls the model only through `cx`, so that every call is metered and recorded; it may be dropped at any await.
#[diagnostic::on_unimplemented(
    note = "a struct that derives Clone, Debug, Serialize, Deserialize and JsonSchema becomes a `Harness` in a few lines: \
            use `DocumentEdit` as its `Edit`, `document::surfaces` and `document::apply`, and write `run`"
)]
pub trait Harness: Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The smallest change this harness understands. Data, never code in the host language: it is stored,
    /// replayed and reverted.
    type Edit: Clone
        + Debug
        + PartialEq
        + Serialize
        + DeserializeOwned
        + JsonSchema
        + Send
        + Sync
        + 'static;

    /// The places an edit may touch, as a model can read them, each with its bounds.
    fn surfaces(&self) -> Vec<Surface>;

    /// The surface that an edit touches first, for the record; it need not exist.
    fn surface_of(edit: &Self::Edit) -> SurfaceId;

    /// A new harness with `edit` applied.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidEdit`](crate::ErrorKind::InvalidEdit) with the surface and the reason.
    fn apply(&self, edit: &Self::Edit) -> Result<Self>;

    /// One attempt at `task`. Failing the task is an `Ok`; `Err` voids the trial. Steps go to `cx` as they happen, so
    /// that a timed-out or cancelled attempt still leaves its trajectory.
    fn run(&self, task: &Task, cx: &RunContext<'_>) -> impl Future<Output = Result<Finish>> + Send;

    /// The digest of its content.
    ///
    /// # Errors
    /// [`ErrorKind::Contract`](crate::ErrorKind::Contract) when it has no canonical JSON form.
    fn fingerprint(&self) -> Result<Fingerprint> {
        Fingerprint::of(self)
    }
}

/// A declared, named, editable place of a harness.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Surface {
    /// Its name: a JSON pointer for documents.
    pub id: SurfaceId,
    /// What it does, for the model that edits it.
    pub description: String,
    /// The JSON schema of its value: type, range, length.
    pub schema: Value,
    /// What it holds now.
    pub value: Value,
}
