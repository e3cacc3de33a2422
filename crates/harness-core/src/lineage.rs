//! The append-only history of versions, from the seed harness to the tip.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::harness::Harness;
use crate::id::{Fingerprint, ProposalId};

/// A seed harness and every promotion since.
///
/// Replaying the edits from the seed gives the tip, fingerprint for fingerprint; [`Lineage::replay`] is
/// how a lineage is read back, and refuses one that does not. Nothing is ever taken out of it: going back to an earlier
/// version, or leaving an edit out, is a new step that says on which version it builds.
#[derive(Clone, Debug)]
pub struct Lineage<H: Harness> {
    /// The seed, and what each step led to.
    versions: Versions<H>,
    promotions: Vec<Promotion<H::Edit>>,
}

/// Harnesses with their fingerprints, oldest first. The seed keeps it from being empty.
#[derive(Clone, Debug)]
struct Versions<H> {
    seed: H,
    later: Vec<(Fingerprint, H)>,
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
    /// The version that the edits apply to, where that is not the parent: an earlier one, for a step that goes back to it or
    /// leaves some of the later edits out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Fingerprint>,
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
        Self { versions: Versions { seed, later: Vec::new() }, promotions: Vec::new() }
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
        &self.versions.seed
    }

    /// The incumbent.
    pub fn tip(&self) -> &H {
        self.versions.later.last().map_or(&self.versions.seed, |(_, tip)| tip)
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
        let child = applied(self.tip(), &edits)?.fingerprint()?;
        Ok(Promotion { round, parent: self.tip().fingerprint()?, child, base: None, edits })
    }

    /// The step that builds `edits` on an earlier version instead of the tip: without edits it goes back to that version.
    ///
    /// # Errors
    /// [`ErrorKind::Mismatch`] when there is no such version; when an edit does not apply.
    pub fn rebased(
        &self,
        round: u32,
        base: Fingerprint,
        edits: Vec<PromotedEdit<H::Edit>>,
    ) -> Result<Promotion<H::Edit>> {
        let child = applied(self.known(base)?, &edits)?.fingerprint()?;
        Ok(Promotion { round, parent: self.tip().fingerprint()?, child, base: Some(base), edits })
    }

    /// The version with this fingerprint.
    pub fn version(&self, fingerprint: Fingerprint) -> Option<&H> {
        let Versions { seed, later } = &self.versions;
        let found =
            later.iter().find(|(known, _)| *known == fingerprint).map(|(_, harness)| harness);
        found.or_else(|| (seed.fingerprint().ok() == Some(fingerprint)).then_some(seed))
    }

    /// Every version before the tip that is not the tip, each once, the seed first.
    ///
    /// # Errors
    /// A seed without a fingerprint.
    pub fn ancestors(&self) -> Result<Vec<Fingerprint>> {
        let tip = self.tip().fingerprint()?;
        let mut ancestors = Vec::new();
        let later = self.versions.later.iter().map(|(fingerprint, _)| *fingerprint);
        for version in std::iter::once(self.seed().fingerprint()?).chain(later) {
            if version != tip && !ancestors.contains(&version) {
                ancestors.push(version);
            }
        }
        Ok(ancestors)
    }

    /// The edits that are in the tip, in order of application from the seed.
    ///
    /// # Errors
    /// A seed without a fingerprint.
    pub fn retained(&self) -> Result<Vec<PromotedEdit<H::Edit>>> {
        let mut of_version = BTreeMap::from([(self.seed().fingerprint()?, Vec::new())]);
        for promotion in &self.promotions {
            let base = promotion.base.unwrap_or(promotion.parent);
            let mut edits = of_version.get(&base).cloned().unwrap_or_default();
            edits.extend(promotion.edits.iter().cloned());
            of_version.insert(promotion.child, edits);
        }
        Ok(of_version.remove(&self.tip().fingerprint()?).unwrap_or_default())
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
        if self.tip().fingerprint()? != promotion.parent {
            return refuse("starts from another harness than the tip");
        }
        let base = promotion.base.map_or(Ok(self.tip()), |base| self.known(base))?;
        let child = applied(base, &promotion.edits)?;
        if child.fingerprint()? != promotion.child {
            return refuse("does not lead to the harness it names");
        }
        self.versions.later.push((promotion.child, child));
        self.promotions.push(promotion);
        Ok(())
    }

    fn known(&self, version: Fingerprint) -> Result<&H> {
        self.version(version).ok_or_else(|| {
            let message = format!("the lineage has no version {}", version.short());
            Error::new(ErrorKind::Mismatch, message)
        })
    }
}

fn applied<H: Harness>(base: &H, edits: &[PromotedEdit<H::Edit>]) -> Result<H> {
    edits.iter().try_fold(base.clone(), |harness, edit| harness.apply(&edit.edit))
}
