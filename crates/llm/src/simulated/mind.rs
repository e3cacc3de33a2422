//! What a simulated model is inclined to in one attempt: which weaknesses act, which are mended by what it heard, whether it
//! slips. Pure: from the conversation, the task's traits and the attempt's luck.

use super::conversation::{Conversation, Outcome, Turn};
use super::doses::*;
use super::luck::Luck;
use super::notes::Note;
use super::playbook::Playbook;
use super::profiles::Doses;
use super::script::Purpose;
use super::traits::Traits;

/// One attempt's inclinations.
#[derive(Debug)]
pub(super) struct Mind<'a> {
    pub(super) conversation: &'a Conversation<'a>,
    pub(super) playbook: &'a Playbook,
    pub(super) doses: &'static Doses,
    pub(super) traits: &'a Traits,
    pub(super) luck: Luck,
}

impl Mind<'_> {
    /// Whether `weakness` acts in this attempt, and nothing that was heard so far mends it. One number is drawn for an
    /// attempt and weakness, so more and better advice never mends less.
    pub(super) fn suffers(&self, weakness: Weakness) -> bool {
        let acts = self.activation(weakness);
        acts > 0.0
            && self
                .happens(&format!("suffers {weakness:?}"), acts * (1.0 - self.strength(weakness)))
    }

    /// How often `weakness` acts at this task when nothing mends it.
    fn activation(&self, weakness: Weakness) -> f64 {
        // Who repeats a failing call is on the way to clean up.
        if weakness == Weakness::DestroysInputs {
            return 1.0;
        }
        let acts = self.doses.weaknesses.iter().find(|(known, _)| *known == weakness);
        let is_prone = self.traits.prone.contains(&weakness);
        acts.map_or(0.0, |(_, acts)| if is_prone { acts.when_prone } else { acts.otherwise })
    }

    /// Share of the weakness's attempts that what was heard mends.
    fn strength(&self, weakness: Weakness) -> f64 {
        let heard = self.conversation.heard.iter();
        let told = heard.map(|(advice, source)| self.weight(*source) * fit(weakness, *advice));
        let stopped = self.conversation.stopped_at.iter();
        let stopped = stopped.map(|deed| interruption(weakness, *deed));
        told.chain(stopped).fold(0.0, f64::max)
    }

    /// How much of what is said in a place gets through to this model.
    fn weight(&self, source: Source) -> f64 {
        let place = SOURCES.iter().find(|(known, _, _)| *known == source);
        let weight = place.map_or(0.0, |(_, _, weight)| *weight);
        match source {
            Source::Interception => weight,
            _ => weight * self.doses.heeds_words * self.conversation.attention(),
        }
    }

    /// Whether the task is beyond this model, whatever the harness.
    pub(super) fn is_beyond(&self) -> bool {
        self.traits.is_beyond
    }

    /// Whether the work is left out by mistake.
    pub(super) fn slips(&self) -> bool {
        if self.suffers(Weakness::NeverChecks) && self.happens("unchecked", UNCHECKED_SLIP) {
            return true;
        }
        let heard = |advice| self.conversation.heard(advice);
        let understands = heard(Advice::UnderstandFirst);
        let care = if understands { 1.0 - UNDERSTANDS } else { 1.0 };
        let by_length =
            (self.conversation.excess() * SLIP_PER_THOUSAND).min(SLIP_BY_LENGTH_AT_MOST);
        let when = |applies: bool, chance: f64| if applies { chance } else { 0.0 };
        let others = when(self.hurries(), SLIP_BY_HURRY)
            + when(self.is_blind(), SLIP_BY_BLINDNESS)
            + when(understands && self.is_urged(), SLIP_BY_TORN)
            + when(self.is_rushed(), SLIP_BY_RUSH);
        self.happens("slips", self.doses.slip * care + by_length + others)
    }

    pub(super) fn hurries(&self) -> bool {
        self.conversation.heard(Advice::Hurry) && self.happens("hurries", HURRIES)
    }

    /// Told to begin at once.
    pub(super) fn is_urged(&self) -> bool {
        [Advice::ProduceEarly, Advice::ProduceBluntly, Advice::StopLooking]
            .into_iter()
            .any(|advice| self.conversation.heard(advice))
    }

    /// Whether a model was kept from what it does for good reason.
    fn is_rushed(&self) -> bool {
        let is_habit = |note| matches!(note, Note::Look | Note::Poll | Note::Study);
        let no_room = |turn: &Turn<'_>| {
            turn.note == Note::Cache
                && !matches!(turn.outcome, Outcome::Ran { succeeded: true, .. })
        };
        self.doses.looks > self.conversation.count(Note::Look)
            || self.was_stopped(is_habit)
            || self.conversation.turns.iter().any(no_room)
    }

    /// Whether the inspection came cut to little, or what was studied cut at all.
    fn is_blind(&self) -> bool {
        self.conversation.turns.iter().any(|turn| match (turn.note, turn.outcome) {
            (Note::Study, Outcome::Ran { cut, .. }) => cut,
            (Note::Stanza(index, _), Outcome::Ran { cut: true, shown, .. }) => {
                shown < SEEN_ENOUGH && self.purpose(index) == Some(Purpose::Inspect)
            }
            _ => false,
        })
    }

    /// Whether a flood of output took the thread.
    pub(super) fn is_drowned(&self) -> bool {
        self.conversation.last(Note::Flood).is_some_and(
            |turn| matches!(turn.outcome, Outcome::Ran { shown, .. } if shown > DROWNS),
        )
    }

    /// Whether an output without content is left as the answer.
    pub(super) fn fakes(&self) -> bool {
        let chance = if self.conversation.heard(Advice::Placeholder) {
            PLACEHOLDER
        } else if self.conversation.heard(Advice::ProduceBluntly) {
            PLACEHOLDER_BLUNT
        } else {
            return false;
        };
        self.traits.is_tempting
            && self.playbook.output_file().is_some()
            && self.happens("placeholder", chance)
    }

    /// Whether a failing check makes it go back.
    pub(super) fn notices(&self) -> bool {
        let chance = NOTICES.max(self.strength(Weakness::FinishesOverFailure));
        !self.suffers(Weakness::FinishesOverFailure) && self.happens("notices", chance)
    }

    /// Whether it checks its work: by habit, or because it was told or made to.
    pub(super) fn checks(&self) -> bool {
        let chance = self.doses.checks.max(self.strength(Weakness::NeverChecks));
        !self.hurries() && !self.suffers(Weakness::NeverChecks) && self.happens("checks", chance)
    }

    /// Whether a control that stopped real work made it give up the rest.
    pub(super) fn conceded(&self) -> bool {
        let is_work = |note| matches!(note, Note::Stanza(index, 0) if self.purpose(index) == Some(Purpose::Work));
        self.was_stopped(is_work) && self.happens("concedes", self.doses.concedes)
    }

    fn was_stopped(&self, is_meant: impl Fn(Note) -> bool) -> bool {
        let stopped = |outcome| outcome == Outcome::Stopped;
        self.conversation.turns.iter().any(|turn| stopped(turn.outcome) && is_meant(turn.note))
    }

    /// Something else that may happen in this attempt.
    pub(super) fn happens(&self, what: &str, chance: f64) -> bool {
        self.luck.happens(what, chance)
    }

    pub(super) fn purpose(&self, index: usize) -> Option<Purpose> {
        self.playbook.stanzas.get(index).map(|stanza| stanza.purpose)
    }
}

fn interruption(weakness: Weakness, deed: Deed) -> f64 {
    let mends = INTERRUPTIONS.iter().find(|(known, at, _)| *known == weakness && *at == deed);
    mends.map_or(0.0, |(_, _, share)| *share)
}

fn fit(weakness: Weakness, advice: Advice) -> f64 {
    let fit = FITS.iter().find(|(known, fits, _)| *known == weakness && *fits == advice);
    fit.map_or(0.0, |(_, _, fit)| *fit)
}
