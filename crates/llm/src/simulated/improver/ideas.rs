//! What a simulated improver can think of: good, useless and harmful, each for the minimal harness's surfaces. Harness texts in
//! here are understood by `reading` like any other.

/// What an idea is worth; never told to anyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    Good,
    Useless,
    Harmful,
}

/// How an idea changes its surface.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// A sentence more, in any text surface.
    Say(&'static str),
    /// A value, as JSON.
    Put(&'static str),
    /// One more item of a list, as JSON.
    Insert(&'static str),
    /// A value, and another at a place beside it: neither makes sense alone.
    PutBoth(&'static str, &'static str, &'static str),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Idea {
    pub(super) worth: Worth,
    /// The mechanisms that it is meant for; none is any.
    pub(super) mechanisms: &'static [&'static str],
    pub(super) surface: &'static str,
    pub(super) name: &'static str,
    pub(super) change: Change,
}

const fn idea(
    worth: Worth,
    mechanisms: &'static [&'static str],
    surface: &'static str,
    name: &'static str,
    change: Change,
) -> Idea {
    Idea { worth, mechanisms, surface, name, change }
}

const EXPLORING: &[&str] = &["explores_without_producing", "no_artifact"];
const OMITTING: &[&str] = &["no_artifact"];
const CHECKING: &[&str] = &["never_checks"];
const GARBLING: &[&str] = &["malformed_calls"];
const DROWNING: &[&str] = &["drowned_in_output"];
const WAITING: &[&str] = &["blocks_in_foreground"];
const FETCHING: &[&str] = &["oversized_download"];
const MISJUDGING: &[&str] = &["wrong_method", "misreads_task", "never_checks"];
const RETRYING: &[&str] = &["identical_retry"];
const DESTROYING: &[&str] = &["destroys_inputs", "identical_retry"];
const LOSING: &[&str] = &["loses_environment"];
const FINISHING: &[&str] = &["finishes_over_failing_check", "never_checks"];
const PLANNING: &[&str] = &["stops_with_a_plan", "no_artifact"];
const ANY: &[&str] = &[];

use Change::{Insert, Put, PutBoth, Say};
use Worth::{Good, Harmful, Useless};

/// Everything it can think of.
pub(super) const IDEAS: &[Idea] = &[
    idea(
        Good,
        EXPLORING,
        "/controls/unchanged_cap",
        "cap on looking",
        Put(
            r#"{"max_calls":6,"message":"You have looked enough. Create the required output now with its real content, then check it."}"#,
        ),
    ),
    idea(
        Good,
        EXPLORING,
        "/controls/tool_call_budget",
        "loop breaker",
        Put(
            r#"{"max_calls":24,"redirect":"Stop looking around. Write the required output now with its real content, check it, and finish."}"#,
        ),
    ),
    idea(
        Good,
        EXPLORING,
        "/prompts/bootstrap",
        "output early",
        Say(
            "After one look around, create the required output at once with its real content, then check and improve it.",
        ),
    ),
    idea(
        Good,
        EXPLORING,
        "/prompts/execution",
        "bounded looking",
        Say("Make at most three calls in a row that only look at things, then do the work."),
    ),
    idea(
        Good,
        EXPLORING,
        "/controls/reminders",
        "reminder to produce",
        Insert(
            r#"{"when":{"every_calls":8},"text":"Stop looking around: write the required output now with its real content, then check it."}"#,
        ),
    ),
    idea(
        Good,
        RETRYING,
        "/controls/identical_call_guard",
        "identical call guard",
        Put(
            r#"{"mode":"deny","message":"This exact call failed before, and nothing has changed since. Try something different."}"#,
        ),
    ),
    idea(
        Good,
        RETRYING,
        "/prompts/failure_recovery",
        "no identical retry",
        Say(
            "Never run the same command again unchanged after it failed: find out why, then do something different.",
        ),
    ),
    idea(
        Good,
        RETRYING,
        "/controls/reminders",
        "reminder on errors",
        Insert(
            r#"{"when":"on_tool_error","text":"Do not repeat the same call: change the approach."}"#,
        ),
    ),
    idea(
        Good,
        RETRYING,
        "/skills",
        "procedure for failures",
        Insert(
            r#"{"name":"after-a-failure","description":"What to do when a command failed.","body":"Read the message. Never repeat the identical command. Look where the file really is, then try something different."}"#,
        ),
    ),
    idea(
        Good,
        DESTROYING,
        "/controls/input_guard",
        "input guard",
        Put(
            r#"{"message":"What was given has been put back: never overwrite or delete it, write the result elsewhere."}"#,
        ),
    ),
    idea(
        Good,
        DESTROYING,
        "/controls/reminders",
        "reminder of the inputs",
        Insert(
            r#"{"when":"at_start","text":"Never overwrite or delete the input files that were given."}"#,
        ),
    ),
    idea(
        Good,
        DESTROYING,
        "/prompts/execution",
        "inputs are kept",
        Say("Never delete or overwrite the input files that were given."),
    ),
    idea(
        Good,
        LOSING,
        "/controls/environment_persistence",
        "persistent environment",
        Put(r#"{"variables":true,"working_directory":true}"#),
    ),
    idea(
        Good,
        LOSING,
        "/prompts/execution",
        "state in every call",
        Say(
            "Each call is a fresh shell: repeat the exports and the directory change in every call that needs them.",
        ),
    ),
    idea(
        Good,
        LOSING,
        "/tool_descriptions",
        "shell described anew",
        Insert(
            r#"{"tool":"shell","description":"Runs a command with bash and shows its output and exit status. Each call is a new shell: variables, exports and the directory are lost, so set them again in the same call."}"#,
        ),
    ),
    idea(
        Good,
        FINISHING,
        "/controls/check_before_finish",
        "check before finish",
        Put(
            r#"{"command":"","message":"The last check failed, or none was run since the last change. Fix what fails, run the check again, and only then finish.","max_refusals":3}"#,
        ),
    ),
    idea(
        Good,
        FINISHING,
        "/prompts/verification",
        "fix before finish",
        Say(
            "When a check fails, fix the cause and run the check again; never finish while it fails.",
        ),
    ),
    idea(
        Good,
        FINISHING,
        "/sub_agents",
        "second look",
        Insert(
            r#"{"name":"second-look","description":"Looks whether the work is done.","prompt":"Run the most telling check of the work and say whether it passes or fails.","tools":["shell","read_file"],"call_policy":{"when":"Call it once before finishing.","max_calls":2,"max_steps":6}}"#,
        ),
    ),
    idea(
        Good,
        PLANNING,
        "/controls/artifact_guard",
        "artifact guard",
        Put(
            r#"{"message":"A required output is missing. Do not stop with a plan: carry it out, then finish.","max_refusals":3}"#,
        ),
    ),
    idea(
        Good,
        PLANNING,
        "/prompts/execution",
        "work, not plans",
        Say("Do not stop with a plan: carry it out with your tools before you finish."),
    ),
    idea(
        Good,
        OMITTING,
        "/prompts/execution",
        "result where it is asked for",
        Say("Write the result to the path that the task names, never only to notes of your own."),
    ),
    idea(
        Good,
        OMITTING,
        "/controls/reminders",
        "reminder of the place",
        Insert(
            r#"{"when":"at_start","text":"The result belongs where the task says: write it to the file that the task names."}"#,
        ),
    ),
    idea(
        Good,
        CHECKING,
        "/prompts/verification",
        "check always",
        Say("Run a check of the result before you finish, every time."),
    ),
    idea(
        Good,
        GARBLING,
        "/controls/repair_tool_calls",
        "patient call repair",
        Put(r#"{"max_in_a_row":20}"#),
    ),
    idea(
        Good,
        GARBLING,
        "/prompts/system",
        "exact calls",
        Say("Tool calls need the exact names and arguments that are listed, as valid JSON."),
    ),
    idea(
        Good,
        GARBLING,
        "/tool_descriptions",
        "shell with an example",
        Insert(
            r#"{"tool":"shell","description":"Runs a command with bash and shows its output and exit status. The arguments are an object with the exact key command, as valid JSON. Each call is a new shell."}"#,
        ),
    ),
    idea(
        Good,
        DROWNING,
        "/controls/output_truncation/head_bytes",
        "short outputs",
        PutBoth("2500", "/controls/output_truncation/tail_bytes", "2500"),
    ),
    idea(
        Good,
        DROWNING,
        "/prompts/execution",
        "little output",
        Say("Print only what you need: a few lines of output at a time, never a whole file."),
    ),
    idea(Good, WAITING, "/controls/command_time_cap", "time cap", Put(r#"{"seconds":3}"#)),
    idea(
        Good,
        WAITING,
        "/prompts/execution",
        "servers in the background",
        Say(
            "Start a server in the background, and never wait in the foreground for what does not return.",
        ),
    ),
    idea(Good, FETCHING, "/controls/download_cap", "small downloads", Put(r#"{"mebibytes":32}"#)),
    idea(
        Good,
        FETCHING,
        "/prompts/execution",
        "fetch little",
        Say("Download only the part that the task needs."),
    ),
    idea(
        Good,
        DESTROYING,
        "/prompts/memory",
        "inputs are sacred",
        Say("What a task gives as input is evidence: never overwrite or delete the given files."),
    ),
    idea(
        Good,
        MISJUDGING,
        "/prompts/bootstrap",
        "every requirement",
        Say("Restate every requirement in your own words."),
    ),
    idea(
        Useless,
        ANY,
        "/prompts/memory",
        "encouragement",
        Say("Work in a terminal rewards patience."),
    ),
    idea(Useless, ANY, "/prompts/system", "persona", Say("You are careful and experienced.")),
    idea(Useless, ANY, "/prompts/verification", "pride in work", Say("Take pride in tidy work.")),
    idea(Useless, ANY, "/controls/download_cap", "download cap", Put(r#"{"mebibytes":512}"#)),
    idea(Useless, ANY, "/controls/repair_tool_calls", "call repair", Put(r#"{"max_in_a_row":3}"#)),
    idea(Useless, ANY, "/controls/output_truncation/head_bytes", "more output", Put("12000")),
    idea(
        Useless,
        DROWNING,
        "/controls/output_truncation/head_bytes",
        "less of the beginning",
        Put("1500"),
    ),
    idea(
        Useless,
        EXPLORING,
        "/controls/unchanged_cap",
        "late cap on looking",
        Put(
            r#"{"max_calls":40,"message":"You have looked enough. Create the required output now."}"#,
        ),
    ),
    idea(
        Useless,
        LOSING,
        "/controls/environment_persistence",
        "persistent directory",
        Put(r#"{"variables":false,"working_directory":true}"#),
    ),
    idea(
        Useless,
        RETRYING,
        "/controls/identical_call_guard",
        "a word on repeats",
        Put(r#"{"mode":"warn","message":"Be careful."}"#),
    ),
    idea(Useless, FETCHING, "/prompts/memory", "thrift", Say("Space is precious, so be thrifty.")),
    idea(
        Useless,
        ANY,
        "/controls/command_time_cap",
        "generous time cap",
        Put(r#"{"seconds":600}"#),
    ),
    idea(
        Useless,
        ANY,
        "/skills",
        "manual pages",
        Insert(
            r#"{"name":"manual-pages","description":"How to find out what an option means.","body":"Ask the command itself with --help before guessing an option."}"#,
        ),
    ),
    idea(
        Harmful,
        ANY,
        "/controls/tool_call_budget",
        "tight budget",
        Put(r#"{"max_calls":3,"redirect":"Your calls are used up. Conclude."}"#),
    ),
    idea(
        Harmful,
        ANY,
        "/prompts/bootstrap",
        "output first",
        Say("Write the required output first."),
    ),
    idea(
        Harmful,
        ANY,
        "/prompts/execution",
        "placeholder first",
        Say("Start with a placeholder for each required output."),
    ),
    idea(
        Harmful,
        ANY,
        "/prompts/execution",
        "speed",
        Say("Be quick: use as few commands as you can."),
    ),
    idea(
        Harmful,
        ANY,
        "/controls/output_truncation/head_bytes",
        "less output",
        PutBoth("200", "/controls/output_truncation/tail_bytes", "300"),
    ),
    idea(
        Harmful,
        ANY,
        "/controls/output_truncation/tail_bytes",
        "tail only",
        PutBoth("200", "/controls/output_truncation/head_bytes", "900"),
    ),
    idea(
        Harmful,
        ANY,
        "/controls/unchanged_cap",
        "tight cap",
        Put(r#"{"max_calls":2,"message":"Conclude."}"#),
    ),
    idea(
        Harmful,
        ANY,
        "/controls/check_before_finish",
        "impossible check",
        Put(
            r#"{"command":"run-all-tests","message":"The full test run is missing.","max_refusals":5}"#,
        ),
    ),
];
