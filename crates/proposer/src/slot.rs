//! Diversity by assignment: each of a round's questions gets a (weakness, surface, mechanism) triple of its own.

use harness_core::{
    Brief, Fingerprint, Harness, PastProposal, Result, Surface, SurfaceId, Verdict, Weakness,
    WeaknessId,
};
use serde::Serialize;

use crate::suggestion::{Suggestion, family, plain, suggestions};

/// What one question to the model is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Slot {
    /// The weakness to work on.
    pub weakness: WeaknessId,
    /// Where an edit is likely to help; `None` leaves the choice to the model.
    pub surface: Option<SurfaceId>,
    /// The kind of mechanism that it would be.
    pub mechanism_family: Option<&'static str>,
}

/// At most `brief.width` distinct slots. Weaknesses take turns, heaviest first; each offers its likeliest surfaces first,
/// then the model's own choice, then the surfaces left. A surface on which an edit against the same weakness, or by the
/// same mechanism, was rejected within the last `memory` rounds is passed over; one where an edit was promoted comes
/// after the others. `seed` orders what nothing else orders.
///
/// # Errors
/// None in practice.
pub fn assign<H: Harness>(brief: &Brief<'_, H>, memory: u32, seed: u64) -> Result<Vec<Slot>> {
    let mut queues = Vec::with_capacity(brief.weaknesses.len());
    for weakness in brief.weaknesses.iter().filter(|weakness| weakness.addressability > 0.0) {
        queues.push(candidates(brief, weakness, memory, seed)?.into_iter());
    }
    let mut slots = Vec::with_capacity(brief.width);
    while slots.len() < brief.width {
        let before = slots.len();
        for queue in &mut queues {
            slots.extend(queue.next());
        }
        if slots.len() == before {
            break;
        }
    }
    slots.truncate(brief.width);
    Ok(slots)
}

/// All slots of one weakness, likeliest first.
fn candidates<H: Harness>(
    brief: &Brief<'_, H>,
    weakness: &Weakness,
    memory: u32,
    seed: u64,
) -> Result<Vec<Slot>> {
    let open = |suggestion: &Suggestion| {
        let recent = |past: &PastProposal| brief.round.saturating_sub(past.round) <= memory;
        let mut rejected = brief.history.iter().filter(|past| past.verdict == Verdict::Reject);
        !rejected.any(|past| recent(past) && is_repeat(past, weakness, suggestion))
    };
    let settled = |suggestion: &Suggestion| {
        let mut promoted = brief.history.iter().filter(|past| past.verdict == Verdict::Promote);
        promoted.any(|past| touches(past, &suggestion.surface))
    };
    let table = suggestions(&weakness.signature.mechanism, &brief.surfaces);
    let others = shuffled_others(brief, weakness, &table, seed)?.into_iter().filter(open);
    let (late, early): (Vec<_>, Vec<_>) = table.into_iter().filter(open).partition(settled);
    let likely = early.into_iter().chain(late).map(Some);
    let slot = |suggestion: Option<Suggestion>| Slot {
        weakness: weakness.id.clone(),
        mechanism_family: suggestion.as_ref().map(|suggestion| suggestion.family),
        surface: suggestion.map(|suggestion| suggestion.surface),
    };
    Ok(likely.chain([None]).chain(others.map(Some)).map(slot).collect())
}

/// The surfaces that `table` does not name, in an order drawn from `seed`.
fn shuffled_others<H: Harness>(
    brief: &Brief<'_, H>,
    weakness: &Weakness,
    table: &[Suggestion],
    seed: u64,
) -> Result<Vec<Suggestion>> {
    let mut others: Vec<(Fingerprint, Suggestion)> = Vec::new();
    for Surface { id, .. } in &brief.surfaces {
        if table.iter().all(|suggested| suggested.surface != *id) {
            let draw = Fingerprint::of(&(seed, brief.round, &weakness.id, id))?;
            others.push((draw, Suggestion { surface: id.clone(), family: family(id) }));
        }
    }
    others.sort_by_key(|(draw, _)| *draw);
    Ok(others.into_iter().map(|(_, suggestion)| suggestion).collect())
}

/// Whether an edit of `suggestion` against `weakness` would repeat `past`: the same surface, and the same weakness or the
/// same mechanism.
fn is_repeat(past: &PastProposal, weakness: &Weakness, suggestion: &Suggestion) -> bool {
    touches(past, &suggestion.surface)
        && (past.proposal.weakness == weakness.id
            || plain(&past.proposal.mechanism) == plain(suggestion.family))
}

/// Whether an earlier proposal edited `surface` or a place in it.
fn touches(past: &PastProposal, surface: &SurfaceId) -> bool {
    is_at_or_below(past.proposal.surface.as_str(), surface.as_str())
}

/// Whether `place` is `surface`, or a JSON pointer into it.
fn is_at_or_below(place: &str, surface: &str) -> bool {
    place.strip_prefix(surface).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
