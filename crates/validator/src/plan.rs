//! What a run may cost, and what it can find, before anything is spent.

mod bench;
mod outlook;

use serde::{Deserialize, Serialize};

pub use self::outlook::Outlook;

use crate::gate::{Gate, WorstCase};
use crate::merge::ForwardSelection;

/// The size of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Tasks of the mined split.
    pub held_in: u32,
    /// Tasks of the split that gates promotion.
    pub held_out: u32,
    /// Tasks of the split for the final claim.
    pub sealed: u32,
    /// Attempts at each task when a harness is measured.
    pub attempts: u32,
    /// Proposals a round, at most.
    pub width: u32,
    /// Rounds, at most.
    pub rounds: u32,
    /// Attempts at each sealed task, by first and last harness each.
    pub claim_attempts: u32,
    /// Tasks of both gating splits that show a proposal's weakness; `None` for a fifth of each split.
    #[serde(default)]
    pub targets: Option<u32>,
}

/// Trials at worst, and the smallest effects that can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// To measure the incumbent, over all rounds.
    pub assess: u64,
    /// To judge candidates one by one, over all rounds.
    pub judge: u64,
    /// To judge compositions, over all rounds.
    pub compose: u64,
    /// For the final claim.
    pub claim: u64,
    /// All of them: no run of this size takes more.
    pub total: u64,
    /// The smallest change in pass rate over all tasks of both gating splits that one judgement finds in four of five
    /// cases, if it is spread evenly; see [`smallest_effect`].
    pub smallest_effect: f64,
    /// The smallest change in pass rate *on the targeted tasks* ([`Plan::targets`]).
    pub smallest_targeted_effect: f64,
}

impl Plan {
    /// Counts for the worst case: every round makes `width` proposals, the gate never stops early and accepts each of
    /// them, and no composition passes.
    pub fn at_worst(&self, gate: &dyn Gate) -> Planned {
        let WorstCase { candidate, incumbent } = gate.worst_case(self.attempts);
        let tasks = self.tasks();
        let rounds = u64::from(self.rounds);
        let judged = |cases: u64| {
            // The incumbent's trials beside them are shared by all cases of a phase.
            let shared = if cases > 0 { u64::from(incumbent) } else { 0 };
            let each = cases.saturating_mul(u64::from(candidate)).saturating_add(shared);
            rounds.saturating_mul(tasks).saturating_mul(each)
        };
        let compositions = ForwardSelection::worst_case(self.width as usize) as u64;
        let assess = rounds.saturating_mul(tasks).saturating_mul(u64::from(self.attempts));
        let (judge, compose) = (judged(u64::from(self.width)), judged(compositions));
        let claim = self.claim();
        Planned {
            assess,
            judge,
            compose,
            claim,
            total: [judge, compose, claim].into_iter().fold(assess, u64::saturating_add),
            smallest_effect: smallest_effect(tasks, candidate),
            smallest_targeted_effect: smallest_effect(self.targeted(), candidate),
        }
    }
}

impl Plan {
    /// Trials of one candidate's judgement at worst, those of the incumbent beside it included: what each control takes.
    pub fn one_judgement(&self, gate: &dyn Gate) -> u64 {
        let WorstCase { candidate, incumbent } = gate.worst_case(self.attempts);
        self.tasks().saturating_mul(u64::from(candidate) + u64::from(incumbent))
    }

    /// Trials to measure a harness once.
    pub fn one_assessment(&self) -> u64 {
        self.tasks().saturating_mul(u64::from(self.attempts))
    }

    /// Tasks of both gating splits.
    fn tasks(&self) -> u64 {
        u64::from(self.held_in) + u64::from(self.held_out)
    }

    /// Tasks that show the targeted weakness.
    fn targeted(&self) -> u64 {
        bench::targets(self).count() as u64
    }

    /// Trials of the final claim.
    fn claim(&self) -> u64 {
        u64::from(self.sealed).saturating_mul(2).saturating_mul(u64::from(self.claim_attempts))
    }
}

