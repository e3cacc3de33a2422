//! How a simulated model understands what its harness says: by words that must occur together in one sentence.
//!
//! This is the only place where text is turned into advice; what the advice is worth stands in `doses`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::doses::Advice;

/// Advice is found where a sentence holds a word of each group.
const ADVICE: &[(Advice, &[&[&str]])] = &[
    (
        Advice::ProduceEarly,
        &[
            &["create", "write", "produce", "make", "save", "generate", "put"],
            &[
                "output",
                "artifact",
                "deliverable",
                "result",
                "required file",
                "requested file",
                "answer file",
                "file the task",
                "files the task",
            ],
            &[
                "first",
                "early",
                "immediately",
                "at once",
                "right away",
                "as soon",
                "before explor",
                "before anything",
                "at the start",
                " now",
                "within",
                "straight away",
            ],
        ],
    ),
    (
        Advice::StopLooking,
        &[
            &[
                "stop",
                "no more than",
                "at most",
                "limit",
                "do not keep",
                "don't keep",
                "instead of",
                "enough",
                "cease",
                "without a change",
            ],
            &["explor", "inspect", "look", "reading", "listing", "browsing"],
        ],
    ),
    (
        Advice::ChangeApproach,
        &[
            &["repeat", "retry", "rerun", "re-run", "again", "call", "command"],
            &["same", "identical", "exact", "unchanged"],
            &["not ", "never", "n't", "avoid", "instead", "different", "change", "failed"],
        ],
    ),
    (
        Advice::KeepInputs,
        &[
            &["not ", "never", "n't", "avoid"],
            &["delet", "remov", "truncat", "overwrit", "destroy"],
            &["input", "source", "original", "given", "provided"],
        ],
    ),
    (
        Advice::CarryEnvironment,
        &[
            &["export", "environment", "variable", "path", "directory", "`cd`", " cd "],
            &[
                "each call",
                "every call",
                "each command",
                "every command",
                "each shell",
                "every shell",
                "new shell",
                "fresh shell",
                "persist",
                "prepend",
                "repeat",
                "same command",
                "one command",
                "begin each",
                "start each",
                "lost",
                "same call",
            ],
        ],
    ),
    (
        Advice::FixBeforeFinish,
        &[
            &["check", "verif", "test"],
            &["fail", "pass", "succe", "exit status", "non-zero", "nonzero"],
            &["finish", "conclud", "done", "end", "stop", "before", "until", "fix"],
        ],
    ),
    (
        Advice::ActDontPlan,
        &[
            &["plan", "describ", "intention", "announc"],
            &["not ", "never", "n't", "instead", "carry out", "carried out", "rather", "only"],
        ],
    ),
    (
        Advice::WriteWhereAsked,
        &[
            &["write", "save", "put", "leave"],
            &[
                "where the task",
                "path that the task",
                "path the task",
                "place the task",
                "file that the task names",
                "named in the task",
            ],
        ],
    ),
    (
        Advice::CheckWork,
        &[
            &["check", "verif", "test"],
            &[
                "never finish",
                "not finish",
                "before you finish",
                "before finishing",
                "only then finish",
            ],
        ],
    ),
    (
        Advice::CallFormat,
        &[
            &["tool call", "arguments", "tool name", "json"],
            &["exact", "valid", "listed", "schema", "as described"],
        ],
    ),
    (
        Advice::LimitOutput,
        &[
            &[
                "head",
                "limit",
                "few lines",
                "small part",
                "never print",
                "do not print",
                "only what",
            ],
            &["output", "print", "dump", "whole file", "lines"],
        ],
    ),
    (
        Advice::UseBackground,
        &[
            &["background", "nohup", "never wait", "do not wait", "not wait for"],
            &["server", "foreground", "does not return", "never returns"],
        ],
    ),
    (
        Advice::FetchLittle,
        &[&["download", "fetch"], &["only", "need", "smallest", "limit", "not ", "never"]],
    ),
    (
        Advice::UnderstandFirst,
        &[
            &["restate", "understand", "read"],
            &["twice", "every requirement", "each requirement", "all requirements"],
        ],
    ),
    (Advice::Placeholder, &[&["placeholder", "empty file", "stub", "dummy", "skeleton"]]),
    (
        Advice::Hurry,
        &[&[
            "quick",
            "as few",
            "fewest",
            "hurry",
            "skip the check",
            "skip check",
            "skip verif",
            "without checking",
            "without verif",
            "save steps",
            "minimal number",
        ]],
    ),
];

/// Words that take bad advice back.
const TAKEN_BACK: &[&str] = &["never", "not ", "n't", "replace", "no "];

/// Words that give an output its content.
const CONTENT: &[&str] = &[
    "content",
    "correct",
    "complet",
    "real",
    "then ",
    "refin",
    "improve",
    "replace",
    "verif",
    "read it back",
    "check",
    "never",
    "not ",
    "n't",
];

