//! Refusals that need no trial.

mod change;
mod effect;
mod knob;
mod leak;
mod surface;
mod text;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use harness_core::{Decision, Error, ErrorKind, Harness, Proposal, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::leak::{Leak, LeakIndex, LeakIndexBuilder, LeakKind, Source};

use self::change::{Change, texts};
pub(crate) use self::effect::Effects;

/// What an edit must get past before it costs a trial.
///
/// Guards read what an edit *does*: the incumbent and the candidate as documents, never the proposal's words about it. In order: it applies;
/// it changes something; it stays within the declared surfaces and leaves their bounds alone; it does not have the effect of an earlier
/// proposal of the round, or of one that was rejected under the same harness; it stays within the caps on growth; it carries nothing of a
/// task ([`LeakIndex`]); and it reaches for no knob that is out of reach (model, decoding, limits, verifier, permissions, hooks and
/// includes), in whatever spelling or code.
///
/// They are a sieve, not a proof: whoever can say a thing in other words gets past a guard on words. What must hold whatever the text says (model,
/// limits, verifier and permissions are no surfaces) is kept by the harness and the sandbox.
#[derive(Clone, Debug)]
pub struct Guards {
    growth: Growth,
    memory: u32,
    leaks: Arc<LeakIndex>,
}

/// How much text may be added, in bytes of the harness as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Growth {
    /// By one edit.
    pub edit: usize,
    /// By all edits: no edit may make a harness longer than this, unless it makes it shorter than it was.
    pub harness: usize,
}

impl Default for Growth {
    /// Room for one long skill an edit, and for about twenty of them.
    fn default() -> Self {
        Self { edit: 6_000, harness: 100_000 }
    }
}

/// The guard that refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardKind {
    /// It does not apply to the incumbent.
    Invalid,
    /// It changes nothing.
    Unchanged,
    /// It changes what is no surface.
    Outside,
    /// It was tried already.
    Duplicate,
    /// It is too long.
    Growth,
    /// It reaches for what no edit may touch.
    Knob,
    /// It carries something of a task.
    Leak,
}

impl fmt::Display for GuardKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Invalid => "does not apply",
            Self::Unchanged => "no change",
            Self::Outside => "outside the surfaces",
            Self::Duplicate => "tried already",
            Self::Growth => "too long",
            Self::Knob => "out of reach",
            Self::Leak => "leak",
        })
    }
}

/// Why an edit is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The guard.
    pub guard: GuardKind,
    /// A sentence for a person.
    pub reason: String,
}

impl Refusal {
    fn new(guard: GuardKind, reason: impl Into<String>) -> Self {
        Self { guard, reason: reason.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.guard {
            GuardKind::Invalid | GuardKind::Unchanged | GuardKind::Duplicate => {
                f.write_str(&self.reason)
            }
            guard => write!(f, "{guard}: {}", self.reason),
        }
    }
}

/// A proposal after the static guards.
#[derive(Debug)]
pub(crate) enum Admission<H> {
    /// It may be tried: the incumbent with its edit.
    Candidate(H),
    /// It is refused, with the reason.
    Refused(Box<Decision>),
}

impl Default for Guards {
    /// No tasks are known, so nothing leaks; see [`Guards::with_leaks`].
    fn default() -> Self {
        Self { growth: Growth::default(), memory: 0, leaks: Arc::default() }
    }
}

impl Guards {
    /// The same with these caps.
    #[must_use]
    pub fn with_growth(mut self, growth: Growth) -> Self {
        self.growth = growth;
        self
    }

    /// The same, looking for what belongs to these tasks.
    #[must_use]
    pub fn with_leaks(mut self, leaks: impl Into<Arc<LeakIndex>>) -> Self {
        self.leaks = leaks.into();
        self
    }

    /// The same, with rejections that hold this many rounds more once the harness has changed. 0 by default: what did not help
    /// one harness may help the next.
    #[must_use]
    pub fn with_memory(mut self, rounds: u32) -> Self {
        self.memory = rounds;
        self
    }

    pub(crate) fn memory(&self) -> u32 {
        self.memory
    }

