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

/// A passing attempt of a task that also fails supports no weakness and is never cited. But it is shown to the model for
/// contrast, and it makes the task's failure less frequent, which the weight and the words say.
const EXCEPT: &[(&str, &str)] = &[(
    "passing_trials_contribute_nothing",
    "a passing attempt makes a task flaky, and that is told",
)];

miner_laws!(with_a_sensible_model, block_on, || async {
    Fixture::new(MinerSeat::new(SignatureMiner::new(), sensible()))
}, except EXCEPT);

miner_laws!(with_nonsense, block_on, || async {
    Fixture::new(MinerSeat::new(SignatureMiner::new(), Script::always("It is what it is.")))
}, except EXCEPT);
