//! What of the minimal harness can be edited: its fields, their bounds, and what each is for. The descriptions here
//! are what the improving model reads.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A small harness for command-line work, and the seed of an evolution: short prompts, five tools, every control off.
///
/// It is a plain document: each field is a surface, and a [`DocumentEdit`](crate::DocumentEdit) changes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MinimalHarness {
    /// Texts that the model reads.
    pub prompts: Prompts,
    /// Procedures that the model can look up by name with `read_skill`; names and descriptions are always in view.
    #[schemars(length(max = 12))]
    pub skills: Vec<Skill>,
    /// Named helpers with a prompt and tools of their own, which the model can call with `call_agent`.
    #[schemars(length(max = 4))]
    pub sub_agents: Vec<SubAgent>,
    /// Descriptions that replace the built-in ones of the tools shell, read_file, write_file, edit_file, finish.
    #[schemars(length(max = 5))]
    pub tool_descriptions: Vec<ToolDescription>,
    /// Mechanisms that act on what the model does, whatever it was told.
    pub controls: Controls,
}

/// Texts that the model reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prompts {
    /// Standing instructions: who the agent is and how it works.
    #[schemars(length(max = 4000))]
    pub system: String,
    /// Facts and lessons worth keeping in view in every task.
    #[schemars(length(max = 4000))]
    pub memory: String,
    /// What to do first: read only at the start of a task.
    #[schemars(length(max = 2000))]
    pub bootstrap: String,
    /// How to carry out the work.
    #[schemars(length(max = 3000))]
    pub execution: String,
    /// What to check before concluding.
    #[schemars(length(max = 3000))]
    pub verification: String,
    /// What to do after a tool failed: read beside each failed result, and only there.
    #[schemars(length(max = 2000))]
    pub failure_recovery: String,
}

impl Default for Prompts {
    /// The starting point of the paper (arXiv 2606.09498, figure 3), in our own words.
    fn default() -> Self {
        Self {
            system: "You are an agent working on a task in a terminal environment. Inspect the workspace with your \
                     tools, make concrete changes, and rely on what the environment shows you. Call finish when \
                     the work is done."
                .into(),
            memory: String::new(),
            bootstrap: "Begin by inspecting the workspace and finding the smallest change that does the job.".into(),
            execution: "Prefer concrete changes over advice. Keep edits tightly scoped.".into(),
            verification: "Before concluding, verify with the most targeted command, read or test.".into(),
            failure_recovery: "Inspect the error and adapt. Do not retry blindly.".into(),
        }
    }
}

/// A procedure to look up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Skill {
    /// The name to look it up by: lower-case words joined by hyphens.
    #[schemars(length(min = 1, max = 60))]
    pub name: String,
    /// When it applies, in a sentence.
    #[schemars(length(max = 300))]
    pub description: String,
    /// The procedure.
    #[schemars(length(max = 4000))]
    pub body: String,
}

/// A named helper: a prompt, a subset of the tools, and a policy for calling it. It runs a loop of its own in the same
/// workspace, and its last words are the result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubAgent {
    /// The name to call it by: lower-case words joined by hyphens.
    #[schemars(length(min = 1, max = 60))]
    pub name: String,
    /// What it is for, in a sentence.
    #[schemars(length(max = 300))]
    pub description: String,
    /// Its standing instructions.
    #[schemars(length(max = 3000))]
    pub prompt: String,
    /// The tools it may use: some of shell, read_file, write_file, edit_file.
    #[schemars(length(min = 1, max = 4))]
    pub tools: Vec<ToolName>,
    /// When and how often it may be called.
    pub call_policy: CallPolicy,
}

/// When and how often a sub-agent may be called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallPolicy {
    /// When to call it, told to the calling model.
    #[schemars(length(max = 500))]
    pub when: String,
    /// How often in one task.
    #[schemars(range(min = 1, max = 20))]
    pub max_calls: u32,
    /// How many model calls each of its loops may make.
    #[schemars(range(min = 1, max = 50))]
    pub max_steps: u32,
}

/// A tool of the minimal harness that can be described anew or given to a sub-agent.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ToolName {
    /// Runs a shell command.
    Shell,
    /// Reads a text file.
    ReadFile,
    /// Creates or replaces a file.
    WriteFile,
    /// Replaces one passage of a file.
    EditFile,
    /// Ends the task.
    Finish,
}

/// A description that replaces a tool's built-in one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolDescription {
    /// The tool.
    pub tool: ToolName,
    /// What the model reads about it.
    #[schemars(length(min = 1, max = 1500))]
    pub description: String,
}

