//! Words of an instruction: quotes removed, variables replaced, as Docker does it.

/// Splits at blanks outside of quotes.
pub(crate) fn words(text: &str, variable: &dyn Fn(&str) -> String) -> Vec<String> {
    Lexer { text: text.chars().collect(), at: 0, variable }.words(true)
}

/// One word: blanks stay.
pub(crate) fn word(text: &str, variable: &dyn Fn(&str) -> String) -> String {
    let lexer = Lexer { text: text.chars().collect(), at: 0, variable };
    lexer.words(false).into_iter().next().unwrap_or_default()
}

/// Variables replaced, quotes kept: for here-documents.
pub(crate) fn expand(text: &str, variable: &dyn Fn(&str) -> String) -> String {
    let mut lexer = Lexer { text: text.chars().collect(), at: 0, variable };
    let mut expanded = String::new();
    while let Some(it) = lexer.next() {
        match it {
            '\\' if lexer.peek() == Some('$') => expanded.extend(lexer.next()),
            '$' => expanded.push_str(&lexer.replacement()),
            other => expanded.push(other),
        }
    }
    expanded
}

struct Lexer<'a> {
    text: Vec<char>,
    at: usize,
    variable: &'a dyn Fn(&str) -> String,
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let it = self.peek();
        self.at += usize::from(it.is_some());
        it
    }

    fn words(mut self, split: bool) -> Vec<String> {
        let mut found = Vec::new();
        let mut word: Option<String> = None;
        while let Some(it) = self.next() {
            match it {
                it if split && it.is_whitespace() => found.extend(word.take()),
                '\'' => {
                    let word = word.get_or_insert_default();
                    while let Some(it) = self.next().filter(|it| *it != '\'') {
                        word.push(it);
                    }
                }
                '"' => self.double_quoted(word.get_or_insert_default()),
                '\\' => word.get_or_insert_default().extend(self.next()),
                '$' => {
                    let replacement = self.replacement();
                    word.get_or_insert_default().push_str(&replacement);
                }
                other => word.get_or_insert_default().push(other),
            }
        }
        found.extend(word);
        found
    }

    fn double_quoted(&mut self, word: &mut String) {
        while let Some(it) = self.next().filter(|it| *it != '"') {
            match it {
                '\\' if matches!(self.peek(), Some('"' | '\\' | '$')) => word.extend(self.next()),
                '$' => {
                    let replacement = self.replacement();
                    word.push_str(&replacement);
                }
                other => word.push(other),
            }
        }
    }

    /// What stands for `$NAME`, `${NAME}`, `${NAME:-default}` or `${NAME:+alternative}` after its dollar.
    fn replacement(&mut self) -> String {
        if self.peek() == Some('{') {
            let close = self.text[self.at..].iter().position(|it| *it == '}');
            let Some(close) = close else { return "$".to_owned() };
            let inside: String = self.text[self.at + 1..self.at + close].iter().collect();
            self.at += close + 1;
            return self.braced(&inside);
        }
        let name: String = self.text[self.at..]
            .iter()
            .take_while(|it| it.is_alphanumeric() || **it == '_')
            .collect();
        self.at += name.chars().count();
        if name.is_empty() { "$".to_owned() } else { (self.variable)(&name) }
    }

    fn braced(&self, inside: &str) -> String {
        let value = |name: &str| Some((self.variable)(name)).filter(|value| !value.is_empty());
        if let Some((name, default)) = inside.split_once(":-") {
            value(name).unwrap_or_else(|| default.to_owned())
        } else if let Some((name, alternative)) = inside.split_once(":+") {
            value(name).map_or_else(String::new, |_| alternative.to_owned())
        } else {
            (self.variable)(inside)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn variable(name: &str) -> String {
        if name == "A" { "x y".to_owned() } else { String::new() }
    }

    #[test]
    fn words_are_those_of_docker() {
        let split = |text| words(text, &variable);
        assert_eq!(split(r#"a "b c" 'd $A' e\ f """#), ["a", "b c", "d $A", "e f", ""]);
        assert_eq!(
            split(r#"$A ${A}z "$A" \$A ${B:-no} ${A:+yes}"#),
            ["x y", "x yz", "x y", "$A", "no", "yes"]
        );
        assert_eq!(word("$A  and 'more'", &variable), "x y  and more");
        assert_eq!(expand(r#"'$A' \$A "q""#, &variable), r#"'x y' $A "q""#);
        assert_eq!(split("${open $"), ["${open", "$"]);
    }

    proptest! {
        #[test]
        fn any_text_has_words(text in "[a-c$ {}'\"\\\\:+-]{0,30}") {
            let _ = (words(&text, &variable), word(&text, &variable), expand(&text, &variable));
        }
    }
}
