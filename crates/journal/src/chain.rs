//! The hash chain: each record's hash covers the one before it, so that an altered, missing or moved record shows.

use crate::row::{Entry, Place};

/// The hash of a record and of everything before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link([u8; 32]);

impl Link {
    /// What the first record follows.
    pub(crate) fn genesis() -> Self {
        Self(*blake3::hash(b"self-harness journal, version 1").as_bytes())
    }

    /// The link of a row, which follows this one. Every column is covered, each with its length in front, so that
    /// no byte can move from one to the next.
    pub(crate) fn next(self, place: &Place, entry: &Entry) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0).update(&place.seq.to_le_bytes()).update(&place.at.to_le_bytes());
        hasher.update(&entry.round.map_or(-1, i64::from).to_le_bytes());
        let subject = entry.subject.as_deref().unwrap_or_default();
        for text in [entry.kind.as_str(), subject, entry.body.as_str()] {
            hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
        // Rows without steps have the links that they had in version 1, which knew no others.
        if let Some(digest) = &place.steps {
            hasher.update(b"steps").update(digest);
        }
        Self(*hasher.finalize().as_bytes())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) fn to_hex(self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }

    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(|hash| Self(*hash.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::row::Row;

    fn row() -> impl Strategy<Value = Row> {
        let entry =
            (".{0,8}", proptest::option::of(0_u32..9), proptest::option::of(".{1,8}"), ".{0,40}")
                .prop_map(|(kind, round, subject, body)| Entry {
                    kind,
                    round,
                    subject,
                    body,
                    steps: None,
                });
        let place = (1_i64..9, 0_i64..9, proptest::option::of(any::<[u8; 32]>()))
            .prop_map(|(seq, at, steps)| Place { seq, at, steps });
        (place, entry).prop_map(|(place, entry)| Row { place, entry })
    }

    fn after(row: &Row) -> Link {
        Link::genesis().next(&row.place, &row.entry)
    }

    proptest! {
        #[test]
        fn different_rows_have_different_links(one in row(), other in row()) {
            let (a, b) = (after(&one), after(&other));
            prop_assert_eq!(one == other, a == b);
        }

        #[test]
        fn a_link_depends_on_what_came_before(one in row(), other in row()) {
            prop_assert_ne!(after(&one).next(&other.place, &other.entry), after(&other));
        }

        #[test]
        fn a_link_survives_both_of_its_forms(one in row()) {
            let link = after(&one);
            prop_assert_eq!(Link::from_bytes(link.as_bytes()), Some(link));
            prop_assert_eq!(Link::from_hex(&link.to_hex()), Some(link));
        }
    }
}
