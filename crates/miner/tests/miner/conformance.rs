//! Core's own laws of a miner, with a model that answers well and one that does not.

use futures::executor::block_on;
use harness_core::testing::Fixture;
use harness_core::testing::laws::MinerSeat;
use harness_core::{Completion, miner_laws};
use harness_miner::SignatureMiner;
use serde_json::json;

use crate::support::{Script, good_answer, material};

/// Tells the sample tasks apart, so that there is more than one weakness.
fn sensible() -> Script {
    Script::new(|request| {
        let mut answer = good_answer();
        let data = material(request);
        answer["steps"] =
            data["steps"].as_array().unwrap().iter().map(|step| step["step_id"].clone()).collect();
        if data["task"].as_str().unwrap().len().is_multiple_of(2) {
            answer["mechanism"] = json!("never_checks");
        }
        Ok(Completion::text(answer.to_string()))
    })
}

miner_laws!(with_a_sensible_model, block_on, || async {
    Fixture::new(MinerSeat::new(SignatureMiner::new(), sensible()))
});

miner_laws!(with_nonsense, block_on, || async {
    Fixture::new(MinerSeat::new(SignatureMiner::new(), Script::always("It is what it is.")))
});
