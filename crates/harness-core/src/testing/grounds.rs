//! A place to judge in, outside any run.

use crate::arena::Arena;
use crate::engine::EngineBuilder;
use crate::error::Result;
use crate::harness::Harness;
use crate::history::RunHistory;
use crate::id::{ProposalId, WeaknessId};
use crate::proposal::Proposal;
use crate::trial::{HeldIn, HeldOut, Trials};
use crate::validator::{Incumbent, Validator};
use crate::verdict::Judgement;

/// An incumbent with its fresh trials, and the arena in which candidates are judged against it: everything that a validator needs,
/// without the rest of an engine.
#[derive(Debug)]
pub struct Grounds<H: Harness> {
    harness: H,
    held_in: Trials<HeldIn>,
    held_out: Trials<HeldOut>,
    arena: Arena<H>,
    history: RunHistory,
}

impl<H: Harness> Grounds<H> {
    /// Assesses `harness`, which the builder's seed should be, in round 1.
    ///
    /// # Errors
    /// Those of [`EngineBuilder::arena`] and of running trials.
    pub async fn open(harness: H, builder: EngineBuilder<H>) -> Result<Self> {
        let arena = builder.arena(1).await?;
        let assessing = arena.assessing();
        let held_in = assessing.measure(&harness).await?;
        let held_out = assessing.measure(&harness).await?;
        Ok(Self { harness, held_in, held_out, arena, history: RunHistory::default() })
    }

    /// Where candidates are judged.
    pub fn arena(&self) -> &Arena<H> {
        &self.arena
    }

    /// The harness to beat.
    pub fn incumbent(&self) -> Incumbent<'_, H> {
        Incumbent {
            harness: &self.harness,
            held_in: &self.held_in,
            held_out: &self.held_out,
            weaknesses: &[],
            history: &self.history,
        }
    }

    /// A proposal of each edit, `p1`, `p2`, … in order.
    pub fn proposals(edits: impl IntoIterator<Item = H::Edit>) -> Vec<Proposal<H::Edit>> {
        let proposal = |(index, edit): (usize, H::Edit)| Proposal {
            id: ProposalId::new(format!("p{}", index + 1)),
            weakness: WeaknessId::new("w-given"),
            surface: H::surface_of(&edit),
            mechanism: "given".to_owned(),
            edit,
            rationale: String::new(),
            expected_to_mend: std::collections::BTreeSet::new(),
            risks: String::new(),
        };
        edits.into_iter().enumerate().map(proposal).collect()
    }

    /// What `validator` makes of these edits.
    ///
    /// # Errors
    /// Those of the validator.
    pub async fn judge(
        &self,
        validator: &dyn Validator<H>,
        edits: impl IntoIterator<Item = H::Edit>,
    ) -> Result<Judgement<H>> {
        validator.judge(&self.incumbent(), Self::proposals(edits), &self.arena).await
    }
}
