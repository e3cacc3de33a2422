//! Where an edit against a mechanism is likely to help: a table from mechanism words to surfaces.
//!
//! The table knows *fragments* of surface ids, and a fragment counts only where a surface of the brief holds it. A harness of
//! another make gets what it has under those names, and beyond that its own surfaces in turn.

use harness_core::{Surface, SurfaceId};

/// A surface that an edit against some mechanism may use, and the kind of mechanism that it would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// The surface; one of the brief's.
    pub surface: SurfaceId,
    /// The kind of mechanism: `runtime control`, `instruction`, …
    pub family: &'static str,
}

const CONTROL: &str = "runtime control";
const INSTRUCTION: &str = "instruction";
const REMINDER: &str = "conditional reminder";
const SKILL: &str = "skill";
const SUB_AGENT: &str = "sub-agent";
const TOOLS: &str = "tool description";

/// Mechanism word → fragments of surface ids, likeliest first. Enforced controls stand before prose: a rule that acts
/// needs no obedience.
const TABLE: &[(&str, &[&str])] = &[
    (
        "explores_without_producing",
        &["unchanged_cap", "bootstrap", "tool_call_budget", "execution", "reminders"],
    ),
    ("no_artifact", &["artifact_guard", "bootstrap", "reminders", "execution", "verification"]),
    ("identical_retry", &["identical_call_guard", "failure_recovery", "reminders", "execution"]),
    (
        "destroys_inputs",
        &[
            "input_guard",
            "execution",
            "memory",
            "reminders",
            "system",
            "failure_recovery",
            "skills",
        ],
    ),
    ("loses_environment", &["environment_persistence", "memory", "execution", "tool_descriptions"]),
    (
        "finishes_over_failing_check",
        &["check_before_finish", "verification", "reminders", "system"],
    ),
    ("never_checks", &["check_before_finish", "verification", "sub_agents", "reminders"]),
    ("malformed_calls", &["repair_tool_calls", "tool_descriptions", "failure_recovery", "system"]),
    ("drowned_in_output", &["output_truncation", "execution", "tool_descriptions", "memory"]),
    (
        "stops_with_a_plan",
        &["artifact_guard", "system", "check_before_finish", "bootstrap", "execution"],
    ),
    (
        "blocks_in_foreground",
        &["command_time_cap", "execution", "tool_descriptions", "failure_recovery"],
    ),
    ("oversized_download", &["download_cap", "execution", "command_time_cap", "memory"]),
    ("misreads_task", &["bootstrap", "verification", "system", "execution", "sub_agents"]),
    (
        "wrong_method",
        &["verification", "skills", "bootstrap", "execution", "failure_recovery", "sub_agents"],
    ),
];

/// For mechanisms that the table does not know.
const OTHERWISE: &[&str] =
    &["verification", "execution", "bootstrap", "failure_recovery", "system"];

/// Fragments of surface ids → family, first match.
const FAMILIES: &[(&str, &str)] = &[
    ("reminder", REMINDER),
    ("control", CONTROL),
    ("guard", CONTROL),
    ("budget", CONTROL),
    ("_cap", CONTROL),
    ("limit", CONTROL),
    ("polic", CONTROL),
    ("skill", SKILL),
    ("agent", SUB_AGENT),
    ("tool", TOOLS),
];

/// The surfaces of `surfaces` that the table names for `mechanism`, likeliest first.
pub fn suggestions(mechanism: &str, surfaces: &[Surface]) -> Vec<Suggestion> {
    let known = TABLE.iter().find(|(word, _)| *word == plain(mechanism));
    let fragments = known.map_or(OTHERWISE, |(_, fragments)| fragments);
    let holding = |fragment: &&str| {
        let fragment = plain(fragment);
        surfaces.iter().filter(move |surface| plain(surface.id.as_str()).contains(&fragment))
    };
    let mut found = Vec::<Suggestion>::new();
    for surface in fragments.iter().flat_map(holding) {
        if found.iter().all(|earlier| earlier.surface != surface.id) {
            found.push(Suggestion { surface: surface.id.clone(), family: family(&surface.id) });
        }
    }
    found
}

/// The kind of mechanism that an edit of this surface would be; prose where the id tells nothing else.
pub fn family(surface: &SurfaceId) -> &'static str {
    let id = plain(surface.as_str());
    FAMILIES
        .iter()
        .find(|(fragment, _)| id.contains(fragment))
        .map_or(INSTRUCTION, |(_, family)| family)
}

/// Lower case, with one kind of joint between words.
pub(crate) fn plain(text: &str) -> String {
    let joint = |character: char| if character.is_alphanumeric() { character } else { '_' };
    text.trim().to_lowercase().chars().map(joint).collect()
}

#[cfg(test)]
mod tests {
    use harness_core::{Harness, MinimalHarness};

    use super::*;

    #[test]
    fn every_mechanism_finds_a_surface_of_the_minimal_harness() {
        let surfaces = MinimalHarness::default().surfaces();
        for (mechanism, fragments) in TABLE {
            for fragment in *fragments {
                let holds = |surface: &Surface| surface.id.as_str().contains(fragment);
                assert!(surfaces.iter().any(holds), "{mechanism}: no surface holds '{fragment}'");
            }
            assert!(suggestions(mechanism, &surfaces).len() >= fragments.len());
        }
    }

    #[test]
    fn enforced_controls_come_first() {
        let surfaces = MinimalHarness::default().surfaces();
        let first = &suggestions("no_artifact", &surfaces)[0];
        assert_eq!(first.surface, SurfaceId::from("/controls/artifact_guard"));
        assert_eq!(first.family, CONTROL);
        assert_eq!(family(&"/prompts/system".into()), INSTRUCTION);
        assert_eq!(family(&"/controls/reminders".into()), REMINDER);
    }

    #[test]
    fn an_unknown_mechanism_or_harness_gets_only_what_exists() {
        let surface = Surface {
            id: "ExecutionNotes".into(),
            description: String::new(),
            schema: serde_json::Value::Bool(true),
            value: serde_json::Value::Null,
        };
        let ids = |mechanism| suggestions(mechanism, std::slice::from_ref(&surface));
        assert_eq!(ids("cosmic rays").len(), 1);
        assert!(suggestions("no_artifact", &[]).is_empty());
    }
}
