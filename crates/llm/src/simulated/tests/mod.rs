//! Simulated models under the real minimal harness, in real processes: each weakness acts, and stops acting because of what the
//! harness does or says.

mod bundled;
mod decoys;
mod improving;
mod place;
mod played;
mod qualities;
mod truths;
mod weaknesses;

use std::sync::Arc;

use harness_core::{
    Error, ErrorKind, Finish, Harness, LlmBackend, Message, MinimalHarness, Request, RunContext,
    SandboxPath, Task, Trajectory, TrialLimits,
};
use serde_json::{Value, json};

use self::place::Place;
use super::doses::{Activation, Weakness};
use super::profiles::{Doses, Improver};
use super::{Playbook, Profile, SimulatedLlm};

const ALWAYS: Activation = Activation { prone_share: 1.0, when_prone: 1.0, otherwise: 1.0 };

const PERFECT: Improver = Improver {
    right: 1.0,
    invents: 0.0,
    ideas: [1.0, 0.0, 0.0, 0.0, 0.0],
    names_tasks: 0.0,
    obeys: 1.0,
};

const fn doses(name: &'static str, weaknesses: &'static [(Weakness, Activation)]) -> Doses {
    Doses {
        name,
        summary: "for tests",
        weaknesses,
        out_of_reach: 0.0,
        slip: 0.0,
        heeds_words: 1.0,
        looks: 0,
        habits: &[],
        checks: 1.0,
        concedes: 0.35,
        meddles: 0.25,
        improver: PERFECT,
    }
}

static FLAWLESS: Doses = doses("flawless", &[]);
static EXPLORES: Doses = doses("explores", &[(Weakness::Explores, ALWAYS)]);
static REPEATS: Doses = doses("repeats", &[(Weakness::RepeatsFailure, ALWAYS)]);
static FORGETS: Doses = doses(
    "forgets",
    &[(Weakness::LosesEnvironment, ALWAYS), (Weakness::FinishesOverFailure, ALWAYS)],
);
static HASTY: Doses =
    Doses { slip: 1.0, ..doses("hasty", &[(Weakness::FinishesOverFailure, ALWAYS)]) };
static PLANS: Doses = doses("plans", &[(Weakness::StopsWithPlan, ALWAYS)]);

const INSTRUCTION: &str = "Count the words of data/in.txt and write the number to data/out.txt.";
const SCRIPT: &str = "#!/bin/bash\ncat data/in.txt\n\n# setup: where things are\nexport OUT=out.txt\ncd data\n\n\
                      # count\nwc -w < in.txt > \"$OUT\"\n\ntouch seen.tmp\n\ncat \"$OUT\"\ntest -s \"$OUT\"\n";
/// Attempts of each case.
const SEEDS: u64 = 12;
const ALL: usize = 12;

fn playbook() -> Playbook {
    Playbook::from_script("count", INSTRUCTION, SCRIPT, ["data/out.txt"])
}

/// How one attempt went.
#[derive(Debug)]
struct Attempt {
    passed: bool,
    inputs_kept: bool,
    finish: Result<Finish, Error>,
    trajectory: Trajectory,
    activations: std::collections::BTreeMap<String, u64>,
}

async fn attempt(doses: &'static Doses, seed: u64, harness: &MinimalHarness) -> Attempt {
    let model = Arc::new(SimulatedLlm::new(Profile(doses), seed, [playbook()]));
    let place = Place::new(&[("data/in.txt", "one two three\n")]);
    let mut task = Task::new("count", INSTRUCTION);
    task.outputs = vec![SandboxPath::new("data/out.txt").unwrap()];
    let cx = RunContext::alone(model, &place, TrialLimits { steps: 30, ..TrialLimits::default() });
    let finish = harness.run(&task, &cx).await;
    Attempt {
        passed: place.text("data/out.txt").as_deref() == Some("3\n"),
        inputs_kept: place.text("data/in.txt").is_some(),
        finish,
        trajectory: cx.trajectory(),
        activations: cx.activations(),
    }
}

