//! Every control of the minimal harness really intercepts: a scripted model acts, real commands run in a real session,
//! and what the model was shown and what happened to the workspace are looked at.

use std::collections::BTreeMap;
use std::sync::Arc;

use harness_core::minimal::{
    ArtifactGuard, CallPolicy, CheckBeforeFinish, CommandTimeCap, Controls, DownloadCap,
    EnvironmentPersistence, GuardMode, IdenticalCallGuard, InputGuard, OutputTruncation, Reminder,
    ReminderTrigger, RepairToolCalls, Skill, SubAgent, ToolCallBudget, ToolDescription, ToolName,
    UnchangedCap,
};
use harness_core::testing::ScriptedLlm;
use harness_core::{
    Arguments, Completion, File, Finish, Harness, MinimalHarness, ObservationStatus, Request,
    RunContext, Sandbox, SandboxPath, Task, ToolCall, Trajectory, TrialLimits, Upload,
};
use serde_json::{Value, json};

/// What an attempt left.
struct Attempt {
    finish: Finish,
    trajectory: Trajectory,
    activations: BTreeMap<String, u64>,
    requests: Vec<Request>,
}

impl Attempt {
    /// What each call brought, in order.
    fn results(&self) -> Vec<(ObservationStatus, String)> {
        let steps = self.trajectory.agent_steps().flat_map(|step| &step.observations);
        steps.map(|observation| (observation.status, observation.content.clone())).collect()
    }

    fn fired(&self, surface: &str) -> u64 {
        self.activations.get(surface).copied().unwrap_or(0)
    }

    fn shown(&self, call: usize) -> String {
        self.requests[call].messages.iter().map(|message| message.content.clone() + "\n").collect()
    }
}

fn sandbox() -> Arc<dyn Sandbox> {
    harness_sandbox::build(harness_sandbox::SandboxKind::Auto)
        .or_else(|_| harness_sandbox::build(harness_sandbox::SandboxKind::Landlock))
        .unwrap()
}

async fn attempt(controls: Controls, script: Vec<Completion>) -> Attempt {
    attempt_with(MinimalHarness { controls, ..MinimalHarness::default() }, script).await
}

async fn attempt_with(harness: MinimalHarness, script: Vec<Completion>) -> Attempt {
    let mut task = Task::new("task", "Make out.txt.");
    task.outputs = vec![SandboxPath::new("/app/out.txt").unwrap()];
    let limits = TrialLimits { steps: 12, ..TrialLimits::default() };
    attempt_at(&harness, &task, script, limits).await
}

async fn attempt_at(
    harness: &MinimalHarness,
    task: &Task,
    script: Vec<Completion>,
    limits: TrialLimits,
) -> Attempt {
    attempt_prepared(harness, task, &[], script, limits).await
}

async fn attempt_prepared(
    harness: &MinimalHarness,
    task: &Task,
    given: &[Upload],
    script: Vec<Completion>,
    limits: TrialLimits,
) -> Attempt {
    let session = sandbox().open(&task.environment).await.unwrap();
    for upload in given {
        let file = File { bytes: &upload.content, mode: upload.mode };
        session.write(&upload.path, file).await.unwrap();
    }
    // The session outlives its context, and is closed whatever the attempt says.
    let model = Arc::new(ScriptedLlm::queue(script.into_iter().map(Ok)));
    let cx = RunContext::alone(model.clone(), session.as_ref(), limits);
    let finish = match harness.run(task, &cx).await {
        Ok(finish) => finish,
        Err(error) if error.kind() == harness_core::ErrorKind::TrialLimit => Finish::OutOfSteps,
        Err(error) => panic!("{}", error.report()),
    };
    let (trajectory, activations) = (cx.trajectory(), cx.activations());
    drop(cx);
    session.close().await.unwrap();
    Attempt { finish, trajectory, activations, requests: model.requests() }
}

fn call(name: &str, arguments: Value) -> ToolCall {
    ToolCall {
        id: format!("call-{name}-{arguments}"),
        name: name.into(),
        arguments: Arguments::Parsed(arguments),
    }
}

fn says(name: &str, arguments: Value) -> Completion {
    Completion::calls("", vec![call(name, arguments)])
}

fn shell(command: &str) -> Completion {
    says("shell", json!({ "command": command }))
}

fn finish() -> Completion {
    says("finish", json!({ "summary": "done" }))
}

const DENIED: ObservationStatus = ObservationStatus::Intercepted;
const OK: ObservationStatus = ObservationStatus::Ok;
const FAILED: ObservationStatus = ObservationStatus::Error;

