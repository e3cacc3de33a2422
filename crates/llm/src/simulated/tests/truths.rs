//! The ground truth is what real attempts show, and obeys the laws of a truth.

use std::collections::HashMap;

use harness_core::TaskName;
use proptest::prelude::*;

use super::*;
use crate::simulated::dice::Dice;
use crate::simulated::luck::Luck;
use crate::simulated::traits::Traits;
use crate::simulated::{Facts, Truth};

/// The truth about the task of these tests, for the model of this seed.
fn truth(doses: &'static Doses, seed: u64) -> Truth {
    SimulatedLlm::new(Profile(doses), seed, [playbook()]).truth()
}

pub(super) fn rate(doses: &'static Doses, seed: u64, harness: &MinimalHarness) -> f64 {
    truth(doses, seed).pass_rate(harness, &TaskName::new("count")).unwrap()
}

/// How far the passes of real attempts are from what the truth expects, in standard deviations.
async fn deviation(doses: &'static Doses, harness: &MinimalHarness, seeds: u64) -> f64 {
    let attempts = (0..seeds).map(|seed| attempt(doses, seed, harness));
    let passed = futures::future::join_all(attempts).await.into_iter().filter(|done| done.passed);
    let passed = passed.count() as f64;
    // Seeds that bring the same out have the same truth.
    let mut known: HashMap<Traits, f64> = HashMap::new();
    let mut known_rate = |seed| {
        let traits = Traits::of(&Dice::new(doses.name, seed).narrowed("count"), doses);
        *known.entry(traits).or_insert_with(|| rate(doses, seed, harness))
    };
    let rates: Vec<f64> = (0..seeds).map(&mut known_rate).collect();
    let (mean, variance): (f64, f64) =
        (rates.iter().sum(), rates.iter().map(|rate| rate * (1.0 - rate)).sum());
    (passed - mean) / variance.sqrt().max(0.5)
}

fn controls() -> Vec<MinimalHarness> {
    let early = "You have looked enough. Create the required output now with its real content.";
    vec![
        harness(&[]),
        harness(&[("/controls/unchanged_cap", json!({ "max_calls": 6, "message": early }))]),
        harness(&[
            (
                "/controls/check_before_finish",
                json!({ "command": "", "message": "Fix what fails, then finish.", "max_refusals": 3 }),
            ),
            ("/controls/artifact_guard", json!({ "message": "Missing.", "max_refusals": 2 })),
            (
                "/controls/environment_persistence",
                json!({ "variables": true, "working_directory": true }),
            ),
        ]),
        harness(&[
            (
                "/prompts/execution",
                json!(
                    "Never overwrite the given input files. Do not stop with a plan: carry it out. Write the output first."
                ),
            ),
            ("/prompts/system", json!("Be thorough. ".repeat(150))),
            ("/controls/tool_call_budget", json!({ "max_calls": 3, "redirect": "Conclude." })),
            ("/controls/output_truncation", json!({ "head_bytes": 2000, "tail_bytes": 2000 })),
        ]),
        harness(&[
            (
                "/skills",
                json!([{ "name": "after-a-failure", "description": "then", "body": "Never repeat the identical command." }]),
            ),
            (
                "/controls/reminders",
                json!([{ "when": { "every_calls": 4 }, "text": "Stop looking around." }, { "when": "on_tool_error", "text": "Change the approach: do not repeat the same call." }]),
            ),
            (
                "/sub_agents",
                json!([{ "name": "second-look", "description": "Looks.", "prompt": "Run a check.", "tools": ["shell"], "call_policy": { "when": "", "max_calls": 2, "max_steps": 5 } }]),
            ),
            ("/controls/repair_tool_calls", json!({ "max_in_a_row": 2 })),
        ]),
    ]
}

/// Real commands, real controls: every profile but the one that waits, each under every other harness.
#[tokio::test]
async fn real_attempts_pass_as_often_as_the_truth_says() {
    let profiles = Profile::all().filter(|profile| profile.name() != "flooder");
    for (first, profile) in profiles.enumerate() {
        for (index, harness) in controls().iter().enumerate().skip(first % 2).step_by(2) {
            let z = deviation(profile.0, harness, 6).await;
            assert!(z.abs() < 4.0, "{} under harness {index}: {z:.1}", profile.name());
        }
    }
}

/// Found by an earlier version, whose twin took a set-up line for work that is lost: state is carried into each call, so a task
/// with a set-up line is as easy as one without.
#[tokio::test]
async fn a_set_up_line_in_the_solution_does_not_mislead_the_truth() {
    let bare = "cat data/in.txt\n\nwc -w < data/in.txt > data/out.txt\n\ntest -s data/out.txt\n";
    let with_line = Playbook::from_script("count", INSTRUCTION, SCRIPT, ["data/out.txt"]);
    let without = Playbook::from_script("count", INSTRUCTION, bare, ["data/out.txt"]);
    let rate = |playbook: &Playbook| {
        let model = SimulatedLlm::new(Profile::named("amnesiac").unwrap(), 3, [playbook.clone()]);
        model.truth().pass_rate(&harness(&[]), &TaskName::new("count")).unwrap()
    };
    assert!((rate(&with_line) - rate(&without)).abs() < 1e-9);
    let z = deviation(Profile::named("amnesiac").unwrap().0, &harness(&[]), 24).await;
    assert!(z.abs() < 4.0, "{z}");
}