/// The seed harness with these edits.
fn harness(edits: &[(&str, Value)]) -> MinimalHarness {
    let mut document = serde_json::to_value(MinimalHarness::default()).unwrap();
    for (at, value) in edits {
        *document.pointer_mut(at).unwrap_or_else(|| panic!("no {at}")) = value.clone();
    }
    serde_json::from_value(document).unwrap()
}

/// How many of the attempts passed.
async fn passes(doses: &'static Doses, edits: &[(&str, Value)]) -> usize {
    let harness = harness(edits);
    let attempts = (0..SEEDS).map(|seed| attempt(doses, seed, &harness));
    let passed =
        futures::future::join_all(attempts).await.into_iter().filter(|attempt| attempt.passed);
    passed.count()
}

#[tokio::test]
async fn without_a_weakness_the_task_is_done() {
    let attempt = attempt(&FLAWLESS, 1, &harness(&[])).await;
    assert!(attempt.passed && attempt.inputs_kept);
    assert_eq!(attempt.finish.unwrap(), Finish::Done);
    // Inspection, work, more work, check, finish: the state is carried, not set in a call of its own.
    assert_eq!(attempt.trajectory.agent_steps().count(), 5);
}

#[tokio::test]
async fn controls_that_are_not_needed_do_no_harm() {
    let controls = [
        (
            "/controls/environment_persistence",
            json!({ "variables": true, "working_directory": true }),
        ),
        ("/controls/identical_call_guard", json!({ "mode": "deny", "message": "No." })),
        ("/controls/artifact_guard", json!({ "message": "Missing.", "max_refusals": 3 })),
        (
            "/controls/check_before_finish",
            json!({ "command": "", "message": "Check.", "max_refusals": 3 }),
        ),
        ("/controls/unchanged_cap", json!({ "max_calls": 6, "message": "Write the output." })),
    ];
    assert_eq!(passes(&FLAWLESS, &controls).await, ALL);
}

#[tokio::test]
async fn the_explorer_runs_out_of_steps_unless_it_is_stopped() {
    let attempt = attempt(&EXPLORES, 1, &harness(&[])).await;
    assert_eq!(attempt.finish.unwrap_err().kind(), ErrorKind::TrialLimit);
    assert!(!attempt.passed);
    assert_eq!(attempt.trajectory.agent_steps().count(), 30);
    assert_eq!(passes(&EXPLORES, &[]).await, 0);
    // What does not fit changes nothing.
    let guard = json!({ "mode": "deny", "message": "Do not repeat the same call." });
    assert_eq!(passes(&EXPLORES, &[("/controls/identical_call_guard", guard)]).await, 0);

    let message = "You have looked enough. Create the required output now with its real content.";
    let cap = passes(
        &EXPLORES,
        &[("/controls/unchanged_cap", json!({ "max_calls": 6, "message": message }))],
    )
    .await;
    let budget = json!({ "max_calls": 12, "redirect": message });
    let budget = passes(&EXPLORES, &[("/controls/tool_call_budget", budget)]).await;
    let said = "Create the required output at once with its real content, then check it.";
    let said = passes(&EXPLORES, &[("/prompts/bootstrap", json!(said))]).await;
    assert!(cap >= 10, "{cap}");
    // A budget goes on stopping every other call, so that some give up.
    assert!((5..=cap).contains(&budget), "{budget}");
    assert!((2..cap).contains(&said), "prose is weaker than enforcement: {said}");
}

