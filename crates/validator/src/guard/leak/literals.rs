//! Literals of a task that nobody says by chance: values, file names, identifiers, quoted strings, lines of data.

use super::ordinary::{is_number, is_term, is_word};
use super::source::Source;
use crate::guard::text::{plain, squeezed};

/// A literal shorter than this, without its separators, counts only as a token of its own.
pub(super) const SQUEEZED: usize = 8;
/// Of longer ones the beginning is enough.
pub(super) const MOST: usize = 64;

/// Distinctive literals of one text, in one spelling.
#[derive(Debug, Default)]
pub(super) struct Literals {
    /// To be met as tokens of their own.
    pub(super) tokens: Vec<String>,
    /// To be met anywhere in what is left of a text without its separators.
    pub(super) squeezed: Vec<String>,
}

/// File name extensions: a dot in front of anything else joins no name.
const EXTENSIONS: [&str; 48] = [
    "txt", "csv", "tsv", "json", "jsonl", "yaml", "yml", "toml", "ini", "cfg", "conf", "env", "log", "md", "rst", "html",
    "xml", "sql", "db", "sqlite", "py", "sh", "bash", "js", "ts", "c", "h", "cpp", "rs", "go", "rb", "pl", "java", "awk",
    "sed", "cron", "tar", "gz", "tgz", "zip", "xz", "bin", "dat", "png", "jpg", "pdf", "key", "pem",
];

/// The literals of `text`, a whole file or instruction. In code, what stands between quotation marks or in a here-document is data.
pub(super) fn literals(text: &str, source: Source, is_code: bool) -> Literals {
    let mut found = Literals::default();
    for line in text.lines() {
        for token in tokens(&plain(line)) {
            if is_distinctive(token, is_code || source == Source::Task) {
                found.add(token);
            }
        }
        let pieces = if is_code || source == Source::Task { quoted(line) } else { vec![line] };
        for piece in pieces {
            let piece = plain(piece);
            if is_phrase(&piece) && source != Source::Task {
                found.squeezed.push(shortened(&squeezed(&piece)));
            }
            for token in tokens(&piece).filter(|token| is_distinctive(token, source == Source::Task)) {
                found.add(token);
            }
        }
    }
    found
}

impl Literals {
    fn add(&mut self, token: &str) {
        let squeezed = squeezed(token);
        if squeezed.chars().count() >= SQUEEZED {
            self.squeezed.push(shortened(&squeezed));
        }
        self.tokens.push(token.to_owned());
    }
}

fn shortened(squeezed: &str) -> String {
    squeezed.chars().take(MOST).collect()
}

/// The tokens of a plain text: runs without blanks, quotation marks and brackets, and the parts of these between `=`, `:`
/// `,` `|` and `/`.
pub(super) fn tokens(plain: &str) -> impl Iterator<Item = &str> {
    let trim = |token: &'static [char]| move |text: &str| -> bool { text.chars().all(|c| token.contains(&c)) };
    let _ = trim;
    plain
        .split(|c: char| c.is_whitespace() || "\"'`()[]{}<>;".contains(c))
        .flat_map(|run| std::iter::once(run).chain(run.split(['=', ':', ',', '|', '/'])))
        .map(|token| token.trim_matches(|c: char| !c.is_alphanumeric()))
        .filter(|token| token.len() >= 4)
}

/// Whether a token would not be said by chance. `strictly` leaves only what no identifier of a library looks like.
fn is_distinctive(token: &str, strictly: bool) -> bool {
    if token.chars().count() > 200 || is_term(token) {
        return false;
    }
    let digits = token.chars().filter(char::is_ascii_digit).count();
    let letters = token.chars().filter(|c| c.is_alphabetic()).count();
    match (letters, digits) {
        (0, 0) => false,
        (0, _) => is_number_literal(token),
        (_, 0) => is_name(token, strictly),
        _ => is_mixed(token, digits, letters),
    }
}

/// Digits with separators: an amount, a date, an address.
fn is_number_literal(token: &str) -> bool {
    let parts: Vec<&str> = token.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [whole] => !is_number(whole),
        _ => {
            let digits: usize = parts.iter().map(|part| part.len()).sum();
            digits >= 5 && !parts.iter().all(|part| part.chars().all(|c| c == '0'))
        }
    }
}

/// Letters and digits: a hash, a password, a numbered name; not a term with a small number, such as `python3` or `step-2`.
fn is_mixed(token: &str, digits: usize, letters: usize) -> bool {
    let parts: Vec<&str> = token.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect();
    let known = |part: &&str| {
        let word = part.trim_matches(|c: char| c.is_ascii_digit());
        is_term(part) || part.len() <= 2 || is_word(word) && part.len() - word.len() <= 1
            || part.chars().all(|c| c.is_ascii_digit()) && part.len() <= 2
    };
    digits + letters >= 6 && !parts.iter().all(known) || digits >= 5 && letters >= 2 && digits + letters >= 10
}

/// Letters only: a file name that is not a conventional one, an identifier or a compound with a rare part, a rare long word.
fn is_name(token: &str, strictly: bool) -> bool {
    let parts: Vec<&str> = token.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect();
    let rare = parts.iter().any(|part| part.len() >= 4 && !is_word(part));
    match parts.as_slice() {
        [.., stem, extension] if token.contains('.') && EXTENSIONS.contains(extension) => stem.len() >= 3,
        [_] => !strictly && rare && token.chars().count() >= 10,
        _ => !strictly && rare && token.chars().count() >= SQUEEZED,
    }
}

/// Whether a quoted string or a line of data is one that somebody made up for this task.
fn is_phrase(plain: &str) -> bool {
    let words: Vec<&str> = plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let letters: usize = words.iter().map(|word| word.len()).sum();
    let rare = words.iter().any(|word| word.len() >= 4 && !is_word(word) && !word.chars().all(|c| c.is_ascii_digit()));
    let digits = words.iter().any(|word| word.chars().all(|c| c.is_ascii_digit()) && !is_number(word));
    match words.len() {
        0 | 1 => false,
        2..5 => letters >= 10 && (rare || digits),
        _ => letters >= 20,
    }
}

/// What stands between quotation marks of one kind in a line.
fn quoted(line: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    for mark in ['"', '\'', '`'] {
        pieces.extend(line.split(mark).skip(1).step_by(2));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distinctive(text: &str) -> bool {
        let found = literals(text, Source::Tests, false);
        !found.tokens.is_empty() || !found.squeezed.is_empty()
    }

    #[test]
    fn made_up_values_are_distinctive() {
        for value in [
            "48213", "2031-02-24", "hunter2x9", "amber-falcon-72", "3f786850e387550f", "vouchers.csv", "10.0.3.77",
            "zephyr_ledger", "correcthorsebattery", "INV-0042-7",
        ] {
            assert!(distinctive(value), "{value}");
        }
    }

    #[test]
    fn everyday_terms_are_not() {
        for value in [
            "utf-8", "python3", "requirements.txt", "sha256sum", "x86_64", "8080", "step-by-step", "read-only", "2024",
            "0.001", "v1.2", "README.md", "set -e", "127.0.0.1", "key=value", "/dev/null", "10 seconds", "exit 1",
        ] {
            assert!(!distinctive(value), "{value}");
        }
    }
}
