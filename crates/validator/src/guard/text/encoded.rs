//! What a text hides in codes: base64, base32, hexadecimal, character numbers, escapes, compression.

use std::io::Read as _;

use data_encoding::{BASE32_NOPAD, BASE64_NOPAD, HEXLOWER_PERMISSIVE};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// Shorter runs of code hide nothing that could be told from chance.
const SHORTEST: usize = 6;
/// A small text may unpack to a very large one.
const MOST_UNPACKED: u64 = 1 << 20;

/// Everything that parts of `text` may mean when they are read as a code, with the code's name. The text is taken as it was
/// written, since case matters here. Most readings are noise; they only have to be compared.
pub(super) fn decodings(text: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for unbroken in [text.to_owned(), text.split_whitespace().collect::<String>()] {
        for run in
            runs(&unbroken, |c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_'))
        {
            base64(run, &mut found);
        }
        for run in runs(&unbroken, |c| c.is_ascii_alphanumeric()) {
            base32(run, &mut found);
        }
    }
    for digits in hexadecimal(text) {
        if let Ok(bytes) = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()) {
            keep("hexadecimal", &bytes, &mut found);
        }
    }
    keep("escapes", &unescaped(text), &mut found);
    for bytes in numbers(text) {
        keep("character numbers", &bytes, &mut found);
    }
    found
}

fn runs(text: &str, belongs: impl Fn(char) -> bool) -> impl Iterator<Item = &str> {
    text.split(move |c| !belongs(c)).filter(|run| run.len() >= SHORTEST)
}

