//! Literals of a task that nobody says by chance: values, file names, identifiers, quoted strings, lines of data.

use super::ordinary::{is_message, is_number, is_term, is_word};
use super::source::Source;
use crate::guard::text::{plain, squeezed};

/// A literal shorter than this, without its separators, counts only as a token of its own.
pub(super) const SQUEEZED: usize = 8;
/// Joined words are a name from this length on.
const COMPOUND: usize = 10;
/// A line of a program is one that somebody wrote for this task from this length on, without its separators.
const LINE: usize = 20;
/// Everyday words joined by hyphens or underscores are told from the same words in prose from this length on, without the joints.
const EVERYDAY: usize = 15;
/// So much of a long hexadecimal literal gives it away.
const PART: usize = 16;
/// Of longer literals the beginning is enough.
const MOST: usize = 64;

/// Distinctive literals of one text, in one spelling.
#[derive(Debug, Default)]
pub(super) struct Literals {
    /// To be met as tokens of their own.
    pub(super) tokens: Vec<String>,
    /// To be met anywhere in what is left of a text without its separators.
    pub(super) squeezed: Vec<String>,
    /// The same, of messages so odd that nobody says them, even where many tasks share them.
    pub(super) odd: Vec<String>,
}

/// How much must speak for a literal, by where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rigour {
    /// Prose, and code outside of quotation marks: no identifier of a library must be taken for an answer.
    Strict,
    /// Between quotation marks in code.
    Quoted,
    /// In a file of expected values.
    Data,
}

/// File name extensions: a dot in front of anything else joins no name.
const EXTENSIONS: [&str; 48] = [
    "txt", "csv", "tsv", "json", "jsonl", "yaml", "yml", "toml", "ini", "cfg", "conf", "env",
    "log", "md", "rst", "html", "xml", "sql", "db", "sqlite", "py", "sh", "bash", "js", "ts", "c",
    "h", "cpp", "rs", "go", "rb", "pl", "java", "awk", "sed", "cron", "tar", "gz", "tgz", "zip",
    "xz", "bin", "dat", "png", "jpg", "pdf", "key", "pem",
];

/// The literals of `text`, a whole file or instruction. In code and in prose, what stands between quotation marks is data.
pub(super) fn literals(text: &str, source: Source, is_code: bool) -> Literals {
    let mut found = Literals::default();
    let is_data = !is_code && source != Source::Task;
    let is_shell = is_code
        && text.starts_with("#!")
        && text.lines().next().is_some_and(|line| line.ends_with("sh"));
    for line in text.lines() {
        found.line(line, source, is_code, is_data);
        let spelled_out = unescaped(line);
        if is_code && spelled_out != line {
            found.line(&spelled_out, source, is_code, is_data);
        }
        if is_shell {
            compounds(line).for_each(|token| found.add(&plain(token)));
        }
    }
    found
}

impl Literals {
    fn line(&mut self, line: &str, source: Source, is_code: bool, is_data: bool) {
        let plain_line = plain(line);
        let strict = |token: &&str| is_distinctive(token, Rigour::Strict);
        tokens(&plain_line).filter(strict).for_each(|token| self.add(token));
        let bare = squeezed(&plain_line);
        if is_code && bare.chars().count() >= LINE {
            self.squeezed.push(shortened(&bare));
        }
        let pieces = match () {
            () if is_data => fields(line),
            // A description between three quotation marks is prose, and may name what any library has.
            () if is_code && (line.contains("\"\"\"") || line.contains("'''")) => Vec::new(),
            () => quoted(line),
        };
        pieces.into_iter().for_each(|piece| self.piece(&plain(piece), source, is_data));
    }

    fn add(&mut self, token: &str) {
        let squeezed = squeezed(token);
        // `back\slash` is nobody's, put together; and a word with a number is met in "an option. 20 times", too.
        let word = squeezed.trim_end_matches(|c: char| c.is_ascii_digit());
        let numbered = squeezed.len() - word.len() <= 2 && is_word(word);
        // `no-such-file` is met in "there is no such file", too.
        let everyday = words(token).all(is_word) && squeezed.chars().count() < EVERYDAY;
        if squeezed.chars().count() >= SQUEEZED && !numbered && !everyday {
            self.squeezed.push(shortened(&squeezed));
        }
        // Half a hash is as good as all of it.
        if token.len() >= 2 * PART && token.chars().all(|c| c.is_ascii_hexdigit()) {
            self.squeezed.push(token[..PART].to_owned());
            self.squeezed.push(token[token.len() - PART..].to_owned());
        }
        self.tokens.push(token.to_owned());
    }