/// Mechanisms that intercept what the model does. `null` is off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Controls {
    /// After so many tool calls, every other call that is not a finish or a file write is answered by a redirect message
    /// instead of being run: breaks endless loops.
    pub tool_call_budget: Option<ToolCallBudget>,
    /// After so many tool calls in a row that left the workspace unchanged, the next shell or read call is answered by
    /// a message instead of being run, and the count starts anew: breaks endless exploration.
    pub unchanged_cap: Option<UnchangedCap>,
    /// An exact repeat of a call that failed, with nothing changed in between, is denied or warned about.
    pub identical_call_guard: Option<IdenticalCallGuard>,
    /// A finish is refused while a file that the task declares as its output is missing or empty.
    pub artifact_guard: Option<ArtifactGuard>,
    /// A finish is refused unless a checking shell command was run since the workspace last changed, and the last one succeeded.
    pub check_before_finish: Option<CheckBeforeFinish>,
    /// Exports, PATH and the working directory carry over from one shell call to the next.
    pub environment_persistence: Option<EnvironmentPersistence>,
    /// How much of a tool's output the model is shown: its beginning and its end.
    pub output_truncation: OutputTruncation,
    /// Messages shown when their condition holds, and only then.
    #[schemars(length(max = 6))]
    pub reminders: Vec<Reminder>,
    /// A malformed tool call (broken JSON, a slightly wrong tool name, a missing wrapper) is repaired where that is
    /// unambiguous, instead of being returned as an error.
    pub repair_tool_calls: Option<RepairToolCalls>,
    /// No file that a shell command writes may grow beyond this size: stops runaway downloads and dumps.
    pub download_cap: Option<DownloadCap>,
    /// A shell command is ended after this time, and the model is told: stops waiting for servers in the foreground.
    pub command_time_cap: Option<CommandTimeCap>,
    /// What the task came with stays as it was: a file that a call changed or removed is put back, and the model is told. Files that
    /// the task declares as outputs are left alone; not for work that has to change given files in place.
    pub input_guard: Option<InputGuard>,
}

/// The paper's loop breaker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolCallBudget {
    /// Tool calls before the first redirect.
    #[schemars(range(min = 3, max = 500))]
    pub max_calls: u32,
    /// What the model reads instead of a result.
    #[schemars(length(min = 1, max = 1000))]
    pub redirect: String,
}

/// A cap on looking without doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnchangedCap {
    /// Consecutive calls without a change of the workspace.
    #[schemars(range(min = 2, max = 50))]
    pub max_calls: u32,
    /// What the model reads instead of a result.
    #[schemars(length(min = 1, max = 1000))]
    pub message: String,
}

/// What to do with an exact repeat after failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdenticalCallGuard {
    /// Deny it, or run it and warn.
    pub mode: GuardMode,
    /// What the model reads.
    #[schemars(length(min = 1, max = 1000))]
    pub message: String,
}

/// How strict a guard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GuardMode {
    /// The call is not run.
    Deny,
    /// The call is run and the message is put beside its result.
    Warn,
}

/// No finish without the declared outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArtifactGuard {
    /// What the model reads beside the list of missing files.
    #[schemars(length(min = 1, max = 1000))]
    pub message: String,
    /// How often a finish is refused before it is let through.
    #[schemars(range(min = 1, max = 10))]
    pub max_refusals: u32,
}

/// No finish without a check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckBeforeFinish {
    /// Text that the checking command must hold; empty lets any shell command count.
    #[schemars(length(max = 200))]
    pub command: String,
    /// What the model reads.
    #[schemars(length(min = 1, max = 1000))]
    pub message: String,
    /// How often a finish is refused before it is let through.
    #[schemars(range(min = 1, max = 10))]
    pub max_refusals: u32,
}

/// What carries over between shell calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentPersistence {
    /// Variables (PATH among them) and functions.
    pub variables: bool,
    /// The working directory.
    pub working_directory: bool,
}

/// How much of an output is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutputTruncation {
    /// Bytes from the beginning.
    #[schemars(range(min = 200, max = 60000))]
    pub head_bytes: u32,
    /// Bytes from the end.
    #[schemars(range(min = 200, max = 60000))]
    pub tail_bytes: u32,
}

impl Default for OutputTruncation {
    fn default() -> Self {
        Self { head_bytes: 8000, tail_bytes: 8000 }
    }
}

/// A message with a condition that is looked at anew each time: it does not stick.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reminder {
    /// When it is shown.
    pub when: ReminderTrigger,
    /// What the model reads.
    #[schemars(length(min = 1, max = 1000))]
    pub text: String,
}

/// When a reminder is shown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReminderTrigger {
    /// Once, before the first call.
    AtStart,
    /// Beside each result that is an error.
    OnToolError,
    /// After every so many tool calls.
    EveryCalls(#[schemars(range(min = 2, max = 100))] u32),
    /// Once, when less than this share of the steps or of the time is left, in percent.
    NearDeadline(#[schemars(range(min = 5, max = 90))] u32),
}

/// Repair of malformed calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RepairToolCalls {
    /// How many calls in a row are repaired before the error is shown.
    #[schemars(range(min = 1, max = 20))]
    pub max_in_a_row: u32,
}

/// A bound on files that commands write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DownloadCap {
    /// Mebibytes.
    #[schemars(range(min = 1, max = 4096))]
    pub mebibytes: u32,
}

/// A bound on how long a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandTimeCap {
    /// Seconds.
    #[schemars(range(min = 1, max = 3600))]
    pub seconds: u32,
}

/// No change of what was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InputGuard {
    /// What the model reads beside the names of the files that were put back.
    #[schemars(length(min = 1, max = 1000))]
    pub message: String,
}
