//! The append-only history of promotions, from the seed harness to the tip.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::harness::Harness;
use crate::id::{Fingerprint, ProposalId};

/// A seed harness and every promotion since.
///
/// Replaying the edits from the seed gives the tip, fingerprint for fingerprint; [`Lineage::replay`] is
/// how a lineage is read back, and refuses one that does not.
#[derive(Clone, Debug)]
pub struct Lineage<H: Harness> {
    seed: H,
    tip: H,
    promotions: Vec<Promotion<H::Edit>>,
}

/// One step of a lineage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Promotion<E> {
    /// The round that decided it.
    pub round: u32,
    /// The harness before.
    pub parent: Fingerprint,
    /// The harness after.
    pub child: Fingerprint,
    /// The edits, in order of application.
    pub edits: Vec<PromotedEdit<E>>,
}

/// An edit that made it into the harness.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PromotedEdit<E> {
    /// The proposal that brought it.
    pub proposal: ProposalId,
    /// The edit.
    pub edit: E,
}

impl<H: Harness> Lineage<H> {
    /// A lineage without promotions.
    pub fn new(seed: H) -> Self {
        Self { tip: seed.clone(), seed, promotions: Vec::new() }
    }

    /// Rebuilds a lineage from its seed and its recorded promotions.
    ///
    /// # Errors
    /// [`ErrorKind::Mismatch`] where a promotion does not lead from its parent to its child.
    pub fn replay(seed: H, promotions: Vec<Promotion<H::Edit>>) -> Result<Self> {
        let mut lineage = Self::new(seed);
        for promotion in promotions {
            lineage.push(promotion)?;
        }
        Ok(lineage)
    }

    /// Where it began.
    pub fn seed(&self) -> &H {
        &self.seed
    }

    /// The incumbent.
    pub fn tip(&self) -> &H {
        &self.tip
    }

    /// All promotions, oldest first.
    pub fn promotions(&self) -> &[Promotion<H::Edit>] {
        &self.promotions
    }

    /// The promotion that `edits` would make.
    ///
    /// # Errors
    /// When an edit does not apply.
    pub fn promotion(
        &self,
        round: u32,
        edits: Vec<PromotedEdit<H::Edit>>,
    ) -> Result<Promotion<H::Edit>> {
        let child =
            edits.iter().try_fold(self.tip.clone(), |harness, edit| harness.apply(&edit.edit))?;
        Ok(Promotion { round, parent: self.tip.fingerprint()?, child: child.fingerprint()?, edits })
    }

    /// Appends a promotion after checking that it leads from the tip to what it says.
    ///
    /// # Errors
    /// [`ErrorKind::Mismatch`] when it does not; the lineage is unchanged then.
    pub fn push(&mut self, promotion: Promotion<H::Edit>) -> Result<()> {
        let round = promotion.round;
        let refuse = |what| {
            let message = format!(
                "the promotion of round {round} {what}: the lineage is not the recorded one"
            );
            Err(Error::new(ErrorKind::Mismatch, message))
        };
        if self.tip.fingerprint()? != promotion.parent {
            return refuse("starts from another harness than the tip");
        }
        let child = promotion
            .edits
            .iter()
            .try_fold(self.tip.clone(), |harness, edit| harness.apply(&edit.edit))?;
        if child.fingerprint()? != promotion.child {
            return refuse("does not lead to the harness it names");
        }
        self.tip = child;
        self.promotions.push(promotion);
        Ok(())
    }
}
