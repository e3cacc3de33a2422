//! What a run achieved, as one value that can be carried elsewhere: applied, taken back edit by edit, and verified.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::{self, DocumentEdit};
use crate::error::{Error, ErrorKind, Result};
use crate::harness::Harness;
use crate::id::{Fingerprint, ProposalId};
use crate::journal::RunIdentity;
use crate::lineage::Lineage;
use crate::trial::Spent;

/// The edits of a run that are in its final harness, each with its inverse, and what vouches for them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// 1. A later one is refused.
    pub format: u32,
    /// What made the run this run: model, tasks, verifier, limits, seed, gate, …
    pub identity: RunIdentity,
    /// The harness that the run began with.
    pub seed: Value,
    /// Its fingerprint.
    pub first: Fingerprint,
    /// The harness that it ended with.
    pub harness: Value,
    /// Its fingerprint.
    pub last: Fingerprint,
    /// The edits that lead from the one to the other, in order.
    pub edits: Vec<BundledEdit>,
    /// The journal that the edits were decided by.
    pub evidence: Evidence,
    /// What the run spent, calls of unknown outcome at their worst case.
    pub spent: Spent,
    /// The digest of all of the above.
    pub digest: Fingerprint,
}

/// An edit with the way back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledEdit {
    /// The proposal that brought it.
    pub proposal: ProposalId,
    /// The edit.
    pub edit: DocumentEdit,
    /// What takes it back, exactly.
    pub inverse: DocumentEdit,
    /// The harness after it.
    pub after: Fingerprint,
}

/// A journal, by its end: whoever has it can check that it is the one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// How many records it has.
    pub records: u64,
    /// The hash of the last one, which covers all before it; hexadecimal.
    pub chain: String,
}

/// What a bundle says of the run beside its lineage.
#[derive(Clone, Debug, Default)]
pub struct RunFacts {
    /// What made the run this run.
    pub identity: RunIdentity,
    /// The journal.
    pub evidence: Evidence,
    /// What it spent.
    pub spent: Spent,
}

impl Bundle {
    /// The format of this version.
    pub const FORMAT: u32 = 1;

    /// The bundle of a lineage.
    ///
    /// # Errors
    /// [`ErrorKind::Mismatch`] when the lineage's edits do not lead from its seed to its tip.
    pub fn of<H>(lineage: &Lineage<H>, facts: RunFacts) -> Result<Self>
    where
        H: Harness<Edit = DocumentEdit> + JsonSchema,
    {
        let mut harness = lineage.seed().clone();
        let mut edits = Vec::new();
        for promoted in lineage.retained()? {
            let applied = document::apply(&harness, &promoted.edit)?;
            harness = applied.document;
            edits.push(BundledEdit {
                proposal: promoted.proposal,
                edit: promoted.edit,
                inverse: applied.inverse,
                after: harness.fingerprint()?,
            });
        }
        let RunFacts { identity, evidence, spent } = facts;
        let mut bundle = Self {
            format: Self::FORMAT,
            identity,
            seed: json(lineage.seed())?,
            first: lineage.seed().fingerprint()?,
            harness: json(&harness)?,
            last: harness.fingerprint()?,
            edits,
            evidence,
            spent,
            digest: Fingerprint::of_bytes(&[]),
        };
        if bundle.last != lineage.tip().fingerprint()? {
            return Err(wrong("the lineage's edits do not lead to its tip"));
        }
        bundle.digest = bundle.content()?;
        Ok(bundle)
    }

