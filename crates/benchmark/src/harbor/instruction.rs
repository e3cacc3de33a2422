//! The instruction as an agent may see it.

/// Removes the leading lines that mark a benchmark's text for scrapers, and the blank lines after them.
pub(crate) fn without_canary(text: &str) -> &str {
    let mut rest = text;
    while let Some((line, after)) =
        rest.split_once('\n').or((!rest.is_empty()).then_some((rest, "")))
        && is_canary(line)
    {
        rest = after;
    }
    if rest.len() == text.len() { text } else { rest.trim_start_matches(['\n', '\r']) }
}

fn is_canary(line: &str) -> bool {
    let line = line.trim().to_lowercase();
    let marked = line.starts_with('#') || (line.starts_with("<!--") && line.ends_with("-->"));
    marked && line.contains("canary")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_canary_lines_and_the_blank_lines_after_them_go() {
        let text =
            "<!-- benchmark Canary GUID 1 -->\n# CANARY 2\n\n\n# Title\ncanary in the text\n";
        assert_eq!(without_canary(text), "# Title\ncanary in the text\n");
        assert_eq!(without_canary("# canary"), "");
        assert_eq!(without_canary("# canary\r\n\r\nDo it.\r\n"), "Do it.\r\n");
    }

    #[test]
    fn everything_else_stays() {
        for text in ["", "\n\nDo it.", "# Title\n# canary\n", "A canary sings.\n", "<!-- canary\n"]
        {
            assert_eq!(without_canary(text), text);
        }
    }
}
