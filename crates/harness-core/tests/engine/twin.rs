//! The statistical twin in the engine: trials are drawn as its nature has them, and the same seed draws the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::executor::block_on;
use harness_core::testing::{
    Course, InMemorySandbox, Nature, ScriptedLlm, ToyEdit, ToyHarness, Twin, toy_task,
};
use harness_core::{
    Engine, EngineConfig, Finish, Harness, Result, Spent, Step, StepSource, Task, Trajectory,
};

/// Passes three of four attempts with the skill, one of four without it.
#[derive(Debug)]
struct Coin;

impl Nature<ToyHarness> for Coin {
    fn courses(&self, harness: &ToyHarness, task: &Task) -> Result<Vec<Course>> {
        let passes = if harness.skills.is_empty() { 0.25 } else { 0.75 };
        let course = |probability: f64, objections: Option<&str>, finish| Course {
            probability,
            objections: objections.map(str::to_owned),
            finish,
            trajectory: Trajectory {
                steps: vec![Step {
                    step_id: 1,
                    ..Step::said(StepSource::Agent, task.name.as_str())
                }],
            },
            activations: BTreeMap::from([("/skills".to_owned(), 1)]),
            spent: Spent { calls: 1, prompt_tokens: 7, ..Spent::default() },
        };
        // Up to a common factor.
        Ok(vec![
            course(passes * 3.0, None, Finish::Done),
            course((1.0 - passes) * 3.0, Some("one\nanother"), Finish::OutOfSteps),
        ])
    }
}

fn measure(twin: Twin<ToyHarness>, attempts: u32) -> Vec<Arc<harness_core::Trial>> {
    let builder = Engine::builder(twin)
        .model(ScriptedLlm::always("…"))
        .sandbox(InMemorySandbox::default())
        .verifier(Twin::<ToyHarness>::verifier())
        .config(EngineConfig { attempts, ..EngineConfig::default() });
    block_on(
        builder.measure(vec![Arc::new(toy_task("a", "sums")), Arc::new(toy_task("b", "sums"))]),
    )
    .unwrap()
    .trials
}

#[test]
fn trials_are_drawn_as_their_nature_has_them() {
    let plain = Twin::new(ToyHarness::default(), Arc::new(Coin));
    let skilled = plain.apply(&ToyEdit::Learn("sums".to_owned())).unwrap();
    for (twin, rate) in [(plain, 0.25), (skilled, 0.75)] {
        assert!((twin.pass_rate(&toy_task("a", "sums")).unwrap() - rate).abs() < 1e-12);
        let trials = measure(twin.clone(), 300);
        let passed = trials.iter().filter(|trial| trial.passed() == Some(true)).count() as f64;
        // Five standard deviations of 600 draws.
        assert!((passed - 600.0 * rate).abs() < 54.0, "{passed} of 600 at {rate}");
        let again = measure(twin, 300);
        let outcomes = |trials: &[Arc<harness_core::Trial>]| -> Vec<_> {
            trials.iter().map(|trial| trial.outcome.clone()).collect()
        };
        assert_eq!(outcomes(&trials), outcomes(&again));
    }
}

#[test]
fn a_drawn_trial_holds_what_its_course_holds() {
    let trials = measure(Twin::new(ToyHarness::default(), Arc::new(Coin)), 20);
    let failed = trials.iter().find(|trial| trial.passed() == Some(false)).unwrap();
    assert_eq!(failed.finish, Finish::OutOfSteps);
    assert_eq!(failed.trajectory.steps[0].message, failed.key.task.as_str());
    assert_eq!((failed.activations["/skills"], failed.spent.prompt_tokens), (1, 7));
    let harness_core::Outcome::Scored { evidence, .. } = &failed.outcome else {
        panic!("{failed:?}")
    };
    assert_eq!(evidence, &["one", "another"]);
}