    /// Reads a bundle and checks all that can be checked without the run.
    ///
    /// # Errors
    /// As [`Bundle::verify`]; [`ErrorKind::InvalidInput`] when the text is no bundle, or one of a later format.
    pub fn parse<H>(text: &str) -> Result<Self>
    where
        H: Harness<Edit = DocumentEdit> + JsonSchema,
    {
        let unreadable = |source: serde_json::Error| {
            Error::new(ErrorKind::InvalidInput, "this is no promotion bundle").with_source(source)
        };
        let value: Value = serde_json::from_str(text).map_err(unreadable)?;
        let format = value.get("format").and_then(Value::as_u64).unwrap_or_default();
        if format > u64::from(Self::FORMAT) {
            let message = format!(
                "the bundle has format {format}, and this program knows formats up to {}: use a newer program",
                Self::FORMAT
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let bundle: Self = serde_json::from_value(value).map_err(unreadable)?;
        bundle.verify::<H>()?;
        Ok(bundle)
    }

    /// Checks the digest, both harnesses, that the edits lead from the first to the last, and that their inverses lead back.
    ///
    /// # Errors
    /// [`ErrorKind::Mismatch`] naming what does not hold.
    pub fn verify<H>(&self) -> Result<()>
    where
        H: Harness<Edit = DocumentEdit> + JsonSchema,
    {
        if self.content()? != self.digest {
            return Err(wrong("the bundle is not what its digest says: it was damaged or altered"));
        }
        let seed: H = typed(&self.seed)?;
        if seed.fingerprint()? != self.first {
            return Err(wrong("the seed is not the harness that the bundle names"));
        }
        let last = self.apply(&seed)?;
        if last.fingerprint()? != self.last || json(&last)? != self.harness {
            return Err(wrong("the edits do not lead to the harness in the bundle"));
        }
        let back = self.revert(&last, self.edits.len())?;
        if back.fingerprint()? != self.first {
            return Err(wrong("the inverses do not lead back to the seed"));
        }
        Ok(())
    }

    /// The harness with all edits applied. It must be the one that the run began with.
    ///
    /// # Errors
    /// [`ErrorKind::Mismatch`] when it is another one, or an edit does not lead where the bundle says.
    pub fn apply<H>(&self, harness: &H) -> Result<H>
    where
        H: Harness<Edit = DocumentEdit> + JsonSchema,
    {
        if harness.fingerprint()? != self.first {
            return Err(wrong("the bundle's edits belong to another harness than this one"));
        }
        let mut harness = harness.clone();
        for edit in &self.edits {
            harness = document::apply(&harness, &edit.edit)?.document;
            if harness.fingerprint()? != edit.after {
                return Err(wrong(format!(
                    "the edit {} does not lead where the bundle says",
                    edit.proposal
                )));
            }
        }
        Ok(harness)
    }

    /// The harness with the last `count` edits taken back, the latest first. It must be the one that the run ended with.
    ///
    /// # Errors
    /// As [`Bundle::apply`].
    pub fn revert<H>(&self, harness: &H, count: usize) -> Result<H>
    where
        H: Harness<Edit = DocumentEdit> + JsonSchema,
    {
        if harness.fingerprint()? != self.last {
            return Err(wrong("this is not the harness that the bundle's edits lead to"));
        }
        let mut harness = harness.clone();
        for (index, edit) in self.edits.iter().enumerate().rev().take(count) {
            harness = document::apply(&harness, &edit.inverse)?.document;
            let before = match index {
                0 => self.first,
                index => self.edits[index - 1].after,
            };
            if harness.fingerprint()? != before {
                return Err(wrong(format!("the inverse of {} does not lead back", edit.proposal)));
            }
        }
        Ok(harness)
    }

    /// The digest of everything but itself.
    fn content(&self) -> Result<Fingerprint> {
        Fingerprint::of(&Self { digest: Fingerprint::of_bytes(&[]), ..self.clone() })
    }
}

fn json<T: Serialize>(value: &T) -> Result<Value> {
    serde_json::to_value(value)
        .map_err(|source| wrong("the harness has no JSON form").with_source(source))
}

fn typed<H: Harness>(value: &Value) -> Result<H> {
    serde_json::from_value(value.clone())
        .map_err(|source| wrong("the bundle's harness is not of this kind").with_source(source))
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Mismatch, message)
}
