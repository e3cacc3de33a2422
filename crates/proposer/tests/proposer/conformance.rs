//! Core's own laws of a proposer, before the minimal harness.

use futures::executor::block_on;
use harness_core::testing::Fixture;
use harness_core::testing::laws::ProposerSeat;
use harness_core::{MinimalHarness, proposer_laws};
use harness_proposer::LlmProposer;

use crate::support::{Script, obliging};

proposer_laws!(with_an_obliging_model, block_on, || async {
    let incumbent = MinimalHarness::default();
    let seat = ProposerSeat::new(LlmProposer::new(), Script::by_slot(obliging), incumbent);
    Fixture::new(seat.unwrap())
});
