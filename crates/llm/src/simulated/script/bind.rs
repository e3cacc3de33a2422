//! What of a script may be played in shells of its own, told from its looks. Whatever is not certain is taken for the worse: a part
//! that looks as if it left something behind is one that does.

use super::Block;

/// Commands that leave something in the shell, or read what others left.
const LEAVE: &[&str] = &[
    ".",
    "alias",
    "builtin",
    "cd",
    "command",
    "declare",
    "enable",
    "eval",
    "exit",
    "export",
    "for",
    "function",
    "getopts",
    "hash",
    "let",
    "local",
    "mapfile",
    "popd",
    "pushd",
    "read",
    "readarray",
    "readonly",
    "return",
    "select",
    "set",
    "shift",
    "shopt",
    "source",
    "typeset",
    "umask",
    "unalias",
    "unset",
];
/// Signs of the same that are no words.
const SIGNS: &[&str] = &[
    "()",
    "((",
    ":=",
    "=~",
    "printf -v",
    "$0",
    "${0",
    "BASH_SOURCE",
    "$@",
    "$*",
    "$#",
    "$1",
    "${1",
];

/// Commands that do nothing but leave something.
const SET: &[&str] = &[
    "export", "cd", "source", ".", "set", "alias", "shopt", "umask", "declare", "typeset",
    "readonly", "unset",
];

/// Commands of which the rest of the script may be a part: what they leave cannot be taken along.
const HOLD: &[&str] = &[
    "bg", "coproc", "dirs", "disown", "exec", "fg", "jobs", "popd", "pushd", "suspend", "times",
    "trap", "ulimit", "wait",
];
/// Variables that would tell one shell from another.
const OWN: &[&str] =
    &["$$", "BASHPID", "LINENO", "PPID", "RANDOM", "SECONDS", "BASH_COMMAND", "BASH_SUBSHELL"];
/// What the command before left.
const LATEST: &[&str] = &["$?", "${?", "$!", "${!", "$_", "PIPESTATUS"];

/// Whether a block leaves something in the shell, or reads what was left there.
pub(super) fn leaves_state(block: &Block) -> bool {
    let bare = block.bare.as_str();
    has_word(bare, LEAVE) || has_any(bare, SIGNS) || words(bare).any(is_assignment)
}

/// Whether everything after a block has to be played in its shell.
pub(super) fn holds_on(block: &Block) -> bool {
    let bare = block.bare.as_str();
    block.has_background || has_word(bare, HOLD) || has_any(bare, OWN)
}

/// Whether a block has to be played in the shell of the one before it.
pub(super) fn follows_on(block: &Block) -> bool {
    has_any(&block.bare, LATEST)
}

/// Whether a block does nothing but leave something: it belongs to the one after it.
pub(super) fn is_only_state(block: &Block) -> bool {
    block.commands.iter().all(|command| is_stateful(command))
}

/// Whether a block looks for what lies beside the script.
pub(super) fn finds_files(block: &Block) -> bool {
    has_any(&block.bare, &["$0", "${0", "BASH_SOURCE", "/solution"])
}

fn has_any(bare: &str, signs: &[&str]) -> bool {
    signs.iter().any(|sign| bare.contains(sign))
}

fn has_word(bare: &str, wanted: &[&str]) -> bool {
    words(bare).any(|word| wanted.contains(&word))
}

fn words(bare: &str) -> impl Iterator<Item = &str> {
    bare.split(|c: char| c.is_whitespace() || ";&|(){}`\"'$<>!".contains(c))
        .filter(|word| !word.is_empty())
}

/// `NAME=…`, `NAME+=…`, `NAME[…]=…`.
fn is_assignment(word: &str) -> bool {
    let Some((name, _)) = word.split_once('=') else { return false };
    is_name(name.trim_end_matches('+').split('[').next().unwrap_or_default())
}

