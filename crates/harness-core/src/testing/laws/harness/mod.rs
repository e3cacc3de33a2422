//! What every harness keeps.

mod run;

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

pub use self::run::*;

use super::{LawResult, Unkept, broken, ensure, laws_of, skipped};
use crate::error::{ErrorKind, Result};
use crate::harness::{Harness, Surface};
use crate::sandbox::Sandbox;
use crate::task::Task;
use crate::testing::ScriptedLlm;

laws_of! { $
    /// Expands every law of [`Harness`](crate::Harness) to a test of its own, in a module of the given name: `harness_laws!(name, block_on,
    /// factory)`, where `factory` gives a [`Fixture`](crate::testing::Fixture) of a [`HarnessSeat`](crate::testing::laws::HarnessSeat).
    harness_laws => harness (H: Harness) [HarnessSeat<H>];
    apply_leaves_self_unchanged same_edit_same_harness foreign_edits_are_refused changes_show_in_surfaces
    reading_back_keeps_the_fingerprint edits_survive_storage edits_fit_their_schema inverse_restores
    surfaces_have_names_of_their_own values_fit_their_schemas frozen_parts_are_no_surfaces
    run_asks_only_through_the_context run_records_as_it_goes run_may_be_dropped_anywhere limit_is_let_through
    failing_is_no_error
}

/// Gives the edit that undoes an edit of a harness, before it is applied.
pub type Inverse<H> = fn(&H, &<H as Harness>::Edit) -> Result<<H as Harness>::Edit>;

/// A harness with edits to try on it.
pub struct HarnessSeat<H: Harness> {
    /// The harness.
    pub harness: H,
    /// Edits that apply to it, each to the harness as it is.
    pub edits: Vec<H::Edit>,
    /// Edits that must be refused: outside the declared surfaces, or outside their bounds.
    pub foreign: Vec<H::Edit>,
    /// The edit that undoes another on this harness, where the harness offers such a thing.
    pub inverse: Option<Inverse<H>>,
    /// What a run needs; without it the laws about runs are skipped.
    pub run: Option<RunSeat>,
}

/// What a run needs.
#[derive(Debug)]
pub struct RunSeat {
    /// A task.
    pub task: Task,
    /// Where it is tried.
    pub sandbox: Box<dyn Sandbox>,
    /// A model that drives the harness through a whole attempt.
    pub model: ScriptedLlm,
}

impl<H: Harness> fmt::Debug for HarnessSeat<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HarnessSeat").field("harness", &self.harness).finish_non_exhaustive()
    }
}

impl<H: Harness> HarnessSeat<H> {
    /// A harness and edits that apply to it; more by setting the other fields.
    pub fn new(harness: H, edits: Vec<H::Edit>) -> Self {
        Self { harness, edits, foreign: Vec::new(), inverse: None, run: None }
    }

    fn edits(&self) -> Result<&[H::Edit], Unkept> {
        match self.edits.is_empty() {
            true => skipped("the seat has no edits"),
            false => Ok(&self.edits),
        }
    }

    fn run(&self) -> Result<&RunSeat, Unkept> {
        self.run.as_ref().map_or_else(|| skipped("the seat does not say how to run it"), Ok)
    }
}

/// `apply` leaves the harness it is called on as it was.
pub async fn apply_leaves_self_unchanged<H: Harness>(seat: &HarnessSeat<H>) -> LawResult {
    let (before, surfaces) = (seat.harness.fingerprint()?, seat.harness.surfaces());
    for edit in seat.edits()?.iter().chain(&seat.foreign) {
        let _ = seat.harness.apply(edit);
        let same = seat.harness.fingerprint()? == before && seat.harness.surfaces() == surfaces;
        ensure!(same, "applying {edit:?} changed the harness it was applied to");
    }
    Ok(())
}

/// The same edit on the same harness gives the same harness.
pub async fn same_edit_same_harness<H: Harness>(seat: &HarnessSeat<H>) -> LawResult {
    for edit in seat.edits()? {
        let once = seat.harness.apply(edit)?.fingerprint()?;
        let again = seat.harness.clone().apply(&edit.clone())?.fingerprint()?;
        ensure!(once == again, "{edit:?} gave two different harnesses");
    }
    Ok(())
}

/// An edit outside the declared surfaces or their bounds is [`ErrorKind::InvalidEdit`], with a reason.
pub async fn foreign_edits_are_refused<H: Harness>(seat: &HarnessSeat<H>) -> LawResult {
    if seat.foreign.is_empty() {
        return skipped("the seat has no edit that must be refused");
    }
    for edit in &seat.foreign {
        let result = seat.harness.apply(edit);
        let refused = result.as_ref().is_err_and(|error| {
            error.kind() == ErrorKind::InvalidEdit && !error.message().is_empty()
        });
        ensure!(refused, "{edit:?} gave {result:?}");
    }
    Ok(())
}

