//! What a test script's output says about a failure.

/// Kept of the output's end, and of lines that name a failure.
const LAST_LINES: usize = 40;
const MOST_FAILURES: usize = 50;
const LONGEST_LINE: usize = 500;

/// The lines that name a failed check, one each, then the end of the output as one text.
pub(crate) fn evidence(output: &str) -> Vec<String> {
    let failures = output.lines().filter(|line| names_a_failure(line));
    let mut found: Vec<String> =
        failures.take(MOST_FAILURES).map(|line| cut(line.trim())).collect();
    let end = last_lines(output, LAST_LINES);
    if !end.is_empty() {
        found.push(end);
    }
    found
}

/// The last lines that hold anything.
pub(crate) fn last_lines(output: &str, count: usize) -> String {
    let lines: Vec<&str> = output.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(count)..];
    last.iter().map(|line| cut(line)).collect::<Vec<_>>().join("\n")
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(LONGEST_LINE) {
        None => line.to_owned(),
        Some((end, _)) => format!("{} …", &line[..end]),
    }
}

/// `FAIL name: why`, `FAILED test.py::name`, `test.py::name FAILED [50%]`, `not ok 3 - name`.
fn names_a_failure(line: &str) -> bool {
    let line = line.trim();
    let mut words = line.split_whitespace().map(|word| word.trim_matches([':', '[', ']', '-']));
    let first = words.next().unwrap_or_default();
    let named = |word: &str| ["FAIL", "FAILED", "XPASS"].contains(&word);
    let by_pytest = line.contains("::") && words.any(|word| named(word) || word == "ERROR");
    named(first)
        || (first == "ERROR" && line.contains("::"))
        || by_pytest
        || line.starts_with("not ok ")
}

/// Whether the script calls pytest, comments aside.
pub(crate) fn runs_pytest(script: &str) -> bool {
    let code = script.lines().map(str::trim_start).filter(|line| !line.starts_with('#'));
    let is_name =
        |it: char| it.is_alphanumeric() || it == '_' || it == '-' || it == '.' || it == '/';
    code.flat_map(|line| line.split(|it| !is_name(it)))
        .any(|word| ["pytest", "py.test"].contains(&word.rsplit('/').next().unwrap_or(word)))
}

/// Whether pytest came as far as a session: its header, its summary, or its last line.
pub(crate) fn shows_pytest(output: &str) -> bool {
    let said = ["test session starts", "short test summary info", "no tests ran"];
    let counted = |line: &str| {
        let counts = [" passed", " failed", " error", " errors", " skipped", " deselected"];
        line.contains(" in ")
            && counts.iter().any(|count| line.contains(count))
            && line.trim_matches(['=', ' ']).starts_with(|it: char| it.is_ascii_digit())
    };
    said.iter().any(|mark| output.contains(mark)) || output.lines().any(counted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn failures_come_first_and_the_end_last() {
        let output = "PASS a\nFAIL b: 2 expected\nnot ok 3 - c\nt.py::d FAILED [ 50%]\nFAILED t.py::d - x\nnothing FAILED to do\n\ndone\n";
        let found = evidence(output);
        assert_eq!(
            &found[..4],
            ["FAIL b: 2 expected", "not ok 3 - c", "t.py::d FAILED [ 50%]", "FAILED t.py::d - x"]
        );
        assert!(found[4].ends_with("nothing FAILED to do\ndone"));
        assert_eq!(found.len(), 5);
        assert!(evidence("").is_empty());
    }

    #[test]
    fn a_call_of_pytest_is_recognised() {
        for script in [
            "pytest /tests -rA",
            "uvx -p 3.13 -w pytest==8.4.1 pytest x",
            "python3 -m pytest",
            "/opt/bin/pytest",
            "x=$(pytest)",
        ] {
            assert!(runs_pytest(script), "{script}");
        }
        for script in ["# pytest\necho 1", "pip install pytest-json-ctrf", "./my_pytest.sh"] {
            assert!(!runs_pytest(script), "{script}");
        }
    }

    #[test]
    fn a_session_of_pytest_is_recognised() {
        for output in [
            "=== test session starts ===",
            "1 passed in 0.1s",
            "== 2 failed, 1 passed in 3.20s ==",
            "no tests ran in 0.01s",
        ] {
            assert!(shows_pytest(output), "{output}");
        }
        for output in [
            "",
            "curl: (6) Could not resolve host",
            "bash: pytest: command not found",
            "the login failed in step 3",
        ] {
            assert!(!shows_pytest(output), "{output}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn evidence_is_bounded(output in "(FAIL |x|\n|é){0,1000}") {
            let found = evidence(&output);
            prop_assert!(found.len() <= MOST_FAILURES + 1);
            prop_assert!(found.iter().all(|line| line.len() <= (LONGEST_LINE + 1) * 4 * LAST_LINES));
        }
    }
}