fn is_stateful(command: &str) -> bool {
    if is_function(command) {
        return true;
    }
    let Some(words) = simple_words(command) else { return false };
    let stateful = words.first().is_some_and(|first| SET.contains(&first.as_str()));
    stateful || (!words.is_empty() && words.iter().all(|word| is_assignment(word)))
}

fn is_function(command: &str) -> bool {
    let head = command.split('{').next().unwrap_or_default().trim();
    let name = head.strip_prefix("function ").or_else(|| head.strip_suffix("()")).map(str::trim);
    command.contains('{') && name.is_some_and(|name| is_name(name.trim_end_matches("()")))
}

fn is_name(text: &str) -> bool {
    let text = text.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(plain)
}

/// The words of a simple command; `None` where operators join several.
fn simple_words(command: &str) -> Option<Vec<String>> {
    let mut words = vec![String::new()];
    let (mut quote, mut depth) = (None, 0usize);
    let mut characters = command.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '\\') => {
                characters.next();
            }
            (None, '(' | '{') => depth += 1,
            (None, ')' | '}') => depth = depth.saturating_sub(1),
            (None, ';' | '&' | '|' | '<' | '>') if depth == 0 => return None,
            (None, _) if c.is_whitespace() && depth == 0 => {
                words.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    words.retain(|word| !word.is_empty());
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(bare: &str) -> Block {
        Block { bare: bare.to_owned(), ..Block::default() }
    }

    #[test]
    fn what_leaves_nothing_is_told_from_what_may() {
        for bare in [
            "export PATH=$PWD/bin:$PATH",
            "cd relay",
            "test -d x && cd x",
            "A=1 B='two words'",
            "f() { echo \"$1\"; }",
            "function g {\n  true\n}",
            ". ./env.sh",
            "list=(a b c)",
            "list[3]=a",
            "for i in 1 2; do echo; done",
            "read -r x < f",
            "[[ $x =~ ^a ]]",
            ": \"${x:=1}\"",
            "printf -v x a",
            "set -e",
            "exit 0",
            "((n++))",
            "echo \"$(dirname \"$0\")\"",
        ] {
            assert!(leaves_state(&block(bare)), "{bare}");
        }
        for bare in [
            "make -j2",
            "echo a -o=b",
            "sort f > g",
            "if [ -e x ]; then rm x; fi",
            "while ! test -e x; do sleep 1; done",
            "ls | wc -l",
        ] {
            assert!(!leaves_state(&block(bare)), "{bare}");
        }
    }

    #[test]
    fn what_cannot_be_taken_along_is_held_together() {
        for bare in [
            "trap 'rm f' EXIT",
            "exec 3< f",
            "wait",
            "echo $$ > pid",
            "start=$SECONDS",
            "ulimit -n 10",
        ] {
            assert!(holds_on(&block(bare)), "{bare}");
        }
        assert!(holds_on(&Block { has_background: true, ..Block::default() }));
        assert!(follows_on(&block("echo $?")) && follows_on(&block("kill $!")));
        for bare in ["find . -exec ls \\;", "make", "x=1"] {
            assert!(!holds_on(&block(bare)) && !follows_on(&block(bare)), "{bare}");
        }
    }

    #[test]
    fn setting_is_told_from_work() {
        for command in [
            "export PATH=$PWD/bin:$PATH",
            "cd relay",
            "A=1 B='two words'",
            "last=$(awk -F ':' '{ print $2; }' x | tail -n 1)",
            "f() { echo \"$1\"; }",
            "function g {\n  true\n}",
            ". ./env.sh",
            "list=(a b c)",
        ] {
            assert!(is_stateful(command), "{command}");
        }
        for command in [
            "A=1 make",
            "cd x && make",
            "echo a=b",
            "cat <<EOF\nx\nEOF",
            "sort f > g",
            "{ echo; }",
            "(cd x)",
        ] {
            assert!(!is_stateful(command), "{command}");
        }
    }
}