/// Whatever an edit changes shows in the surfaces: nothing beside them can be reached.
pub async fn changes_show_in_surfaces<H: Harness>(seat: &HarnessSeat<H>) -> LawResult {
    let values = |harness: &H| -> Vec<(String, Value)> {
        let surfaces = harness.surfaces().into_iter();
        surfaces.map(|surface| (surface.id.as_str().to_owned(), surface.value)).collect()
    };
    for edit in seat.edits()? {
        let next = seat.harness.apply(edit)?;
        let changed = next.fingerprint()? != seat.harness.fingerprint()?;
        let shown = values(&next) != values(&seat.harness);
        ensure!(changed == shown, "{edit:?}: changed is {changed}, shown in a surface is {shown}");
    }
    Ok(())
}

/// Stored and read back, a harness is the same, before and after every edit.
pub async fn reading_back_keeps_the_fingerprint<H: Harness>(seat: &HarnessSeat<H>) -> LawResult {
    let edited =
        seat.edits.iter().map(|edit| seat.harness.apply(edit)).collect::<Result<Vec<_>>>()?;
    for harness in std::iter::once(&seat.harness).chain(&edited) {
        let text = json(serde_json::to_string(harness))?;
        let back: H = json(serde_json::from_str(&text))?;
        let same = back.fingerprint()? == harness.fingerprint()?;
        ensure!(same, "read back it is {back:?}, not {harness:?}");
    }
    Ok(())
}

fn json<T>(result: serde_json::Result<T>) -> Result<T, Unkept> {
    result.or_else(|error| broken(format!("no JSON form: {error}")))
}

/// Stored and read back, an edit is the same and does the same.
pub async fn edits_survive_storage<H: Harness>(seat: &HarnessSeat<H>) -> LawResult {
    for edit in seat.edits()? {
        let value = json(serde_json::to_value(edit))?;
        let back: H::Edit = json(serde_json::from_value(value))?;
        let same = back == *edit
            && seat.harness.apply(&back)?.fingerprint()?
                == seat.harness.apply(edit)?.fingerprint()?;
        ensure!(same, "{edit:?} read back is {back:?}");
    }
    Ok(())
}

/// Every edit fits the schema that a model is shown of edits.
pub async fn edits_fit_their_schema<H: Harness>(seat: &HarnessSeat<H>) -> LawResult {
    let schema = json(serde_json::to_value(schemars::schema_for!(H::Edit)))?;
    for edit in seat.edits()? {
        let value = json(serde_json::to_value(edit))?;
        fits(&schema, &value, &format!("{edit:?}"))?;
    }
    Ok(())
}

fn fits(schema: &Value, value: &Value, what: &str) -> LawResult {
    let validator = match jsonschema::validator_for(schema) {
        Ok(validator) => validator,
        Err(error) => return broken(format!("{what}: {schema} is no schema: {error}")),
    };
    let fault = validator.validate(value).err().map(|error| error.to_string());
    ensure!(fault.is_none(), "{what} does not fit its schema: {}", fault.unwrap_or_default());
    Ok(())
}

/// An edit and its inverse leave the harness that was.
pub async fn inverse_restores<H: Harness>(seat: &HarnessSeat<H>) -> LawResult {
    let Some(inverse) = seat.inverse else { return skipped("this harness offers no inverses") };
    for edit in seat.edits()? {
        let back = inverse(&seat.harness, edit)?;
        let restored = seat.harness.apply(edit)?.apply(&back)?;
        let same = restored.fingerprint()? == seat.harness.fingerprint()?;
        ensure!(same, "{edit:?} and then {back:?} leave {restored:?}");
    }
    Ok(())
}

/// There are surfaces, and no two have the same name.
pub async fn surfaces_have_names_of_their_own<H: Harness>(seat: &HarnessSeat<H>) -> LawResult {
    let surfaces = seat.harness.surfaces();
    ensure!(!surfaces.is_empty(), "the harness declares no surface");
    let mut seen = BTreeSet::new();
    for Surface { id, description, .. } in &surfaces {
        ensure!(!id.as_str().is_empty() && seen.insert(id), "'{id}' is empty, or occurs twice");
        ensure!(!description.is_empty(), "'{id}' has no description");
    }
    Ok(())
}

/// What a surface holds fits the schema that it declares, before and after every edit.
pub async fn values_fit_their_schemas<H: Harness>(seat: &HarnessSeat<H>) -> LawResult {
    let edited =
        seat.edits.iter().map(|edit| seat.harness.apply(edit)).collect::<Result<Vec<_>>>()?;
    for harness in std::iter::once(&seat.harness).chain(&edited) {
        for Surface { id, schema, value, .. } in harness.surfaces() {
            fits(&schema, &value, &format!("surface '{id}'"))?;
        }
    }
    Ok(())
}

/// No surface is named like a part that must stay as it is.
pub async fn frozen_parts_are_no_surfaces<H: Harness>(seat: &HarnessSeat<H>) -> LawResult {
    let frozen = [
        "model",
        "temperature",
        "top_p",
        "seed",
        "decoding",
        "limits",
        "verifier",
        "task",
        "tasks",
        "permissions",
        "sandbox",
        "isolation",
        "network",
    ];
    for surface in seat.harness.surfaces() {
        let id = surface.id.as_str();
        let last = id.rsplit('/').next().unwrap_or(id);
        ensure!(!frozen.contains(&last), "'{id}' is a surface, and must not be");
    }
    Ok(())
}
