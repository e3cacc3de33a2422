//! The laws of model backends: kept by a truthful one, each broken by its own liar.

mod support;

use futures::executor::block_on;
use harness_core::testing::Fixture;
use harness_core::testing::laws::{LlmPlace, llm};
use support::{caught_by_every_liar, scene_llm};

harness_core::llm_laws!(truthful, block_on, || Fixture::new(scene_llm::place("")));

#[test]
fn every_law_has_a_liar_and_catches_it() {
    caught_by_every_liar(&llm::laws(), |lie, check| {
        let place = scene_llm::place(lie);
        block_on(check(&place as &dyn LlmPlace))
    });
}
