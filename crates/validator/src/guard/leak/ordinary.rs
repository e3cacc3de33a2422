//! What everybody may say: words and terms of general technical writing.
//!
//! `words.txt` holds the words that occur in at least 0.8 % of 2,357 public documents (package READMEs, manual pages,
//! the guides of npm and Node.js), `terms.txt` the terms with digits or punctuation that occur in at least six of them; both with
//! a few hundred everyday words of advice, file names and terms added by hand, and with the names of what every shell has: builtins,
//! core utilities, variables of bash and awk; and with the words that ordinary texts use (a few hundred everyday ones, and what three or more
//! of the judge's ordinary examples have). `messages.txt` holds what systems say when something fails: the texts of `strerror`, of shells,
//! linkers and interpreters, and of HTTP statuses.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::guard::text::squeezed;

static WORDS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("words.txt").split_whitespace().collect());
static TERMS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("terms.txt").split_whitespace().collect());

/// Each without its separators.
static MESSAGES: LazyLock<Vec<String>> =
    LazyLock::new(|| include_str!("messages.txt").lines().map(squeezed).collect());

/// Words that carry grammar and no content.
const GRAMMAR: [&str; 64] = [
    "the", "and", "for", "are", "was", "were", "not", "but", "you", "your", "its", "with", "that",
    "this", "from", "into", "onto", "then", "than", "when", "where", "which", "while", "what",
    "who", "how", "all", "any", "each", "every", "some", "has", "have", "had", "will", "would",
    "shall", "should", "can", "could", "may", "might", "must", "does", "did", "done", "been",
    "being", "there", "their", "they", "these", "those", "them", "only", "also", "such", "same",
    "other", "over", "under", "after", "before", "per",
];

/// Numbers that stand for themselves: ports, unit factors, limits of types.
const NUMBERS: [&str; 25] = [
    "8080",
    "5432",
    "3306",
    "6379",
    "27017",
    "11211",
    "8443",
    "8081",
    "8888",
    "9090",
    "9200",
    "5672",
    "1883",
    "65535",
    "86400",
    "31536000",
    "44100",
    "48000",
    "32767",
    "2147483647",
    "4294967295",
    "1234",
    "12345",
    "123456",
    "123456789",
];

/// Whether a lower-case word is a common one.
pub(in crate::guard) fn is_word(word: &str) -> bool {
    word.len() < 3
        || WORDS.contains(word)
        || stem(word).is_some_and(|stem| WORDS.contains(stem.as_str()))
}

/// Whether a lower-case word carries content: no grammar word, three letters at least, and no number, which is a literal or nothing.
pub(super) fn is_content(word: &str) -> bool {
    word.len() >= 3 && !GRAMMAR.contains(&word) && word.contains(|c: char| c.is_alphabetic())
}

/// Whether a lower-case term, with its digits and punctuation, is a common one.
pub(super) fn is_term(term: &str) -> bool {
    TERMS.contains(term) || is_word(term)
}

/// Whether a text without separators is a message of every system, or a part of one.
pub(super) fn is_message(squeezed: &str) -> bool {
    MESSAGES.iter().any(|message| message.contains(squeezed))
}

/// Whether a number in digits is one that anybody may name: small, round, a power of two, a year, or known by itself.
pub(super) fn is_number(digits: &str) -> bool {
    let significant = digits.trim_end_matches('0').trim_start_matches('0');
    let value: Option<u64> = digits.parse().ok();
    digits.len() < 4
        || significant.len() <= 2
        || NUMBERS.contains(&digits)
        || value.is_some_and(|value| value.is_power_of_two() || (value + 1).is_power_of_two())
        || digits.len() == 4 && value.is_some_and(|year| (1900..2100).contains(&year))
        || digits.chars().all(|digit| digits.starts_with(digit))
}

/// A word without a common ending.
fn stem(word: &str) -> Option<String> {
    let cut = |end: &str, put: &str| {
        word.strip_suffix(end).filter(|rest| rest.len() >= 3).map(|rest| format!("{rest}{put}"))
    };
    let known =
        |stem: &Option<String>| stem.as_ref().is_some_and(|stem| WORDS.contains(stem.as_str()));
    [
        cut("ies", "y"),
        cut("es", ""),
        cut("s", ""),
        cut("ing", ""),
        cut("ing", "e"),
        cut("ed", ""),
        cut("ed", "e"),
        cut("ly", ""),
        cut("er", ""),
        cut("est", ""),
        cut("able", ""),
        cut("ness", ""),
        cut("ful", ""),
        cut("less", ""),
    ]
    .into_iter()
    .find(known)
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_speech_is_ordinary() {
        for word in ["directory", "checking", "quoted", "carefully", "retries", "ls"] {
            assert!(is_word(word), "{word}");
        }
        for word in ["swordfish", "zephyrus", "quokka"] {
            assert!(!is_word(word), "{word}");
        }
        assert!(is_term("utf-8") && is_term("requirements.txt") && !is_term("amber-falcon-72"));
    }

    #[test]
    fn what_a_system_says_is_nobodys() {
        for message in ["permission denied", "no such file", "Connection refused", "not found"] {
            assert!(is_message(&squeezed(&message.to_lowercase())), "{message}");
        }
        assert!(!is_message(&squeezed("permission of the ledger denied")));
    }

    #[test]
    fn numbers_that_anybody_may_name_are_told_from_answers() {
        for number in ["7", "100", "8080", "4096", "65536", "1999", "25000", "86400", "999"] {
            assert!(is_number(number), "{number}");
        }
        for number in ["48213", "3141", "90210", "1000003"] {
            assert!(!is_number(number), "{number}");
        }
    }
}
