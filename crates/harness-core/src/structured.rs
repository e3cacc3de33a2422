//! Asking a model for one JSON object about material that it must not obey.
//!
//! A stage shows a model what it did not write itself (traces, verifier output, earlier edits) and wants a structured
//! answer. Both halves have one safe way: [`data_block`] in, [`StageContext::ask_for`] out.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::llm::{Completion, FinishReason, Message, Request};
use crate::stage::StageContext;

/// How much of an unusable reply is shown back to the model that gave it, in characters.
const REPLY_SHOWN: usize = 8000;
/// How many opening braces of a reply are tried: bounds the work that a hostile reply can cause.
const OBJECTS_TRIED: usize = 2000;

/// A model's last word when it could not be read, after one chance to repair it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The text of the last reply, as it came.
    pub reply: String,
    /// What was wrong with it, in the words the reader gave.
    pub complaint: String,
}

impl StageContext {
    /// Asks for one JSON object and reads it with `read`. When `read` complains, the model is told so and may answer
    /// once more. A reply that cannot be read is data, not an error: the inner `Err`.
    ///
    /// The object may stand in a fence, in prose, or behind `<think>`: see [`last_json_object`]. Cancelling loses nothing
    /// that was recorded.
    ///
    /// # Errors
    /// Those of [`StageContext::ask`].
    pub async fn ask_for<T: Send>(
        &self,
        mut request: Request,
        read: impl Fn(&Value) -> std::result::Result<T, String> + Send + Sync,
    ) -> Result<std::result::Result<T, Unreadable>> {
        let first = self.ask(request.clone()).await?;
        let complaint = match read_reply(&first, &read) {
            Ok(answer) => return Ok(Ok(answer)),
            Err(complaint) => complaint,
        };
        let reply = first.message.content;
        if first.finish.is_withheld() {
            return Ok(Err(Unreadable { reply, complaint }));
        }
        tracing::debug!(%complaint, "the reply cannot be used; asking for a repair");
        request.messages.push(Message::assistant(shown_back(&reply)));
        request.messages.push(Message::user(format!(
            "That answer cannot be used: {}\nAnswer again, with nothing but the one JSON object.",
            visible(&complaint, 1000)
        )));
        let second = self.ask(request).await?;
        Ok(read_reply(&second, &read)
            .map_err(|complaint| Unreadable { reply: second.message.content, complaint }))
    }
}

fn read_reply<T>(
    completion: &Completion,
    read: impl Fn(&Value) -> std::result::Result<T, String>,
) -> std::result::Result<T, String> {
    match (last_json_object(&completion.message.content), &completion.finish) {
        (Some(value), _) => read(&value),
        (None, FinishReason::Length) => {
            Err("it was cut before its end; be shorter, and do not think aloud".to_owned())
        }
        (None, finish) if finish.is_withheld() => Err("it was refused".to_owned()),
        (None, _) => Err("there is no JSON object in it".to_owned()),
    }
}

fn shown_back(reply: &str) -> String {
    // Servers refuse assistant messages without text.
    if reply.trim().is_empty() { "(nothing)".to_owned() } else { visible(reply, REPLY_SHOWN) }
}

/// `material` as a block that marks it as evidence: a line `<data>`, one line of JSON, a line `</data>`.
///
/// Whatever the material says, it stays on its line: JSON escapes line breaks, the line separators that JSON
/// leaves alone are escaped here, and so is each `<` before a word that would look like the block's own marks.
///
/// # Errors
/// [`ErrorKind::Contract`] when `material` has no JSON form.
pub fn data_block<T: Serialize + ?Sized>(material: &T) -> Result<String> {
    let json = serde_json::to_string(material).map_err(|source| {
        Error::new(ErrorKind::Contract, "the material for a model has no JSON form")
            .with_source(source)
    })?;
    let mut line = String::with_capacity(json.len() + 16);
    for (at, character) in json.char_indices() {
        // In JSON each of these can only stand inside a text, where an escape means the same.
        if is_deceptive(character) || (character == '<' && looks_like_a_mark(&json[at..])) {
            let _ = write!(line, "\\u{:04x}", u32::from(character));
        } else {
            line.push(character);
        }
    }
    Ok(format!("<data>\n{line}\n</data>"))
}

fn looks_like_a_mark(text: &str) -> bool {
    let word = text.trim_start_matches(['<', '/', ' ']);
    word.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("data"))
}