    /// The incumbent with the edit, or why it is refused.
    ///
    /// # Errors
    /// A harness that breaks its contract (no fingerprint, no JSON form); an edit that does not apply is a refusal.
    pub fn examine<H: Harness>(
        &self,
        incumbent: &H,
        edit: &H::Edit,
    ) -> Result<std::result::Result<H, Refusal>> {
        let candidate = match apply(incumbent, edit)? {
            Ok(candidate) => candidate,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if candidate.fingerprint()? == incumbent.fingerprint()? {
            return Ok(Err(unchanged()));
        }
        let refusal = self.content(incumbent, &candidate)?;
        Ok(refusal.map_or(Ok(candidate), Err))
    }

    /// Examines a round's proposals, each also beside those before it and those of earlier rounds.
    ///
    /// # Errors
    /// As [`Guards::examine`].
    pub(crate) fn admit<H: Harness>(
        &self,
        incumbent: &H,
        proposals: &[Proposal<H::Edit>],
        effects: &mut Effects,
    ) -> Result<Vec<Admission<H>>> {
        let admit = |proposal: &Proposal<H::Edit>| {
            let examined = self.examine(incumbent, &proposal.edit);
            let candidate = match examined
                .map_err(|error| error.while_doing(format!("examining {}", proposal.id)))?
            {
                Ok(candidate) => candidate,
                Err(refusal) => {
                    return Ok(Admission::Refused(Box::new(Decision::refuse(refusal.to_string()))));
                }
            };
            Ok(match effects.seen(candidate.fingerprint()?, &proposal.id) {
                Some(refusal) => {
                    Admission::Refused(Box::new(Decision::refuse(refusal.to_string())))
                }
                None => Admission::Candidate(candidate),
            })
        };
        proposals.iter().map(admit).collect()
    }

    /// The guards on what the edit does to the document.
    fn content<H: Harness>(&self, incumbent: &H, candidate: &H) -> Result<Option<Refusal>> {
        let (before, after) = (document(incumbent)?, document(candidate)?);
        let surfaces = incumbent.surfaces();
        let mut change = Change::between(&before, &after);
        let declared: BTreeSet<String> =
            surfaces.iter().flat_map(|surface| surface::properties(&surface.schema)).collect();
        change.keys = &change.keys - &declared;
        Ok(surface::outside(&surfaces, &candidate.surfaces(), &before, &change)
            .map(|why| Refusal::new(GuardKind::Outside, why))
            .or_else(|| self.grown(&before, &after).map(|why| Refusal::new(GuardKind::Growth, why)))
            .or_else(|| {
                self.leaked(&before, &after, &change)
                    .map(|leak| Refusal::new(GuardKind::Leak, format!("it carries {leak}")))
            })
            .or_else(|| knob::forbidden(&change).map(|why| Refusal::new(GuardKind::Knob, why)))
            // Last, for what a rule says is more exact than a resemblance.
            .or_else(|| knob::resembling(&change).map(|why| Refusal::new(GuardKind::Knob, why))))
    }

    fn grown(&self, before: &Value, after: &Value) -> Option<String> {
        let (before, after) = (before.to_string().len(), after.to_string().len());
        let Growth { edit, harness } = self.growth;
        let growth = after.saturating_sub(before);
        if growth > edit {
            return Some(format!("it adds {growth} bytes, more than {edit}"));
        }
        (growth > 0 && after > harness)
            .then(|| format!("the harness would have {after} bytes, more than {harness}"))
    }

    /// What of a task the candidate carries that the incumbent does not: in the changed texts hidden or not, and in all texts
    /// together as they stand, so that a leak in two instalments is one.
    fn leaked(&self, before: &Value, after: &Value, change: &Change) -> Option<Leak> {
        let whole = |document: &Value| self.leaks.verbatim(&texts(document).join("\n"));
        let mut brought: Vec<Leak> =
            change.texts.iter().flat_map(|text| self.leaks.leaks(text)).collect();
        brought.extend(whole(after));
        if brought.is_empty() {
            return None;
        }
        let old =
            texts(before).into_iter().flat_map(|text| self.leaks.leaks(&text)).chain(whole(before));
        let known: BTreeSet<(_, _)> = old.map(|leak| (leak.task, leak.kind)).collect();
        brought.into_iter().find(|leak| !known.contains(&(leak.task.clone(), leak.kind)))
    }
}

fn apply<H: Harness>(incumbent: &H, edit: &H::Edit) -> Result<std::result::Result<H, Refusal>> {
    match incumbent.apply(edit) {
        Ok(candidate) => Ok(Ok(candidate)),
        Err(error) if error.kind() == ErrorKind::Contract => {
            Err(error.while_doing("applying an edit"))
        }
        Err(error) => {
            let why = format!("the edit does not apply: {}", error.report());
            Ok(Err(Refusal::new(GuardKind::Invalid, why)))
        }
    }
}

fn unchanged() -> Refusal {
    Refusal::new(GuardKind::Unchanged, "the edit changes nothing")
}

fn document<H: Harness>(harness: &H) -> Result<Value> {
    serde_json::to_value(harness).map_err(|source| {
        Error::new(ErrorKind::Contract, "a harness has no JSON form").with_source(source)
    })
}
