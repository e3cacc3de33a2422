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

/// From this score on a passage is refused. A lower bar refuses about as many more ordinary texts as hostile ones.
const BAR: f64 = 0.25;
/// Passages with more words than this are read sentence by sentence only.
const LONG: usize = 40;
/// A passage with fewer words that occur in any example says nothing.
const FEWEST_KNOWN: usize = 2;
/// Nor does one of whose words less than this share, in percent, occurs in any example: it is in no language that was learnt.
const KNOWN_SHARE: usize = 50;
/// The same for what does not stand there but is one way to decode it: most ways give no language.
const DECODED_SHARE: usize = 80;

/// Words that a telegram leaves out; every example is learnt with and without them.
const FILLERS: &str = "the a an of to in is are be it its that this so if when you your by for on at as and or with from has have was were will \
     may can do does any all";

static JUDGE: LazyLock<Linear> = LazyLock::new(|| {
    let of = |all: &'static str, refuse| {
        let lines = all.lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
        let spelled = lines.map(|line| plain(&line.replace("\\n", "\n")));
        let both = spelled.flat_map(|line| [telegram(&line), line]);
        both.map(move |line| (ids(&line), refuse))
    };
    let hostile = of(include_str!("hostile.txt"), true);
    Linear::fitted(&hostile.chain(of(include_str!("benign.txt"), false)).collect::<Vec<_>>())
});

fn telegram(line: &str) -> String {
    let fills = |word: &&str| {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        FILLERS.split_whitespace().any(|filler| filler == bare)
    };
    line.split_whitespace().filter(|word| !fills(word)).collect::<Vec<_>>().join(" ")
}

/// Why a text in one spelling is refused: the passage that is most like the refused examples, if it is like them enough and `known` does not
/// hold it already. `stands`: the text is what stands there, and not one way to read it.
pub(super) fn resemblance(text: &str, stands: bool, known: &[String]) -> Option<String> {
    let new = |passage: &String| !known.iter().any(|known| known.contains(passage.as_str()));
    let scored = passages(text).into_iter().filter(|passage| new(passage)).filter_map(|passage| {
        let score = score(&passage, stands)?;
        (score > BAR).then_some((score, passage))
    });
    let (_, passage) = scored.max_by(|one, two| one.0.total_cmp(&two.0))?;
    let about = about(&passage);
    let shown: String = passage.chars().take(80).collect();
    Some(format!("'{}' is like what reaches for {about}", shown.trim()))
}

/// How much a passage is like the refused examples; `None` if it says nothing.
fn score(passage: &str, stands: bool) -> Option<f64> {
    let (fewest, share) =
        if stands { (FEWEST_KNOWN, KNOWN_SHARE) } else { (FEWEST_KNOWN + 1, DECODED_SHARE) };
    let mut words = words(passage);
    words.retain(|word| word.len() > 1 && word.starts_with(char::is_alphabetic));
    let known = words.iter().filter(|word| JUDGE.knows(word_id(word))).count();
    let says = known >= fewest && known * 100 >= words.len() * share;
    (says && passage.chars().all(|c| !c.is_control() || c.is_whitespace()))
        .then(|| JUDGE.score(&ids(passage)))
}

/// The pair of concepts that weighs most.
fn about(passage: &str) -> String {
    let mut best: (f64, Option<String>) = (0.0, None);
    visit(passage, &mut |feature: Feature<'_>| {
        let weight = JUDGE.weight(feature.id());
        if let Some((one, other)) = feature.concepts().filter(|_| weight > best.0) {
            best = (weight, Some(format!("a knob ({one}, {other})")));
        }
    });
    best.1.unwrap_or_else(|| "a knob".to_owned())
}

/// What is read as one: each sentence, each two in a row, and a short text as a whole.
fn passages(text: &str) -> Vec<String> {
    let sentences: Vec<&str> = text.lines().flat_map(sentences).collect();
    let pairs = sentences.windows(2).map(|pair| pair.join(" "));
    let mut all: Vec<String> = sentences.iter().map(|one| (*one).to_owned()).chain(pairs).collect();
    if sentences.len() > 2 && words(text).len() <= LONG {
        all.push(sentences.join(" "));
    }
    all
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