/// What a text advises. The same few texts are read again with every call, so what was found in them is kept for a while.
pub(super) fn advice(text: &str) -> Rc<[Advice]> {
    READ.with_borrow_mut(|read| {
        if let Some(known) = read.get(text) {
            return Rc::clone(known);
        }
        if read.len() >= KEPT {
            read.clear();
        }
        let found: Rc<[Advice]> = text.to_lowercase().lines().flat_map(advice_of_line).collect();
        read.insert(text.into(), Rc::clone(&found));
        found
    })
}

/// Texts of which is kept what they advise.
const KEPT: usize = 2000;

thread_local! {
    static READ: RefCell<HashMap<Box<str>, Rc<[Advice]>>> = RefCell::default();
}

fn advice_of_line(line: &str) -> Vec<Advice> {
    let speaks_of_content = CONTENT.iter().any(|word| line.contains(word));
    let mut found = Vec::new();
    for sentence in sentences(line) {
        let has = |group: &[&str]| group.iter().any(|word| sentence.contains(word));
        let meant = ADVICE.iter().filter(|(_, groups)| groups.iter().all(|group| has(group)));
        found.extend(meant.filter_map(|(advice, _)| match advice {
            Advice::Placeholder | Advice::Hurry if has(TAKEN_BACK) => None,
            Advice::ProduceEarly if !speaks_of_content => Some(Advice::ProduceBluntly),
            advice => Some(*advice),
        }));
    }
    found
}

/// Sentences end at a mark before white space: `out.txt` does not end one.
fn sentences(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut from = 0;
    for (at, mark) in line.char_indices().filter(|(_, c)| matches!(c, '.' | '!' | '?')) {
        let end = at + mark.len_utf8();
        if line[end..].chars().next().is_none_or(char::is_whitespace) {
            found.push(&line[from..end]);
            from = end;
        }
    }
    found.push(&line[from..]);
    found
}

/// The entries (`- name: text`) that a harness lists below a line that names `tool`.
pub(super) fn listed<'a>(text: &'a str, tool: &str) -> Vec<&'a str> {
    let below = text.lines().skip_while(|line| !line.contains(tool)).skip(1);
    let entries =
        below.skip_while(|line| line.trim().is_empty()).take_while(|line| line.starts_with("- "));
    entries
        .filter_map(|line| line.strip_prefix("- ")?.split_once(':').map(|(name, _)| name.trim()))
        .collect()
}

#[cfg(test)]
mod tests {
    use harness_core::MinimalHarness;

    use super::*;

    #[test]
    fn the_seed_harness_advises_nothing() {
        let seed = MinimalHarness::default().prompts;
        for text in [
            &seed.system,
            &seed.memory,
            &seed.bootstrap,
            &seed.execution,
            &seed.verification,
            &seed.failure_recovery,
        ] {
            assert!(advice(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn advice_is_understood_in_many_words() {
        for (text, meant) in [
            (
                "Create the required output file within the first two steps, with real content.",
                Advice::ProduceEarly,
            ),
            ("You have looked enough: write the output now, then check it.", Advice::ProduceEarly),
            ("Write the output first.", Advice::ProduceBluntly),
            ("Stop exploring.", Advice::StopLooking),
            ("At most three commands may only look at things.", Advice::StopLooking),
            ("Never run the same command with the same parameters again.", Advice::ChangeApproach),
            ("This exact call failed; try something different.", Advice::ChangeApproach),
            ("Never delete or overwrite the input files.", Advice::KeepInputs),
            (
                "Repeat exports and cd in every call: each call is a fresh shell.",
                Advice::CarryEnvironment,
            ),
            ("If a check fails, fix it; do not finish.", Advice::FixBeforeFinish),
            ("Do not stop with a plan: carry it out.", Advice::ActDontPlan),
            ("Write the result to the path that the task names.", Advice::WriteWhereAsked),
            ("Run a check before you finish.", Advice::CheckWork),
            ("Use the exact tool names, with valid JSON.", Advice::CallFormat),
            ("Print only what you need: a few lines of output.", Advice::LimitOutput),
            ("Start servers in the background.", Advice::UseBackground),
            ("Download only what the task needs.", Advice::FetchLittle),
            ("Restate every requirement.", Advice::UnderstandFirst),
            ("Start with a placeholder.", Advice::Placeholder),
            ("Use as few commands as you can.", Advice::Hurry),
        ] {
            assert!(advice(text).contains(&meant), "{text}: {:?}", advice(text));
        }
        assert!(advice("Never leave a placeholder behind.").is_empty());
    }

    #[test]
    fn listed_names_are_found() {
        let text = "Be good.\n\n# Skills (look one up with read_skill)\n- a-b: does it\n- c: more\n\n# Other\n- d: no";
        assert_eq!(listed(text, "read_skill"), ["a-b", "c"]);
        assert!(listed(text, "call_agent").is_empty());
    }
}
