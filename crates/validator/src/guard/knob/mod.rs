//! What no edit may reach for: the model and its decoding, limits, the verifier, permissions, and the machinery around them.
//!
//! A harness offers none of these as a surface, so a direct edit of one does not apply. What is left are the ways around: a key of that
//! name in a free-form value, a template or include that some renderer would expand, a setting written out in a text, a path of the
//! verifier, a hook that runs before every command, and an instruction to the agent. Advice *against* such a thing passes, and so do the
//! words alone: "the model", "a time limit", "permissions".

mod clauses;
mod learnt;
mod lexicon;
mod markers;
mod sentence;
mod settings;
mod shell;
mod tricks;

pub(super) use self::shell::unquoted;
use super::change::Change;

use super::text::{disguise, plain, readings};

/// Why a change is refused, if it reaches for a knob.
pub(super) fn forbidden(change: &Change) -> Option<String> {
    let key = change.keys.iter().find_map(|key| settings::key(key));
    key.or_else(|| change.texts.iter().find_map(|text| in_text(text)))
}

/// Why a change is refused, if what it says is like what was refused before. Passages that were there already are judged no more.
pub(super) fn resembling(change: &Change) -> Option<String> {
    let known: Vec<String> = change.known.iter().map(|text| plain(text)).collect();
    // The last text is all of them in one.
    let whole = change.texts.last().map(|text| plain(text)).unwrap_or_default();
    let bar = learnt::bar(learnt::new_sentences(&whole, &known).len());
    let in_text = |text: &String| {
        readings(text).into_iter().find_map(|reading| {
            let stands = reading.how.is_none();
            spellings(&reading.text).iter().enumerate().find_map(|(at, spelling)| {
                let why = learnt::resemblance(spelling, stands && at == 0, &known, bar)?;
                Some(told(why, reading.how))
            })
        })
    };
    change.texts.iter().find_map(in_text)
}

fn told(why: String, how: Option<&str>) -> String {
    match how {
        Some(code) => format!("{why} (hidden: {code})"),
        None => why,
    }
}

fn in_text(text: &str) -> Option<String> {
    if let Some(how) = disguise(text) {
        return Some(format!("it {how}"));
    }
    readings(text).into_iter().find_map(|reading| Some(told(spoken(&reading.text)?, reading.how)))
}

/// Why a text in one spelling is refused, also when letters are written as digits, or spelled out one by one.
fn spoken(plain: &str) -> Option<String> {
    spellings(plain).iter().find_map(|text| {
        markers::marker(text)
            .or_else(|| settings::setting(text))
            .or_else(|| clauses::instruction(text))
    })
}

/// The text as it stands, and other ways to write the same.
fn spellings(plain: &str) -> Vec<String> {
    let shell = shell::unquoted(plain);
    let mut all = vec![plain.to_owned()];
    for other in [unleeted(plain), unspaced(plain), squeezed_words(plain), shell] {
        if !all.contains(&other) {
            all.push(other);
        }
    }
    all
}

/// Digits and signs inside of words replaced by the letters they stand for.
fn unleeted(plain: &str) -> String {
    let word = |word: &str| -> String {
        if !word.chars().any(char::is_alphabetic) {
            return word.to_owned();
        }
        let letter = |c| match c {
            '0' => 'o',
            '1' | '!' => 'i',
            '3' => 'e',
            '4' | '@' => 'a',
            '5' | '$' => 's',
            '7' => 't',
            c => c,
        };
        word.chars().map(letter).collect()
    };
    plain.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Words cut up by signs that no word has, put together: `ver*fi-ier` stays, `san_d_box`, `s-andbox` and `veri|fier` become words.
fn squeezed_words(plain: &str) -> String {
    let word = |word: &str| -> String {
        let inner = word.trim_matches(|c: char| !c.is_alphanumeric());
        let cut = inner.chars().filter(|c| !c.is_alphanumeric()).count();
        let odd = cut > 0 && inner.chars().all(|c| c.is_alphabetic() || "_|~^*+-".contains(c));
        if odd { inner.chars().filter(|c| c.is_alphabetic()).collect() } else { word.to_owned() }
    };
    // The blanks stay with their words, so that lines stay lines.
    let pieces = plain.split_inclusive(char::is_whitespace).map(|piece| {
        let bare = piece.trim_end();
        let dressed = bare.trim_end_matches(|c: char| !c.is_alphanumeric());
        format!("{}{}", word(dressed), &piece[dressed.len()..])
    });
    pieces.collect()
}

/// Letters that stand alone put together: `t e m p` and `t.e.m.p` become `temp`. Only one kind of separator joins a word, so that
/// another kind, or two in a row, ends it.
fn unspaced(plain: &str) -> String {
    let chars: Vec<char> = plain.chars().collect();
    let is_letter = |at: usize| chars.get(at).is_some_and(|c| c.is_alphanumeric());
    let alone = |at: usize| is_letter(at) && (at == 0 || !is_letter(at - 1)) && !is_letter(at + 1);
    let joins = |at: usize| {
        let c = chars[at];
        let between = matches!(c, ' ' | '.' | '-' | '_' | '*' | '|')
            && at > 0
            && alone(at - 1)
            && alone(at + 1);
        between && (at >= 2 && chars[at - 2] == c || chars.get(at + 2) == Some(&c))
    };
    chars.iter().enumerate().filter(|(at, _)| !joins(*at)).map(|(_, c)| c).collect()
}
