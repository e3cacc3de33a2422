//! Keys taken out of whatever is written down: by value, not by pattern, in the forms that text gives them.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::io;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::error::{Error, ErrorKind, Result};

/// Finds known secrets in text and bytes and puts [`Redactor::MARK`] in their place.
///
/// A secret is found as it is, and as JSON (once and twice), HTML, URLs, hexadecimal (either case) and base64 (either alphabet, at each of the three
/// offsets that surrounding bytes can shift it to) write it. Secrets shorter than [`Redactor::SHORTEST`] bytes are left alone: such a
/// "key" is a placeholder like `none`, and taking it out would tear up ordinary words.
///
/// Clones share their tables. `Debug` shows no secret.
#[derive(Clone, Default)]
pub struct Redactor {
    forms: Option<Arc<Forms>>,
}

struct Forms {
    search: AhoCorasick,
    longest: usize,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let forms = self.forms.as_ref().map_or(0, |forms| forms.search.patterns_len());
        f.debug_struct("Redactor").field("forms", &forms).finish()
    }
}

impl Redactor {
    /// What stands where a secret stood.
    pub const MARK: &'static str = "[redacted]";
    /// In bytes.
    pub const SHORTEST: usize = 8;

    /// One that knows `secrets`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when the secrets are too many or too long to be searched for at once.
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Result<Self> {
        let mut forms = BTreeSet::new();
        for secret in secrets {
            let secret = secret.as_ref().trim();
            if secret.len() >= Self::SHORTEST {
                forms.extend(forms_of(secret));
            }
        }
        if forms.is_empty() {
            return Ok(Self::default());
        }
        let longest = forms.iter().map(String::len).max().unwrap_or_default();
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&forms)
            .map_err(|source| {
                let why = "the secrets cannot be searched for: they are too many or too long";
                Error::new(ErrorKind::InvalidInput, why).with_source(source)
            })?;
        Ok(Self { forms: Some(Arc::new(Forms { search, longest })) })
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.forms.is_none()
    }

    /// Whether `bytes` hold a secret in any of its forms.
    pub fn finds(&self, bytes: &[u8]) -> bool {
        self.forms.as_ref().is_some_and(|forms| forms.search.is_match(bytes))
    }

    /// `text` without secrets.
    pub fn text(&self, text: &str) -> String {
        match &self.forms {
            Some(forms) if forms.search.is_match(text) => {
                let marks = vec![Self::MARK; forms.search.patterns_len()];
                forms.search.replace_all(text, &marks)
            }
            _ => text.to_owned(),
        }
    }

    /// `bytes` without secrets.
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        match &self.forms {
            Some(forms) if forms.search.is_match(bytes) => {
                let marks = vec![Self::MARK; forms.search.patterns_len()];
                forms.search.replace_all_bytes(bytes, &marks)
            }
            _ => bytes.to_owned(),
        }
    }

    /// Every text of a JSON value without secrets, keys of objects included.
    pub fn json(&self, value: &mut serde_json::Value) {
        use serde_json::Value;
        match value {
            _ if self.is_empty() => {}
            Value::String(text) => *text = self.text(text),
            Value::Array(values) => values.iter_mut().for_each(|value| self.json(value)),
            Value::Object(fields) => {
                let taken = std::mem::take(fields);
                fields.extend(taken.into_iter().map(|(key, mut value)| {
                    self.json(&mut value);
                    (self.text(&key), value)
                }));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Takes from the front of `pending` what no further byte can turn into a secret, redacted. With `last`, everything.
    ///
    /// For text that comes in pieces: a secret may lie across their border.
    pub fn settled(&self, pending: &mut Vec<u8>, last: bool) -> Vec<u8> {
        let Some(forms) = &self.forms else { return std::mem::take(pending) };
        if last {
            return self.bytes(&std::mem::take(pending));
        }
        // A form that begins before this place would have ended inside `pending`.
        let mut until = (pending.len() + 1).saturating_sub(forms.longest);
        for found in forms.search.find_iter(pending.as_slice()) {
            if found.start() >= until {
                break;
            }
            until = until.max(found.end());
        }
        let rest = pending.split_off(until);
        let front = std::mem::replace(pending, rest);
        self.bytes(&front)
    }

    /// A writer that lets no secret through to `inner`, however the bytes are cut into writes.
    pub fn writer<W: io::Write>(&self, inner: W) -> RedactedWriter<W> {
        RedactedWriter { redactor: self.clone(), pending: Vec::new(), inner: Some(inner) }
    }
}

/// Writes to another writer without secrets. Holds back as many bytes as the longest form of a secret has; the end comes
/// out with [`RedactedWriter::finish`], or when it is dropped.
#[derive(Debug)]
pub struct RedactedWriter<W: io::Write> {
    redactor: Redactor,
    pending: Vec<u8>,
    inner: Option<W>,
}

impl<W: io::Write> RedactedWriter<W> {
    /// Writes what was held back, and gives the inner writer back.
    ///
    /// # Errors
    /// Those of the inner writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.release(true)?;
        self.inner.take().ok_or_else(|| io::Error::other("the writer is gone"))
    }

    fn release(&mut self, last: bool) -> io::Result<()> {
        let settled = self.redactor.settled(&mut self.pending, last);
        match &mut self.inner {
            Some(inner) => inner.write_all(&settled),
            None => Ok(()),
        }
    }
}

impl<W: io::Write> io::Write for RedactedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        self.release(false)?;
        Ok(bytes.len())
    }

    /// What could still turn out to be a secret is held back all the same.
    fn flush(&mut self) -> io::Result<()> {
        self.inner.as_mut().map_or(Ok(()), io::Write::flush)
    }
}

