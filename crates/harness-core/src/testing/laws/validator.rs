//! What every validator keeps, in worlds whose truth is known: a validator for any harness judges a [`WorldHarness`].

use std::fmt;

use super::{LawResult, Unkept, broken, ensure, laws_of, skipped};
use crate::engine::EngineConfig;
use crate::error::Result;
use crate::harness::Harness;
use crate::testing::{Grounds, World, WorldEdit, WorldHarness, WorldTask};
use crate::trial::SplitName;
use crate::validator::Validator;
use crate::verdict::{Judgement, Verdict};

laws_of! { $
    /// Expands every law of [`Validator`](crate::Validator) to a test of its own, in a module of the given name: `validator_laws!(name,
    /// block_on, factory)`, where `factory` gives a [`Fixture`](crate::testing::Fixture) of a
    /// [`ValidatorSeat`](crate::testing::laws::ValidatorSeat).
    validator_laws => validator [ValidatorSeat];
    every_proposal_gets_one_decision nothing_proposed_nothing_judged a_mended_benchmark_is_promoted
    identity_is_never_promoted worse_on_held_in_is_never_promoted worse_on_held_out_is_never_promoted
    trades_are_never_promoted edits_that_do_not_apply_are_rejected void_trials_decide_nothing
    clashing_edits_are_not_promoted_together composition_is_what_was_promoted promotion_shows_its_evidence
    same_evidence_same_verdict
}

/// A validator with how it wants to be run.
pub struct ValidatorSeat {
    /// The validator.
    pub validator: Box<dyn Validator<WorldHarness>>,
    /// Attempts at each task.
    pub attempts: u32,
    /// Tasks in each split.
    pub tasks: usize,
}

impl fmt::Debug for ValidatorSeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidatorSeat").field("validator", &self.validator).finish_non_exhaustive()
    }
}

impl ValidatorSeat {
    /// A validator before splits of 24 tasks, each attempted twice.
    pub fn new(validator: impl Validator<WorldHarness> + 'static) -> Self {
        Self { validator: Box::new(validator), attempts: 2, tasks: 24 }
    }

    async fn judge(
        &self,
        world: &World,
        edits: &[WorldEdit],
    ) -> Result<Judgement<WorldHarness>, Unkept> {
        let grounds = self.grounds(world).await?;
        Ok(grounds.judge(&*self.validator, edits.to_vec()).await?)
    }

    async fn grounds(&self, world: &World) -> Result<Grounds<WorldHarness>, Unkept> {
        let incumbent = WorldHarness::default();
        let config = EngineConfig { attempts: self.attempts, ..world.config() };
        let builder = world.engine(incumbent.clone())?.config(config);
        Ok(Grounds::open(incumbent, builder).await?)
    }

    /// Fails if any of the edits, or anything at all, was promoted.
    async fn promotes_nothing(&self, world: &World, edit: WorldEdit, what: &str) -> LawResult {
        let judgement = self.judge(world, &[edit]).await?;
        let promoted =
            judgement.judged.iter().any(|judged| judged.decision.verdict == Verdict::Promote);
        ensure!(!promoted && judgement.composed.is_none(), "{what} was promoted: {judgement:?}");
        Ok(())
    }

    /// Every task fails and every task is mended by `mend`, fully.
    fn mendable(&self) -> World {
        World::uniform(self.tasks, |_, _| WorldTask::new("", 0.0).moved_by("mend", 1.0))
    }
}

fn mend() -> WorldEdit {
    WorldEdit::new("mend", 1.0)
}

/// Every proposal gets one decision, in the order given.
pub async fn every_proposal_gets_one_decision(seat: &ValidatorSeat) -> LawResult {
    let edits =
        [mend(), WorldEdit::new("idle", 1.0), WorldEdit::new("", 1.0), WorldEdit::new("mend", 0.5)];
    let judgement = seat.judge(&seat.mendable(), &edits).await?;
    let judged: Vec<&str> =
        judgement.judged.iter().map(|judged| judged.proposal.id.as_str()).collect();
    ensure!(judged == ["p1", "p2", "p3", "p4"], "of p1 to p4 it judged {judged:?}");
    let edits_kept =
        judgement.judged.iter().zip(&edits).all(|(judged, edit)| judged.proposal.edit == *edit);
    ensure!(edits_kept, "an edit is not the one that was proposed");
    Ok(())
}

