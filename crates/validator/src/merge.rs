//! Which of the accepted edits stay together.

use std::collections::BTreeSet;

/// Searches the subset of accepted edits to promote along their conflict graph: all that do not conflict with a better one, if they pass together,
/// else forward selection in the order of evidence, where each step must pass a gate of its own. Edits that conflict are never tried together: of
/// two, the better one stays. The first edit passed alone, so something always stays. Pure: the caller runs the attempts and tells how
/// they went.
///
/// ```
/// use harness_validator::{Composing, ForwardSelection};
///
/// let mut selection = ForwardSelection::new(3);
/// assert_eq!(selection.next(), Composing::Try(vec![0, 1, 2]));
/// selection.learn(false); // they conflict
/// assert_eq!(selection.next(), Composing::Try(vec![0, 1]));
/// selection.learn(false); // the second edit does
/// assert_eq!(selection.next(), Composing::Try(vec![0, 2]));
/// selection.learn(true);
/// assert_eq!(selection.next(), Composing::Keep(vec![0, 2]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardSelection {
    accepted: usize,
    conflicts: BTreeSet<(usize, usize)>,
    kept: Vec<usize>,
    candidate: Option<usize>,
    together: Option<bool>,
}

/// The next thing to do. Edits are numbered from 0 in the order of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Composing {
    /// Gate these together, then [`ForwardSelection::learn`].
    Try(Vec<usize>),
    /// The search is over: promote these.
    Keep(Vec<usize>),
}

impl ForwardSelection {
    /// A search over this many accepted edits.
    pub fn new(accepted: usize) -> Self {
        Self::along(accepted, [])
    }

    /// The same where these pairs cannot be in one harness, in any order.
    pub fn along(accepted: usize, conflicts: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let ordered = |(one, other): (usize, usize)| (one.min(other), one.max(other));
        let conflicts = conflicts.into_iter().map(ordered).collect();
        let selection =
            Self { accepted, conflicts, kept: vec![0], candidate: None, together: None };
        let alone = selection.all().len() < 2;
        Self { together: alone.then_some(true), ..selection }
    }

    /// What to do next; the same until [`learn`](Self::learn) is called.
    pub fn next(&self) -> Composing {
        match (self.together, self.candidate) {
            (None, _) => Composing::Try(self.all()),
            (Some(true), _) => Composing::Keep(self.all()),
            (Some(false), Some(candidate)) => Composing::Try(self.with(candidate)),
            (Some(false), None) => Composing::Keep(self.kept.clone()),
        }
    }

    /// Whether what [`next`](Self::next) wanted tried has passed.
    pub fn learn(&mut self, passed: bool) {
        match (self.together, self.candidate) {
            (None, _) => {
                self.together = Some(passed);
                self.candidate = self.worth_trying(1);
            }
            (Some(false), Some(candidate)) => {
                if passed {
                    self.kept.push(candidate);
                }
                self.candidate = self.worth_trying(candidate + 1);
            }
            _ => {}
        }
    }

    /// The next edit to add, from `first` on. All together have failed already.
    fn worth_trying(&self, first: usize) -> Option<usize> {
        let all = self.all();
        (first..self.accepted)
            .filter(|candidate| self.goes_with(*candidate, &self.kept))
            .find(|candidate| self.with(*candidate) != all)
    }

    fn goes_with(&self, candidate: usize, members: &[usize]) -> bool {
        members.iter().all(|member| {
            let pair = (candidate.min(*member), candidate.max(*member));
            !self.conflicts.contains(&pair)
        })
    }

    fn with(&self, candidate: usize) -> Vec<usize> {
        let mut members = self.kept.clone();
        members.push(candidate);
        members
    }

    /// Every edit that conflicts with none that is better and in it itself.
    fn all(&self) -> Vec<usize> {
        let mut members = Vec::new();
        for candidate in 0..self.accepted {
            if self.goes_with(candidate, &members) {
                members.push(candidate);
            }
        }
        members
    }

    /// How many attempts at a composition a search over `accepted` edits takes at most.
    pub fn worst_case(accepted: usize) -> usize {
        match accepted {
            0 | 1 => 0,
            2 => 1,
            more => more,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Runs a search against a world where a set passes exactly when `passes` says so.
    fn search(accepted: usize, passes: impl Fn(&[usize]) -> bool) -> (Vec<usize>, Vec<Vec<usize>>) {
        search_along(accepted, Vec::new(), passes)
    }

    fn search_along(
        accepted: usize,
        conflicts: Vec<(usize, usize)>,
        passes: impl Fn(&[usize]) -> bool,
    ) -> (Vec<usize>, Vec<Vec<usize>>) {
        let mut selection = ForwardSelection::along(accepted, conflicts);
        let mut tried = Vec::new();
        loop {
            match selection.next() {
                Composing::Keep(kept) => return (kept, tried),
                Composing::Try(members) => {
                    selection.learn(passes(&members));
                    tried.push(members);
                }
            }
        }
    }

    #[test]
    fn a_single_edit_needs_no_composition() {
        assert_eq!(search(1, |_| panic!("nothing to try")), (vec![0], vec![]));
    }

    #[test]
    fn two_edits_that_harm_each_other_keep_the_better_one() {
        assert_eq!(search(2, |_| false), (vec![0], vec![vec![0, 1]]));
    }

    proptest! {
        #[test]
        fn what_is_kept_passed_and_nothing_is_tried_twice(
            accepted in 1usize..6, failing in prop::collection::hash_set(0u32..64, 0..64),
        ) {
            let bits = |members: &[usize]| members.iter().map(|member| 1 << member).sum::<u32>();
            let passes = |members: &[usize]| !failing.contains(&bits(members));
            let (kept, tried) = search(accepted, passes);
            prop_assert!(kept.contains(&0));
            prop_assert!(kept == [0] || (passes(&kept) && tried.contains(&kept)));
            prop_assert!(tried.len() <= ForwardSelection::worst_case(accepted));
            for (index, members) in tried.iter().enumerate() {
                prop_assert!(!tried[..index].contains(members));
            }
        }

        #[test]
        fn edits_that_conflict_are_never_tried_together_and_the_others_are(
            accepted in 1usize..6,
            conflicts in prop::collection::vec((0usize..6, 0usize..6), 0..8),
            failing in prop::collection::hash_set(0u32..64, 0..64),
        ) {
            let conflicts: Vec<_> = conflicts.into_iter().filter(|(a, b)| a != b && a.max(b) < &accepted).collect();
            let bits = |members: &[usize]| members.iter().map(|member| 1 << member).sum::<u32>();
            let (kept, tried) = search_along(accepted, conflicts.clone(), |members| !failing.contains(&bits(members)));
            for members in tried.iter().chain([&kept]) {
                prop_assert!(conflicts.iter().all(|(a, b)| !(members.contains(a) && members.contains(b))));
            }
            prop_assert!(kept.contains(&0));
            prop_assert!(tried.len() <= ForwardSelection::worst_case(accepted));
            let (all, _) = search_along(accepted, conflicts.clone(), |_| true);
            let free = |edit: usize| all.iter().all(|member| !conflicts.contains(&(edit, *member)) && !conflicts.contains(&(*member, edit)));
            prop_assert!((0..accepted).all(|edit| all.contains(&edit) || !free(edit)), "nothing more could join");
        }

        #[test]
        fn edits_that_get_along_all_stay(accepted in 1usize..8) {
            let (kept, tried) = search(accepted, |_| true);
            prop_assert_eq!(kept.len(), accepted);
            prop_assert!(tried.len() <= 1);
        }
    }
}
