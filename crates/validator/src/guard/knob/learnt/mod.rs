//! A judge of sentences that learnt from examples what reaches for a knob, for what the rules have no words for.
//!
//! Rules know phrases. This judge knows what is usually said together: it weighs words, pairs of words, and pairs of concepts (the judge
//! of a trial, an answer, a limit, reading, faking ...), with weights fitted, when it is first asked, to the examples beside this file.
//! Examples and method are all there is: no weights are kept that might not belong to them (`docs/decisions/0065`).

mod features;
mod fit;

use std::sync::LazyLock;

use self::features::{Feature, ids, visit, word_id, words};
use self::fit::Linear;
use super::super::text::plain;

/// From this score on the only sentence of an edit is refused. Chosen with [`BAR_OF_MANY`] and [`BAR_OF_FEW`] by judging each author's
/// sets after learning from all others (`docs/guides/validation-strict.md`).
const BAR: f64 = 0.06;
/// Each doubling of the sentences that an edit brings lifts the bar by so much: of many, one is always the oddest.
const BAR_OF_MANY: f64 = 0.12;
/// A sentence with fewer known words than [`TELLING`] must be so much odder.
const BAR_OF_FEW: f64 = 0.1;
/// Known words, without filling words, that make a sentence tell enough.
const TELLING: usize = 4;
/// A sentence with fewer words that occur in any example says nothing.
const FEWEST_KNOWN: usize = 2;
/// Nor does one of whose words less than this share, in percent, occurs in any example: it is in no language that was learnt.
const KNOWN_SHARE: usize = 50;
/// The same for what does not stand there but is one way to decode it: most ways give no language.
const DECODED_SHARE: usize = 80;

/// Words that a telegram leaves out; every example is learnt with and without them.
const FILLERS: &str = "the a an of to in is are be it its that this so if when you your by for on at as and or with from has have was were will \
     may can do does any all";

static JUDGE: LazyLock<Linear> = LazyLock::new(|| {
    let all = examples().flat_map(|example| learnable(&example.text, example.refuse));
    Linear::fitted(&all.collect::<Vec<_>>())
});

/// A text to learn from.
struct Example {
    /// The heading that it stands under: who wrote it, or what it is about.
    #[cfg_attr(not(test), expect(dead_code, reason = "cross-validation leaves out an author"))]
    heading: &'static str,
    text: String,
    refuse: bool,
}

fn examples() -> impl Iterator<Item = Example> {
    let of = |all: &'static str, refuse| {
        let lines = all.lines().filter(|line| !line.is_empty()).scan("", move |heading, line| {
            let title = line.strip_prefix("# ");
            *heading = title.unwrap_or(heading);
            Some((title.is_none(), *heading, line))
        });
        lines.filter(|(is_text, ..)| *is_text).map(move |(_, heading, line)| Example {
            heading,
            text: plain(&line.replace("\\n", "\n")),
            refuse,
        })
    };
    of(include_str!("hostile.txt"), true).chain(of(include_str!("benign.txt"), false))
}

/// An example in both its forms, with filling words and without.
fn learnable(text: &str, refuse: bool) -> [(Vec<u64>, bool); 2] {
    [telegram(text).as_str(), text].map(|text| (ids(text), refuse))
}

fn telegram(line: &str) -> String {
    let fills = |word: &&str| is_filler(word.trim_matches(|c: char| !c.is_alphanumeric()));
    line.split_whitespace().filter(|word| !fills(word)).collect::<Vec<_>>().join(" ")
}

fn is_filler(word: &str) -> bool {
    FILLERS.split_whitespace().any(|filler| filler == word)
}

/// The sentences of a text in one spelling that are not part of what stood there before.
pub(super) fn new_sentences<'a>(text: &'a str, known: &[String]) -> Vec<&'a str> {
    let new = |sentence: &&str| !known.iter().any(|known| known.contains(sentence.trim()));
    text.lines().flat_map(sentences).filter(new).collect()
}

/// How odd a sentence must be to be refused, by how many an edit brings.
pub(super) fn bar(brought: usize) -> f64 {
    BAR + BAR_OF_MANY * doublings(brought)
}

/// The logarithm to the base of two, straight between its powers: the same on every machine.
fn doublings(count: usize) -> f64 {
    let count = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
    let whole = count.ilog2();
    f64::from(whole) + f64::from(count) / f64::from(1_u32 << whole) - 1.0
}

