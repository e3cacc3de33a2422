//! The terminal cause of a failure, by rules over what the verifier printed and how the attempt ended.
//!
//! Two dialects are understood: `FAIL name: reason` lines of script verifiers, and pytest's output (`FAILED test -
//! Error: …`, `E   …`, tracebacks). Rules and not a model, so that the same evidence always has the same cause.

use harness_core::Finish;

use crate::vocabulary::Cause;

/// What the verifier objected to. `reward` tells a verifier that says nothing at all from one that gave part of the
/// marks without saying for what.
pub fn terminal_cause(evidence: &[String], finish: &Finish, reward: f64) -> Cause {
    let lines = || evidence.iter().flat_map(|entry| entry.lines()).map(str::trim);
    let spoken = most_telling(lines().filter_map(objection).map(|words| of_objection(&words)));
    // A traceback or a shell's complaint without any verdict line: the verifier met something unexpected.
    let stumbled = || most_telling(lines().filter_map(of_loose_line));
    spoken.or_else(stumbled).unwrap_or_else(|| of_silence(finish, reward))
}

/// When several objections are raised, the one nearest to what went wrong first: an output made from destroyed inputs is
/// wrong because of the inputs, and a missing output fails every check of its content.
const MOST_TELLING_FIRST: [Cause; 6] = [
    Cause::InputAltered,
    Cause::MissingDependency,
    Cause::MissingArtifact,
    Cause::BehaviourWrong,
    Cause::WrongContent,
    Cause::VerifierError,
];

fn most_telling(causes: impl Iterator<Item = Cause>) -> Option<Cause> {
    let raised: Vec<Cause> = causes.collect();
    MOST_TELLING_FIRST.into_iter().find(|cause| raised.contains(cause))
}

/// A check that failed: its name where it has one, and the reason, both in lower case.
struct Objection {
    check: String,
    reason: String,
    from_pytest: bool,
}

/// The objection that a line raises, if it raises one.
fn objection(line: &str) -> Option<Objection> {
    let raised = |check: &str, reason: &str, from_pytest| Objection {
        check: check.trim().to_lowercase(),
        reason: reason.trim().to_lowercase(),
        from_pytest,
    };
    if let Some(rest) = line.strip_prefix("FAILED ") {
        let (check, reason) = rest.split_once(" - ").unwrap_or((rest, ""));
        return Some(raised(check, reason, true));
    }
    if let Some(check) = line.strip_prefix("not ok ") {
        return Some(raised(check, "", false));
    }
    if let Some((check, _)) = line.split_once(" FAILED").filter(|(test, _)| test.contains("::")) {
        return Some(raised(check, "", true));
    }
    if let Some(rest) = line.strip_prefix("E  ") {
        return Some(raised("", rest, true));
    }
    let rest = line.strip_prefix("FAIL ").or_else(|| line.strip_prefix("FAIL: "))?;
    let (check, reason) = rest.split_once(": ").unwrap_or((rest, ""));
    Some(raised(check, reason, false))
}

/// The verdict is what stands before the first colon; what follows is often a quotation of some program's own words, and
/// has a say only where the verdict itself says nothing that is known.
fn of_objection(objection: &Objection) -> Cause {
    let Objection { check, reason, from_pytest } = objection;
    let verdict = if *from_pytest { reason } else { reason.split(": ").next().unwrap_or(reason) };
    let fallback = if *from_pytest { Cause::WrongContent } else { Cause::BehaviourWrong };
    of_words(check, verdict).or_else(|| of_words(check, reason)).unwrap_or(fallback)
}

fn of_words(check: &str, reason: &str) -> Option<Cause> {
    if tells_missing_dependency(reason) {
        Some(Cause::MissingDependency)
    } else if tells_altered_input(check, reason) {
        Some(Cause::InputAltered)
    } else if has_any(reason, &["must not", "should not"]) {
        Some(Cause::BehaviourWrong)
    } else if tells_missing_file(reason) || (reason.is_empty() && has_any(check, &["exist"])) {
        Some(Cause::MissingArtifact)
    } else if tells_behaviour(check, reason) {
        Some(Cause::BehaviourWrong)
    } else if tells_content(reason) {
        Some(Cause::WrongContent)
    } else {
        None
    }
}

fn tells_missing_dependency(reason: &str) -> bool {
    has_any(reason, &["modulenotfounderror", "no module named", "command not found", "importerror"])
        || reason.ends_with(": not found")
        || has_any(reason, &["error while loading shared libraries"])
}

fn tells_altered_input(check: &str, reason: &str) -> bool {
    has_any(check, &["intact", "untouched", "inputs_unchanged", "input_unchanged", "not_modified"])
        || has_any(
            reason,
            &["was changed", "were changed", "changed or removed", "was modified", "been modified"],
        )
        || has_any(reason, &["were modified", "was tampered", "was deleted", "were deleted"])
}

