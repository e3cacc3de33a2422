//! Each weakness does what it is said to do, really, and is mended by more than one surface; enforcement works better than prose.

use super::*;

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
    // Once it is done, no control brings it back.
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
