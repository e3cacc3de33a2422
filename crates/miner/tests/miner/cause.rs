//! The rules for terminal causes, over the dialects that verifiers speak.

use harness_core::Finish;
use harness_miner::{Cause, objections_without_answers, terminal_cause};

fn cause(lines: &[&str], finish: &Finish) -> Cause {
    let evidence: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    terminal_cause(&evidence, finish, 0.0)
}

#[test]
fn script_verifiers_are_understood() {
    let table = [
        ("FAIL records: records.tsv is missing", Cause::MissingArtifact),
        ("FAIL configs_exists: the directory configs/ is missing", Cause::MissingArtifact),
        (
            "FAIL records: records.tsv differs (< expected, > seen): 3c3 < a --- > b",
            Cause::WrongContent,
        ),
        ("FAIL input_intact: export.csv was changed", Cause::InputAltered),
        ("FAIL delivery_intact: delivery.tar is missing or damaged", Cause::InputAltered),
        ("FAIL contents_intact: the contents of a file below share/ changed", Cause::InputAltered),
        ("FAIL missing_unchanged: a missing FILE must not be created", Cause::BehaviourWrong),
        ("FAIL all_checks: the client ended with status 1: KeyError", Cause::BehaviourWrong),
        ("FAIL interactive: answers should come at once: expected OK; seen", Cause::BehaviourWrong),
        (
            "FAIL numeric_order: rows are not in ascending numeric order of badge",
            Cause::WrongContent,
        ),
        ("FAIL tool: bash: jq: command not found", Cause::MissingDependency),
        ("FAIL text:a.txt: outbox/a.txt is missing", Cause::MissingArtifact),
        ("FAIL text:a.txt: bytes should start with ' C a f 303'", Cause::WrongContent),
        ("FAIL index: INDEX is missing", Cause::MissingArtifact),
        ("FAIL bad_status: status 1 expected, 0 seen", Cause::BehaviourWrong),
        ("FAIL good_stdout: 'done: 5 ok|' expected, '' seen", Cause::BehaviourWrong),
        // What a program said is quoted, and is not the verdict.
        ("FAIL word: status 2 expected, 0 seen: gzip: l.2: No such file", Cause::BehaviourWrong),
        ("FAIL none: status 0 expected, 127 seen: x: command not found", Cause::BehaviourWrong),
    ];
    for (line, expected) in table {
        assert_eq!(cause(&["PASS one", line], &Finish::Done), expected, "{line}");
    }
}

#[test]
fn pytest_summaries_are_understood() {
    let test = "FAILED ../tests/test_outputs.py::test_it - ";
    let table = [
        ("AssertionError: File /app/out.txt does not exist", Cause::MissingArtifact),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: '/app/out.txt'",
            Cause::MissingArtifact,
        ),
        (
            "AssertionError: assert False\n +  where False = os.path.exists('/app/x')",
            Cause::WrongContent,
        ),
        ("AssertionError: Expected 4 rows, got 3", Cause::WrongContent),
        ("AssertionError: key 'a' not found in report.json", Cause::WrongContent),
        ("ModuleNotFoundError: No module named 'numpy'", Cause::MissingDependency),
        ("subprocess.TimeoutExpired: Command timed out after 10 seconds", Cause::BehaviourWrong),
        ("AssertionError: returncode 1", Cause::BehaviourWrong),
        ("AssertionError", Cause::WrongContent),
    ];
    for (message, expected) in table {
        assert_eq!(cause(&[&format!("{test}{message}")], &Finish::Done), expected, "{message}");
    }
    assert_eq!(cause(&["FAILED t.py::test_file_exists"], &Finish::Done), Cause::MissingArtifact);
    let lines = [
        "E       AssertionError: assert False",
        "E        +  where False = os.path.exists('/app/x')",
    ];
    assert_eq!(cause(&lines, &Finish::Done), Cause::MissingArtifact);
}

#[test]
fn what_is_no_verdict_counts_only_where_there_is_none() {
    assert_eq!(cause(&["sh: 1: gcc: not found"], &Finish::Done), Cause::MissingDependency);
    assert_eq!(
        cause(&["Traceback (most recent call last):", "KeyError: 'x'"], &Finish::Done),
        Cause::VerifierError
    );
    assert_eq!(cause(&["ERROR test_outputs.py - KeyError"], &Finish::Done), Cause::VerifierError);
    let both = ["sh: 1: gcc: not found", "FAIL records: records.tsv is missing"];
    assert_eq!(cause(&both, &Finish::Done), Cause::MissingArtifact);
}

#[test]
fn other_dialects_are_understood_as_far_as_they_go() {
    let table: [(&[&str], Cause); 5] = [
        (&["not ok 3 - report exists"], Cause::MissingArtifact),
        (&["t.py::test_file_exists FAILED [ 50%]"], Cause::MissingArtifact),
        (&["check failed: report.txt is missing"], Cause::MissingArtifact),
        (&["check failed: expected 42, found 41"], Cause::WrongContent),
        (&["PASS as expected", "ok 1 - expected"], Cause::RewardZero),
    ];
    for (lines, expected) in table {
        assert_eq!(cause(lines, &Finish::Done), expected, "{lines:?}");
    }
}

#[test]
fn a_silent_verifier_leaves_the_word_to_the_finish() {
    assert_eq!(cause(&[], &Finish::OutOfTime), Cause::OutOfTime);
    assert_eq!(cause(&["PASS a"], &Finish::OutOfContext), Cause::OutOfSteps);
    assert_eq!(cause(&[], &Finish::Done), Cause::RewardZero);
    assert_eq!(terminal_cause(&[], &Finish::Done, 0.5), Cause::Unknown);
}

#[test]
fn the_first_failure_explains_the_others() {
    let lines =
        ["FAIL a: a.txt differs", "FAIL b: b.txt is missing", "FAIL c_intact: in.txt was changed"];
    assert_eq!(cause(&lines, &Finish::OutOfTime), Cause::InputAltered);
    assert_eq!(cause(&lines[..2], &Finish::OutOfTime), Cause::MissingArtifact);
}

#[test]
fn no_answer_is_quoted() {
    let evidence = [
        "PASS fine",
        "FAIL records: records.tsv differs (< expected, > seen): 3c3 < secret --- > b",
        "FAILED t.py::test_x - AssertionError: expected 42",
        "FAIL server: kvd.py is missing",
        "FAIL mode:share/in: share/in should have mode 755, has 777",
        "FAIL subject: expected 'Back out gloss', seen 'Higher stack'",
        "FAIL runs: 55 runs expected, 52 seen",
    ]
    .map(str::to_owned);
    let quoted = objections_without_answers(&evidence);
    assert_eq!(
        quoted,
        [
            "FAIL records: records.tsv differs",
            "FAILED t.py::test_x: AssertionError",
            "FAIL server: kvd.py is missing",
            "FAIL mode:share/in: share/in should have mode",
            "FAIL subject",
            "FAIL runs",
        ]
    );
}
