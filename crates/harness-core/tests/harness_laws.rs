//! The laws of harnesses: kept by truthful ones, each broken by its own liar.

mod support;

use futures::executor::block_on;
use harness_core::testing::Fixture;
use harness_core::testing::laws;
use support::{assert_caught, caught_by_every_liar, law, lying_harness, stage_liars};

harness_core::harness_laws!(truthful, block_on, || Fixture::new(lying_harness::seat("")));
harness_core::harness_laws!(toy, block_on, || Fixture::new(stage_liars::toy()));

#[test]
fn every_law_has_a_liar_and_catches_it() {
    caught_by_every_liar(&laws::harness::laws(), |lie, check| {
        block_on(check(&lying_harness::seat(lie)))
    });
}

#[test]
fn a_proposal_of_everything_at_once_is_not_minimal() {
    let laws = laws::proposer::laws();
    let law = law(&laws, "edits_are_minimal");
    assert_caught(law.name, &block_on((law.check)(&lying_harness::sweeping_proposer())));
}