    /// A quoted string, or a line of data or a field of it.
    fn piece(&mut self, piece: &str, source: Source, is_data: bool) {
        let bare = shortened(&squeezed(piece));
        if is_message(&bare) {
            return;
        }
        if is_phrase(piece, source) {
            self.squeezed.push(bare.clone());
        }
        if source == Source::Tests && is_odd(piece) {
            self.odd.push(bare);
        }
        let rigour = match source {
            Source::Task => Rigour::Strict,
            _ if is_data => Rigour::Data,
            _ => Rigour::Quoted,
        };
        let distinctive = |token: &&str| is_distinctive(token, rigour);
        tokens(piece).filter(distinctive).for_each(|token| self.add(token));
    }
}

fn shortened(squeezed: &str) -> String {
    squeezed.chars().take(MOST).collect()
}

/// The tokens of a plain text: runs without blanks, quotation marks and brackets, and the parts of these between `=`, `:`
/// `,` `|` and `/`.
pub(super) fn tokens(plain: &str) -> impl Iterator<Item = &str> {
    plain
        .split(|c: char| c.is_whitespace() || "\"'`()[]{}<>;".contains(c))
        .flat_map(|run| std::iter::once(run).chain(run.split(['=', ':', ',', '|', '/'])))
        .map(|token| token.trim_matches(|c: char| !c.is_alphanumeric()))
        .filter(|token| token.len() >= 4)
}

/// Whether a token would not be said by chance.
fn is_distinctive(token: &str, rigour: Rigour) -> bool {
    if token.chars().count() > 200 || is_term(token) {
        return false;
    }
    let digits = token.chars().filter(char::is_ascii_digit).count();
    let letters = token.chars().filter(|c| c.is_alphabetic()).count();
    match (letters, digits) {
        (0, 0) => false,
        (0, _) => is_number_literal(token),
        (_, 0) => is_name(token, rigour),
        _ => is_mixed(token, digits, letters) || is_path(token, rigour),
    }
}

/// Digits with separators: an amount, a date, an address.
fn is_number_literal(token: &str) -> bool {
    let parts: Vec<&str> =
        token.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).collect();
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
    let parts: Vec<&str> =
        token.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect();
    let known = |part: &&str| {
        let word = part.trim_matches(|c: char| c.is_ascii_digit());
        is_term(part)
            || part.len() <= 2
            || is_word(word) && part.len() - word.len() <= 1
            || part.chars().all(|c| c.is_ascii_digit()) && part.len() <= 2
    };
    digits + letters >= 6 && !parts.iter().all(known)
        || digits >= 5 && letters >= 2 && digits + letters >= 10
}

/// Letters only: a file name that is not a conventional one, an identifier or another compound, a rare long word.
fn is_name(token: &str, rigour: Rigour) -> bool {
    let parts: Vec<&str> = words(token).collect();
    let rare = parts.iter().any(|part| part.len() >= 4 && !is_word(part));
    let length = token.chars().count();
    match parts.as_slice() {
        [.., stem, extension] if token.contains('.') && EXTENSIONS.contains(extension) => {
            stem.len() >= 3
        }
        _ if rigour == Rigour::Strict => false,
        _ if is_path(token, rigour) => true,
        [_] => rare && length >= if rigour == Rigour::Data { 7 } else { 9 },
        // In data and quoted, nobody joins the same words by chance, unless the compound is a usual one.
        _ => rare && length >= SQUEEZED || length >= COMPOUND && !token.contains(['.', '/']),
    }
}

/// Whether a token is a path of the task's own.
fn is_path(token: &str, rigour: Rigour) -> bool {
    rigour != Rigour::Strict
        && token.matches('/').count() >= 2
        && token.chars().count() >= SQUEEZED
        && !is_of_systems(token)
        && token.chars().any(char::is_alphabetic)
}