#[tokio::test]
async fn the_repeater_destroys_its_inputs_unless_it_is_stopped() {
    let attempt = attempt(&REPEATS, 1, &harness(&[])).await;
    assert!(!attempt.passed && !attempt.inputs_kept);
    assert_eq!(attempt.finish.unwrap(), Finish::Done);
    assert_eq!(passes(&REPEATS, &[]).await, 0);

    let guard = |mode: &str| json!({ "mode": mode, "message": "This exact call failed. Try something different." });
    let deny = passes(&REPEATS, &[("/controls/identical_call_guard", guard("deny"))]).await;
    let warn = passes(&REPEATS, &[("/controls/identical_call_guard", guard("warn"))]).await;
    let said = "Never run the same command again unchanged after it failed.";
    let said = passes(&REPEATS, &[("/prompts/failure_recovery", json!(said))]).await;
    let kept =
        passes(&REPEATS, &[("/prompts/execution", json!("Never delete the input files."))]).await;
    assert!(deny >= 9, "{deny}");
    assert!(warn < deny && warn >= 3, "{warn}");
    assert!(said < deny && said >= 2, "{said}");
    assert!((2..=9).contains(&kept), "{kept}");
}

#[tokio::test]
async fn a_lost_environment_is_really_lost_and_really_kept() {
    let attempt = attempt(&FORGETS, 1, &harness(&[])).await;
    assert!(!attempt.passed);
    assert_eq!(attempt.finish.unwrap(), Finish::Done, "it finishes over the failing check");
    assert_eq!(passes(&FORGETS, &[]).await, 0);

    let kept = |variables, directory| {
        let kept = json!({ "variables": variables, "working_directory": directory });
        [("/controls/environment_persistence", kept)]
    };
    assert_eq!(passes(&FORGETS, &kept(true, true)).await, ALL);
    // What it relies on is a variable: the directory alone is no help.
    assert_eq!(passes(&FORGETS, &kept(true, false)).await, ALL);
    assert_eq!(passes(&FORGETS, &kept(false, true)).await, 0);
    let said = "Each call is a fresh shell: repeat exports and the directory in every call.";
    let said = passes(&FORGETS, &[("/prompts/execution", json!(said))]).await;
    assert!((2..=9).contains(&said), "{said}");
}

#[tokio::test]
async fn a_failing_check_is_heeded_when_the_harness_insists() {
    assert_eq!(passes(&HASTY, &[]).await, 0);
    let message = "Fix what fails, run the check again, and only then finish.";
    let check = json!({ "command": "", "message": message, "max_refusals": 3 });
    let enforced = passes(&HASTY, &[("/controls/check_before_finish", check)]).await;
    let said = "When a check fails, fix the cause and run it again before you finish.";
    let said = passes(&HASTY, &[("/prompts/verification", json!(said))]).await;
    assert!(enforced >= 9, "{enforced}");
    assert!(said < enforced && said >= 2, "{said}");
}

#[tokio::test]
async fn a_plan_is_no_work_until_the_harness_says_so() {
    assert_eq!(passes(&PLANS, &[]).await, 0);
    let guard = json!({ "message": "A required output is missing.", "max_refusals": 3 });
    let guarded = passes(&PLANS, &[("/controls/artifact_guard", guard)]).await;
    let said =
        passes(&PLANS, &[("/prompts/execution", json!("Do not stop with a plan: carry it out."))])
            .await;
    assert!(guarded >= 9, "{guarded}");
    assert!(said < guarded && said >= 2, "{said}");
}

#[tokio::test]
async fn a_reminder_and_a_skill_reach_the_model() {
    let text = "Stop looking around: write the required output now with its real content.";
    let reminder = json!([{ "when": { "every_calls": 5 }, "text": text }]);
    let reminded = passes(&EXPLORES, &[("/controls/reminders", reminder)]).await;
    assert!((5..ALL).contains(&reminded), "{reminded}");
    let body = "Never repeat the identical command: try something different.";
    let skill =
        json!([{ "name": "after-a-failure", "description": "What to do then.", "body": body }]);
    let skilled = passes(&REPEATS, &[("/skills", skill)]).await;
    assert!((2..ALL).contains(&skilled), "{skilled}");
}