/// The literal may begin at any of four places of a group, and the run may end in the middle of one.
fn base64(run: &str, found: &mut Vec<(&'static str, String)>) {
    let standard: String = run
        .chars()
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    for start in 0..4.min(standard.len()) {
        let mut digits = standard[start..].to_owned();
        if digits.len() % 4 == 1 {
            digits.pop();
        }
        // The last digit may carry bits that a strict decoder wants to be zero: without it, the rest still decodes.
        let decoded = BASE64_NOPAD.decode(digits.as_bytes()).or_else(|_| {
            let whole = digits.len() / 4 * 4;
            BASE64_NOPAD.decode(&digits.as_bytes()[..whole])
        });
        if let Ok(bytes) = decoded {
            keep("base64", &bytes, found);
        }
    }
}

fn base32(run: &str, found: &mut Vec<(&'static str, String)>) {
    let upper = run.to_ascii_uppercase();
    for length in (upper.len().saturating_sub(7)..=upper.len()).rev() {
        if let Ok(bytes) = BASE32_NOPAD.decode(&upper.as_bytes()[..length]) {
            return keep("base32", &bytes, found);
        }
    }
}

/// Runs of hexadecimal digit pairs, also with separators, `0x` or `\x` between them; at both alignments.
fn hexadecimal(text: &str) -> Vec<String> {
    let bare = text.replace("\\x", " ").replace("0x", " ").replace("0X", " ");
    let pairs = |text: &str| {
        let mut joined = vec![String::new()];
        for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
            let is_code = word.len() >= 2 && word.chars().all(|c| c.is_ascii_hexdigit());
            match joined.last_mut() {
                Some(last) if is_code && word.len() % 2 == 0 => last.push_str(word),
                _ if word.is_empty() => {}
                _ => joined.push(if is_code { word.to_owned() } else { String::new() }),
            }
        }
        joined
    };
    let mut found = pairs(&bare);
    found.extend(runs(text, |c| c.is_ascii_hexdigit()).map(str::to_owned));
    let shifted: Vec<String> =
        found.iter().filter(|run| run.len() > SHORTEST).map(|run| run[1..].to_owned()).collect();
    found.extend(shifted);
    found.retain(|run| run.len() >= SHORTEST);
    found.iter_mut().for_each(|run| run.truncate(run.len() / 2 * 2));
    found
}

/// `%41`, `\x41`, `\u0041`, `\101`, `&#65;` and `&#x41;` replaced by what they stand for.
fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match escape(rest) {
            Some((c, length)) => {
                out.extend(c.encode_utf8(&mut [0; 4]).bytes());
                rest = &rest[length..];
            }
            None => {
                out.extend(first.encode_utf8(&mut [0; 4]).bytes());
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    if out == text.as_bytes() { Vec::new() } else { out }
}

/// The character that an escape at the beginning of `text` stands for, and how long the escape is.
fn escape(text: &str) -> Option<(char, usize)> {
    let fixed = |prefix: &str, radix, digits: usize| {
        let number = text.strip_prefix(prefix)?.get(..digits)?;
        Some((char::from_u32(u32::from_str_radix(number, radix).ok()?)?, prefix.len() + digits))
    };
    let ended = |prefix: &str, radix, end: char| {
        let (number, _) = text.strip_prefix(prefix)?.split_once(end)?;
        let c = char::from_u32(u32::from_str_radix(number, radix).ok()?)?;
        Some((c, prefix.len() + number.len() + end.len_utf8()))
    };
    fixed("%", 16, 2)
        .or_else(|| fixed("\\x", 16, 2))
        .or_else(|| fixed("\\u", 16, 4))
        .or_else(|| ended("\\u{", 16, '}'))
        .or_else(|| fixed("\\", 8, 3))
        .or_else(|| ended("&#x", 16, ';'))
        .or_else(|| ended("&#", 10, ';'))
}

/// Lists of numbers as characters: decimal, octal, binary.
fn numbers(text: &str) -> Vec<Vec<u8>> {
    let words: Vec<&str> =
        text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let printable = |word: &&str, radix| {
        u8::from_str_radix(word, radix).ok().filter(|byte| (0x20..0x7f).contains(byte))
    };
    // `chr(114)+chr(101)`: the name of what makes a character of a number stands between any two.
    let named = words.iter().filter(|word| word.chars().all(char::is_alphabetic));
    let named: Vec<&str> = named
        .copied()
        .filter(|name| words.iter().filter(|word| *word == name).count() >= 4)
        .collect();
    [10, 8, 2]
        .into_iter()
        .flat_map(|radix| {
            let read = words
                .iter()
                .filter(|word| !named.contains(word))
                .map(move |word| printable(word, radix));
            let mut lists = vec![Vec::new()];
            for byte in read {
                match (byte, lists.last_mut()) {
                    (Some(byte), Some(last)) => last.push(byte),
                    _ => lists.push(Vec::new()),
                }
            }
            lists.retain(|list| list.len() >= 4);
            lists
        })
        .collect()
}

/// Keeps bytes that are text, and what they unpack to.
fn keep(code: &'static str, bytes: &[u8], found: &mut Vec<(&'static str, String)>) {
    if let Some(unpacked) = unpacked(bytes) {
        found.push(("compressed", String::from_utf8_lossy(&unpacked).into_owned()));
    }
    let text = String::from_utf8_lossy(bytes);
    let readable = text.chars().filter(|c| c.is_ascii_graphic() || c.is_ascii_whitespace()).count();
    if bytes.len() >= 4 && readable * 2 >= text.chars().count() {
        found.push((code, text.into_owned()));
    }
}

fn unpacked(bytes: &[u8]) -> Option<Vec<u8>> {
    let read = |reader: &mut dyn std::io::Read| {
        let mut out = Vec::new();
        // A cut-off stream still shows what came before the cut.
        let _ = reader.take(MOST_UNPACKED).read_to_end(&mut out);
        (out.len() >= 4).then_some(out)
    };
    match bytes {
        [0x1f, 0x8b, ..] => read(&mut MultiGzDecoder::new(bytes)),
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => read(&mut ZlibDecoder::new(bytes)),
        _ if bytes.len() >= 12 => {
            let mut out = Vec::new();
            DeflateDecoder::new(bytes).take(MOST_UNPACKED).read_to_end(&mut out).ok()?;
            (out.len() >= 4).then_some(out)
        }
        _ => None,
    }
}