#[test]
fn courses_are_all_of_an_attempt() {
    for profile in Profile::all() {
        for harness in controls() {
            let courses = truth(profile.0, 7).courses(&harness, &TaskName::new("count")).unwrap();
            let total: f64 = courses.iter().map(|course| course.probability).sum();
            assert!((total - 1.0).abs() < 1e-9, "{}: {total}", profile.name());
            for course in courses.iter() {
                assert_eq!(course.passed, course.evidence.is_empty());
                assert!(course.spent.calls > 0 && course.spent.tokens() > 0);
            }
        }
    }
}

#[test]
fn the_truth_is_the_same_for_everyone_who_asks() {
    let mixed = Profile::named("mixed").unwrap().0;
    for harness in controls() {
        assert!((rate(mixed, 5, &harness) - rate(mixed, 5, &harness)).abs() < 1e-15);
    }
}

/// What is published is what is drawn: over many models of a profile, the tasks that bring a weakness out, those out of reach, and
/// the attempts in which it acts.
#[test]
fn weaknesses_act_as_often_as_is_published() {
    const DRAWN: u32 = 4000;
    for Profile(doses) in Profile::all() {
        let tasks: Vec<Dice> =
            (0..DRAWN).map(|seed| Dice::new(doses.name, seed.into()).narrowed("count")).collect();
        let traits: Vec<Traits> = tasks.iter().map(|task| Traits::of(task, doses)).collect();
        let share = |count: usize| count as f64 / f64::from(DRAWN);
        let is_near = |seen: f64, published: f64, what: &str| {
            // Five standard deviations of a share.
            let deviation = (published * (1.0 - published) / f64::from(DRAWN)).sqrt();
            assert!((seen - published).abs() <= 5.0 * deviation, "{} {what}: {seen}", doses.name);
        };
        is_near(
            share(traits.iter().filter(|it| it.is_beyond).count()),
            doses.out_of_reach,
            "beyond",
        );
        for (weakness, acts) in doses.weaknesses {
            let is_prone = |it: &&Traits| it.prone.contains(weakness);
            let prone = traits.iter().filter(is_prone).count();
            is_near(share(prone), acts.prone_share, &format!("{weakness:?}"));
            // An attempt draws one number for a weakness, under the name by which its mind asks.
            let asked = format!("suffers {weakness:?}");
            let drawn = tasks.iter().filter(|task| {
                Luck::Drawn(task.narrowed("an attempt")).happens(&asked, acts.when_prone)
            });
            is_near(share(drawn.count()), acts.when_prone, &asked);
        }
    }
}

#[test]
fn some_tasks_stay_out_of_reach() {
    static LIMITED: Doses = Doses { out_of_reach: 1.0, ..doses("limited", &[]) };
    for harness in controls() {
        let rate = rate(&LIMITED, 1, &harness);
        // Found in a table that said -0.0000.
        assert!(rate < 1e-9 && rate.is_sign_positive(), "{rate}");
    }
}

#[test]
fn what_is_not_known_is_said() {
    let truth = truth(&FLAWLESS, 1);
    let unknown = truth.pass_rate(&harness(&[]), &TaskName::new("other")).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    let facts = Facts { stanzas: Vec::new(), ..Facts::assumed(&playbook()) };
    let misfit = truth.with_facts(TaskName::new("count"), facts);
    let misfit = misfit.pass_rate(&harness(&[]), &TaskName::new("count")).unwrap_err();
    assert_eq!(misfit.kind(), ErrorKind::InvalidInput);
}

/// Two edits that each help, and together hurt.
#[test]
fn good_alone_and_bad_together() {
    const RARELY: &[(Weakness, Activation)] =
        &[(Weakness::Explores, Activation { prone_share: 1.0, when_prone: 0.2, otherwise: 0.2 })];
    static SLIPS: Doses = Doses { slip: 0.3, checks: 0.0, ..doses("slips", RARELY) };
    let understand = ("/prompts/execution", json!("Restate every requirement."));
    let early = (
        "/prompts/bootstrap",
        json!("Create the output at once with its real content, then check it."),
    );
    let rate = |edits: &[(&str, Value)]| rate(&SLIPS, 1, &harness(edits));
    let (none, first) = (rate(&[]), rate(std::slice::from_ref(&understand)));
    let (second, both) = (rate(std::slice::from_ref(&early)), rate(&[understand, early]));
    assert!(first > none + 0.05 && second > none + 0.05, "{none} {first} {second}");
    assert!(both < first && both < second, "{none} {first} {second} {both}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    /// A cost of ever longer prompts: words that say nothing never help.
    #[test]
    fn empty_words_never_help(length in 0usize..280, seed in 0u64..4) {
        for profile in Profile::all() {
            let padded = harness(&[("/prompts/memory", json!("Terminals are patient. ".repeat(length / 2)))]);
            let longer = harness(&[("/prompts/memory", json!("Terminals are patient. ".repeat(length)))]);
            prop_assert!(rate(profile.0, seed, &longer) <= rate(profile.0, seed, &padded) + 1e-9);
        }
    }
}
