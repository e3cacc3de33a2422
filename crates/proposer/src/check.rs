//! What the host checks of an edit before it costs a single trial. Pure.

use std::collections::BTreeSet;

use harness_core::{
    Brief, Fingerprint, Harness, PastProposal, Proposal, ProposalId, Result, TaskName, Verdict,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::answer::{Answer, Drafted};
use crate::suggestion::plain;

/// What every edit of a round is checked against.
#[derive(Debug)]
pub(crate) struct Ground {
    incumbent: Fingerprint,
    size: usize,
    /// Every text of the incumbent in one, to tell what an edit brings from what was there.
    text: String,
    /// Harnesses that rejected edits would lead to from here.
    spurned: BTreeSet<Fingerprint>,
    growth: usize,
}

/// A proposal that holds on its own, and the harness that it leads to.
#[derive(Clone, Debug)]
pub(crate) struct Sound<E> {
    pub(crate) proposal: Proposal<E>,
    pub(crate) effect: Fingerprint,
}

/// A reading of one answer.
#[derive(Clone, Debug)]
pub(crate) enum Reading<E> {
    Declined(String),
    Sound(Box<Sound<E>>),
}

impl Ground {
    /// Prepares the checks: `growth` is by how many bytes an edit may lengthen the harness, `memory` for how many rounds a
    /// rejection holds once the harness has changed.
    pub(crate) fn of<H: Harness>(brief: &Brief<'_, H>, growth: usize, memory: u32) -> Result<Self> {
        let text = text_of(brief.incumbent);
        Ok(Self {
            incumbent: brief.incumbent.fingerprint()?,
            size: text.len(),
            text,
            spurned: spurned(brief, memory),
            growth,
        })
    }

    /// Reads an answer and checks it. The complaint is written for the model that may repair it.
    pub(crate) fn read<H: Harness>(
        &self,
        answer: &Value,
        brief: &Brief<'_, H>,
    ) -> std::result::Result<Reading<H::Edit>, String>
    where
        H::Edit: DeserializeOwned,
    {
        match Answer::read(answer)? {
            Answer::Declined(reason) => Ok(Reading::Declined(reason)),
            Answer::Proposed(draft) => self.sound(*draft, brief).map(Box::new).map(Reading::Sound),
        }
    }

    fn sound<H: Harness>(
        &self,
        draft: Drafted<H::Edit>,
        brief: &Brief<'_, H>,
    ) -> std::result::Result<Sound<H::Edit>, String> {
        let known = brief.weaknesses.iter().find(|weakness| weakness.id == draft.weakness);
        let weakness = known.ok_or_else(|| {
            let ids: Vec<&str> = brief.weaknesses.iter().map(|known| known.id.as_str()).collect();
            format!("\"weakness\" must be one of: {}", ids.join(", "))
        })?;
        let candidate = brief
            .incumbent
            .apply(&draft.edit)
            .map_err(|error| format!("the edit does not apply: {}", error.report()))?;
        let effect = self.effect(&candidate)?;
        self.refuse_task_names(&candidate, brief)?;
        Ok(Sound {
            effect,
            proposal: Proposal {
                id: ProposalId::new("unnumbered"),
                surface: H::surface_of(&draft.edit),
                expected_to_mend: &draft.expected_to_mend & &weakness.tasks,
                weakness: draft.weakness,
                mechanism: draft.mechanism,
                edit: draft.edit,
                rationale: draft.rationale,
                risks: draft.risks,
            },
        })
    }

    fn effect<H: Harness>(&self, candidate: &H) -> std::result::Result<Fingerprint, String> {
        let effect = candidate.fingerprint().map_err(|error| error.report())?;
        if effect == self.incumbent {
            return Err("the edit changes nothing".to_owned());
        }
        if self.spurned.contains(&effect) {
            return Err(
                "this very edit was tried before and rejected: find another, or decline".to_owned()
            );
        }
        let growth = text_of(candidate).len().saturating_sub(self.size);
        if growth > self.growth {
            let most = self.growth;
            return Err(format!(
                "the edit adds {growth} bytes to the harness; at most {most} are allowed"
            ));
        }
        Ok(effect)
    }

    /// A harness that knows its tasks by name has been fitted to them.
    fn refuse_task_names<H: Harness>(
        &self,
        candidate: &H,
        brief: &Brief<'_, H>,
    ) -> std::result::Result<(), String> {
        let text = text_of(candidate);
        let tasks =
            brief.weaknesses.iter().flat_map(|weakness| &weakness.tasks).chain(brief.passing);
        let mut named = tasks.map(TaskName::as_str).filter(|name| is_telling(name));
        match named.find(|name| text.contains(name) && !self.text.contains(name)) {
            Some(name) => Err(format!("the edit names the task '{name}': it must be general")),
            None => Ok(()),
        }
    }
}

/// Whether a task's name is no everyday word.
fn is_telling(name: &str) -> bool {
    name.len() >= 6 && !name.chars().all(char::is_alphabetic)
}

/// The harness as text.
fn text_of<H: Harness>(harness: &H) -> String {
    serde_json::to_string(harness).unwrap_or_default()
}

/// What rejected edits lead to from the present incumbent, where they still apply. A rejection fades once the harness has
/// changed since and `memory` rounds have gone by: what did not help then may help now.
fn spurned<H: Harness>(brief: &Brief<'_, H>, memory: u32) -> BTreeSet<Fingerprint> {
    let last_change = brief
        .history
        .iter()
        .filter(|past| past.verdict == Verdict::Promote)
        .map(|past| past.round)
        .max()
        .unwrap_or(0);
    let holds = |past: &&PastProposal| {
        past.verdict == Verdict::Reject
            && (past.round > last_change || brief.round.saturating_sub(past.round) <= memory)
    };
    let edits = brief.history.iter().filter(holds).map(|past| past.proposal.edit.clone());
    edits
        .filter_map(|edit| serde_json::from_value::<H::Edit>(edit).ok())
        .filter_map(|edit| brief.incumbent.apply(&edit).ok()?.fingerprint().ok())
        .collect()
}

/// What is left of a round's proposals, and what was dropped for which reason.
#[derive(Debug)]
pub(crate) struct Sifted<E> {
    pub(crate) kept: Vec<Proposal<E>>,
    pub(crate) dropped: Vec<(Proposal<E>, &'static str)>,
}

/// Keeps the first of each effect, and of each (weakness, surface, mechanism).
pub(crate) fn distinct<E>(sound: Vec<Sound<E>>) -> Sifted<E> {
    let mut sifted = Sifted { kept: Vec::new(), dropped: Vec::new() };
    let (mut effects, mut triples) = (BTreeSet::new(), BTreeSet::new());
    for Sound { proposal, effect } in sound {
        let mechanism = plain(&proposal.mechanism);
        let triple = (proposal.weakness.clone(), proposal.surface.clone(), mechanism);
        if !effects.insert(effect) {
            sifted.dropped.push((proposal, "another slot had an edit of the same effect"));
        } else if !triples.insert(triple) {
            let reason = "another slot had the same weakness, surface and mechanism";
            sifted.dropped.push((proposal, reason));
        } else {
            sifted.kept.push(proposal);
        }
    }
    sifted
}