fn statuses(attempt: &Attempt) -> Vec<ObservationStatus> {
    attempt.results().into_iter().map(|(status, _)| status).collect()
}

#[tokio::test]
async fn with_every_control_off_nothing_is_intercepted() {
    let attempt = attempt(
        Controls::default(),
        vec![
            shell("false"),
            shell("false"),
            says("read_file", json!({ "path": "none" })),
            finish(),
        ],
    )
    .await;
    assert_eq!(attempt.finish, Finish::Done);
    assert_eq!(statuses(&attempt), [FAILED, FAILED, FAILED, OK]);
    assert!(attempt.activations.keys().all(|surface| !surface.starts_with("/controls")));
}

#[tokio::test]
async fn tools_do_what_they_say_and_changes_are_seen_by_their_effect() {
    let attempt = attempt(
        Controls::default(),
        vec![
            says("write_file", json!({ "path": "dir/a.txt", "content": "one two" })),
            says("edit_file", json!({ "path": "dir/a.txt", "old": "two", "new": "three" })),
            says("read_file", json!({ "path": "dir/a.txt" })),
            shell("cat dir/a.txt; echo why >&2; exit 3"),
            shell("echo x > out.txt"),
            finish(),
        ],
    )
    .await;
    let changed: Vec<Option<bool>> = attempt
        .trajectory
        .agent_steps()
        .flat_map(|step| &step.observations)
        .map(|observation| observation.changed)
        .collect();
    assert_eq!(changed[..5], [Some(true), Some(true), Some(false), Some(false), Some(true)]);
    let results = attempt.results();
    assert_eq!(results[2].1, "one three");
    assert!(
        results[3].1.contains("one three")
            && results[3].1.contains("why")
            && results[3].1.contains("exit status 3")
    );
    assert_eq!(results[3].0, FAILED);
}

#[tokio::test]
async fn the_tool_call_budget_redirects_every_other_call() {
    let budget = ToolCallBudget { max_calls: 3, redirect: "Produce the artifact now.".into() };
    let controls = Controls { tool_call_budget: Some(budget), ..Controls::default() };
    let mut script: Vec<Completion> = (0..6).map(|_| shell("ls")).collect();
    script.extend([says("write_file", json!({ "path": "out.txt", "content": "x" })), finish()]);
    let attempt = attempt(controls, script).await;
    assert_eq!(statuses(&attempt), [OK, OK, OK, DENIED, OK, DENIED, OK, OK]);
    assert_eq!(attempt.fired("/controls/tool_call_budget"), 2);
    assert!(attempt.shown(4).contains("Produce the artifact now."));
}

#[tokio::test]
async fn the_unchanged_cap_counts_calls_without_an_effect() {
    let cap = UnchangedCap { max_calls: 2, message: "Change something.".into() };
    let controls = Controls { unchanged_cap: Some(cap), ..Controls::default() };
    let script = vec![
        shell("ls"),
        shell("touch a"),
        shell("ls"),
        shell("cat a"),
        shell("ls"),
        shell("ls"),
        finish(),
    ];
    let attempt = attempt(controls, script).await;
    assert_eq!(
        statuses(&attempt),
        [OK, OK, OK, OK, DENIED, OK, OK],
        "`touch` counts as a change, whatever the tool"
    );
    assert_eq!(attempt.fired("/controls/unchanged_cap"), 1);
}

#[tokio::test]
async fn the_identical_call_guard_denies_a_repeat_until_something_changed() {
    for (mode, third) in [(GuardMode::Deny, DENIED), (GuardMode::Warn, FAILED)] {
        let guard = IdenticalCallGuard { mode, message: "That failed already.".into() };
        let controls = Controls { identical_call_guard: Some(guard), ..Controls::default() };
        let script = vec![
            shell("cat out.txt"),
            shell("ls"),
            shell("cat out.txt"),
            shell("echo x > out.txt"),
            shell("cat out.txt"),
            finish(),
        ];
        let attempt = attempt(controls, script).await;
        assert_eq!(statuses(&attempt), [FAILED, OK, third, OK, OK, OK]);
        assert!(attempt.results()[2].1.contains("That failed already."));
        assert_eq!(attempt.fired("/controls/identical_call_guard"), 1);
    }
}

