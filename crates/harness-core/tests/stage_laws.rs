//! The laws of miners, proposers, validators and verifiers: kept by truthful ones, each broken by its own liar.

mod support;

use futures::executor::block_on;
use harness_core::testing::Fixture;
use harness_core::testing::laws::{self, ProposerSeat, ValidatorSeat};
use harness_core::testing::{
    ScriptedLlm, ScriptedProposer, ScriptedValidator, ToyEdit, ToyHarness,
};
use support::{caught_by_every_liar, stage_liars};

harness_core::miner_laws!(miner, block_on, || Fixture::new(stage_liars::miner("")));
harness_core::proposer_laws!(proposer, block_on, || Fixture::new(stage_liars::proposer("")));
harness_core::validator_laws!(validator, block_on, || Fixture::new(stage_liars::validator("")));
harness_core::verifier_laws!(verifier, block_on, || Fixture::new(stage_liars::verifier("")));

/// The doubles that core ships keep the laws as well.
mod doubles {
    use super::*;

    harness_core::validator_laws!(counting, block_on, || Fixture::new(ValidatorSeat::new(
        ScriptedValidator::counting()
    )));
    harness_core::proposer_laws!(cycling, block_on, || {
        let pool = ["a", "b", "a"].map(|skill| ToyEdit::Learn(skill.to_owned()));
        let proposer = ScriptedProposer::<ToyHarness>::cycling(pool.to_vec());
        Fixture::from(ProposerSeat::new(proposer, ScriptedLlm::always(""), ToyHarness::default()))
    });
}

#[test]
fn every_law_of_miners_catches_its_liar() {
    caught_by_every_liar(&laws::miner::laws(), |lie, check| {
        block_on(check(&stage_liars::miner(lie)))
    });
}

#[test]
fn every_law_of_proposers_catches_its_liar() {
    let laws: Vec<_> = laws::proposer::laws::<ToyHarness>();
    // A toy edit cannot touch two surfaces: the liar is a harness of its own, in `harness_laws.rs`.
    let laws: Vec<_> = laws.into_iter().filter(|law| law.name != "edits_are_minimal").collect();
    caught_by_every_liar(&laws, |lie, check| block_on(check(&stage_liars::proposer(lie))));
}

#[test]
fn every_law_of_validators_catches_its_liar() {
    caught_by_every_liar(&laws::validator::laws(), |lie, check| {
        block_on(check(&stage_liars::validator(lie)))
    });
}

#[test]
fn every_law_of_verifiers_catches_its_liar() {
    caught_by_every_liar(&laws::verifier::laws(), |lie, check| {
        block_on(check(&stage_liars::verifier(lie)))
    });
}
