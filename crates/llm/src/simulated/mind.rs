//! What a simulated model is inclined to in one attempt: which weaknesses act, which are mended by what it heard, whether it
//! slips. Pure: from the conversation and the dice.

use super::conversation::{Conversation, Outcome};
use super::dice::Dice;
use super::doses::*;
use super::notes::Note;
use super::playbook::Playbook;
use super::profile::Profile;
use super::script::Purpose;

/// One attempt's inclinations.
#[derive(Debug)]
pub(super) struct Mind<'a> {
    pub(super) conversation: &'a Conversation<'a>,
    pub(super) playbook: &'a Playbook,
    profile: Profile,
    task: Dice,
    attempt: Dice,
}

impl<'a> Mind<'a> {
    pub(super) fn new(
        conversation: &'a Conversation<'a>,
        playbook: &'a Playbook,
        profile: Profile,
        dice: &Dice,
        attempt: &str,
    ) -> Self {
        let task = dice.narrowed(&playbook.task);
        let attempt = task.narrowed(attempt);
        Self { conversation, playbook, profile, task, attempt }
    }

    /// Whether `weakness` acts in this attempt, and nothing that was heard so far mends it.
    pub(super) fn suffers(&self, weakness: Weakness) -> bool {
        self.is_inclined(weakness) && !self.is_mended(weakness)
    }

    /// Whether `weakness` acts unless something mends it.
    fn is_inclined(&self, weakness: Weakness) -> bool {
        if weakness == Weakness::DestroysInputs {
            return self.is_inclined(Weakness::RepeatsFailure);
        }
        let acts = self.profile.0.weaknesses.iter().find(|(known, _)| *known == weakness);
        acts.is_some_and(|(_, acts)| {
            let prone = self.task.happens(&format!("prone {weakness:?}"), acts.prone_share);
            let chance = if prone { acts.when_prone } else { acts.otherwise };
            self.attempt.happens(&format!("acts {weakness:?}"), chance)
        })
    }

    /// One number is drawn for an attempt and weakness, so more and better advice never mends less.
    fn is_mended(&self, weakness: Weakness) -> bool {
        let strength = self
            .conversation
            .heard
            .iter()
            .map(|(advice, source)| strength(weakness, *advice, *source));
        let strongest = strength.fold(0.0, f64::max) * self.conversation.attention();
        self.attempt.happens(&format!("heeds {weakness:?}"), strongest)
    }

    /// Whether the task is beyond this model, whatever the harness.
    pub(super) fn is_beyond(&self) -> bool {
        self.task.happens("beyond", self.profile.0.out_of_reach)
    }

    /// Whether the main part of the work is left out by mistake.
    pub(super) fn slips(&self) -> bool {
        let by_length =
            (self.conversation.excess() * SLIP_PER_THOUSAND).min(SLIP_BY_LENGTH_AT_MOST);
        let by_hurry = if self.hurries() { SLIP_BY_HURRY } else { 0.0 };
        let by_blindness = if self.is_blind() { SLIP_BY_BLINDNESS } else { 0.0 };
        self.attempt.happens("slips", self.profile.0.slip + by_length + by_hurry + by_blindness)
    }

    pub(super) fn hurries(&self) -> bool {
        self.conversation.heard(Advice::Hurry) && self.happens("hurries", HURRIES)
    }

    /// Whether the inspection came cut to little.
    fn is_blind(&self) -> bool {
        self.conversation.turns.iter().any(|turn| match (turn.note, turn.outcome) {
            (Note::Stanza(index, _), Outcome::Ran { shown: Some(shown), .. }) => {
                shown < SEEN_ENOUGH && self.purpose(index) == Some(Purpose::Inspect)
            }
            _ => false,
        })
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
        let tempted = self.task.happens("placeholder", PLACEHOLDER_TASKS)
            && self.happens("placeholder", chance);
        tempted
            && self.playbook.output_file().is_some()
            && self.conversation.count(Note::Finish) == 0
    }

    /// Whether a failing check makes it go back.
    pub(super) fn notices(&self) -> bool {
        match self.is_inclined(Weakness::FinishesOverFailure) {
            true => self.is_mended(Weakness::FinishesOverFailure),
            false => {
                self.is_mended(Weakness::FinishesOverFailure) || self.happens("notices", NOTICES)
            }
        }
    }

    /// Whether a control that stopped real work made it give up the rest.
    pub(super) fn conceded(&self) -> bool {
        let stopped = self.conversation.turns.iter().any(|turn| match turn.note {
            Note::Stanza(index, 0) => {
                turn.outcome == Outcome::Stopped && self.purpose(index) == Some(Purpose::Work)
            }
            _ => false,
        });
        stopped && self.happens("concedes", CONCEDES)
    }

    /// Something else that may happen in this attempt.
    pub(super) fn happens(&self, what: &str, chance: f64) -> bool {
        self.attempt.happens(what, chance)
    }

    pub(super) fn purpose(&self, index: usize) -> Option<Purpose> {
        self.playbook.stanzas.get(index).map(|stanza| stanza.purpose)
    }
}

fn strength(weakness: Weakness, advice: Advice, source: Source) -> f64 {
    let fit = FITS.iter().find(|(known, fits, _)| *known == weakness && *fits == advice);
    let place = SOURCES.iter().find(|(known, _, _)| *known == source);
    fit.zip(place).map_or(0.0, |((_, _, fit), (_, _, weight))| fit * weight)
}
