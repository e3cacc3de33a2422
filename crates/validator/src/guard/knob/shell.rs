//! What a shell would make of a text: words whose quotation marks, escapes, variables and patterns are undone, to see what they touch.

use std::collections::HashMap;

/// Files and folders that only the verifier and those who made the task have business with.
const GUARDED: [&str; 12] = [
    "/tests",
    "/tests/test.sh",
    "/tests/test_outputs.py",
    "/tests/expected",
    "/solution",
    "/solution/solve.sh",
    "/oracle",
    "/logs/verifier",
    "/logs/verifier/reward.txt",
    "/logs/verifier/reward.json",
    "/logs/verifier/ctrf.json",
    "/verifier",
];

/// More variables than this are no disguise but a program.
const MOST_VARIABLES: usize = 64;

/// The text with every word as a shell would pass it on, if that differs: quotation marks and backslashes inside of words gone, variables
/// that the text itself sets put in.
pub(in crate::guard) fn unquoted(text: &str) -> String {
    let bare = joined(text);
    let variables = assignments(&bare);
    expanded(&bare, &variables)
}

/// The guarded path that a word of the text matches as a pattern, or leads to by detours.
pub(super) fn touched(text: &str) -> Option<&'static str> {
    let words = text.split(|c: char| c.is_whitespace() || "\"'`()<>;|&=".contains(c));
    words.filter(|word| word.starts_with(['/', '{', '[', '?', '*', '.', '~'])).find_map(|word| {
        let word = word.trim_end_matches(['.', ':', '!', ',']);
        alternatives(word).iter().map(|path| straightened(path)).find_map(|path| {
            // A pattern that fits everything touches nothing in particular.
            let telling = path.chars().filter(|c| c.is_alphanumeric()).count() >= 3;
            let rooted = path.starts_with('/');
            let guarded = GUARDED.iter().find(|guarded| fits(&path, guarded))?;
            (telling
                && rooted
                && path != "/verifier"
                && (path.contains(['*', '?', '[']) || word != *guarded))
                .then_some(*guarded)
        })
    })
}

/// `te""st`, `te\st`, `'te'"st"` joined to one word each; an apostrophe and a word in quotation marks stay.
fn joined(text: &str) -> String {
    text.split_inclusive(char::is_whitespace).map(joined_word).collect()
}

fn joined_word(word: &str) -> String {
    let chars: Vec<char> = word.chars().collect();
    let solid = |at: Option<usize>| {
        at.and_then(|at| chars.get(at)).is_some_and(|c| !c.is_whitespace() && *c != '=')
    };
    let inside = |at: usize| solid(at.checked_sub(1)) && solid(Some(at + 1));
    let cut = |mark: char| {
        let marks: Vec<usize> = (0..chars.len()).filter(|at| chars[*at] == mark).collect();
        marks.len() >= 2 && marks.len().is_multiple_of(2) && marks.iter().any(|at| inside(*at))
    };
    let cuts: Vec<char> = ['"', '\''].into_iter().filter(|mark| cut(*mark)).collect();
    let escapes = |at: usize| {
        chars[at] == '\\'
            && at > 0
            && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '/')
            && chars.get(at + 1).is_some_and(char::is_ascii_alphabetic)
    };
    (0..chars.len())
        .filter(|at| !cuts.contains(&chars[*at]) && !escapes(*at))
        .map(|at| chars[at])
        .collect()
}

/// `a=tes` and the like, wherever a word may begin.
fn assignments(text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    for word in text.split(|c: char| c.is_whitespace() || ";&|".contains(c)) {
        let Some((name, value)) = word.split_once('=') else { continue };
        let named = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if named && found.len() < MOST_VARIABLES {
            found.insert(name.to_owned(), value.trim_matches(['"', '\'']).to_owned());
        }
    }
    found
}

/// Variables replaced by what the text sets them to, or by the default beside them.
fn expanded(text: &str, variables: &HashMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let braced = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (name, default, after) = match braced {
            Some((inner, after)) => {
                let (name, default) = inner.split_once([':', '-']).unwrap_or((inner, ""));
                (name, default.trim_start_matches(['-', '=', '+']), after)
            }
            None => {
                let end = rest
                    .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                    .unwrap_or(rest.len());
                (&rest[..end], "", &rest[end..])
            }
        };
        match variables.get(name) {
            Some(value) => out.push_str(value),
            None if default.is_empty() => {
                out.push('$');
                continue;
            }
            None => out.push_str(default),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// `{a,b}c` as `ac` and `bc`.
fn alternatives(word: &str) -> Vec<String> {
    let Some((head, rest)) = word.split_once('{') else { return vec![word.to_owned()] };
    let Some((inner, tail)) = rest.split_once('}') else { return vec![word.to_owned()] };
    inner.split(',').take(16).map(|part| format!("{head}{part}{tail}")).collect()
}

/// Without `.`, `..` and doubled separators.
fn straightened(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let climbs = path.matches("..").count() >= 3;
    let root = if path.starts_with('/') || climbs { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// Whether a shell's pattern fits a path.
fn fits(pattern: &str, path: &str) -> bool {
    fn fit(pattern: &[char], path: &[char]) -> bool {
        match (pattern.split_first(), path.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), _) => {
                fit(rest, path)
                    || path.split_first().is_some_and(|(c, later)| *c != '/' && fit(pattern, later))
            }
            (Some(('?', rest)), Some((_, later))) => fit(rest, later),
            (Some(('[', rest)), Some((c, later))) => {
                let Some(end) = rest.iter().position(|c| *c == ']') else { return false };
                rest[..end].contains(c) && fit(&rest[end + 1..], later)
            }
            (Some((want, rest)), Some((c, later))) => want == c && fit(rest, later),
            _ => false,
        }
    }
    let chars = |text: &str| text.chars().take(128).collect::<Vec<_>>();
    fit(&chars(pattern), &chars(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_s_disguises_are_undone() {
        for (disguised, bare) in [
            ("cat /te''sts/x", "cat /tests/x"),
            ("cat /t\\ests", "cat /tests"),
            ("a=/tes b=ts; ls $a$b", "a=/tes b=ts; ls /tests"),
            ("ls ${NONE:-/tests}", "ls /tests"),
        ] {
            assert_eq!(unquoted(disguised), bare);
        }
        for kept in ["it's a \"quoted\" word", "echo \"$HOME/x\"", "C:\\n"] {
            assert_eq!(unquoted(kept), kept);
        }
    }

    #[test]
    fn patterns_and_detours_are_seen_to_touch_what_they_touch() {
        for path in [
            "/te?ts/test.sh",
            "/tmp/../tests",
            "//tests",
            "/{tests,x}",
            "/lo*/veri*",
            "../../../../tests/test.sh",
            "/t[e]sts",
        ] {
            assert!(touched(&format!("cat {path}")).is_some(), "{path}");
        }
        for path in ["/app/*", "/*", "tests/test_a.py", "/var/log/*.log", "../src", "/t*"] {
            assert_eq!(touched(&format!("cat {path}")), None, "{path}");
        }
    }
}
