//! One spelling for texts that look alike.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// The text in one spelling: compatibility forms unfolded (NFKD, Unicode annex 15), marks and invisible characters dropped, letters that
/// look like ASCII replaced by it (the skeleton of Unicode technical standard 39), lower case. Line breaks stay.
pub(in crate::guard) fn plain(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let unfolded = text.nfkd().filter(|c| !is_combining_mark(*c) && !is_invisible(*c));
    unfolded.map(look).flat_map(char::to_lowercase).collect()
}

/// Only letters and digits of a [`plain`] text: what is left when a word is cut up by separators.
pub(in crate::guard) fn squeezed(plain: &str) -> String {
    plain.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// How a text disguises its letters, if it does: characters that nobody sees, or words that mix ASCII with letters of other
/// scripts which look like ASCII.
pub(in crate::guard) fn disguise(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    if let Some(hidden) = text.chars().find(|c| is_invisible(*c)) {
        return Some(format!("holds the invisible character U+{:04X}", u32::from(hidden)));
    }
    let mixed = |word: &&str| {
        word.chars().any(|c| c.is_ascii_alphabetic())
            && word.chars().any(|c| !c.is_ascii() && c.is_alphabetic() && looks_ascii(c))
    };
    let word = text.split(|c: char| !c.is_alphanumeric()).find(mixed)?;
    Some(format!("mixes look-alike letters of several scripts in '{word}'"))
}

/// A letter of another script that looks like an ASCII letter; accents apart, which are honest.
fn looks_ascii(c: char) -> bool {
    let unfolded: Vec<char> =
        std::iter::once(c).nfkd().filter(|c| !is_combining_mark(*c)).collect();
    let honest = unfolded.iter().all(char::is_ascii) && !is_styled(c);
    !honest && unfolded.iter().all(|c| look(*c).is_ascii_alphabetic())
}

/// ASCII letters in fancy dress: fullwidth forms, and the mathematical alphabets.
fn is_styled(c: char) -> bool {
    matches!(u32::from(c), 0xFF21..=0xFF5A | 0x1D400..=0x1D7FF | 0x24B6..=0x24E9)
}

/// What a character looks like, where that is a single ASCII character; itself otherwise.
fn look(c: char) -> char {
    static LOOKS: LazyLock<Mutex<HashMap<char, char>>> = LazyLock::new(Mutex::default);
    if c.is_ascii() {
        return c;
    }
    if let Some(letter) = enclosed(c) {
        return letter;
    }
    let mut looks = LOOKS.lock().unwrap_or_else(PoisonError::into_inner);
    *looks.entry(c).or_insert_with(|| {
        let mut skeleton =
            unicode_security::skeleton(c.encode_utf8(&mut [0; 4])).collect::<Vec<_>>();
        match (skeleton.pop(), skeleton.pop()) {
            (Some(one), None) if one.is_ascii() => one,
            _ => c,
        }
    })
}

/// Letters in circles, squares and flags, upside down and in small capitals: forms that Unicode does not unfold.
fn enclosed(c: char) -> Option<char> {
    const TURNED: &str = "ɐqɔpǝɟƃɥᴉɾʞlɯuodbɹsʇnʌʍxʎz";
    const SMALL: &str = "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡxʏᴢ";
    let nth = |index: u32| u8::try_from(index).ok().map(|index| char::from(b'a' + index));
    let code = u32::from(c);
    for first in [0x1F130, 0x1F150, 0x1F170, 0x1F1E6] {
        if (first..first + 26).contains(&code) {
            return nth(code - first);
        }
    }
    if c.is_ascii() {
        return None;
    }
    let place = |alphabet: &str| alphabet.chars().position(|known| known == c);
    place(TURNED).or_else(|| place(SMALL)).and_then(|index| nth(u32::try_from(index).ok()?))
}

/// Characters that take no place: zero-width ones, directions, tags, variation selectors, the soft hyphen.
fn is_invisible(c: char) -> bool {
    matches!(
        u32::from(c),
        0xAD | 0x34F | 0x61C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F
            | 0x202A..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFEFF | 0xFFA0 | 0xE0000..=0xE0FFF
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_alikes_are_read_as_what_they_look_like() {
        // Cyrillic е and о, fullwidth, mathematical bold, a zero-width space, an accent.
        for disguised in ["mоdеl", "ｍｏｄｅｌ", "𝐦𝐨𝐝𝐞𝐥", "mo\u{200b}del", "mödel", "MODEL"]
        {
            assert_eq!(plain(disguised), "model", "{disguised:?}");
        }
    }

    #[test]
    fn disguises_are_told_from_honest_foreign_text() {
        for disguised in ["mоdеl", "ver\u{200b}ifier", "ｍｏdel", "𝐦odel", "scοre"] {
            assert!(disguise(disguised).is_some(), "{disguised:?}");
        }
        for honest in [
            "naïve",
            "5 µs",
            "Größe",
            "проверь файл",
            "Δx → 0",
            "“quoted” – dash",
            "日本語 text",
            "café",
        ] {
            assert_eq!(disguise(honest), None, "{honest:?}");
        }
    }
}
