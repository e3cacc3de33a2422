//! A validator that breaks its contract is caught, and nothing of its judgement takes effect.

use futures::FutureExt;
use harness_core::testing::{ScriptedValidator, ToyHarness};
use harness_core::{ErrorKind, Harness, Judgement, Record, Validator, Verdict};

use crate::setting::{Setting, learn};

/// Runs with a validator that falsifies what an honest one says; both edits help.
fn falsified(falsify: fn(&mut Judgement<ToyHarness>)) {
    let setting = Setting { pool: vec![learn("sort"), learn("grep")], ..Setting::default() };
    let liar = ScriptedValidator::new(move |incumbent, proposals, arena| {
        async move {
            let honest = ScriptedValidator::counting();
            let mut judgement = honest.judge(incumbent, proposals, arena).await?;
            falsify(&mut judgement);
            Ok(judgement)
        }
        .boxed()
    });
    let work = async {
        let mut engine = setting.builder().validator(liar).build().await.unwrap();
        let error = engine.run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Contract, "{error}");
        assert!(engine.rounds().is_empty() && engine.lineage().promotions().is_empty());
    };
    setting.clock.block_on(work);
    assert!(!setting.records().iter().any(|record| matches!(record, Record::Round { .. })));
}

#[test]
fn a_proposal_without_a_decision() {
    falsified(|judgement| drop(judgement.judged.pop()));
}

#[test]
fn decisions_in_another_order() {
    falsified(|judgement| judgement.judged.reverse());
}

#[test]
fn a_proposal_with_two_decisions() {
    falsified(|judgement| judgement.judged.push(judgement.judged[0].clone()));
}

#[test]
fn a_promotion_of_what_was_rejected() {
    falsified(|judgement| judgement.judged[0].decision.verdict = Verdict::Reject);
}

#[test]
fn a_promotion_of_what_was_never_proposed() {
    falsified(|judgement| judgement.composed.as_mut().unwrap().proposals[0] = "r9-p9".into());
}

#[test]
fn a_harness_that_the_edits_do_not_lead_to() {
    falsified(|judgement| {
        let composed = judgement.composed.as_mut().unwrap();
        composed.harness = composed.harness.apply(&learn("stealth")).unwrap();
    });
}

#[test]
fn an_edit_that_is_not_the_one_proposed() {
    falsified(|judgement| {
        judgement.judged[0].proposal.edit = learn("stealth");
        let composed = judgement.composed.as_mut().unwrap();
        let edits = judgement.judged.iter().map(|judged| &judged.proposal.edit);
        let seed = Setting::default().seed;
        composed.harness = edits.fold(seed, |harness, edit| harness.apply(edit).unwrap());
    });
}
