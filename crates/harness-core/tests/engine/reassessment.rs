//! How often an incumbent is measured: by all attempts at tasks of which little is known, by what the validator needs at others.

use std::collections::BTreeSet;

use async_trait::async_trait;
use harness_core::testing::{ScriptedValidator, ToyEdit, ToyHarness};
use harness_core::{
    Arena, Decision, Finding, Incumbent, Judged, Judgement, Phase, Proposal, Result, TaskName,
    Validator,
};

use crate::setting::{Setting, learn, trials};

/// Judges as another validator does, and is content with so many attempts at an incumbent that stood.
#[derive(Debug)]
struct Content(ScriptedValidator<ToyHarness>, u32);

#[async_trait]
impl Validator<ToyHarness> for Content {
    async fn judge(
        &self,
        incumbent: &Incumbent<'_, ToyHarness>,
        proposals: Vec<Proposal<ToyEdit>>,
        arena: &Arena<ToyHarness>,
    ) -> Result<Judgement<ToyHarness>> {
        self.0.judge(incumbent, proposals, arena).await
    }

    fn reassessment(&self, _attempts: u32) -> u32 {
        self.1
    }
}

/// Trials that assessed the incumbent, by round. The pool's edits promote one in the second round.
fn assessed(attempts: u32) -> Vec<usize> {
    let setting = Setting::default();
    let content = Content(ScriptedValidator::counting(), attempts);
    setting.clock.block_on(async {
        let mut engine = setting.builder().validator(content).build().await.unwrap();
        engine.run().await.unwrap()
    });
    let of_round = |round: u32| {
        let records = setting.records();
        let assessing = trials(&records).into_iter().filter(|trial| {
            let replicate = trial.key.replicate;
            replicate.round == round && replicate.phase == Phase::Assess
        });
        assessing.count()
    };
    (1..=3).map(of_round).collect()
}

#[test]
fn an_incumbent_that_stood_is_measured_by_what_the_validator_needs_and_a_new_one_by_all() {
    assert_eq!(assessed(1), [12, 6, 12]);
    assert_eq!(assessed(2), [12, 12, 12]);
}

#[test]
fn no_validator_can_ask_for_no_attempt_or_for_more_than_the_operator_gave() {
    assert_eq!(assessed(0), assessed(1));
    assert_eq!(assessed(9), assessed(2));
}

/// Promotes in the third round, and says that every edit is aimed at these tasks.
#[derive(Debug)]
struct Aiming(Content, BTreeSet<TaskName>);

#[async_trait]
impl Validator<ToyHarness> for Aiming {
    async fn judge(
        &self,
        incumbent: &Incumbent<'_, ToyHarness>,
        proposals: Vec<Proposal<ToyEdit>>,
        arena: &Arena<ToyHarness>,
    ) -> Result<Judgement<ToyHarness>> {
        if arena.round() != 3 {
            let refuse = |proposal| Judged { proposal, decision: Decision::refuse("not yet") };
            let judged = proposals.into_iter().map(refuse).collect();
            return Ok(Judgement { judged, composed: None });
        }
        let mut judgement = self.0.judge(incumbent, proposals, arena).await?;
        for judged in &mut judgement.judged {
            let finding = Finding { aimed_at: self.1.clone(), ..Finding::default() };
            judged.decision.finding = Some(Box::new(finding));
        }
        Ok(judgement)
    }

    fn reassessment(&self, attempts: u32) -> u32 {
        Validator::<ToyHarness>::reassessment(&self.0, attempts)
    }
}

#[test]
fn a_new_incumbent_is_measured_by_all_attempts_only_where_its_edits_were_aimed() {
    let mut setting = Setting::default();
    (setting.config.rounds, setting.config.dry_rounds) = (4, 4);
    setting.pool = vec![learn("sort"), learn("grep")];
    let aims = BTreeSet::from([TaskName::new("in-sort"), TaskName::new("out-grep")]);
    let validator = Aiming(Content(ScriptedValidator::counting(), 1), aims.clone());
    let rounds = setting.clock.block_on(async {
        let mut engine = setting.builder().validator(validator).build().await.unwrap();
        engine.run().await.unwrap();
        engine.rounds().to_vec()
    });
    assert!(rounds[2].tip != rounds[2].incumbent && rounds[3].incumbent == rounds[2].tip);
    let records = setting.records();
    let of = |round: u32, phase: Phase| -> Vec<TaskName> {
        let all = trials(&records).into_iter().filter(|trial| {
            let replicate = trial.key.replicate;
            (replicate.round, replicate.phase) == (round, phase)
        });
        all.map(|trial| trial.key.task.clone()).collect()
    };
    assert_eq!([1, 2, 3, 4].map(|round| of(round, Phase::Assess).len()), [12, 6, 6, 6]);
    assert_eq!(of(4, Phase::Deepen).into_iter().collect::<BTreeSet<_>>(), aims);
    // A rate over unequal numbers of attempts would flatter the harness where it was mended.
    let said = rounds[3].assessed;
    assert_eq!(said.held_in.scored + said.held_out.scored, 6);
}
