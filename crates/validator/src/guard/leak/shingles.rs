//! Words in a row: what copied text has in common with its original (Broder, *On the resemblance and containment of documents*, 1997).

use super::ordinary::{is_content, is_word};

/// Words of a long shingle: so many in a row are a copy, however ordinary each is.
const LONG: usize = 7;
/// Words of the longest shingle, which needs least of them to carry content.
const LONGEST: usize = 8;
/// Pieces of a program between blanks, signs and all: so many in a row are copied code.
const PIECES: usize = 12;
/// So many of these must be more than keywords and small numbers: `for i in 1 2 3 4 5 6 7 8 9` is everybody's.
const OWN: usize = 6;
/// Words of a short shingle, which must hold a rare one.
const SHORT: usize = 5;

/// The shingles of a text in one spelling that would not occur in two texts by chance.
pub(super) fn shingles(plain: &str) -> Vec<String> {
    let words: Vec<&str> =
        plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let telling = |window: &&[&str]| {
        let content = window.iter().filter(|word| is_content(word)).count();
        let rare =
            window.iter().any(|word| !is_word(word) && !word.chars().all(|c| c.is_ascii_digit()));
        match window.len() {
            LONG => content >= 4,
            LONGEST => content >= 3,
            _ => content >= 3 && rare,
        }
    };
    let windows = words.windows(SHORT).chain(words.windows(LONG)).chain(words.windows(LONGEST));
    let numbers = words.windows(SHORT).filter(|window| is_series(window));
    windows.filter(telling).chain(numbers).map(|window| window.join(" ")).collect()
}

/// The shingles of a program's lines in one spelling, or of what may hold some of them.
pub(super) fn code_shingles(plain: &str) -> Vec<String> {
    plain
        .lines()
        .flat_map(|line| {
            let pieces: Vec<&str> = line.split_whitespace().collect();
            let own =
                |window: &&[&str]| window.iter().filter(|piece| !is_anybodys(piece)).count() >= OWN;
            pieces.windows(PIECES).filter(own).map(|window| window.join(" ")).collect::<Vec<_>>()
        })
        .collect()
}

/// Whether a piece of a program is a keyword of the shell, a small number or a single letter.
fn is_anybodys(piece: &str) -> bool {
    const KEYWORDS: [&str; 16] = [
        "for", "while", "until", "done", "then", "else", "elif", "esac", "case", "echo", "exit",
        "break", "sleep", "in", "do", "if",
    ];
    let bare = piece.trim_matches([';', '"', '\'']);
    KEYWORDS.contains(&bare)
        || bare.len() <= 2 && bare.chars().all(|c| c.is_ascii_digit())
        || bare.len() == 1 && bare.chars().all(char::is_alphabetic)
}

/// Numbers in a row that follow no rule which anybody would write down: neither all the same way apart, nor powers, nor round.
fn is_series(window: &[&str]) -> bool {
    let numbers: Option<Vec<i64>> = window.iter().map(|word| word.parse().ok()).collect();
    let Some(numbers) = numbers else { return false };
    let steps: Vec<i64> = numbers.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    let even = steps.iter().all(|step| *step == steps[0]);
    let grows = numbers.windows(2).all(|pair| pair[0] != 0 && pair[1] % pair[0] == 0);
    let small = numbers.iter().all(|number| (0..10).contains(number));
    let round = numbers.iter().filter(|number| *number % 10 == 0).count() >= 3;
    !even && !grows && !small && !round
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyday_phrases_make_no_shingle() {
        assert!(
            shingles("write the result to a file in the current directory")
                .iter()
                .all(|s| s.split(' ').count() >= LONG)
        );
        assert!(shingles("it is in the same place as it was").is_empty());
    }

    #[test]
    fn a_loop_that_everybody_writes_is_no_copied_code() {
        assert!(code_shingles("for i in 1 2 3 4 5 6 7 8 9 10; do nc").is_empty());
        let own = "for name in $names; do fold --quarter ledger.csv | sort -k2 > $out/$name";
        assert!(!code_shingles(own).is_empty());
    }

    #[test]
    fn a_copy_shares_shingles_whatever_its_punctuation() {
        let original = shingles("fold the ledger by quarter, then sort the remaining vouchers");
        let copy = shingles("please: fold the ledger by quarter then");
        assert!(copy.iter().any(|shingle| original.contains(shingle)));
    }
}