/// Without a proposal there is no decision and no promotion.
pub async fn nothing_proposed_nothing_judged(seat: &ValidatorSeat) -> LawResult {
    let judgement = seat.judge(&seat.mendable(), &[]).await?;
    let nothing = judgement.judged.is_empty() && judgement.composed.is_none();
    ensure!(nothing, "of nothing it made {judgement:?}");
    Ok(())
}

/// An edit that mends every task of both splits is promoted: a gate that never opens is none.
pub async fn a_mended_benchmark_is_promoted(seat: &ValidatorSeat) -> LawResult {
    let judgement = seat.judge(&seat.mendable(), &[mend()]).await?;
    let decision = judgement.judged.first().map(|judged| &judged.decision);
    let promoted = decision.is_some_and(|decision| decision.verdict == Verdict::Promote);
    ensure!(promoted && judgement.composed.is_some(), "0 to 1 on every task gave {decision:?}");
    Ok(())
}

/// An edit that changes nothing is never promoted, however lucky its trials are.
pub async fn identity_is_never_promoted(seat: &ValidatorSeat) -> LawResult {
    for base in [0.0, 0.5, 1.0] {
        let world = World::uniform(seat.tasks, |_, _| WorldTask::new("", base));
        seat.promotes_nothing(&world, WorldEdit::new("mend", 0.0), "an edit that changes nothing")
            .await?;
    }
    Ok(())
}

fn broken_on(split: SplitName, tasks: usize, mended_elsewhere: bool) -> World {
    World::uniform(tasks, |of, index| match (of == split, mended_elsewhere) {
        // One task in eight breaks; the others are as they were.
        (true, _) if index % 8 == 0 => WorldTask::new("", 1.0).moved_by("mend", -1.0),
        (true, _) => WorldTask::new("", 1.0),
        (false, true) => WorldTask::new("", 0.0).moved_by("mend", 1.0),
        (false, false) => WorldTask::new("", 0.5),
    })
}

/// An edit that breaks held-in tasks and helps nothing is never promoted.
pub async fn worse_on_held_in_is_never_promoted(seat: &ValidatorSeat) -> LawResult {
    let world = broken_on(SplitName::HeldIn, seat.tasks, false);
    seat.promotes_nothing(&world, mend(), "an edit that breaks held-in tasks").await
}

/// An edit that breaks held-out tasks and helps nothing is never promoted.
pub async fn worse_on_held_out_is_never_promoted(seat: &ValidatorSeat) -> LawResult {
    let world = broken_on(SplitName::HeldOut, seat.tasks, false);
    seat.promotes_nothing(&world, mend(), "an edit that breaks held-out tasks").await
}

/// Help on one split does not pay for harm on the other.
pub async fn trades_are_never_promoted(seat: &ValidatorSeat) -> LawResult {
    for split in [SplitName::HeldIn, SplitName::HeldOut] {
        let world = broken_on(split, seat.tasks, true);
        seat.promotes_nothing(
            &world,
            mend(),
            &format!("an edit that mends all but breaks {split} tasks"),
        )
        .await?;
    }
    Ok(())
}

/// An edit that does not apply is a rejection, and the others are judged as ever.
pub async fn edits_that_do_not_apply_are_rejected(seat: &ValidatorSeat) -> LawResult {
    let judgement = seat.judge(&seat.mendable(), &[WorldEdit::new("", 1.0), mend()]).await?;
    let verdicts: Vec<Verdict> =
        judgement.judged.iter().map(|judged| judged.decision.verdict).collect();
    let right = verdicts == [Verdict::Reject, Verdict::Promote];
    ensure!(right, "one that does not apply and one that mends all gave {verdicts:?}");
    Ok(())
}

/// Where most trials of a candidate are void, nothing is decided: neither for it nor against it.
pub async fn void_trials_decide_nothing(seat: &ValidatorSeat) -> LawResult {
    // Not all of them: that would be an outage, which ends the run.
    let world = World::uniform(seat.tasks, |_, index| {
        let task = WorldTask::new("", 0.0).moved_by("mend", 1.0);
        if index % 4 == 0 { task } else { task.voided_by("mend", 1.0) }
    });
    let judgement = seat.judge(&world, &[mend()]).await?;
    let verdict = judgement.judged.first().map(|judged| judged.decision.verdict);
    let open = verdict == Some(Verdict::Inconclusive) && judgement.composed.is_none();
    ensure!(open, "with three trials of four void the verdict is {verdict:?}");
    Ok(())
}

