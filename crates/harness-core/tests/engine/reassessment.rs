//! How often an incumbent is measured: by all attempts when it is new, by what the validator needs while it stands.

use async_trait::async_trait;
use harness_core::testing::{ScriptedValidator, ToyEdit, ToyHarness};
use harness_core::{Arena, Incumbent, Judgement, Phase, Proposal, Result, Validator};

use crate::setting::{Setting, trials};

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
