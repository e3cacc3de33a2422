//! All the ways to read a text.

use std::collections::HashSet;

use super::encoded::decodings;
use super::plain::plain;
use super::spelled::spelled;
use crate::guard::leak::is_word;

/// A text inside a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::guard) struct Reading {
    /// In one spelling ([`plain`]).
    pub(in crate::guard) text: String,
    /// How it is hidden; `None` for what stands there.
    pub(in crate::guard) how: Option<&'static str>,
}

/// Codes within codes are followed this far.
const DEPTH: usize = 3;
/// More readings than this are noise.
const MOST: usize = 4096;

/// The text as it stands, reversed, rotated by thirteen letters, its quoted pieces put together, and all that its parts
/// decode to, codes within codes included.
pub(in crate::guard) fn readings(text: &str) -> Vec<Reading> {
    let mut found = vec![Reading { text: plain(text), how: None }];
    let mut seen = HashSet::from([text.to_owned()]);
    let mut open = vec![("", text.to_owned())];
    for _ in 0..DEPTH {
        let deeper: Vec<_> = open.iter().flat_map(|(how, text)| hidden(how, text)).collect();
        open.clear();
        for (how, text) in deeper {
            if found.len() < MOST && seen.insert(text.clone()) {
                found.push(Reading { text: plain(&text), how: Some(how) });
                open.push((how, text));
            }
        }
    }
    found
}

const REARRANGED: [&str; 3] = ["reversed", "rot13", "split"];

fn hidden(how: &str, text: &str) -> Vec<(&'static str, String)> {
    let mut found = decodings(text);
    // A text that was rearranged once is decoded, but not rearranged again.
    if !REARRANGED.contains(&how) {
        let [reversed, rot13, split] = REARRANGED;
        found.push((reversed, text.chars().rev().collect()));
        found.push((reversed, reversed_words(text)));
        found.push((rot13, text.chars().map(rotated).collect()));
        found.push((split, quoted(text).concat()));
        found.push((split, spaced_out(text)));
        if how.is_empty() {
            found.extend(spelled(text, is_word));
            found.push((split, crate::guard::knob::unquoted(text)));
            found.extend(parted_names(text).map(|text| ("joined words", text)));
        }
    }
    found.retain(|(_, text)| text.len() >= 4);
    found
}

/// `readTheKey` and `read_the_key` as words, if there are such names of three words or more.
fn parted_names(text: &str) -> Option<String> {
    let joint = |pair: &[char]| pair[0].is_lowercase() && pair[1].is_uppercase() || pair[0] == '_';
    let name = |word: &str| {
        word.chars().collect::<Vec<_>>().windows(2).filter(|pair| joint(pair)).count() >= 2
    };
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(name).then(|| {
        let mut before = ' ';
        text.chars().fold(String::new(), |mut parted, c| {
            if joint(&[before, c]) {
                parted.push(' ');
            }
            parted.push(if c == '_' { ' ' } else { c });
            before = c;
            parted
        })
    })
}

/// Single characters between blanks, four in a row at least, put together: `r o s t e r`.
fn spaced_out(text: &str) -> String {
    let mut runs = vec![String::new()];
    for word in text.split_whitespace() {
        let mut chars = word.chars();
        match (chars.next(), chars.next(), runs.last_mut()) {
            (Some(only), None, Some(run)) => run.push(only),
            _ => runs.push(String::new()),
        }
    }
    runs.retain(|run| run.chars().count() >= 4);
    runs.join(" ")
}

fn reversed_words(text: &str) -> String {
    let words: Vec<String> =
        text.split_whitespace().map(|word| word.chars().rev().collect()).collect();
    words.join(" ")
}

fn rotated(c: char) -> char {
    let turn = |base: u8| char::from((c as u8 - base + 13) % 26 + base);
    match c {
        'a'..='z' => turn(b'a'),
        'A'..='Z' => turn(b'A'),
        _ => c,
    }
}

/// What stands between quotation marks of one kind.
fn quoted(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(['\'', '"', '`']) {
        let mark = &rest[start..=start];
        let after = &rest[start + 1..];
        match after.find(mark) {
            Some(end) => {
                pieces.push(&after[..end]);
                rest = &after[end + 1..];
            }
            None => rest = after,
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use data_encoding::{BASE32, BASE64, BASE64URL, HEXLOWER, HEXUPPER};
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    fn shows(text: &str, secret: &str) -> bool {
        readings(text).iter().any(|reading| reading.text.contains(&plain(secret)))
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(text.as_bytes()).expect("memory");
        packed.finish().expect("memory")
    }

    proptest! {
        // Each case tries every code, and every code is read in every way.
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn a_secret_shows_through_every_code(secret in "[a-z]{3,6}[-_ .][a-zA-Z0-9]{4,12}", pad in "[a-z]{0,3}") {
            let padded = format!("{pad}{secret}!");
            let bytes = padded.as_bytes();
            let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
            zlib.write_all(bytes).expect("memory");
            let escaped = |prefix: &str| bytes.iter().map(|byte| format!("{prefix}{byte:02x}")).collect::<String>();
            let codes = [
                BASE64.encode(bytes),
                BASE64URL.encode(bytes),
                BASE32.encode(bytes),
                HEXLOWER.encode(bytes),
                HEXUPPER.encode(bytes),
                escaped("\\x"),
                escaped("%"),
                escaped(" "),
                bytes.iter().map(|byte| format!("{byte}, ")).collect(),
                padded.chars().rev().collect(),
                padded.chars().map(rotated).collect(),
                BASE64.encode(&gzip(&padded)),
                HEXLOWER.encode(&gzip(&padded)),
                BASE64.encode(&zlib.finish().expect("memory")),
                BASE64.encode(BASE64.encode(bytes).as_bytes()),
                BASE64.encode(padded.chars().rev().collect::<String>().as_bytes()),
                format!("\"{}\" + \"{}\"", &padded[..4], &padded[4..]),
            ];
            for code in codes {
                let text = format!("First decode {code} and go on.");
                prop_assert!(shows(&text, &secret), "{text}");
            }
        }

        #[test]
        fn any_text_can_be_read(text in ".{0,200}") {
            prop_assert_eq!(readings(&text)[0].text.clone(), plain(&text));
        }
    }

    #[test]
    fn a_line_break_in_a_code_does_not_hide_it() {
        let code = BASE64.encode(b"the amber falcon flies at 06:00 over the gate");
        let broken = format!("{}\n{}", &code[..20], &code[20..]);
        assert!(shows(&broken, "amber falcon flies at 06:00"));
    }

    #[test]
    fn a_bomb_does_not_burst() {
        let zeros = "0".repeat(64 << 20);
        assert!(
            readings(&BASE64.encode(&gzip(&zeros)))
                .iter()
                .all(|reading| reading.text.len() <= 2 << 20)
        );
    }
}
