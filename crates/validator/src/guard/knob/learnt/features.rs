//! What a text is made of, for a judge that weighs it: words, pairs of words, and the concepts that its words stand for.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

/// Concepts this many words apart are still about one another.
const NEAR_CONCEPTS: usize = 8;
/// A word and a concept.
const NEAR_WORD: usize = 6;

/// Words that turn what follows around.
const NEGATIONS: [&str; 13] = [
    "not",
    "never",
    "don",
    "no",
    "avoid",
    "cannot",
    "without",
    "nor",
    "instead",
    "forbidden",
    "rather",
    "neither",
    "refrain",
];

/// Phrases, as stems, with the concepts that they stand for.
static CONCEPTS: LazyLock<HashMap<Vec<String>, Vec<&'static str>>> = LazyLock::new(|| {
    let mut phrases: HashMap<Vec<String>, Vec<&'static str>> = HashMap::new();
    let lines = include_str!("concepts.txt").lines().filter(|line| !line.starts_with('#'));
    for (concept, phrase) in lines
        .filter_map(|line| line.split_once(':'))
        .flat_map(|(name, all)| all.split_whitespace().map(move |phrase| (name, phrase)))
    {
        let stems = phrase.split(['_', '-']).filter(|part| !part.is_empty()).map(stem).collect();
        phrases.entry(stems).or_default().push(concept);
    }
    phrases
});

/// The most words in a phrase.
const LONGEST_PHRASE: usize = 3;

/// One feature: its kind and what it is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Feature<'a> {
    kind: &'static str,
    first: &'a str,
    second: &'a str,
}

impl Feature<'_> {
    /// A number for it: FNV-1a over its parts, the same on every machine.
    pub(super) fn id(&self) -> u64 {
        let bytes = self.kind.bytes().chain([0]).chain(self.first.bytes()).chain([0]);
        bytes.chain(self.second.bytes()).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    /// The concepts that it is about, if it is a pair of two.
    pub(super) fn concepts(&self) -> Option<(&str, &str)> {
        (self.kind == "concepts").then_some((self.first, self.second))
    }
}

/// The numbers of all features of a text, each once, in order.
pub(super) fn ids(text: &str) -> Vec<u64> {
    let mut ids = BTreeSet::new();
    visit(text, &mut |feature| {
        ids.insert(feature.id());
    });
    ids.into_iter().collect()
}

/// The number of a word alone.
pub(super) fn word_id(word: &str) -> u64 {
    Feature { kind: "word", first: &stem(word), second: "" }.id()
}

/// Calls `found` with every feature of a text in one spelling; some more than once.
pub(super) fn visit(text: &str, found: &mut impl FnMut(Feature<'_>)) {
    let words: Vec<String> = words(text).iter().map(|word| stem(word)).collect();
    let concepts = concepts(&words);
    let negated = words.iter().any(|word| NEGATIONS.contains(&word.as_str()));
    let mut tell = |kind, first: &str, second: &str| found(Feature { kind, first, second });
    if let Some(first) = words.first() {
        tell("first", first, "");
    }
    if negated {
        tell("negated", "", "");
    }
    for word in &words {
        let number = word.starts_with(|c: char| c.is_ascii_digit());
        tell("word", if number { "#" } else { word }, "");
    }
    for pair in words.windows(2) {
        tell("words", &pair[0], &pair[1]);
    }
    for &(at, concept) in &concepts {
        tell("concept", concept, "");
        if negated {
            tell("not concept", concept, "");
        }
        for &(other, second) in &concepts {
            if at != other && concept <= second && at.abs_diff(other) <= NEAR_CONCEPTS {
                tell("concepts", concept, second);
                if negated {
                    tell("not concepts", concept, second);
                }
            }
        }
        let near = at.saturating_sub(NEAR_WORD)..words.len().min(at + NEAR_WORD + 1);
        for (_, word) in near.clone().zip(&words[near]).filter(|(place, _)| *place != at) {
            tell("word by concept", word, concept);
        }
    }
}

/// Words, numbers, and the signs that code is made of.
pub(super) fn words(text: &str) -> Vec<String> {
    let text = text.replace("n't", " not");
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for c in text.chars() {
        let kind = |c: char| (c.is_ascii_lowercase(), c.is_ascii_digit());
        match c {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() => match words.last_mut() {
                Some(word) if kind(before) == kind(c) => word.push(c),
                _ => words.push(c.to_string()),
            },
            '/' | '{' | '}' | '$' | '|' | '>' | '=' | ':' | ';' | '<' => words.push(c.to_string()),
            _ => {}
        }
        before = c;
    }
    words
}

/// Where each concept stands.
fn concepts(words: &[String]) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for at in 0..words.len() {
        for length in 1..=LONGEST_PHRASE.min(words.len() - at) {
            let named = CONCEPTS.get(&words[at..at + length]);
            found.extend(named.into_iter().flatten().map(|concept| (at, *concept)));
        }
    }
    found
}

