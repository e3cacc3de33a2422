//! Which commands set shell state that later ones need, told from their looks: for scripts that do not say so themselves.

/// Commands whose effect lives in the shell.
const STATEFUL: &[&str] = &[
    "export", "cd", "pushd", "source", ".", "set", "alias", "shopt", "umask", "declare", "typeset",
    "readonly", "unset", "ulimit",
];

/// The stateful ones of `commands`, one a line.
pub(super) fn of(commands: &[String]) -> String {
    let stateful: Vec<&str> =
        commands.iter().map(String::as_str).filter(|text| is_stateful(text)).collect();
    stateful.join("\n")
}

fn is_stateful(command: &str) -> bool {
    if is_function(command) {
        return true;
    }
    let Some(words) = words(command) else { return false };
    let stateful = words.first().is_some_and(|first| STATEFUL.contains(&first.as_str()));
    stateful || (!words.is_empty() && words.iter().all(|word| is_assignment(word)))
}

fn is_function(command: &str) -> bool {
    let head = command.split('{').next().unwrap_or_default().trim();
    let name = head.strip_prefix("function ").or_else(|| head.strip_suffix("()")).map(str::trim);
    command.contains('{') && name.is_some_and(|name| is_name(name.trim_end_matches("()")))
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| is_name(name.trim_end_matches('+')))
}

fn is_name(text: &str) -> bool {
    let text = text.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(plain)
}

/// The words of a simple command; `None` where operators join several.
fn words(command: &str) -> Option<Vec<String>> {
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

    #[test]
    fn state_is_told_from_work() {
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