/// Edits that each help and together harm are not promoted together.
pub async fn clashing_edits_are_not_promoted_together(seat: &ValidatorSeat) -> LawResult {
    let world = World::uniform(seat.tasks, |_, index| {
        let task = WorldTask::new("", if index % 2 == 0 { 0.0 } else { 1.0 });
        match index % 4 {
            0 => task.moved_by("a", 1.0).moved_by("a*b", -2.0),
            2 => task.moved_by("b", 1.0).moved_by("a*b", -2.0),
            _ => task.moved_by("a*b", -2.0),
        }
    });
    let edits = [WorldEdit::new("a", 1.0), WorldEdit::new("b", 1.0)];
    let judgement = seat.judge(&world, &edits).await?;
    if let Some(composed) = &judgement.composed {
        let levels = &composed.harness.levels;
        ensure!(levels.len() < 2, "edits that clash were promoted together: {levels:?}");
    }
    Ok(())
}

/// What is composed is the incumbent with the promoted edits, in their order, and nothing else.
pub async fn composition_is_what_was_promoted(seat: &ValidatorSeat) -> LawResult {
    let world = World::uniform(seat.tasks, |_, index| match index % 2 {
        0 => WorldTask::new("", 0.0).moved_by("a", 1.0),
        _ => WorldTask::new("", 0.0).moved_by("b", 1.0),
    });
    let edits = [WorldEdit::new("a", 1.0), WorldEdit::new("idle", 1.0), WorldEdit::new("b", 1.0)];
    let judgement = seat.judge(&world, &edits).await?;
    let Some(composed) = &judgement.composed else {
        return skipped("of two edits that mend half of the tasks each, none was promoted");
    };
    ensure!(composed.decision.verdict == Verdict::Promote, "the composition itself did not pass");
    ensure!(!composed.proposals.is_empty(), "the composition has no proposals");
    let mut harness = WorldHarness::default();
    for id in &composed.proposals {
        let judged = judgement.judged.iter().find(|judged| judged.proposal.id == *id);
        let Some(judged) = judged else {
            return broken(format!("{id} is composed and was not judged"));
        };
        ensure!(
            judged.decision.verdict == Verdict::Promote,
            "{id} is composed and was not promoted"
        );
        harness = harness.apply(&judged.proposal.edit)?;
    }
    ensure!(
        harness == composed.harness,
        "the promoted edits give {harness:?}, not {:?}",
        composed.harness
    );
    Ok(())
}

/// A promotion names the trials behind it and their counts on both splits.
pub async fn promotion_shows_its_evidence(seat: &ValidatorSeat) -> LawResult {
    let judgement = seat.judge(&seat.mendable(), &[mend()]).await?;
    let Some(composed) = judgement.composed else { return skipped("nothing was promoted") };
    let Some(evidence) = composed.decision.evidence else {
        return broken("a promotion without evidence");
    };
    ensure!(!evidence.trials.is_empty(), "the evidence names no trials");
    for (split, pair) in [("held-in", evidence.held_in), ("held-out", evidence.held_out)] {
        let measured = pair.candidate.scored > 0 && pair.incumbent.scored > 0;
        ensure!(measured, "the evidence has no {split} counts: {pair:?}");
    }
    Ok(())
}

/// The same evidence and seed give the same decisions.
pub async fn same_evidence_same_verdict(seat: &ValidatorSeat) -> LawResult {
    let world = World::uniform(seat.tasks, |_, _| WorldTask::new("", 0.5).moved_by("mend", 0.2));
    let edits = [mend(), WorldEdit::new("mend", 2.0), WorldEdit::new("mend", -1.0)];
    let (first, second) = (seat.judge(&world, &edits).await?, seat.judge(&world, &edits).await?);
    let same = first.judged == second.judged
        && first.composed.map(|composed| composed.harness)
            == second.composed.map(|composed| composed.harness);
    ensure!(same, "first {:?}, then {:?}", first.judged, second.judged);
    Ok(())
}