/// Words whose end is no ending.
const WHOLE: [&str; 13] = [
    "is", "this", "its", "as", "was", "does", "has", "bypass", "access", "process", "less",
    "unless", "always",
];
const ENDINGS: [(&str, &str); 9] = [
    ("ies", "y"),
    ("sses", "ss"),
    ("ness", ""),
    ("ing", ""),
    ("ed", ""),
    ("es", "e"),
    ("s", ""),
    ("ly", ""),
    ("e", ""),
];

/// A word without its most common endings, so that `edits`, `edited` and `editing` are one.
fn stem(word: &str) -> String {
    if WHOLE.contains(&word) || matches!(word, "us" | "yes" | "pass" | "across") {
        return word.to_owned();
    }
    let cut = ENDINGS.iter().find_map(|(ending, instead)| {
        let bare = word.strip_suffix(ending).filter(|bare| bare.len() >= 3)?;
        Some((*ending, format!("{bare}{instead}")))
    });
    let mut stem = cut.as_ref().map_or_else(|| word.to_owned(), |(_, stem)| stem.clone());
    if cut.is_some_and(|(ending, _)| matches!(ending, "ing" | "ed")) && is_doubled(&stem) {
        stem.pop();
    }
    if stem.len() > 3 && stem.ends_with('e') {
        stem.pop();
    }
    if stem.len() > 3 && stem.ends_with('y') {
        stem.pop();
        stem.push('i');
    }
    stem
}

/// `stopp`, of `stopping`; `pass` and `fill` are as they are.
fn is_doubled(stem: &str) -> bool {
    let mut back = stem.chars().rev();
    let (last, before) = (back.next(), back.next());
    stem.len() > 3 && last == before && !matches!(last, Some('l' | 's'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms_of_a_word_are_one() {
        for forms in
            [["edit", "edits", "edited", "editing"], ["stop", "stops", "stopped", "stopping"]]
        {
            let stems: BTreeSet<String> = forms.iter().map(|form| stem(form)).collect();
            assert_eq!(stems.len(), 1, "{stems:?}");
        }
        assert_eq!(stem("policies"), stem("policy"));
    }

    #[test]
    fn every_phrase_can_be_met() {
        assert!(CONCEPTS.keys().all(|phrase| (1..=LONGEST_PHRASE).contains(&phrase.len())));
        assert!(CONCEPTS.keys().flatten().all(|stem| words(stem) == [stem.clone()]));
    }

    proptest! {
        #[test]
        fn features_are_the_same_whatever_stands_between_words(
            words in prop::collection::vec("[a-z]{1,9}", 1..12),
        ) {
            prop_assert_eq!(ids(&words.join(" ")), ids(&words.join(", ")));
        }

        #[test]
        fn any_text_has_features_in_order(text in "\\PC{0,80}") {
            prop_assert!(ids(&text).is_sorted_by(|a, b| a < b));
        }
    }
}
