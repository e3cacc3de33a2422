//! From the text of a Dockerfile to its instructions.

/// One instruction, its continuation lines joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    /// The line it begins on, from 1.
    pub(crate) line: usize,
    /// In upper case.
    pub(crate) keyword: String,
    /// What follows the keyword.
    pub(crate) rest: String,
    /// Here-documents, for `RUN`, `COPY` and `ADD`.
    pub(crate) documents: Vec<Document>,
}

/// A here-document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    /// The word that ends it.
    pub(crate) name: String,
    /// Whether variables in it are replaced: its name was not quoted.
    pub(crate) expands: bool,
    /// Its lines, each with its newline; leading tabs are gone where it was asked for with `<<-`.
    pub(crate) text: String,
}

/// The instructions, or why this text cannot be read.
pub(crate) fn parse(text: &str) -> Result<Vec<Instruction>, String> {
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line)).peekable();
    let mut found = Vec::new();
    while let Some((line, first)) = lines.next() {
        let directive = first.trim_start().strip_prefix('#').map(str::trim);
        if directive.is_some_and(|it| it.to_lowercase().replace(' ', "").starts_with("escape=`")) {
            return Err(format!("line {line} chooses another escape character than the backslash"));
        }
        if is_blank(first) {
            continue;
        }
        let mut joined = String::new();
        let mut next = Some(first);
        while let Some(part) = next {
            let Some(kept) = part.trim_end().strip_suffix('\\') else {
                joined.push_str(part);
                break;
            };
            joined.push_str(kept);
            // Comments and blank lines between continuation lines are dropped.
            next = lines.by_ref().map(|(_, line)| line).find(|line| !is_blank(line));
        }
        let joined = joined.trim();
        let (keyword, rest) = joined.split_once(char::is_whitespace).unwrap_or((joined, ""));
        let (keyword, rest) = (keyword.to_uppercase(), rest.trim().to_owned());
        let openings = match keyword.as_str() {
            "RUN" | "COPY" | "ADD" => openings(&rest),
            _ => Vec::new(),
        };
        let mut documents = Vec::new();
        for opening in openings {
            documents.push(opening.read(line, &mut lines)?);
        }
        found.push(Instruction { line, keyword, rest, documents });
    }
    Ok(found)
}

fn is_blank(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

struct Opening {
    name: String,
    expands: bool,
    tabs: bool,
}

impl Opening {
    fn read<'a>(
        self,
        line: usize,
        lines: &mut impl Iterator<Item = (usize, &'a str)>,
    ) -> Result<Document, String> {
        let mut text = String::new();
        for (_, line) in lines {
            let line = if self.tabs { line.trim_start_matches('\t') } else { line };
            if line == self.name {
                return Ok(Document { name: self.name, expands: self.expands, text });
            }
            text.push_str(line);
            text.push('\n');
        }
        Err(format!("line {line}: the here-document '{}' does not end", self.name))
    }
}

/// The here-documents that a line opens: `<<NAME`, `<<-NAME`, `<<"NAME"`, outside of quotes.
fn openings(line: &str) -> Vec<Opening> {
    let mut found = Vec::new();
    let mut quote = None;
    let mut at = 0;
    let bytes = line.as_bytes();
    while at < bytes.len() {
        match (bytes[at], quote) {
            (b'\\', None | Some(b'"')) => at += 1,
            (byte, Some(open)) if byte == open => quote = None,
            (byte @ (b'"' | b'\''), None) => quote = Some(byte),
            (b'<', None) if line[at..].starts_with("<<<") => at += 2,
            (b'<', None) if line[at..].starts_with("<<") => {
                found.extend(opening(&line[at + 2..]));
                at += 1;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

fn opening(after: &str) -> Option<Opening> {
    let (tabs, after) = after.strip_prefix('-').map_or((false, after), |after| (true, after));
    let (quote, after) = match after.chars().next()? {
        quote @ ('"' | '\'') => (Some(quote), &after[1..]),
        _ => (None, after),
    };
    let end = after.find(|it: char| !it.is_alphanumeric() && it != '_').unwrap_or(after.len());
    let name = &after[..end];
    let closed = quote.is_none_or(|quote| after[end..].starts_with(quote));
    let named = name.starts_with(|it: char| it.is_alphabetic() || it == '_');
    (named && closed).then(|| Opening { name: name.to_owned(), expands: quote.is_none(), tabs })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn short(text: &str) -> Vec<(usize, String, String)> {
        let all = parse(text).unwrap();
        all.into_iter().map(|it| (it.line, it.keyword, it.rest)).collect()
    }

    #[test]
    fn continuation_lines_join_without_a_newline_and_lose_their_comments() {
        let text = "# syntax=docker/dockerfile:1\nFROM debian\n\nrun echo a \\\n  # why\n\n  && echo b\\ \n\t&& c\nWORKDIR /app";
        let expected =
            [(2, "FROM", "debian"), (4, "RUN", "echo a   && echo b\t&& c"), (9, "WORKDIR", "/app")];
        let expected =
            expected.map(|(line, keyword, rest)| (line, keyword.to_owned(), rest.to_owned()));
        assert_eq!(short(text), expected);
    }

    #[test]
    fn here_documents_are_kept_whole() {
        let text = "RUN <<EOF\n# not a comment\nFROM here\\\nEOF\nCOPY <<-\"END\" <<B /app/\n\tone\n\tEND\nb\nB\nRUN x <<< y $((1<<2)) '<<Z'";
        let found = parse(text).unwrap();
        assert_eq!(found[0].documents[0].text, "# not a comment\nFROM here\\\n");
        let [one, b] = found[1].documents.as_slice() else { panic!("two documents") };
        assert_eq!((one.name.as_str(), one.expands, one.text.as_str()), ("END", false, "one\n"));
        assert_eq!((b.name.as_str(), b.expands, b.text.as_str()), ("B", true, "b\n"));
        assert!(found[2].documents.is_empty());
        assert!(parse("RUN <<EOF\nnever").unwrap_err().contains("line 1"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(RUN|COPY|FROM|#|<<|EOF|\\\\|\n|'|\"| |a|é){0,40}") {
            let _ = parse(&text);
        }
    }
}
