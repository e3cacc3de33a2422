//! Marks that need no verb: paths of the verifier, hooks of shells and interpreters, ways out of a sandbox, templates, includes.

/// Paths and names that no harness has business with, with what they are of.
const MARKS: [(&str, &str); 40] = [
    ("/logs/verifier", "the verifier"),
    ("reward.txt", "the verifier"),
    ("reward.json", "the verifier"),
    ("verifier_logs_path", "the verifier"),
    ("test_outputs.py", "the verifier"),
    ("solution/solve", "the verifier"),
    ("solve.sh", "the verifier"),
    ("/oracle/", "the verifier"),
    ("ld_preload", "a hook"),
    ("ld.so.preload", "a hook"),
    ("prompt_command", "a hook"),
    ("bash_env", "a hook"),
    ("pythonstartup", "a hook"),
    ("sitecustomize", "a hook"),
    ("usercustomize", "a hook"),
    ("perl5opt", "a hook"),
    ("rubyopt", "a hook"),
    ("node_options=", "a hook"),
    ("java_tool_options", "a hook"),
    ("pytest_plugins", "a hook"),
    ("pytest_runtest_makereport", "a hook"),
    ("pytest_sessionfinish", "a hook"),
    ("sys.settrace", "a hook"),
    ("atexit.register", "a hook"),
    ("core_pattern", "permissions"),
    ("docker.sock", "permissions"),
    ("nsenter", "permissions"),
    ("/proc/1/", "permissions"),
    ("/proc/sys/kernel", "permissions"),
    ("release_agent", "permissions"),
    ("169.254.169.254", "permissions"),
    ("yes-run-unconfined", "permissions"),
    ("dangerously-skip-permissions", "permissions"),
    ("--privileged", "permissions"),
    ("openai_base_url", "the model"),
    ("openai_api_base", "the model"),
    ("anthropic_base_url", "the model"),
    ("openai_api_key", "the model"),
    ("anthropic_api_key", "the model"),
    ("self_harness_", "the model"),
];

/// Directives that pull in text which nobody has judged.
const INCLUDES: [&str; 17] = [
    "{%include",
    "{%import",
    "{%extends",
    "{%from",
    "{{>",
    "{{#include",
    "{{include",
    "<!--#include",
    "<!--#exec",
    "<xi:include",
    "!include",
    "!!python",
    "\"$ref\"",
    "$include",
    "@include(",
    "<?php",
    "{{#import",
];

/// What a template must not mention.
const TEMPLATED: [&str; 39] = [
    "model",
    "llm",
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "decoding",
    "sampling",
    "steps",
    "max_steps",
    "limit",
    "limits",
    "budget",
    "timeout",
    "verifier",
    "grader",
    "reward",
    "tests",
    "test",
    "solution",
    "permission",
    "permissions",
    "sandbox",
    "network",
    "secret",
    "secrets",
    "api_key",
    "apikey",
    "environ",
    "env",
    "config",
    "settings",
    "__class__",
    "globals",
    "__import__",
    "import",
    "process",
    "system",
    "eval",
];

/// Why the text is refused, if it holds a mark.
pub(super) fn marker(plain: &str) -> Option<String> {
    let unspaced: String = plain.chars().filter(|c| !c.is_whitespace()).collect();
    if let Some(include) = INCLUDES.iter().find(|include| unspaced.contains(*include)) {
        return Some(format!("it includes other text: '{include}'"));
    }
    if let Some(word) = templated(plain) {
        return Some(format!("a template in it reaches for '{word}'"));
    }
    plain.split(['\n', ';', '!', '?']).flat_map(|line| line.split(". ")).find_map(|clause| {
        let (at, mark, about) = marked(clause)?;
        (!advises_against(&clause[..at])).then(|| format!("it reaches for {about}: '{mark}'"))
    })
}

fn marked(clause: &str) -> Option<(usize, &'static str, &'static str)> {
    let listed =
        MARKS.iter().find_map(|(mark, about)| clause.find(mark).map(|at| (at, *mark, *about)));
    listed.or_else(|| {
        // As a path of its own: not `src/tests/`.
        let rooted = ["/tests/", "/solution/", "/verifier/", "/tests ", "/solution "];
        let padded = format!("{clause} ");
        rooted.into_iter().find_map(|mark| {
            let starts = |at: &usize| {
                clause[..*at]
                    .chars()
                    .next_back()
                    .is_none_or(|c| !c.is_alphanumeric() && !"._-~}*".contains(c))
            };
            let at = padded.match_indices(mark).map(|(at, _)| at.min(clause.len())).find(starts)?;
            Some((at, mark.trim(), "the verifier"))
        })
    })
}

fn advises_against(before: &str) -> bool {
    let words: Vec<&str> =
        before.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let near = &words[words.len().saturating_sub(8)..];
    let against = near.iter().rposition(|word| super::lexicon::NEGATIONS.contains(word));
    against.is_some_and(|at| !near[at..].iter().any(|word| super::lexicon::TURNS.contains(word)))
}

/// A word out of reach inside a template's braces.
fn templated(plain: &str) -> Option<&'static str> {
    const BRACES: [(&str, &str); 6] =
        [("{{", "}}"), ("{%", "%}"), ("<%", "%>"), ("${", "}"), ("#{", "}"), ("[[", "]]")];
    BRACES.iter().find_map(|(open, close)| {
        plain.match_indices(open).find_map(|(at, _)| {
            let inside = &plain[at + open.len()..];
            let inside = &inside[..inside.find(close)?];
            // The shell has variables of its own: there, only names that no script uses.
            let shell = *open == "${" || *open == "[[";
            let names = inside.split(|c: char| !c.is_alphanumeric() && c != '_');
            let mut parts = names.flat_map(|name| std::iter::once(name).chain(name.split('_')));
            parts.find_map(|part| {
                TEMPLATED
                    .iter()
                    .copied()
                    .find(|word| *word == part && !(shell && is_of_scripts(word)))
            })
        })
    })
}

fn is_of_scripts(word: &str) -> bool {
    matches!(
        word,
        "test"
            | "tests"
            | "limit"
            | "limits"
            | "timeout"
            | "steps"
            | "env"
            | "config"
            | "settings"
            | "import"
            | "process"
            | "system"
            | "network"
            | "eval"
            | "secret"
            | "solution"
            | "budget"
    )
}
