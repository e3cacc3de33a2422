//! Edits that look right, against the exact truth: those that do nothing, that mend one thing and break another, that are good alone and bad
//! together; and what ever longer prompts cost.

use harness_core::{DocumentEdit, TaskName};

use super::weaknesses::{mends, suffering};
use super::*;
use crate::simulated::Facts;
use crate::simulated::improver::{self, WORTH_GOOD, WORTH_HARMFUL, WORTH_USELESS};

/// A task of eight pieces of work.
fn long() -> Playbook {
    let work: String = (0..8).map(|part| format!("sort in.txt > {part}.tmp\n\n")).collect();
    let script = format!("cat in.txt\n\n{work}sort in.txt > out.txt\n\ntest -s out.txt\n");
    Playbook::from_script("long", "Sort in.txt into out.txt.", &script, ["out.txt"])
}

/// The exact chance to pass it. Its first look prints more than a tight cut leaves.
fn rate(doses: &'static Doses, seed: u64, harness: &MinimalHarness) -> f64 {
    let (playbook, name) = (long(), TaskName::new("long"));
    let mut facts = Facts::assumed(&playbook);
    facts.stanzas[0].bytes = 4000;
    let model = SimulatedLlm::new(Profile(doses), seed, [playbook]);
    model.truth().with_facts(name.clone(), facts).pass_rate(harness, &name).unwrap()
}

fn edited(edit: &DocumentEdit) -> MinimalHarness {
    harness(&[]).apply(edit).unwrap()
}

/// The ideas of this worth, as edits of the seed harness.
fn ideas(worth: usize) -> Vec<improver::Meant> {
    let all = improver::meant(&harness(&[]).surfaces());
    let chosen: Vec<_> = all.into_iter().filter(|idea| idea.worth == worth).collect();
    assert!(chosen.len() >= 8, "{} of {worth}", chosen.len());
    chosen
}

/// Right-looking and idle: whatever a model suffers from, none of them changes its chances.
#[test]
fn idle_edits_change_no_chance() {
    for idea in ideas(WORTH_USELESS) {
        for (weakness, _, _) in mends() {
            let doses = suffering(weakness);
            let (bare, with) = (rate(doses, 1, &harness(&[])), rate(doses, 1, &edited(&idea.edit)));
            assert!((with - bare).abs() < 0.02, "{} for {weakness:?}: {bare} {with}", idea.name);
        }
    }
}

/// The control: most of what is called good helps somebody, by far more than an idle edit may, so that the test above could fail.
#[test]
fn good_edits_do_change_chances() {
    // Restating the requirements mends no weakness: it keeps from slips.
    static SLIPS: Doses = Doses { slip: 0.4, checks: 0.0, ..doses("slips", &[]) };
    let ideas = ideas(WORTH_GOOD);
    let gain =
        |doses, edit: &DocumentEdit| rate(doses, 1, &edited(edit)) - rate(doses, 1, &harness(&[]));
    let helps = |idea: &&improver::Meant| {
        let mended =
            mends().into_iter().any(|(weakness, _, _)| gain(suffering(weakness), &idea.edit) > 0.1);
        mended || gain(&SLIPS, &idea.edit) > 0.1
    };
    let helpful = ideas.iter().filter(helps).count();
    assert!(helpful * 4 >= ideas.len() * 3, "{helpful} of {}", ideas.len());
}

/// Harmful edits take from a model that suffers from nothing.
#[test]
fn harmful_edits_take_from_a_sound_model() {
    static SOUND: Doses = Doses { looks: 3, meddles: 0.6, concedes: 0.5, ..doses("sound", &[]) };
    for idea in ideas(WORTH_HARMFUL) {
        let change =
            |seed| rate(&SOUND, seed, &edited(&idea.edit)) - rate(&SOUND, seed, &harness(&[]));
        let mean = (0..8).map(change).sum::<f64>() / 8.0;
        assert!(mean < -0.01, "{}: {mean}", idea.name);
    }
}

/// One edit, one profile: it gains on the tasks whose weakness it mends, and loses on those that it tempts to leave a file without content.
#[test]
fn one_edit_mends_one_thing_and_breaks_another() {
    const RARELY: &[(Weakness, Activation)] =
        &[(Weakness::Explores, Activation { prone_share: 0.5, when_prone: 1.0, otherwise: 0.0 })];
    static WANDERS: Doses = doses("wanders", RARELY);
    let first = harness(&[("/prompts/bootstrap", json!("Write the required output first."))]);
    let changes: Vec<f64> = (0..24)
        .map(|seed| rate(&WANDERS, seed, &first) - rate(&WANDERS, seed, &harness(&[])))
        .collect();
    let gained = changes.iter().filter(|change| **change > 0.2).count();
    let lost = changes.iter().filter(|change| **change < -0.2).count();
    assert!(gained >= 4 && lost >= 4, "{changes:?}");
}

/// Words that say nothing cost twice: attention to what does say something, and slips. Strictly more with each thousand characters, for
/// each profile on the mean of its tasks.
#[test]
fn ever_longer_prompts_cost_ever_more() {
    let padded = |count: usize| {
        let advice = "Create the output at once with its real content, then check it.";
        let words = "Terminals are patient. ".repeat(count);
        harness(&[("/prompts/bootstrap", json!(advice)), ("/prompts/memory", json!(words))])
    };
    for profile in Profile::all() {
        let mean = |count| {
            let harness = padded(count);
            (0..6).map(|seed| rate(profile.0, seed, &harness)).sum::<f64>() / 6.0
        };
        let rates: Vec<f64> = [0, 60, 110, 160].map(mean).to_vec();
        assert!(
            rates.windows(2).all(|pair| pair[1] < pair[0] - 1e-6),
            "{}: {rates:?}",
            profile.name()
        );
        assert!(rates[3] < rates[0] * 0.97, "{}: {rates:?}", profile.name());
    }
}

/// The same advice is worth the more the nearer it stands to the deed: each place's published weight shows in the exact chance.
#[test]
fn the_same_words_are_worth_more_the_nearer_they_stand() {
    let doses = suffering(Weakness::RepeatsFailure);
    let words = "Never run the same command again after it failed.";
    let places = [
        ("system message", json!(words), "/prompts/system"),
        ("reminder", json!([{ "when": "on_tool_error", "text": words }]), "/controls/reminders"),
        (
            "instead of a result",
            json!({ "mode": "deny", "message": words }),
            "/controls/identical_call_guard",
        ),
    ];
    let rates: Vec<f64> = places
        .iter()
        .map(|(_, value, at)| rate(doses, 1, &harness(&[(at, value.clone())])))
        .collect();
    assert!(rates.windows(2).all(|pair| pair[1] > pair[0] + 0.1), "{rates:?}");
}
