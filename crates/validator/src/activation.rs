//! Whether an edit acted in a trial at all.

use harness_core::{Harness, SurfaceId, Trial};

/// The surfaces on which a candidate differs from its incumbent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activation(Vec<SurfaceId>);

impl Activation {
    /// Compares the values of all surfaces.
    pub(crate) fn between<H: Harness>(incumbent: &H, candidate: &H) -> Self {
        let before = incumbent.surfaces();
        let changed = candidate.surfaces().into_iter().filter(|surface| {
            before.iter().all(|old| old.id != surface.id || old.value != surface.value)
        });
        Self(changed.map(|surface| surface.id).collect())
    }

    /// Whether one of these surfaces acted in a trial; `None` where the harness notes no activations, or it is not known
    /// what changed.
    pub(crate) fn in_trial(&self, trial: &Trial) -> Option<bool> {
        if trial.activations.is_empty() || self.0.is_empty() {
            return None;
        }
        let acted = |name: &str| self.0.iter().any(|id| covers(id.as_str(), name));
        Some(trial.activations.keys().any(|name| acted(name)))
    }
}

/// Whether one of two JSON pointers contains the other: a part of a surface is noted by its own name, or by the whole's.
fn covers(one: &str, other: &str) -> bool {
    let within = |part: &str, whole: &str| {
        part.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    within(one, other) || within(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_surface_covers_its_parts_and_no_namesake() {
        assert!(covers("/skills", "/skills/debug") && covers("/skills/debug", "/skills"));
        assert!(covers("/prompts/system", "/prompts/system"));
        assert!(!covers("/prompts/system", "/prompts/system_two"));
    }
}
