//! Measuring the incumbent: as often at each task as what is known of it leaves open.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Assessed, Drift, Engine};
use crate::arena::{Arena, Gating};
use crate::error::{Error, ErrorKind, Result};
use crate::harness::Harness;
use crate::id::TaskName;
use crate::task::Task;
use crate::trial::{HeldIn, HeldOut, Phase, Score, Split as _, SplitName, Trials};

/// The incumbent's fresh trials of one round.
pub(super) struct Assessment {
    pub(super) held_in: Trials<HeldIn>,
    pub(super) held_out: Trials<HeldOut>,
    /// How the attempts came out that every task got alike: tasks that got more would count for more.
    pub(super) level: Assessed,
    pub(super) drift: Vec<Drift>,
}

/// How often an assessment attempts each task.
struct Depth {
    /// Every task.
    all: u32,
    /// Those of which little is known.
    most: u32,
    /// Those of which enough is known for `all`; the others get `most`.
    known: BTreeSet<TaskName>,
}

impl<H: Harness> Engine<H> {
    /// Fresh trials of the incumbent on both splits that may be looked at.
    pub(super) async fn assess(&self, round: u32) -> Result<Assessment> {
        let depth = self.depth()?;
        let (held_in, level_in) = self.assess_split::<HeldIn>(round, &depth).await?;
        let (held_out, level_out) = self.assess_split::<HeldOut>(round, &depth).await?;
        require_any_scored(held_in.score(), HeldIn::NAME)?;
        require_any_scored(held_out.score(), HeldOut::NAME)?;
        let level = Assessed { held_in: level_in, held_out: level_out };
        Ok(Assessment { held_in, held_out, level, drift: self.drift()? })
    }

    /// All trials, and how those came out that every task got.
    async fn assess_split<S: Gating>(
        &self,
        round: u32,
        depth: &Depth,
    ) -> Result<(Trials<S>, Score)> {
        let tip = self.lineage.tip();
        let arena: Arena<H> = self.arena(round, Phase::Assess);
        let alike: Trials<S> = arena.trials(tip, arena.tasks::<S>(), 0..depth.all).await?;
        let level = alike.score();
        let little = |task: &&Arc<Task>| !depth.known.contains(&task.name);
        let short: Vec<Arc<Task>> = arena.tasks::<S>().iter().filter(little).cloned().collect();
        let further = self.arena(round, Phase::Deepen);
        let more: Trials<S> = further.trials(tip, &short, depth.all..depth.most).await?;
        let trials = alike.iter().chain(more.iter()).cloned().collect();
        Ok((Trials::new(trials)?, level))
    }

    /// [`EngineConfig::attempts`](super::EngineConfig::attempts), and where the record says as much, what the validator needs.
    fn depth(&self) -> Result<Depth> {
        let most = self.config.attempts;
        let least = self.validator.reassessment(most).clamp(1, most);
        let mut record = self.past.record(self.lineage.tip().fingerprint()?);
        record.retain(|_, record| least < most && record.says_as_much_as(most));
        let all = if record.is_empty() { most } else { least };
        Ok(Depth { all, most, known: record.into_keys().collect() })
    }
}

/// Where nobody could say anything, nothing is learnt.
pub(super) fn require_any_scored(score: Score, split: SplitName) -> Result<()> {
    if score.scored > 0 {
        return Ok(());
    }
    let message = format!("none of {} {split} trials could be scored", score.void);
    Err(Error::new(ErrorKind::Infrastructure, message))
}
