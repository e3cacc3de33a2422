//! Sentences as words, with what each word does.

use super::lexicon::{Acts, NEGATIONS, TURNS, VERB_FORMS, is_among};

/// A sentence in one spelling.
#[derive(Debug)]
pub(super) struct Sentence {
    /// Its words, without plurals.
    pub(super) words: Vec<String>,
    /// What stands before each word: a comma, a colon, or a blank for anything else.
    pub(super) breaks: Vec<char>,
    /// Whether it is an item of a list that was introduced as what must not be done.
    pub(super) is_forbidden_list: bool,
}

/// The sentences of a plain text.
pub(super) fn sentences(plain: &str) -> Vec<Sentence> {
    let mut found = Vec::new();
    let mut forbidden = false;
    for line in plain.lines() {
        let item = line.trim_start().starts_with(['-', '*', '•', '+'])
            || line.trim_start().starts_with(|c: char| c.is_ascii_digit());
        forbidden &= item || line.trim().is_empty();
        for part in line.split(['.', '!', '?', ';']) {
            let sentence = Sentence::of(part, forbidden);
            if !sentence.words.is_empty() {
                found.push(sentence);
            }
        }
        if line.trim_end().ends_with(':') {
            let words = Sentence::of(line, false).words;
            let any = |list: &'static str| words.iter().any(|word| is_among(list, word));
            forbidden = any(NEGATIONS) && !any(TURNS);
        }
    }
    found
}

impl Sentence {
    fn of(text: &str, is_forbidden_list: bool) -> Self {
        let (mut words, mut breaks) = (Vec::new(), Vec::new());
        let (mut word, mut gap) = (String::new(), ' ');
        for c in text.chars().chain([' ']) {
            if c.is_alphanumeric() {
                word.push(c);
                continue;
            }
            if !word.is_empty() {
                words.push(singular(&std::mem::take(&mut word)));
                breaks.push(std::mem::replace(&mut gap, ' '));
            }
            match c {
                ',' | '—' | '–' | '(' | ')' => gap = ',',
                ':' => gap = ':',
                _ => {}
            }
        }
        Self { words, breaks, is_forbidden_list }
    }

    /// Acts whose last word is right before `end`: where they begin, and what they are.
    pub(super) fn acts_ending_at(&self, end: usize) -> impl Iterator<Item = (usize, Acts)> + '_ {
        (end.saturating_sub(4)..end).filter_map(move |begin| {
            let acts = self.forms(begin, end).map(|(acts, _)| acts).fold(0, |all, acts| all | acts);
            (acts != 0).then_some((begin, acts))
        })
    }

    /// What the word at `at` does, alone.
    pub(super) fn act_at(&self, at: usize) -> Acts {
        self.forms(at, at + 1).map(|(acts, _)| acts).fold(0, |all, acts| all | acts)
    }

    /// Whether the word at `at` does anything that matters.
    pub(super) fn is_act(&self, at: usize) -> bool {
        self.act_at(at) != 0
    }

    /// What the participle at `at` does, if it is one.
    pub(super) fn participle_at(&self, at: usize) -> Acts {
        (at + 1..=at + 4)
            .flat_map(|end| self.forms(at, end))
            .filter(|(_, participle)| *participle)
            .fold(0, |all, (acts, _)| all | acts)
    }

    fn forms(&self, begin: usize, end: usize) -> impl Iterator<Item = (Acts, bool)> + '_ {
        let words = self.words.get(begin..end).unwrap_or_default();
        let (head, rest) = match words.split_first() {
            Some((head, rest)) => (VERB_FORMS.get(head), rest),
            None => (None, words),
        };
        head.into_iter()
            .flatten()
            .filter(move |verb| {
                verb.rest.len() == rest.len()
                    && verb.rest.iter().zip(rest).all(|(want, word)| want == word)
            })
            .map(|verb| (verb.acts, verb.participle))
    }
}

/// A word without its plural.
fn singular(word: &str) -> String {
    match word {
        "gpt4" | "gpt5" | "gpt4o" => return "gpt".to_owned(),
        "is" | "this" | "its" | "bypass" | "access" | "process" | "s" | "as" | "was" | "does"
        | "has" | "whatever" | "always" | "towards" | "us" | "yes" | "across" | "less"
        | "unless" => {
            return word.to_owned();
        }
        _ => {}
    }
    if word.ends_with("ss") || word.len() < 4 {
        return word.to_owned();
    }
    word.strip_suffix('s').unwrap_or(word).to_owned()
}