/// Whether a path begins where every system has files.
fn is_of_systems(path: &str) -> bool {
    const ROOTS: [&str; 16] = [
        "usr", "bin", "dev", "etc", "tmp", "var", "proc", "sys", "opt", "home", "root", "app",
        "lib", "src", "mnt", "run",
    ];
    words(path).next().is_some_and(|root| ROOTS.contains(&root)) || path.contains("//")
}

/// Whether a quoted string or a line of data is one that somebody made up for this task.
fn is_phrase(plain: &str, source: Source) -> bool {
    let words: Vec<&str> = words(plain).collect();
    let letters: usize = words.iter().map(|word| word.len()).sum();
    let number = |word: &str| word.chars().all(|c| c.is_ascii_digit());
    let rare = words.iter().any(|word| word.len() >= 4 && !is_word(word) && !number(word));
    let digits = words.iter().any(|word| number(word) && !is_number(word));
    let numbers = words.iter().filter(|word| number(word)).count();
    match words.len() {
        0 | 1 => false,
        2 => letters >= 10 && (rare || digits) && source != Source::Task,
        3 | 4 if rare || digits || numbers >= 2 => letters >= 10,
        3 | 4 if numbers > 0 => letters >= 15,
        // Two or three everyday words are anybody's.
        3 => false,
        4 => letters >= 18,
        _ => letters >= if numbers >= 2 { 12 } else { 20 },
    }
}

/// Whether a message has signs in it that no prose has.
fn is_odd(plain: &str) -> bool {
    let signs = plain.chars().any(|c| "<>|=#@^~".contains(c));
    let length = squeezed(plain).chars().count();
    // `OK 1;OK 2;b;BYE;`: pieces run together, as no prose has them.
    let joints = plain.as_bytes().windows(2);
    let tight =
        joints.filter(|pair| b";,|".contains(&pair[0]) && pair[1].is_ascii_alphanumeric()).count();
    let pieces = words(plain).count();
    signs && pieces >= 3 && length >= 15 || tight >= 3 && pieces >= 5 && length >= SQUEEZED
}

fn words(plain: &str) -> impl Iterator<Item = &str> {
    plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Names that a shell script makes up outside of quotation marks: three words at least, joined by underscores, in lower case. (A shell
/// has no library whose names would look so; its variables are in upper case.)
fn compounds(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|token| {
        token.split('_').filter(|part| part.len() >= 2).count() >= 3
            && token.len() >= COMPOUND
            && !token.starts_with('_')
            && token.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    })
}

/// A line of a program with the breaks and tabs that its strings spell out.
pub(super) fn unescaped(line: &str) -> String {
    ["\\n", "\\t", "\\r"].iter().fold(line.to_owned(), |line, escape| line.replace(escape, " "))
}

/// A line of data as a whole, and its fields.
fn fields(line: &str) -> Vec<&str> {
    let fields = line.split([',', ';', '\t', '|']).filter(|field| field.len() < line.len());
    std::iter::once(line).chain(fields).collect()
}

/// What stands between quotation marks of one kind in a line: whole, and the pieces between variables and formats.
fn quoted(line: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    for mark in ['"', '\'', '`'] {
        for whole in line.split(mark).skip(1).step_by(2) {
            pieces.push(whole);
            pieces.extend(
                whole.split(['$', '%', '{', '}']).filter(|piece| piece.len() < whole.len()),
            );
        }
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
            "48213",
            "2031-02-24",
            "hunter2x9",
            "amber-falcon-72",
            "3f786850e387550f",
            "vouchers.csv",
            "10.0.3.77",
            "zephyr_ledger",
            "correcthorsebattery",
            "INV-0042-7",
        ] {
            assert!(distinctive(value), "{value}");
        }
    }

    #[test]
    fn everyday_terms_are_not() {
        for value in [
            "utf-8",
            "python3",
            "requirements.txt",
            "sha256sum",
            "x86_64",
            "8080",
            "step-by-step",
            "read-only",
            "2024",
            "0.001",
            "v1.2",
            "README.md",
            "set -e",
            "127.0.0.1",
            "key=value",
            "/dev/null",
            "10 seconds",
            "exit 1",
        ] {
            assert!(!distinctive(value), "{value}");
        }
    }
}