#[tokio::test]
async fn a_second_look_finds_what_was_left_out() {
    let agent = json!([{
        "name": "second-look", "description": "Looks.", "prompt": "Run a check and report.", "tools": ["shell"],
        "call_policy": { "when": "", "max_calls": 2, "max_steps": 5 },
    }]);
    let attempt = attempt(&FLAWLESS, 2, &harness(&[("/sub_agents", agent)])).await;
    assert!(attempt.passed);
    assert_eq!(attempt.activations.get("/sub_agents"), Some(&1));
}

#[tokio::test]
async fn plausible_edits_can_harm() {
    let long = |words: &str| json!(format!("{words} ").repeat(80));
    let harmful: [(&str, &[(&str, Value)]); 4] = [
        (
            "placeholder",
            &[("/prompts/execution", json!("Start with a placeholder for each required output."))],
        ),
        (
            "tight budget",
            &[(
                "/controls/tool_call_budget",
                json!({ "max_calls": 3, "redirect": "Your calls are used up. Conclude." }),
            )],
        ),
        (
            "little output",
            &[("/controls/output_truncation", json!({ "head_bytes": 200, "tail_bytes": 200 }))],
        ),
        (
            "many words",
            &[
                ("/prompts/memory", long("Consider every aspect of the terminal with care.")),
                ("/prompts/system", long("Terminals reward those who know them thoroughly.")),
            ],
        ),
    ];
    let before = bundled_like(&[]).await;
    for (name, edits) in harmful {
        let after = bundled_like(edits).await;
        assert!(after < before, "{name}: {after} of {before}");
    }
}

/// Passes of a model without weaknesses at a task that is long enough for harm: a large input, more work, many seeds.
async fn bundled_like(edits: &[(&str, Value)]) -> u64 {
    let script = "#!/bin/bash\ncat in.txt\n\nsort in.txt > a.tmp\n\nuniq a.tmp > b.tmp\n\nrm a.tmp\n\nsort -u b.tmp > c.tmp\n\ntac c.tmp > d.tmp\n\ntac d.tmp > out.txt\n\nrm -f *.tmp\n\ntest -s out.txt\n";
    let instruction = "Write the distinct lines of in.txt to out.txt.";
    let input: String = (0..900).map(|line| format!("line {}\n", line % 30)).collect();
    let harness = harness(edits);
    let mut passes = 0;
    for seed in 0..SEEDS {
        let playbook = Playbook::from_script("distinct", instruction, script, ["out.txt"]);
        let model = Arc::new(SimulatedLlm::new(Profile(&FLAWLESS), seed, [playbook]));
        let place = Place::new(&[("in.txt", &input)]);
        let cx =
            RunContext::alone(model, &place, TrialLimits { steps: 30, ..TrialLimits::default() });
        harness.run(&Task::new("distinct", instruction), &cx).await.unwrap();
        passes += u64::from(place.text("out.txt").is_some_and(|text| text.lines().count() == 30));
    }
    passes
}

#[tokio::test]
async fn the_same_request_gets_the_same_reply() {
    let run = attempt(&EXPLORES, 3, &harness(&[])).await;
    let calls = |attempt: &Attempt| -> Vec<_> {
        attempt.trajectory.agent_steps().flat_map(|step| step.tool_calls.clone()).collect()
    };
    assert_eq!(calls(&run), calls(&attempt(&EXPLORES, 3, &harness(&[])).await));
    // Every call has an id of its own.
    let ids: std::collections::BTreeSet<String> =
        calls(&run).into_iter().map(|call| call.id).collect();
    assert_eq!(ids.len(), calls(&run).len());
}