#[tokio::test]
async fn the_artifact_guard_refuses_a_finish_without_the_declared_output() {
    let guard = ArtifactGuard { message: "Not yet.".into(), max_refusals: 2 };
    let controls = Controls { artifact_guard: Some(guard), ..Controls::default() };
    let script =
        vec![finish(), shell("touch out.txt"), finish(), shell("echo x > out.txt"), finish()];
    let attempt = attempt(controls.clone(), script).await;
    assert_eq!(statuses(&attempt), [DENIED, OK, DENIED, OK, OK], "an empty file is no artifact");
    assert_eq!(
        (attempt.finish.clone(), attempt.fired("/controls/artifact_guard")),
        (Finish::Done, 2)
    );
    assert!(
        attempt.results()[0].1.contains("out.txt"),
        "the missing file is named as the task names it"
    );

    let stubborn = self::attempt(controls, vec![finish(), finish(), finish()]).await;
    assert_eq!(statuses(&stubborn), [DENIED, DENIED, OK], "it gives way after its refusals");
}

#[tokio::test]
async fn check_before_finish_wants_a_successful_command_since_the_last_change() {
    let check = CheckBeforeFinish {
        command: "test".into(),
        message: "Check first.".into(),
        max_refusals: 5,
    };
    let controls = Controls { check_before_finish: Some(check), ..Controls::default() };
    let script = vec![
        shell("echo x > out.txt"),
        finish(),
        shell("cat out.txt"),
        finish(),
        shell("test -s out.txt"),
        shell("echo y > out.txt"),
        finish(),
        shell("test -s out.txt"),
        shell("test -d out.txt"),
        finish(),
        shell("test -s out.txt"),
        finish(),
    ];
    let attempt = attempt(controls, script).await;
    let expected = [OK, DENIED, OK, DENIED, OK, OK, DENIED, OK, FAILED, DENIED, OK, OK];
    assert_eq!(statuses(&attempt), expected, "a check that fails takes back an earlier one");
    assert_eq!(attempt.fired("/controls/check_before_finish"), 4);
}

#[tokio::test]
async fn environment_persistence_carries_variables_functions_and_directory_over() {
    let script = || {
        vec![
            shell(
                "export A=1; b='two words'; f() { echo from f; }; mkdir -p sub && cd sub && exit 0",
            ),
            shell("echo \"$A-$b-$(f)-$(basename \"$PWD\")\""),
            finish(),
        ]
    };
    let persistence = EnvironmentPersistence { variables: true, working_directory: true };
    let on = Controls { environment_persistence: Some(persistence), ..Controls::default() };
    let attempt = self::attempt(on, script()).await;
    assert!(
        attempt.results()[1].1.contains("1-two words-from f-sub"),
        "{:?}",
        attempt.results()[1]
    );
    assert_eq!(
        attempt.fired("/controls/environment_persistence"),
        1,
        "the first call has nothing to take over"
    );

    let off = self::attempt(Controls::default(), script()).await;
    assert!(off.results()[1].1.contains("---app"), "{:?}", off.results()[1]);

    let only = EnvironmentPersistence { variables: true, working_directory: false };
    let half = self::attempt(
        Controls { environment_persistence: Some(only), ..Controls::default() },
        script(),
    )
    .await;
    assert!(half.results()[1].1.contains("1-two words-from f-app"), "{:?}", half.results()[1]);
}

#[tokio::test]
async fn output_is_truncated_in_its_middle() {
    let output_truncation = OutputTruncation { head_bytes: 200, tail_bytes: 200 };
    let controls = Controls { output_truncation, ..Controls::default() };
    let attempt = attempt(
        controls,
        vec![
            shell("seq 1 5000 | tee long"),
            says("read_file", json!({ "path": "long" })),
            finish(),
        ],
    )
    .await;
    for (_, shown) in &attempt.results()[..2] {
        assert!(
            shown.len() < 600 && shown.starts_with("1\n2\n") && shown.contains("\n5000\n"),
            "{shown}"
        );
    }
    assert_eq!(
        attempt.fired("/controls/output_truncation"),
        2,
        "a file that is read is an output too"
    );
}

#[tokio::test]
async fn reminders_are_shown_while_their_condition_holds_and_not_after() {
    let reminder = |when, text: &str| Reminder { when, text: text.into() };
    let controls = Controls {
        reminders: vec![
            reminder(ReminderTrigger::AtStart, "AT-START"),
            reminder(ReminderTrigger::OnToolError, "ON-ERROR"),
            reminder(ReminderTrigger::EveryCalls(3), "EVERY-3"),
            reminder(ReminderTrigger::NearDeadline(50), "NEAR-END"),
        ],
        ..Controls::default()
    };
    let mut script = vec![shell("false")];
    script.extend((0..8).map(|_| shell("echo error")));
    script.push(finish());
    let attempt = attempt(controls, script).await;
    let all = attempt.shown(attempt.requests.len() - 1);
    let times = |text: &str| all.matches(text).count();
    assert_eq!(times("AT-START"), 1);
    assert_eq!(
        times("ON-ERROR"),
        1,
        "an output that says 'error' is no error, and the reminder does not stick"
    );
    assert_eq!(times("EVERY-3"), 3);
    assert_eq!(times("NEAR-END"), 1);
    assert!(!attempt.shown(5).contains("NEAR-END"));
    let recovery = MinimalHarness::default().prompts.failure_recovery;
    assert_eq!(times(&recovery), 1, "how to recover is said beside the failure only");
}