/// The smallest change in mean pass rate over `tasks` that `attempts` attempts of both harnesses at each find in 80 % of
/// cases at one-sided level 5 %; at most 1, and 1 without tasks or attempts.
///
/// The usual normal approximation for a difference of two means: `(z_0.95 + z_0.80) · √(2 v / (tasks · attempts))` (Cohen,
/// *Statistical Power Analysis*, chapter 2), with `v` = 0.136 the mean variance of one attempt around its task's own
/// pass rate when pass rates are spread as Beta(0.6, 0.6). How hard the tasks are cancels by pairing. It is a guide: a
/// benchmark of tasks that always or never pass resolves finer, one of coin tosses (v = 0.25) coarser by a third.
#[expect(clippy::cast_precision_loss, reason = "counts of tasks are far below 2^52")]
pub fn smallest_effect(tasks: u64, attempts: u32) -> f64 {
    const Z_LEVEL: f64 = 1.644_854;
    const Z_POWER: f64 = 0.841_621;
    const WITHIN_TASK_VARIANCE: f64 = 0.136;
    let pairs = tasks as f64 * f64::from(attempts);
    if pairs <= 0.0 {
        return 1.0;
    }
    ((Z_LEVEL + Z_POWER) * (2.0 * WITHIN_TASK_VARIANCE / pairs).sqrt()).min(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gate::{GateKind, PaperGate};

    const PAPER_SIZE: Plan = Plan {
        held_in: 43,
        held_out: 21,
        sealed: 25,
        attempts: 2,
        width: 4,
        rounds: 4,
        claim_attempts: 2,
        targets: None,
    };

    /// It once panicked, or wrapped to a small number.
    #[test]
    fn a_plan_beyond_all_numbers_is_the_largest_number() {
        let all = u32::MAX;
        let endless =
            Plan { width: all, rounds: all, attempts: all, claim_attempts: all, ..PAPER_SIZE };
        for kind in [GateKind::Paper, GateKind::Sequential, GateKind::Strict] {
            assert_eq!(endless.at_worst(kind.gate().as_ref()).total, u64::MAX);
        }
    }

    #[test]
    fn the_papers_run_costs_what_one_counts_by_hand() {
        let planned = PAPER_SIZE.at_worst(&PaperGate::default());
        assert_eq!(planned.assess, 4 * 64 * 2);
        assert_eq!(planned.judge, 4 * 4 * 64 * 2);
        assert_eq!(planned.compose, 4 * 4 * 64 * 2);
        assert_eq!(planned.claim, 2 * 25 * 2);
        assert_eq!(planned.total, 512 + 2048 + 2048 + 100);
    }

    #[test]
    fn one_proposal_needs_no_composition() {
        let plan = Plan { width: 1, ..PAPER_SIZE };
        assert_eq!(plan.at_worst(GateKind::Sequential.gate().as_ref()).compose, 0);
    }

    #[test]
    fn the_smallest_effect_at_the_papers_size_is_about_eleven_points() {
        // 2.486 · √(0.272 / 128)
        assert!((smallest_effect(64, 2) - 0.1146).abs() < 1e-3);
        assert!((smallest_effect(0, 2) - 1.0).abs() < f64::EPSILON);
    }

    proptest! {
        #[test]
        fn as_many_tasks_are_targeted_as_there_are_and_as_were_asked_for(
            held_in in 1u32..60, held_out in 1u32..60, asked in 0u32..200,
        ) {
            let plan = Plan { held_in, held_out, targets: Some(asked), ..PAPER_SIZE };
            prop_assert_eq!(plan.targeted(), u64::from(asked.min(held_in + held_out)));
            let all: Vec<usize> = bench::targets(&plan).collect();
            prop_assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "each once: {all:?}");
            prop_assert!(all.iter().all(|index| *index < (held_in + held_out) as usize));
        }

        #[test]
        fn more_trials_find_smaller_effects(tasks in 1u64..500, attempts in 1u32..20) {
            prop_assert!(smallest_effect(tasks, attempts + 1) <= smallest_effect(tasks, attempts));
            prop_assert!(smallest_effect(tasks + 1, attempts) <= smallest_effect(tasks, attempts));
        }
    }
}