#[tokio::test]
async fn attempts_differ_by_the_seed_of_their_first_request() {
    let model = SimulatedLlm::new(Profile::named("mixed").unwrap(), 7, [playbook()]);
    let request = |seed| Request {
        messages: vec![Message::user(INSTRUCTION)],
        tools: vec![tool("shell"), tool("finish")],
        seed: Some(seed),
        ..Request::default()
    };
    let first = model.complete(request(1)).await.unwrap();
    assert_eq!(first, model.complete(request(1)).await.unwrap());
    assert_ne!(first, model.complete(request(2)).await.unwrap());
    assert!(first.usage.unwrap().prompt_tokens > 0);
    assert_eq!(first.usage.unwrap().cost_usd, None);
    assert!(model.model().is_simulated());
}

fn tool(name: &str) -> harness_core::ToolSpec {
    harness_core::ToolSpec { name: name.into(), description: String::new(), parameters: json!({}) }
}

#[tokio::test]
async fn a_reply_keeps_within_its_tokens() {
    let model = SimulatedLlm::new(Profile(&FLAWLESS), 7, [playbook()]);
    let messages = vec![Message::user(INSTRUCTION)];
    let request = Request {
        messages,
        tools: vec![tool("shell"), tool("finish")],
        max_tokens: Some(1),
        ..Request::default()
    };
    let completion = model.complete(request).await.unwrap();
    assert_eq!(completion.finish, harness_core::FinishReason::Length);
    assert!(completion.message.tool_calls.is_empty());
    assert_eq!(completion.usage.unwrap().completion_tokens, 1);
}

#[tokio::test]
async fn an_unknown_task_is_given_up_in_words() {
    let model = SimulatedLlm::new(Profile(&FLAWLESS), 7, [playbook()]);
    let request = Request {
        messages: vec![Message::user("Sing.")],
        tools: vec![tool("finish")],
        ..Request::default()
    };
    assert_eq!(model.complete(request).await.unwrap().message.tool_calls[0].name, "finish");
    let request = Request { messages: vec![Message::user("Sing.")], ..Request::default() };
    assert!(model.complete(request).await.unwrap().message.content.contains("do not know"));
}

mod law {
    use proptest::prelude::*;

    use super::*;

    fn message() -> impl Strategy<Value = Message> {
        let text = prop_oneof![
            Just(INSTRUCTION.to_owned()),
            "[a-z .\n\\[\\]0-9<>/]{0,60}",
            Just("x\n[exit status 1]".into())
        ];
        let id = prop_oneof![
            Just("sim-0-1-s1.0".to_owned()),
            Just("sim-0-2-x".to_owned()),
            Just("sim-0-3-f".to_owned()),
            "[a-z-]{0,9}"
        ];
        (0..4, text, id).prop_map(|(kind, text, id)| match kind {
            0 => Message::system(text),
            1 => Message::user(text),
            2 => Message::tool(id, text),
            _ => {
                let arguments = harness_core::Arguments::parse("{}");
                Message::assistant(text).with_tool_calls(vec![harness_core::ToolCall {
                    id,
                    name: "shell".into(),
                    arguments,
                }])
            }
        })
    }

    proptest! {
        #[test]
        fn a_reply_is_a_function_of_the_request(
            messages in prop::collection::vec(message(), 0..12),
            tools in prop::sample::subsequence(vec!["shell", "finish", "write_file", "call_agent", "read_skill"], 0..=5),
            seed in any::<Option<u64>>(),
            schema in prop::option::of(prop_oneof![Just("diagnosis"), Just("proposal"), Just("other")]),
        ) {
            let request = Request {
                messages,
                tools: tools.into_iter().map(tool).collect(),
                seed,
                response_schema: schema.map(|name| harness_core::ResponseSchema { name: name.into(), schema: json!({}) }),
                ..Request::default()
            };
            for profile in Profile::all() {
                let model = || SimulatedLlm::new(profile, 5, [playbook()]);
                let reply = model().answer(&request);
                let again = model().answer(&request);
                prop_assert_eq!(reply, again);
            }
        }
    }
}