#[tokio::test]
async fn malformed_calls_are_repaired_only_where_that_is_unambiguous() {
    let broken = |name: &str, text: &str| {
        let arguments = Arguments::Malformed(text.into());
        Completion::calls("", vec![ToolCall { id: text.into(), name: name.into(), arguments }])
    };
    let script = || {
        vec![
            broken("shell", r#"{"command": "echo cut"#),
            broken("bash", "```json\n{\"command\": \"echo fenced\"}\n```"),
            says("functions.Shell", json!({ "cmd": "echo alias" })),
            says("shell", json!("{\"command\": \"echo twice\"}")),
            says("write_file", json!({ "arguments": { "file": "out.txt", "contents": "x" } })),
            says("edit_file", json!({ "path": "out.txt" })),
            says("dance", json!({})),
            finish(),
        ]
    };
    let controls = Controls {
        repair_tool_calls: Some(RepairToolCalls { max_in_a_row: 20 }),
        ..Controls::default()
    };
    let repaired = attempt(controls, script()).await;
    const INVALID: ObservationStatus = ObservationStatus::Invalid;
    assert_eq!(statuses(&repaired), [OK, OK, OK, OK, OK, INVALID, INVALID, OK]);
    for (result, word) in repaired.results().iter().zip(["cut", "fenced", "alias", "twice"]) {
        assert!(result.1.contains(word), "{result:?}");
    }
    assert_eq!(repaired.fired("/controls/repair_tool_calls"), 5);

    let off = attempt(Controls::default(), script()).await;
    assert_eq!(statuses(&off)[..7], [INVALID; 7]);
    assert!(off.results()[6].1.contains("there are: shell"), "the model is told what there is");
}

#[tokio::test]
async fn caps_on_downloads_and_time_are_enforced_on_the_command() {
    let controls = Controls {
        download_cap: Some(DownloadCap { mebibytes: 1 }),
        command_time_cap: Some(CommandTimeCap { seconds: 1 }),
        ..Controls::default()
    };
    let script = vec![
        shell("head -c 3000000 /dev/zero > big"),
        shell("stat -c %s big"),
        shell("sleep 600"),
        shell("sleep 600 & echo started"),
        finish(),
    ];
    let attempt = attempt(controls, script).await;
    let results = attempt.results();
    assert_eq!(results[0].0, FAILED);
    assert!(results[1].1.starts_with("1048576"), "{:?}", results[1]);
    assert!(results[2].1.contains("timed out after 1 s"), "{:?}", results[2]);
    assert!(
        results[3].0 == OK && results[3].1.contains("started"),
        "a server in the background is let live"
    );
    assert_eq!(
        (attempt.fired("/controls/download_cap"), attempt.fired("/controls/command_time_cap")),
        (1, 1)
    );
}

#[tokio::test]
async fn inputs_are_put_back_and_outputs_are_not() {
    let mut task = Task::new("task", "Make out.txt.");
    task.outputs = vec![SandboxPath::new("/app/out.txt").unwrap()];
    let given = |path: &str, text: &str| Upload {
        path: SandboxPath::new(path).unwrap(),
        mode: 0o644,
        content: text.as_bytes().into(),
    };
    let script = vec![
        shell("echo draft > 'in a.txt'"),
        shell("rm -rf deep 'in a.txt'; exit 3"),
        says("write_file", json!({ "path": "deep/in.txt", "content": "mine" })),
        shell("echo new > out.txt; echo more > other.txt"),
        shell("cat 'in a.txt' deep/in.txt out.txt other.txt"),
        finish(),
    ];
    let on = Some(InputGuard { message: "Inputs are kept.".into() });
    for (input_guard, fired, held) in
        [(on, 3, "given\ndeep\nnew\nmore\n"), (None, 0, "minenew\nmore\n")]
    {
        let controls = Controls { input_guard, ..Controls::default() };
        let harness = MinimalHarness { controls, ..MinimalHarness::default() };
        let limits = TrialLimits { steps: 12, ..TrialLimits::default() };
        let attempt = attempt_prepared(
            &harness,
            &task,
            &[
                given("/app/in a.txt", "given\n"),
                given("/app/deep/in.txt", "deep\n"),
                given("/app/out.txt", "old\n"),
            ],
            script.clone(),
            limits,
        )
        .await;
        let results = attempt.results();
        assert!(results[4].1.starts_with(held), "{:?}", results[4]);
        assert_eq!(attempt.fired("/controls/input_guard"), fired, "{results:?}");
        let told = results
            .iter()
            .filter(|result| result.1.contains("[inputs put back] Inputs are kept.\n./"));
        assert_eq!(told.count() as u64, fired);
        assert_eq!(results[1].0, FAILED, "the command's own status is kept");
    }
}

#[tokio::test]
async fn skills_are_listed_and_looked_up() {
    let skill = Skill {
        name: "csv".into(),
        description: "How to read CSV.".into(),
        body: "Mind the quotes.".into(),
    };
    let harness = MinimalHarness { skills: vec![skill], ..MinimalHarness::default() };
    let script = vec![
        says("read_skill", json!({ "name": "csv" })),
        says("read_skill", json!({ "name": "x" })),
        finish(),
    ];
    let attempt = attempt_with(harness, script).await;
    assert!(attempt.shown(0).contains("csv: How to read CSV."));
    assert_eq!(attempt.results()[0], (OK, "Mind the quotes.".into()));
    assert_eq!((attempt.results()[1].0, attempt.fired("/skills")), (FAILED, 1));
}

#[tokio::test]
async fn a_sub_agent_works_in_the_same_place_with_its_own_tools_and_policy() {
    let sub_agent = SubAgent {
        name: "writer".into(),
        description: "Writes files.".into(),
        prompt: "You write.".into(),
        tools: vec![ToolName::WriteFile],
        call_policy: CallPolicy { when: "Call it to write.".into(), max_calls: 1, max_steps: 3 },
    };
    let harness = MinimalHarness { sub_agents: vec![sub_agent], ..MinimalHarness::default() };
    let script = vec![
        says("call_agent", json!({ "name": "writer", "task": "Write x to out.txt." })),
        shell("echo not allowed"),
        says("write_file", json!({ "path": "out.txt", "content": "x" })),
        Completion::text("It is written."),
        says("call_agent", json!({ "name": "writer", "task": "Again." })),
        shell("cat out.txt"),
        finish(),
    ];
    let attempt = attempt_with(harness, script).await;
    assert_eq!(attempt.finish, Finish::Done);
    let offered: Vec<&str> =
        attempt.requests[1].tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(offered, ["write_file"]);
    assert_eq!(attempt.requests[1].messages[0].content, "You write.");
    let results = attempt.results();
    let answer = results.iter().position(|(_, content)| content == "It is written.").unwrap();
    assert_eq!(results[answer].0, OK);
    assert!(
        results.iter().any(|(status, content)| *status == DENIED && content.contains("1 times"))
    );
    assert!(results.iter().any(|(status, content)| *status == OK && content.starts_with('x')));
    assert_eq!(attempt.fired("/sub_agents"), 1);
}

#[tokio::test]
async fn a_tool_can_be_described_anew() {
    let described =
        ToolDescription { tool: ToolName::Shell, description: "Use it sparingly.".into() };
    let harness =
        MinimalHarness { tool_descriptions: vec![described], ..MinimalHarness::default() };
    let attempt = attempt_with(harness, vec![finish()]).await;
    let shell = attempt.requests[0].tools.iter().find(|tool| tool.name == "shell").unwrap();
    assert_eq!(shell.description, "Use it sparingly.");
}

#[tokio::test]
async fn a_model_that_only_talks_is_asked_once_and_then_let_go() {
    let script = vec![Completion::text("My plan is good."), Completion::text("Indeed.")];
    let attempt = attempt(Controls::default(), script).await;
    assert_eq!((attempt.finish, attempt.requests.len()), (Finish::Stopped, 2));
}

#[tokio::test]
async fn an_attempt_ends_with_its_steps() {
    let script = (0..20).map(|_| shell("ls")).collect();
    let attempt = attempt(Controls::default(), script).await;
    assert_eq!((attempt.finish, attempt.requests.len()), (Finish::OutOfSteps, 12));
}

#[tokio::test]
async fn a_conversation_only_grows() {
    let attempt = attempt(Controls::default(), vec![shell("false"), shell("ls"), finish()]).await;
    for pair in attempt.requests.windows(2) {
        assert_eq!(
            pair[0].messages,
            pair[1].messages[..pair[0].messages.len()],
            "a server's prompt cache stays warm"
        );
    }
}
