//! Each weakness does what it is said to do, really, and is mended by more than one surface; enforcement works better than prose.

use super::place::Place;
use super::*;
use crate::simulated::profiles::Habit;
use crate::simulated::{Facts, StanzaFacts};

static OMITS: Doses = doses("omits", &[(Weakness::NoArtifact, ALWAYS)]);
static TRUSTS: Doses = doses("trusts", &[(Weakness::NeverChecks, ALWAYS)]);
static GARBLES: Doses = doses("garbles", &[(Weakness::MalformedCalls, ALWAYS)]);
static DROWNS: Doses = doses("drowns", &[(Weakness::DrownedInOutput, ALWAYS)]);
static OVERWRITES: Doses = doses("overwrites", &[(Weakness::OverwritesInputs, ALWAYS)]);
static WAITS: Doses = doses("waits", &[(Weakness::BlocksInForeground, ALWAYS)]);
static FETCHES: Doses = doses("fetches", &[(Weakness::OversizedDownload, ALWAYS)]);

fn said(surface: &str, text: &str) -> [(String, Value); 1] {
    [(surface.to_owned(), json!(text))]
}

async fn passes_with(doses: &'static Doses, edits: &[(String, Value)]) -> usize {
    let edits: Vec<(&str, Value)> =
        edits.iter().map(|(at, value)| (at.as_str(), value.clone())).collect();
    passes(doses, &edits).await
}

/// None passes without help, most with the control, some with words.
async fn is_mended(doses: &'static Doses, control: (&str, Value), words: (&str, &str)) {
    assert_eq!(passes(doses, &[]).await, 0, "{}", doses.name);
    let enforced = passes(doses, &[control]).await;
    let told = passes_with(doses, &said(words.0, words.1)).await;
    assert!(enforced >= 9, "{}: enforced {enforced}", doses.name);
    assert!((1..=10).contains(&told), "{}: told {told}", doses.name);
}

#[tokio::test]
async fn findings_kept_in_notes_are_no_artifact() {
    let guard = json!({ "message": "It is missing.", "max_refusals": 3 });
    let words = ("/prompts/execution", "Write the result to the path that the task names.");
    is_mended(&OMITS, ("/controls/artifact_guard", guard), words).await;
}

#[tokio::test]
async fn unchecked_work_is_often_no_work() {
    let unaided = passes(&TRUSTS, &[]).await;
    assert!(unaided <= 5, "{unaided}");
    let check = json!({ "command": "test ", "message": "Check it.", "max_refusals": 3 });
    let enforced = passes(&TRUSTS, &[("/controls/check_before_finish", check)]).await;
    let told =
        passes_with(&TRUSTS, &said("/prompts/verification", "Run a check before you finish."))
            .await;
    // Some of those whose work was right spoil it when they are sent back.
    assert!(enforced >= 7 && told > unaided, "{enforced} {told} {unaided}");
}

#[tokio::test]
async fn calls_that_cannot_be_run_are_repaired_or_written_well() {
    let words = ("/prompts/system", "Tool calls need the exact names, with valid JSON.");
    is_mended(&GARBLES, ("/controls/repair_tool_calls", json!({ "max_in_a_row": 20 })), words)
        .await;
    let attempt = attempt(&GARBLES, 1, &harness(&[])).await;
    let unread = attempt.trajectory.agent_steps().flat_map(|step| &step.observations);
    let invalid = unread.filter(|seen| seen.status == harness_core::ObservationStatus::Invalid);
    assert_eq!(invalid.count(), 5);
    // A repair that gives up sooner than the work takes is none.
    assert_eq!(
        passes(&GARBLES, &[("/controls/repair_tool_calls", json!({ "max_in_a_row": 1 }))]).await,
        0
    );
}

#[tokio::test]
async fn a_flood_drowns_unless_it_is_cut_or_not_asked_for() {
    let cut = |head: u32, tail: u32| {
        ("/controls/output_truncation", json!({ "head_bytes": head, "tail_bytes": tail }))
    };
    let words =
        ("/prompts/execution", "Print only what you need: a few lines of output at a time.");
    is_mended(&DROWNS, cut(2000, 2000), words).await;
    // A decoy: the beginning alone is not what floods.
    assert_eq!(passes(&DROWNS, &[cut(1500, 8000)]).await, 0);
}

#[tokio::test]
async fn what_was_overwritten_is_gone() {
    let before = attempt(&OVERWRITES, 1, &harness(&[])).await;
    assert!(!before.passed);
    assert_eq!(passes(&OVERWRITES, &[]).await, 0);
    for surface in ["/prompts/execution", "/prompts/memory", "/prompts/bootstrap"] {
        let told =
            passes_with(&OVERWRITES, &said(surface, "Never overwrite the input files.")).await;
        assert!((2..=10).contains(&told), "{surface}: {told}");
    }
    let guard = json!({ "message": "That was put back." });
    let guarded = passes(&OVERWRITES, &[("/controls/input_guard", guard.clone())]).await;
    assert_eq!(guarded, ALL, "what is put back is there again, whatever was said");
    let cleaned = passes(&REPEATS, &[("/controls/input_guard", guard)]).await;
    assert!(cleaned >= 9, "{cleaned}");
    // Once it is done, no other control brings it back.
    let guard = json!({ "message": "It is missing.", "max_refusals": 3 });
    assert_eq!(passes(&OVERWRITES, &[("/controls/artifact_guard", guard)]).await, 0);
}