/// Why a text in one spelling is refused: the sentence that is most like the refused examples, if it is like them by more than `bar` and
/// `known` does not hold it already. `stands`: the text is what stands there, and not one way to read it.
pub(super) fn resemblance(text: &str, stands: bool, known: &[String], bar: f64) -> Option<String> {
    let scored = new_sentences(text, known).into_iter().filter_map(|sentence| {
        let score = score(&JUDGE, sentence, stands)?;
        (score > bar).then_some((score, sentence))
    });
    let (_, sentence) = scored.max_by(|one, two| one.0.total_cmp(&two.0))?;
    let about = about(sentence);
    let shown: String = sentence.trim().chars().take(80).collect();
    Some(format!("'{}' is like what reaches for {about}", shown.trim()))
}

/// How much a sentence is like the refused examples, less if it says little; `None` if it says nothing.
fn score(judge: &Linear, sentence: &str, stands: bool) -> Option<f64> {
    let (fewest, share) =
        if stands { (FEWEST_KNOWN, KNOWN_SHARE) } else { (FEWEST_KNOWN + 1, DECODED_SHARE) };
    let mut words = words(sentence);
    words.retain(|word| word.len() > 1 && word.starts_with(char::is_alphabetic));
    let known = words.iter().filter(|word| judge.knows(word_id(word))).count();
    let says = known >= fewest && known * 100 >= words.len() * share;
    if !says || sentence.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        return None;
    }
    words.retain(|word| !is_filler(word) && judge.knows(word_id(word)));
    words.sort_unstable();
    words.dedup();
    let few = if words.len() < TELLING { BAR_OF_FEW } else { 0.0 };
    Some(judge.score(&ids(sentence)) - few)
}

/// The pair of concepts that weighs most.
fn about(sentence: &str) -> String {
    let mut best: (f64, Option<String>) = (0.0, None);
    visit(sentence, &mut |feature: Feature<'_>| {
        let weight = JUDGE.weight(feature.id());
        if let Some((one, other)) = feature.concepts().filter(|_| weight > best.0) {
            best = (weight, Some(format!("a knob ({one}, {other})")));
        }
    });
    best.1.unwrap_or_else(|| "a knob".to_owned())
}

/// The sentences of a line that have words.
fn sentences(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut begin = 0;
    let mut chars = line.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let last = chars.peek().is_none_or(|(_, next)| next.is_whitespace());
        if last && matches!(c, '.' | '!' | '?' | ';') {
            found.push(&line[begin..=at]);
            begin = at + 1;
        }
    }
    found.push(&line[begin..]);
    found.retain(|part| part.chars().filter(char::is_ascii_lowercase).count() >= 2);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sets with ordinary texts, by their headings; each author is judged by what was learnt from all others.
    const AUTHORS: [&[&str]; 4] = [
        &["edits of somebody else, to learn from"],
        &["met as tenth"],
        &["met as eleventh"],
        &["met as twelfth"],
    ];

    /// Sentences of authors that were not learnt from: of ordinary ones beside seven others at most one in a hundred is refused; of hostile
    /// ones alone more than half are.
    #[test]
    fn strangers_are_judged_by_what_others_taught() {
        let (mut ordinary, mut alarms, mut hostile, mut refused) = (0, 0, 0, 0);
        for author in AUTHORS {
            let (own, others): (Vec<_>, Vec<_>) =
                examples().partition(|example| author.contains(&example.heading));
            let taught = others.iter().flat_map(|other| learnable(&other.text, other.refuse));
            let judge = Linear::fitted(&taught.collect::<Vec<_>>());
            for example in &own {
                let count = if example.refuse { 1 } else { 8 };
                let odd =
                    score(&judge, &example.text, true).is_some_and(|score| score > bar(count));
                let (seen, above) = if example.refuse {
                    (&mut hostile, &mut refused)
                } else {
                    (&mut ordinary, &mut alarms)
                };
                *seen += 1;
                *above += i32::from(odd);
            }
        }
        println!("ordinary: {alarms} of {ordinary} refused; hostile: {refused} of {hostile}");
        assert!(alarms * 100 <= ordinary, "{alarms} of {ordinary} ordinary sentences refused");
        assert!(refused * 2 > hostile, "{refused} of {hostile} hostile sentences refused");
    }

    #[test]
    fn the_bar_rises_by_doublings() {
        assert!(bar(1) == BAR && bar(0) == BAR);
        assert!((bar(8) - BAR - 3.0 * BAR_OF_MANY).abs() < 1e-12);
        assert!((1..200).all(|count| bar(count) < bar(count + 1)));
    }
}
