//! The incumbent's side of every comparison of a round.

use harness_core::{Fingerprint, Harness, Incumbent, Result, RunHistory, Score, TaskName};

use crate::attempts::Attempts;
use crate::evidence::{GatingSplit, Tally};

/// The incumbent's trials: those of the assessment, and those bought beside candidates, which all of them share; with
/// what earlier rounds tell.
#[derive(Debug)]
pub(crate) struct Baseline<'a, H> {
    pub(crate) harness: &'a H,
    fingerprint: Fingerprint,
    history: &'a RunHistory,
    before: Vec<Fingerprint>,
    pub(crate) assessed: Attempts,
    pub(crate) beside: Attempts,
}

impl<'a, H: Harness> Baseline<'a, H> {
    /// # Errors
    /// A harness that breaks its contract (no fingerprint).
    pub(crate) fn of(incumbent: &Incumbent<'a, H>) -> Result<Self> {
        let mut assessed = Attempts::default();
        assessed.take(GatingSplit::HeldIn, incumbent.held_in.iter());
        assessed.take(GatingSplit::HeldOut, incumbent.held_out.iter());
        let (harness, history) = (incumbent.harness, incumbent.history);
        let fingerprint = harness.fingerprint()?;
        let mut before = history.incumbents();
        before.retain(|earlier| *earlier != fingerprint);
        Ok(Self { harness, fingerprint, history, before, assessed, beside: Attempts::default() })
    }

    /// The same without the trials beside candidates: those that accepted single edits do not judge their composition.
    pub(crate) fn afresh(&self) -> Self {
        Self {
            harness: self.harness,
            fingerprint: self.fingerprint,
            history: self.history,
            before: self.before.clone(),
            assessed: self.assessed.clone(),
            beside: Attempts::default(),
        }
    }

    /// This incumbent's attempts in earlier rounds.
    pub(crate) fn earlier(&self, task: &TaskName) -> Tally {
        tally(self.history.score(self.fingerprint, task))
    }

    /// Earlier incumbents' attempts.
    pub(crate) fn ancestors(&self, task: &TaskName) -> Tally {
        let scores = self.before.iter().map(|harness| tally(self.history.score(*harness, task)));
        scores.fold(Tally::default(), std::ops::Add::add)
    }
}

fn tally(score: Score) -> Tally {
    let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    Tally { passed: count(score.passed), scored: count(score.scored) }
}
