//! What a task brings out in a model: drawn once for model and task, the same in every attempt and under every harness.

use super::dice::Dice;
use super::doses::{PLACEHOLDER_TASKS, Weakness};
use super::profiles::Doses;

/// One task's draws.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Traits {
    /// The weaknesses that the task brings out nearly always.
    pub(super) prone: Vec<Weakness>,
    /// Whether the task is beyond the model, whatever the harness.
    pub(super) is_beyond: bool,
    /// Whether an output without content looks like an answer.
    pub(super) is_tempting: bool,
}

impl Traits {
    /// What the task of these dice brings out.
    pub(super) fn of(task: &Dice, doses: &Doses) -> Self {
        let is_prone =
            |weakness: Weakness, share| task.happens(&format!("prone {weakness:?}"), share);
        let prone = doses
            .weaknesses
            .iter()
            .filter(|(weakness, acts)| is_prone(*weakness, acts.prone_share));
        Self {
            prone: prone.map(|(weakness, _)| *weakness).collect(),
            is_beyond: task.happens("beyond", doses.out_of_reach),
            is_tempting: task.happens("placeholder", PLACEHOLDER_TASKS),
        }
    }
}