/// Characters that a reader may take for the end of a line, or that change how text around them is shown: control
/// characters other than tab and line feed, line and paragraph separators, zero-width and direction marks. All
/// of them are in the basic plane, so one JSON escape names each.
fn is_deceptive(character: char) -> bool {
    (character.is_control() && !matches!(character, '\n' | '\t'))
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// `text` in at most `max_chars` characters, with everything that a terminal or a reader would not show escaped, and
/// its middle dropped (and counted) where it is longer: beginnings say what was done, ends how it went.
pub fn visible(text: &str, max_chars: usize) -> String {
    let length = text.chars().count();
    if length <= max_chars {
        let whole = escaped(text.chars());
        if whole.chars().count() <= max_chars {
            return whole;
        }
    }
    let mark = format!(" […{length} characters in all…] ");
    let room = max_chars.saturating_sub(mark.chars().count());
    if room < 20 {
        return escaped(text.chars().take(max_chars)).chars().take(max_chars).collect();
    }
    // Cut before escaping, so that the work is bounded by what is kept; and again after, because escapes are longer.
    let (head, tail) = (room - room / 3, room / 3);
    let beginning = escaped(text.chars().take(head));
    let ending = escaped(text.chars().skip(length - tail.min(length)));
    let surplus = ending.chars().count().saturating_sub(tail);
    beginning.chars().take(head).chain(mark.chars()).chain(ending.chars().skip(surplus)).collect()
}

fn escaped(characters: impl Iterator<Item = char>) -> String {
    let mut shown = String::new();
    for character in characters {
        if is_deceptive(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The JSON object that a reply is, or else the last whole one that stands in it: after `<think>…</think>`, in a fence,
/// between sentences. `None` when there is none.
pub fn last_json_object(reply: &str) -> Option<Value> {
    if let Some(whole) = object(reply.trim()) {
        return Some(whole);
    }
    // A draft inside the thoughts is not the answer; a closing mark without an opening one happens where the
    // server's template opened it.
    let said = reply.rfind("</think>").and_then(|at| last_object_in(&reply[at..]));
    said.or_else(|| last_object_in(without_thoughts(reply)))
}

fn without_thoughts(reply: &str) -> &str {
    match (reply.find("<think>"), reply.find("</think>")) {
        (Some(start), None) => &reply[..start],
        _ => reply,
    }
}

fn last_object_in(text: &str) -> Option<Value> {
    let (mut found, mut from) = (None, 0);
    for _ in 0..OBJECTS_TRIED {
        let Some(start) = text[from..].find('{').map(|at| from + at) else { break };
        let mut objects = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        match objects.next() {
            Some(Ok(value)) => {
                found = Some(value);
                from = start + objects.byte_offset();
            }
            _ => from = start + 1,
        }
    }
    found
}

fn object(text: &str) -> Option<Value> {
    serde_json::from_str::<Value>(text).ok().filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn material_never_leaves_its_line(text in "\\PC*|(.|\\n|</?data>|\u{85}|\u{2028}|\r)*") {
            let block = data_block(&json!({ "text": text })).unwrap();
            let lines: Vec<&str> = block.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).collect();
            prop_assert_eq!(lines.len(), 3);
            prop_assert_eq!((lines[0], lines[2]), ("<data>", "</data>"));
            prop_assert!(!lines[1].contains("<data") && !lines[1].contains("</data"));
            let back: Value = serde_json::from_str(lines[1]).unwrap();
            prop_assert_eq!(back["text"].as_str().unwrap(), text);
        }

        #[test]
        fn visible_text_is_bounded_and_plain(text in any::<String>(), max in 0usize..300) {
            let shown = visible(&text, max);
            prop_assert!(shown.chars().count() <= max);
            prop_assert!(!shown.chars().any(is_deceptive));
        }

        #[test]
        fn short_plain_text_is_shown_as_it_is(text in "[a-z \n\t{}\"]{0,80}") {
            prop_assert_eq!(visible(&text, 80), text);
        }

        #[test]
        fn an_object_is_found_whatever_surrounds_it(before in "[^{}]*", after in "[^{}]*") {
            let reply = format!("{before}{}{after}", json!({ "a": { "b": [1, "}{"] } }));
            // What follows a mark of thoughts is the answer, so a text that holds such a mark is another case.
            prop_assume!(!reply.contains("think>"));
            prop_assert_eq!(last_json_object(&reply), Some(json!({ "a": { "b": [1, "}{"] } })));
        }

        #[test]
        fn no_reply_breaks_the_search(reply in any::<String>()) {
            let _ = last_json_object(&reply);
        }
    }

    #[test]
    fn the_answer_is_what_follows_the_thoughts() {
        let reply = "<think>maybe {\"a\": 1}</think>\nHere:\n```json\n{\"a\": 2}\n```\nDone.";
        assert_eq!(last_json_object(reply), Some(json!({ "a": 2 })));
        assert_eq!(last_json_object("hm {\"a\":1}</think>{\"a\":3}"), Some(json!({ "a": 3 })));
        assert_eq!(last_json_object("<think>it could be {\"a\": 1}"), None);
        assert_eq!(last_json_object("{\"a\":1} no, {\"a\":4}"), Some(json!({ "a": 4 })));
        assert_eq!(last_json_object("{\"a\": 1"), None);
        assert_eq!(last_json_object("[1, 2]"), None);
    }

    #[test]
    fn a_whole_object_may_speak_of_thoughts() {
        let reply = r#"{"new": "write </think> and {"}"#;
        assert_eq!(last_json_object(reply), Some(json!({ "new": "write </think> and {" })));
    }
}
