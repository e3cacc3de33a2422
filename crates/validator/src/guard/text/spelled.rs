//! What a text spells: letters turned by other amounts than thirteen, Morse, words for letters, first letters of lines.

/// Words for letters, as on the radio.
const RADIO: [&str; 26] = [
    "alfa", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett",
    "kilo", "lima", "mike", "november", "oscar", "papa", "quebec", "romeo", "sierra", "tango",
    "uniform", "victor", "whiskey", "xray", "yankee", "zulu",
];

const MORSE: [&str; 36] = [
    ".-", "-...", "-.-.", "-..", ".", "..-.", "--.", "....", "..", ".---", "-.-", ".-..", "--",
    "-.", "---", ".--.", "--.-", ".-.", "...", "-", "..-", "...-", ".--", "-..-", "-.--", "--..",
    "-----", ".----", "..---", "...--", "....-", ".....", "-....", "--...", "---..", "----.",
];

/// Fewer letters than this spell nothing.
const SHORTEST: usize = 6;

/// Everything that the text spells, with how.
pub(super) fn spelled(text: &str, is_word: impl Fn(&str) -> bool) -> Vec<(&'static str, String)> {
    let mut found = vec![
        ("radio alphabet", radio(text)),
        ("Morse code", morse(text)),
        ("first letters of lines", firsts(text.lines())),
        ("last letters of lines", lasts(text)),
        ("every other letter", alternate(text)),
    ];
    let parted: Vec<_> =
        found.iter().filter_map(|(how, text)| Some((*how, parted(text, &is_word)?))).collect();
    found.extend(parted);
    // Of the turned texts only those that came to make sense are readings.
    let sensible = |text: &String| {
        text.split(|c: char| !c.is_alphabetic())
            .any(|word| word.len() >= 5 && is_word(&word.to_ascii_lowercase()))
    };
    let turned = (1..26).filter(|by| *by != 13).map(|by| turned(text, by)).chain([mirrored(text)]);
    found.extend(turned.filter(sensible).map(|text| ("turned letters", text)));
    found.retain(|(_, text)| text.chars().filter(|c| c.is_alphanumeric()).count() >= SHORTEST);
    found
}

/// Letters without blanks as words, the fewest there can be.
fn parted(text: &str, is_word: impl Fn(&str) -> bool) -> Option<String> {
    const LONGEST: usize = 14;
    let text: String = text
        .chars()
        .filter(char::is_ascii_alphabetic)
        .take(200)
        .collect::<String>()
        .to_ascii_lowercase();
    // For each place, the fewest words up to it, and where the last of them begins.
    let mut best: Vec<Option<(usize, usize)>> = vec![Some((0, 0))];
    for end in 1..=text.len() {
        let words = (end.saturating_sub(LONGEST)..end).filter_map(|begin| {
            let word = &text[begin..end];
            let known = matches!(
                word,
                "a" | "to" | "of" | "in" | "it" | "is" | "on" | "by" | "up" | "at" | "no"
            ) || word.len() >= 3 && is_word(word);
            best[begin].filter(|_| known).map(|(count, _)| (count + 1, begin))
        });
        best.push(words.min());
    }
    let mut words = Vec::new();
    let mut end = text.len();
    while end > 0 {
        let (_, begin) = best[end]?;
        words.push(&text[begin..end]);
        end = begin;
    }
    words.reverse();
    (!words.is_empty()).then(|| words.join(" "))
}

fn radio(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let letter = |word: &str| {
        let word = match word {
            "alpha" => "alfa",
            "juliet" => "juliett",
            "whisky" => "whiskey",
            word => word,
        };
        ('a'..='z').zip(RADIO).find(|(_, known)| *known == word).map(|(letter, _)| letter)
    };
    longest_run(words.map(letter))
}

fn morse(text: &str) -> String {
    let letters = ('a'..='z').chain('0'..='9');
    let codes: Vec<_> = letters.zip(MORSE).collect();
    let code = |word: &str| codes.iter().find(|(_, code)| *code == word).map(|(letter, _)| *letter);
    let plain = text.replace(['·', '•'], ".").replace(['−', '–', '—'], "-").replace('/', " ");
    longest_run(plain.split_whitespace().map(code).collect::<Vec<_>>())
}

/// The letters of all runs of at least four, put together.
fn longest_run(letters: impl IntoIterator<Item = Option<char>>) -> String {
    let (mut all, mut run) = (String::new(), String::new());
    for letter in letters.into_iter().chain([None]) {
        match letter {
            Some(letter) => run.push(letter),
            None if run.len() >= 4 => all.push_str(&std::mem::take(&mut run)),
            None => run.clear(),
        }
    }
    all
}

fn firsts<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.filter_map(|line| line.chars().find(|c| c.is_alphanumeric())).collect()
}

fn lasts(text: &str) -> String {
    text.lines().filter_map(|line| line.chars().rev().find(|c| c.is_alphanumeric())).collect()
}

/// `sxaxlxvxaxgxe`: only where all other letters are the same, so that few texts have such a reading.
fn alternate(text: &str) -> String {
    let hidden = |word: &str| -> Option<String> {
        let chars: Vec<char> = word.chars().collect();
        let filler = *chars.get(1)?;
        let odd = chars.iter().skip(1).step_by(2).all(|c| *c == filler);
        (chars.len() >= 8 && odd).then(|| chars.iter().step_by(2).collect())
    };
    text.split_whitespace().filter_map(hidden).collect::<Vec<_>>().join(" ")
}

fn turned(text: &str, by: u8) -> String {
    let turn = |c: char, base: u8| char::from((c as u8 - base + by) % 26 + base);
    map_letters(text, |c| if c.is_ascii_lowercase() { turn(c, b'a') } else { turn(c, b'A') })
}

/// `a` for `z`, `b` for `y`.
fn mirrored(text: &str) -> String {
    let mirror = |c: char, base: u8| char::from(25 - (c as u8 - base) + base);
    map_letters(text, |c| if c.is_ascii_lowercase() { mirror(c, b'a') } else { mirror(c, b'A') })
}

fn map_letters(text: &str, map: impl Fn(char) -> char) -> String {
    text.chars().map(|c| if c.is_ascii_alphabetic() { map(c) } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelled_words_are_read() {
        let known = |word: &str| word == "verifier";
        for text in [
            "Victor Echo Romeo India Foxtrot India Echo Romeo",
            "...- . .-. .. ..-. .. . .-.",
            "very\nearly\nread\nin\nfull\nin\neach\nround",
            "yhulilhu",
            "evirurvi",
            "vxexrxixfxixexr",
        ] {
            let read = spelled(text, known);
            assert!(read.iter().any(|(_, read)| read.contains("verifier")), "{text}: {read:?}");
        }
    }
}
