//! Core's laws of every validator, kept by each gate.

use futures::executor::block_on;
use harness_core::testing::Fixture;
use harness_core::testing::laws::ValidatorSeat;
use harness_validator::{GateKind, RegressionValidator};

fn seat(kind: GateKind) -> Fixture<ValidatorSeat> {
    Fixture::new(ValidatorSeat::new(RegressionValidator::from(kind)))
}

harness_core::validator_laws!(paper, block_on, || seat(GateKind::Paper));
harness_core::validator_laws!(sequential, block_on, || seat(GateKind::Sequential));
harness_core::validator_laws!(strict, block_on, || seat(GateKind::Strict));