#[tokio::test]
async fn waiting_in_the_foreground_is_ended_or_not_begun() {
    let cap = json!({ "seconds": 2 });
    let words = ("/prompts/execution", "Start servers in the background; never wait for them.");
    is_mended(&WAITS, ("/controls/command_time_cap", cap), words).await;
}

#[tokio::test]
async fn downloads_end_where_the_cap_is() {
    let words = ("/prompts/execution", "Download only what the task needs.");
    is_mended(&FETCHES, ("/controls/download_cap", json!({ "mebibytes": 32 })), words).await;
    // A decoy: a cap that nothing reaches.
    assert_eq!(
        passes(&FETCHES, &[("/controls/download_cap", json!({ "mebibytes": 512 }))]).await,
        0
    );
}

pub(super) type Mend = (Weakness, (&'static str, Value), (&'static str, &'static str));

/// What mends each weakness: what is enforced, then what is said, on another surface each.
pub(super) fn mends() -> Vec<Mend> {
    use Weakness::*;
    let refusing = |message: &str| json!({ "message": message, "max_refusals": 3 });
    let checking = json!({ "command": "", "message": "Check it, then finish.", "max_refusals": 3 });
    vec![
        (
            Explores,
            (
                "/controls/unchanged_cap",
                json!({ "max_calls": 6, "message": "Create the output now with its real content." }),
            ),
            (
                "/prompts/bootstrap",
                "Create the output at once with its real content, then check it.",
            ),
        ),
        (
            NoArtifact,
            ("/controls/artifact_guard", refusing("It is missing.")),
            ("/prompts/execution", "Write the result to the path that the task names."),
        ),
        (
            RepeatsFailure,
            (
                "/controls/identical_call_guard",
                json!({ "mode": "deny", "message": "This exact call failed: try something different." }),
            ),
            ("/prompts/failure_recovery", "Never run the same command again after it failed."),
        ),
        (
            LosesEnvironment,
            (
                "/controls/environment_persistence",
                json!({ "variables": true, "working_directory": true }),
            ),
            ("/prompts/execution", "Repeat the exports in every call: each call is a fresh shell."),
        ),
        (
            NeverChecks,
            ("/controls/check_before_finish", checking),
            ("/prompts/verification", "Run a check before you finish."),
        ),
        (
            MalformedCalls,
            ("/controls/repair_tool_calls", json!({ "max_in_a_row": 20 })),
            ("/prompts/system", "Tool calls need the exact names, with valid JSON."),
        ),
        (
            DrownedInOutput,
            ("/controls/output_truncation", json!({ "head_bytes": 2500, "tail_bytes": 2500 })),
            ("/prompts/execution", "Print only what you need: a few lines of output."),
        ),
        (
            OverwritesInputs,
            ("/controls/input_guard", json!({ "message": "That was put back." })),
            ("/prompts/memory", "Never overwrite the input files."),
        ),
        (
            StopsWithPlan,
            ("/controls/artifact_guard", refusing("It is missing.")),
            ("/prompts/execution", "Do not stop with a plan: carry it out."),
        ),
        (
            BlocksInForeground,
            ("/controls/command_time_cap", json!({ "seconds": 3 })),
            ("/prompts/execution", "Start servers in the background."),
        ),
        (
            OversizedDownload,
            ("/controls/download_cap", json!({ "mebibytes": 32 })),
            ("/prompts/execution", "Download only what the task needs."),
        ),
    ]
}

/// Leaked, so that a profile can be made for each weakness.
pub(super) fn suffering(weakness: Weakness) -> &'static Doses {
    let weaknesses: &'static [(Weakness, Activation)] = Box::leak(Box::new([(weakness, ALWAYS)]));
    // Who checks finds out that its environment was lost, and mends that itself.
    let checks = if weakness == Weakness::LosesEnvironment { 0.0 } else { 1.0 };
    Box::leak(Box::new(Doses { meddles: 0.0, checks, ..doses("suffering", weaknesses) }))
}

#[test]
fn every_weakness_is_mended_by_what_is_said_and_better_by_what_is_enforced() {
    for (weakness, control, (surface, words)) in mends() {
        let doses = suffering(weakness);
        let bare = truths::rate(doses, 1, &harness(&[]));
        let told = truths::rate(doses, 1, &harness(&[(surface, json!(words))]));
        let enforced = truths::rate(doses, 1, &harness(&[control]));
        assert!(bare < 0.25, "{weakness:?} alone: {bare}");
        assert!(told > bare + 0.15, "{weakness:?} told: {told}");
        assert!(enforced > told + 0.15 && enforced > 0.75, "{weakness:?} enforced: {enforced}");
    }
}

/// Found in a table where a guard against missing files mended everybody who finishes too early: a control mends only the
/// weakness whose deed it steps into.
#[test]
fn a_control_mends_nothing_but_what_it_steps_into() {
    let mends = mends();
    for (weakness, _, _) in &mends {
        let doses = suffering(*weakness);
        let bare = truths::rate(doses, 1, &harness(&[]));
        for (other, control, _) in &mends {
            let shared =
                |at: &str| mends.iter().any(|(known, (own, _), _)| known == weakness && *own == at);
            // An unwanted look is also a call that changes nothing; a cleaner's inputs are put back as well.
            // A wait that was ended has failed, and downloads change nothing either; a check shows what was lost.
            let related = matches!(
                (weakness, other),
                (Weakness::RepeatsFailure, Weakness::Explores | Weakness::OverwritesInputs)
                    | (Weakness::BlocksInForeground, Weakness::RepeatsFailure)
                    | (Weakness::OversizedDownload, Weakness::Explores)
                    | (Weakness::LosesEnvironment, Weakness::NeverChecks)
            );
            if shared(control.0) || related {
                continue;
            }
            let with = truths::rate(doses, 1, &harness(std::slice::from_ref(control)));
            assert!(with < bare + 0.05, "{weakness:?} under {}: {bare} {with}", control.0);
        }
    }
}

/// What a profile does for good reason, a control that mends another makes it pay for.
#[test]
fn each_habit_is_hurt_by_a_control_that_helps_another() {
    let controls: [(Habit, &str, Value); 4] = [
        (
            Habit::Studies,
            "/controls/output_truncation",
            json!({ "head_bytes": 2500, "tail_bytes": 2500 }),
        ),
        (
            Habit::Polls,
            "/controls/identical_call_guard",
            json!({ "mode": "deny", "message": "No." }),
        ),
        (Habit::Caches, "/controls/download_cap", json!({ "mebibytes": 32 })),
        (
            Habit::DryRuns,
            "/controls/environment_persistence",
            json!({ "variables": true, "working_directory": true }),
        ),
    ];
    for (habit, surface, control) in controls {
        let habits: &'static [Habit] = Box::leak(Box::new([habit]));
        let doses: &'static Doses = Box::leak(Box::new(Doses { habits, ..doses("habit", &[]) }));
        let (bare, with) = (
            truths::rate(doses, 1, &harness(&[])),
            truths::rate(doses, 1, &harness(&[(surface, control)])),
        );
        assert!(bare > 0.999 && with < bare - 0.05, "{habit:?}: {bare} {with}");
    }
}

/// An input guard undoes work that has to change what was given.
#[tokio::test]
async fn an_input_guard_harms_work_in_place() {
    let instruction = "Sort the lines of in.txt, in place.";
    let script = "cat in.txt\n\nsort -o in.txt in.txt\n\nsort -c in.txt\n";
    let playbook = Playbook::from_script("in-place", instruction, script, [""; 0]);
    let guarded = harness(&[("/controls/input_guard", json!({ "message": "Put back." }))]);
    let model = SimulatedLlm::new(Profile(&FLAWLESS), 1, [playbook.clone()]);
    let stanza =
        |succeeds, changes| StanzaFacts { succeeds, changes, alters_inputs: changes, bytes: 20 };
    let facts = Facts {
        stanzas: vec![stanza(true, false), stanza(true, true), stanza(true, false)],
        check_at_start: stanza(false, false),
        outputs_at_start: true,
    };
    let truth = model.truth().with_facts("in-place".into(), facts);
    for (harness, expected) in [(harness(&[]), 1.0), (guarded, 0.0)] {
        let rate = truth.pass_rate(&harness, &"in-place".into()).unwrap();
        assert!((rate - expected).abs() < 1e-9, "{rate}");
        let place = Place::new(&[("in.txt", "b\na\n")]);
        let limits = TrialLimits { steps: 30, ..TrialLimits::default() };
        let cx = RunContext::alone(Arc::new(model.clone()), &place, limits);
        let _ = harness.run(&Task::new("in-place", instruction), &cx).await;
        let sorted = place.text("in.txt").as_deref() == Some("a\nb\n");
        assert_eq!(sorted, expected > 0.5);
    }
}

/// By the truth, not by a dozen attempts: the harm is one attempt in eleven.
#[test]
fn the_same_control_helps_one_and_hurts_another() {
    static LOOKS: Doses = Doses { looks: 7, ..doses("looks", &[]) };
    let message = "You have looked enough. Create the required output now with its real content.";
    let cap = json!({ "max_calls": 6, "message": message });
    let (bare, capped) = (harness(&[]), harness(&[("/controls/unchanged_cap", cap)]));
    let change = |doses| truths::rate(doses, 1, &capped) - truths::rate(doses, 1, &bare);
    let (explorer, scholar) = (change(&EXPLORES), change(&LOOKS));
    assert!(explorer > 0.5, "{explorer}");
    assert!(scholar < -0.05, "{scholar}");
}
