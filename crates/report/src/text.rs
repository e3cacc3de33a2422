//! Text for people: rates, differences, and words that came from elsewhere.

use crate::interval::Interval;

/// Columns that every display keeps within.
pub(crate) const COLUMNS: usize = 100;

/// Text from a model, a task or a server on one line: what could move a cursor, change a colour or reverse the
/// direction of reading is replaced.
pub(crate) fn plain(text: &str) -> String {
    let unsafe_here = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let replaced: String = text.chars().map(|c| if unsafe_here(c) { ' ' } else { c }).collect();
    replaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most `most` characters of it.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Lines of at most `columns` characters, broken between words; every line after the first is indented by four more
/// than the first.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let indent = text.len() - text.trim_start().len();
    let hanging = " ".repeat(indent + 4);
    let mut lines = Vec::new();
    let mut line = " ".repeat(indent);
    let mut empty = true;
    for word in text.split_whitespace() {
        let needed = line.chars().count() + usize::from(!empty) + word.chars().count();
        if !empty && needed > columns {
            lines.push(std::mem::replace(&mut line, hanging.clone()));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push(line);
    lines
}

/// `62.5 %`, or `unknown`.
pub(crate) fn percent(rate: Option<f64>) -> String {
    rate.map_or_else(|| "unknown".to_owned(), |rate| format!("{:.1} %", 100.0 * rate))
}

/// `30.6–86.3 %`.
pub(crate) fn range(interval: Interval) -> String {
    format!("{:.1}–{:.1} %", 100.0 * interval.low, 100.0 * interval.high)
}

/// `+12.5 points (95 % interval -3.1 to +27.0)`.
pub(crate) fn points(difference: f64, interval: Interval) -> String {
    format!(
        "{:+.1} points (95 % interval {:+.1} to {:+.1})",
        100.0 * difference,
        100.0 * interval.low,
        100.0 * interval.high
    )
}

/// `1 trial`, `2 trials`.
pub(crate) fn counted(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// The first names, and how many more there are.
pub(crate) fn names<'a>(names: impl IntoIterator<Item = &'a str>, most: usize) -> String {
    let names: Vec<String> = names.into_iter().map(plain).collect();
    let shown = names.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_and_directions_do_not_reach_a_terminal() {
        assert_eq!(plain("a\x1b[31mred\n\tb\u{202e}c\u{9b}2J"), "a [31mred b c 2J");
    }

    #[test]
    fn long_text_is_cut_with_a_mark() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
    }

    proptest! {
        #[test]
        fn wrapping_keeps_every_word_and_the_width(text in "[ a-zü]{0,200}", columns in 20usize..100) {
            let lines = wrap(&text, columns);
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(words(&lines.join(" ")), words(&text));
            for line in lines {
                // A single word longer than a line has to stick out.
                prop_assert!(line.chars().count() <= columns || words(&line).len() == 1);
            }
        }

        #[test]
        fn plain_text_is_plain(text in any::<String>()) {
            prop_assert!(!plain(&text).chars().any(char::is_control));
        }
    }
}
