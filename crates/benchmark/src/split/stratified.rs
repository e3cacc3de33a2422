//! The split that nobody chose: stratified by category, decided by a seed.

use std::collections::BTreeMap;
use std::sync::Arc;

use harness_core::{Error, ErrorKind, Fingerprint, Result, SplitName, Task, TaskName};

use super::assignment::Assignment;

/// How the tasks of each category are shared out. Only the ratios matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proportions {
    /// Share that is mined.
    pub held_in: u32,
    /// Share that gates promotion.
    pub held_out: u32,
    /// Share kept for the final claim; 0 for none.
    pub sealed: u32,
}

impl Default for Proportions {
    /// 50, 30, 20.
    fn default() -> Self {
        Self { held_in: 50, held_out: 30, sealed: 20 }
    }
}

impl Proportions {
    fn of(self, split: SplitName) -> u128 {
        u128::from(match split {
            SplitName::HeldIn => self.held_in,
            SplitName::HeldOut => self.held_out,
            SplitName::Sealed => self.sealed,
        })
    }

    fn sum(self) -> u128 {
        SPLITS.map(|split| self.of(split)).iter().sum()
    }
}

const SPLITS: [SplitName; 3] = [SplitName::HeldIn, SplitName::HeldOut, SplitName::Sealed];

impl Assignment {
    /// Shares out `tasks`, category by category.
    ///
    /// - Each split gets its share of each category, give or take less than one task. The last rule may add one to that for
    ///   each split that it fills.
    /// - The order of `tasks` does not matter, the seed does.
    /// - A further task moves at most two others, both of its own category: within a category, tasks stand in the order of
    ///   their digests, and the borders between the splits are where a digest of the category puts them.
    /// - No split with a share is empty when there are as many tasks as such splits.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when held-in or held-out has no share.
    pub fn stratified(tasks: &[Arc<Task>], seed: u64, shares: Proportions) -> Result<Self> {
        if shares.held_in == 0 || shares.held_out == 0 {
            let message = "held-in and held-out both need a share of the tasks";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let mut strata: BTreeMap<&str, Vec<&TaskName>> = BTreeMap::new();
        for task in tasks {
            strata.entry(&task.category).or_default().push(&task.name);
        }
        let mut shared: Vec<Stratum<'_>> = strata
            .into_iter()
            .map(|(category, names)| Stratum::share(category, names, seed, shares))
            .collect();
        for split in SPLITS {
            if shares.of(split) > 0 {
                fill(&mut shared, split, shares);
            }
        }
        Ok(shared.iter().flat_map(Stratum::members).collect())
    }
}

/// One category: its tasks in the order of their digests, and how many of them go to each split.
struct Stratum<'a> {
    names: Vec<&'a TaskName>,
    counts: [usize; 3],
}

impl<'a> Stratum<'a> {
    fn share(category: &str, mut names: Vec<&'a TaskName>, seed: u64, shares: Proportions) -> Self {
        names.sort_by_key(|name| (digest(seed, &["task", category, name.as_str()]), *name));
        names.dedup();
        let offset = u128::from(digest(seed, &["category", category]).seed());
        let size = names.len() as u128;
        // The border after `share` parts of the whole, moved by the category's offset and rounded down: neighbouring
        // borders differ from the exact share by less than one, and over many categories the offsets even out.
        let border = |share: u128| {
            let exact = size * share * (1 << 64) / shares.sum();
            usize::try_from((exact + offset) >> 64).unwrap_or(usize::MAX).min(names.len())
        };
        let first = border(shares.of(SplitName::HeldIn));
        let second = border(shares.of(SplitName::HeldIn) + shares.of(SplitName::HeldOut));
        // Without a sealed share the last border is the end.
        let second = if shares.sealed == 0 { names.len() } else { second };
        let counts = [first, second - first, names.len() - second];
        Self { names, counts }
    }

    fn members(&self) -> impl Iterator<Item = (TaskName, SplitName)> {
        let splits = SPLITS.iter().zip(self.counts);
        let splits = splits.flat_map(|(split, count)| std::iter::repeat_n(*split, count));
        self.names.iter().map(|name| (*name).clone()).zip(splits)
    }

    /// How far a split's count is above its exact share, in parts of the shares' sum.
    #[expect(clippy::cast_possible_wrap, reason = "counts of tasks and shares are far below 2^63")]
    fn excess(&self, split: SplitName, shares: Proportions) -> i128 {
        let exact = self.names.len() as u128 * shares.of(split);
        (self.counts[index(split)] as u128 * shares.sum()) as i128 - exact as i128
    }
}

/// Gives `split` a task if it has none: from where it lacks most, by the split that has most too many there.
fn fill(strata: &mut [Stratum<'_>], split: SplitName, shares: Proportions) {
    let total = |strata: &[Stratum<'_>], split| -> usize {
        strata.iter().map(|stratum| stratum.counts[index(split)]).sum()
    };
    if total(strata, split) > 0 {
        return;
    }
    // A run needs both other splits, and can do without a sealed one.
    let needed = |donor| donor != SplitName::Sealed || split == SplitName::Sealed;
    let spare = SPLITS.map(|donor| total(strata, donor) > usize::from(needed(donor)));
    let candidates = strata.iter().enumerate().flat_map(|(at, stratum)| {
        SPLITS
            .into_iter()
            .filter(|donor| spare[index(*donor)] && stratum.counts[index(*donor)] > 0)
            .map(move |donor| {
                let lacks = -stratum.excess(split, shares);
                (stratum.excess(donor, shares) > 0, lacks, stratum.excess(donor, shares), at, donor)
            })
    });
    if let Some((.., at, donor)) = candidates.max() {
        strata[at].counts[index(donor)] -= 1;
        strata[at].counts[index(split)] += 1;
    }
}

fn index(split: SplitName) -> usize {
    SPLITS.iter().position(|it| *it == split).unwrap_or(0)
}

fn digest(seed: u64, parts: &[&str]) -> Fingerprint {
    Fingerprint::of_bytes(format!("{seed}\0{}", parts.join("\0")).as_bytes())
}