impl<W: io::Write> Drop for RedactedWriter<W> {
    fn drop(&mut self) {
        // A writer that matters is finished, where its error is seen.
        let _ = self.release(true);
    }
}

/// How text may write `secret`.
fn forms_of(secret: &str) -> Vec<String> {
    let quoted = json(secret);
    // JSON in JSON: a tool's arguments on the wire, a log line about a record.
    let mut forms = vec![secret.to_owned(), json(&quoted), quoted, html(secret)];
    forms.extend([url(secret, true), url(secret, false)]);
    forms.extend([hex(secret, false), hex(secret, true)]);
    for offset in 0..3 {
        forms.push(base64(&STANDARD_NO_PAD, secret, offset));
        forms.push(base64(&URL_SAFE_NO_PAD, secret, offset));
    }
    forms
}

fn json(secret: &str) -> String {
    let quoted = serde_json::Value::from(secret).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn html(secret: &str) -> String {
    secret.chars().fold(String::new(), |mut out, char| {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            char => out.push(char),
        }
        out
    })
}

fn url(secret: &str, upper: bool) -> String {
    let mut out = String::new();
    for byte in secret.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ if upper => {
                let _ = write!(out, "%{byte:02X}");
            }
            _ => {
                let _ = write!(out, "%{byte:02x}");
            }
        }
    }
    out
}

fn hex(secret: &str, upper: bool) -> String {
    secret.bytes().fold(String::new(), |mut out, byte| {
        let _ = if upper { write!(out, "{byte:02X}") } else { write!(out, "{byte:02x}") };
        out
    })
}

/// The digits that depend on `secret` alone when it stands `offset` bytes behind a multiple of three.
fn base64(engine: &impl base64::Engine, secret: &str, offset: usize) -> String {
    let mut bytes = vec![0; offset];
    bytes.extend_from_slice(secret.as_bytes());
    let digits = engine.encode(&bytes);
    // Each digit holds six bits: those that share bits with a neighbour are left out at either end.
    let first = (offset * 8).div_ceil(6);
    let last = bytes.len() * 8 / 6;
    digits[first..last].to_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use base64::Engine as _;
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "sk-pläin/+\"key\"=0123456789";

    fn redactor() -> Redactor {
        Redactor::new([KEY, "second-secret-key"]).unwrap()
    }

    #[test]
    fn every_form_is_found_and_nothing_else() {
        let redactor = redactor();
        let packed = |before: &str| STANDARD_NO_PAD.encode(format!("{before}{KEY}tail"));
        let quoted = serde_json::json!({ "key": KEY }).to_string();
        let forms = [
            KEY.to_owned(),
            serde_json::Value::from(quoted.as_str()).to_string(),
            quoted,
            html(KEY),
            url(KEY, true),
            hex(KEY, false),
            packed(""),
            packed("a"),
            packed("ab"),
        ];
        for form in forms {
            let text = format!("before {form} after");
            assert!(redactor.finds(text.as_bytes()), "{form}");
            let clean = redactor.text(&text);
            assert!(!redactor.finds(clean.as_bytes()), "{clean}");
            assert!(clean.starts_with("before ") && clean.ends_with(" after"), "{clean}");
            assert!(clean.contains(Redactor::MARK), "{clean}");
        }
        let innocent = "a second secret, and a key";
        assert_eq!(redactor.text(innocent), innocent);
    }

    #[test]
    fn a_placeholder_for_a_key_tears_no_words() {
        let redactor = Redactor::new(["none", " ", "EMPTY"]).unwrap();
        assert!(redactor.is_empty());
        assert_eq!(redactor.text("none is EMPTY"), "none is EMPTY");
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}{:?}", redactor(), redactor().writer(Vec::new()));
        assert!(!shown.contains("second-secret"), "{shown}");
    }

    #[test]
    fn json_is_cleaned_in_depth() {
        let mut value = serde_json::json!({ KEY: [1, { "deep": format!("x{KEY}") }] });
        redactor().json(&mut value);
        assert_eq!(value, serde_json::json!({ "[redacted]": [1, { "deep": "x[redacted]" }] }));
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_writer_writes_what_the_whole_would_be(
            parts in prop::collection::vec(prop_oneof![Just(KEY.to_owned()), Just("second-secret-key".to_owned()), "[a-z=%s-]{0,30}"], 0..6),
            cuts in prop::collection::vec(0usize..200, 0..12),
        ) {
            let whole = parts.concat();
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < whole.len()).collect();
            cuts.sort_unstable();
            let mut writer = redactor().writer(Vec::new());
            let mut begin = 0;
            for cut in cuts.into_iter().chain([whole.len()]) {
                writer.write_all(&whole.as_bytes()[begin..cut]).unwrap();
                begin = cut;
            }
            let written = writer.finish().unwrap();
            prop_assert!(!redactor().finds(&written));
            prop_assert_eq!(String::from_utf8(written).unwrap(), redactor().text(&whole));
        }
    }
}