fn tells_missing_file(reason: &str) -> bool {
    if has_any(reason, &["filenotfounderror", "no such file", "notadirectoryerror"]) {
        return true;
    }
    let absent = [
        "is missing",
        "does not exist",
        "doesn't exist",
        "not found",
        "was not created",
        "not created",
        "missing file",
    ];
    let gone = [
        "was not copied",
        "was not written",
        "no output",
        "os.path.exists",
        ".exists()",
        "path.isfile",
    ];
    // "key not found in the report" speaks of content.
    let of_content = has_any(reason, &["not found in ", "missing from ", "missing in "]);
    reason.ends_with(" is missing")
        || (has_any(reason, &absent) && names_a_file(reason) && !of_content)
        || has_any(reason, &gone)
}

fn names_a_file(reason: &str) -> bool {
    let nouns = ["file", "directory", "folder", "artifact", "output", "repository", "database"];
    has_any(reason, &nouns) || reason.split_whitespace().any(looks_like_a_path)
}

fn looks_like_a_path(word: &str) -> bool {
    let word = word
        .trim_matches(|character: char| matches!(character, '\'' | '"' | '`' | ':' | ',' | '.'));
    let extension = word.rsplit_once('.').is_some_and(|(stem, extension)| {
        !stem.is_empty()
            && (1..=5).contains(&extension.len())
            && extension.chars().all(char::is_alphanumeric)
    });
    extension || (word.contains('/') && word.len() > 1)
}

fn tells_behaviour(check: &str, reason: &str) -> bool {
    if has_any(check, &["status", "stdout", "stderr", "exit_code"]) || reason.starts_with("status ")
    {
        return true;
    }
    let of_a_run = [
        "exit status",
        "exit code",
        "exited",
        "returncode",
        "return code",
        "ended with status",
        "returned",
    ];
    let of_a_service = [
        "answer",
        "server",
        "connection",
        "port ",
        "respon",
        "timed out",
        "timeoutexpired",
        "hung",
    ];
    let of_deeds = [
        "must not",
        "refus",
        "printed",
        "the script",
        "created:",
        "calledprocesserror",
        "segmentation",
    ];
    has_any(reason, &of_a_run) || has_any(reason, &of_a_service) || has_any(reason, &of_deeds)
}

fn tells_content(reason: &str) -> bool {
    let words = [
        "differ", "expected", "should", "content", "line", "row", "column", "byte", "mode", "seen",
        "value",
    ];
    has_any(reason, &words)
        || has_any(
            reason,
            &["gone", "wrong", "mismatch", "match", "assert", "missing", "unexpected"],
        )
}

/// Lines that are no verdict of a check and tell all the same.
fn of_loose_line(line: &str) -> Option<Cause> {
    let lower = line.to_lowercase();
    if tells_missing_dependency(&lower) {
        Some(Cause::MissingDependency)
    } else if ["pass", "ok "].iter().any(|praise| lower.starts_with(praise)) {
        None
    } else if tells_missing_file(&lower) {
        Some(Cause::MissingArtifact)
    } else if has_any(&lower, &["expected", "differ", "mismatch", "incorrect"]) {
        Some(Cause::WrongContent)
    } else if lower.starts_with("traceback (most recent call last)") || line.starts_with("ERROR ") {
        Some(Cause::VerifierError)
    } else {
        None
    }
}

fn of_silence(finish: &Finish, reward: f64) -> Cause {
    match finish {
        Finish::OutOfTime => Cause::OutOfTime,
        Finish::OutOfSteps | Finish::OutOfTokens | Finish::OutOfContext => Cause::OutOfSteps,
        _ if reward <= 0.0 => Cause::RewardZero,
        _ => Cause::Unknown,
    }
}

fn has_any(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}

/// The lines of the verifier that object, for people and proposers: which check, and the kind of objection, without what
/// follows it. What was expected is left out, so that no answer of a task travels into an edit.
pub fn objections_without_answers(evidence: &[String]) -> Vec<String> {
    let lines = evidence.iter().flat_map(|entry| entry.lines()).map(str::trim);
    let mut quoted = Vec::new();
    for line in lines.filter(|line| is_verdict(line)).map(without_answer) {
        if !quoted.contains(&line) {
            quoted.push(line);
        }
    }
    quoted
}

/// Whether a line says that a check failed, and which.
pub(crate) fn is_verdict(line: &str) -> bool {
    objection(line).is_some() && !line.starts_with("E  ")
}

fn without_answer(line: &str) -> String {
    let (head, reason) = match line.strip_prefix("FAILED ") {
        Some(_) => line.split_once(" - ").map_or((line, ""), |(head, reason)| (head, reason)),
        None => line.split_at(line.find(": ").map_or(line.len(), |at| at + 1)),
    };
    let ends = ["(", ":", "\"", "'", "`", "[", " expected", " seen", " got", " ==", " !=", ","];
    let end = ends.iter().filter_map(|mark| reason.find(mark)).min().unwrap_or(reason.len());
    let words = reason[..end].split_whitespace().take_while(|word| !is_a_value(word));
    let reason = words.collect::<Vec<_>>().join(" ");
    let head = head.trim().trim_end_matches(':');
    if reason.is_empty() { head.to_owned() } else { format!("{head}: {reason}") }
}

/// Whether a word could be part of an answer: it holds a digit and is no path.
fn is_a_value(word: &str) -> bool {
    word.contains(|character: char| character.is_ascii_digit()) && !word.contains(['/', '.'])
}
