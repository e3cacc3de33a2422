//! What people and programs get to read of real runs of a real engine.

#![allow(clippy::expect_used, reason = "helpers of tests")]

use std::io::Write;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::executor::block_on;
use harness_core::testing::{
    ScriptedProposer, ScriptedValidator, World, WorldEdit, WorldHarness, WorldTask,
};
use harness_core::{
    Beta, ControlArm, ControlKind, Controls, Drift, Engine, Event, Expected, ExpectedRate, Finding,
    ModelId, NoiseFloor, Observer, Pairs, Prior, RunReport, Sampling, Score, Spent, SpikeAndSlab,
    SplitName, TaskName,
};
use harness_report::{
    Conclusion, MeasurementSummary, ProgressObserver, Skipped, Story, Summary, difference,
    markdown, measurement_table, publish, run_table, wilson,
};
use proptest::prelude::*;

/// Where lines of progress go in these tests.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic elsewhere").write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic elsewhere").clone()).expect("text")
    }
}

/// Twelve tasks a split, of which eight fail until `a` is on.
fn world() -> World {
    World::uniform(12, |_, index| match index {
        0..8 => WorldTask::new("", 0.0).moved_by("a", 1.0),
        8 => WorldTask::new("", 1.0).voided_by("", 1.0),
        _ => WorldTask::new("", 1.0),
    })
}

/// A run of one round that mends the tasks, and what was shown of it.
fn run_with(edits: Vec<WorldEdit>) -> (RunReport, String) {
    let page = Page::default();
    let proposer = ScriptedProposer::new(move |brief, _| {
        let proposals: Vec<_> = edits
            .iter()
            .filter_map(|edit| ScriptedProposer::proposal(brief, edit.clone()))
            .collect();
        async move { Ok(proposals) }.boxed()
    });
    let validator = ScriptedValidator::measuring(|seen| match seen.held_in.change() {
        1.. => harness_core::Verdict::Promote,
        _ => harness_core::Verdict::Reject,
    });
    let world = world();
    let mut config = world.config();
    (config.rounds, config.attempts) = (1, 2);
    let builder = world
        .engine(WorldHarness::default())
        .expect("a world")
        .config(config)
        .proposer(proposer)
        .validator(validator)
        .observer(ProgressObserver::lines(page.clone()));
    let mut engine: Engine<WorldHarness> = block_on(builder.build()).expect("an engine");
    let report = block_on(engine.run()).expect("a run");
    (report, page.text())
}

fn improving() -> RunReport {
    run_with(vec![WorldEdit::new("a", 1.0), WorldEdit::new("b", 1.0)]).0
}

fn simulated(mut run: RunReport) -> RunReport {
    run.model = ModelId::new(ModelId::SIMULATED, "looper");
    run
}

fn real(mut run: RunReport) -> RunReport {
    (run.model, run.improver) = (ModelId::new("openai", "some"), ModelId::new("openai", "some"));
    run
}

#[test]
fn what_each_edit_is_worth_is_in_every_form_of_the_report() {
    let world = World::uniform(20, |_, index| match index {
        0..8 => WorldTask::new("", 0.0).moved_by("a", 1.0),
        _ => WorldTask::new("", 1.0),
    });
    let mut config = world.config();
    (config.rounds, config.width, config.attempts) = (2, 1, 1);
    let page = Page::default();
    let builder = world.engine(WorldHarness::default()).expect("a world").config(config);
    let builder = builder
        .proposer(ScriptedProposer::cycling(["idle", "a"].map(|l| WorldEdit::new(l, 1.0)).to_vec()))
        .validator(ScriptedValidator::measuring(|_| harness_core::Verdict::Promote))
        .observer(ProgressObserver::lines(page.clone()))
        .pruning(harness_core::Pruning::default());
    let mut engine = block_on(builder.build()).expect("an engine");
    let summary = Summary::of(&block_on(engine.run()).expect("a run"));
    let [idle, a] = &summary.worth[..] else { panic!("two edits") };
    assert!(idle.removed && !a.removed);
    let (worth, interval) = (a.worth.expect("trials"), a.interval.expect("trials"));
    assert!((worth - 0.4).abs() < 1e-9 && interval.low > 0.0 && interval.high >= worth);
    let after = summary.pass_rates.held_in.after.as_ref().expect("what is left was measured");
    assert!(after.scored > 0 && after.passed == after.scored, "{after:?}");
    let sentence = "a pruning: 1 of 2 edits go";
    assert!(page.text().contains(sentence), "{}", page.text());
    for shown in [markdown(&summary), run_table(&summary)] {
        assert!(shown.contains(sentence), "{shown}");
        assert!(
            shown.contains("+40.0 points (") && shown.contains("no worse without it"),
            "{shown}"
        );
    }
}

#[test]
fn a_surface_s_name_is_not_broken_in_the_table() {
    let mut summary = Summary::of(&improving());
    let surface = "/controls/some_guard_with_a_name";
    for proposal in &mut summary.rounds[0].proposals {
        surface.clone_into(&mut proposal.surface);
        "a mechanism told in many more words than there is room for"
            .clone_into(&mut proposal.mechanism);
    }
    let table = run_table(&summary);
    assert!(table.contains(surface), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
}

#[test]
fn the_summary_holds_what_the_run_holds() {
    let run = improving();
    let summary = Summary::of(&run);
    assert_eq!(summary.harness.first, run.first.to_string());
    assert_eq!(summary.harness.last, run.last.to_string());
    assert_ne!(summary.harness.first, summary.harness.last);
    let [round] = &summary.rounds[..] else { panic!("one round") };
    assert_eq!(round.promoted, ["r1-p1"]);
    assert_eq!(round.weaknesses[0].tasks.len(), 8);
    assert!(!round.weaknesses[0].evidence.is_empty());
    let verdicts: Vec<_> = round.proposals.iter().map(|p| p.verdict.as_str()).collect();
    assert_eq!(verdicts, ["promote", "reject"]);
    assert_eq!(round.proposals[0].surface, "/levels");
    assert_eq!(round.proposals[0].edit, serde_json::json!({"lever": "a", "by": 1.0}));
    assert_eq!(summary.trials.scored, run.trials.scored);
    assert_eq!(summary.trials.void, run.trials.void);
    assert_eq!(summary.stopped, "rounds");
    let unfinished = Summary::of(&RunReport { stopped: None, ..run });
    assert_eq!(unfinished.stopped, "not finished");
    assert_eq!(unfinished.with_stopped("budget: tokens").stopped, "budget: tokens");
}

#[test]
fn pass_rates_say_what_they_rest_on() {
    let rates = Summary::of(&improving()).pass_rates;
    let before = rates.held_in.before.expect("it was assessed");
    assert_eq!((before.passed, before.scored, before.void), (6, 22, 2));
    assert_eq!(before.interval, wilson(6, 22));
    let after = rates.held_in.after.expect("a promotion");
    assert_eq!((after.passed, after.scored), (22, 22));
    assert_eq!(rates.held_in.difference, difference((6, 22), (22, 22)));
    assert!(rates.held_in.used_for_selection && rates.held_out.used_for_selection);
    let sealed = rates.sealed.expect("a sealed split");
    assert!(!sealed.used_for_selection);
    assert_eq!(sealed.after.expect("claimed").passed, 22);
}

/// Puts other counts into a run's claim, paired as favourably as they can be.
fn claim_that(run: &mut RunReport, before: u64, after: u64, scored: u64) {
    let both = before.min(after);
    let (better, worse) = (after - both, before - both);
    let pairs = Pairs { better, worse, same: scored - better - worse, ..Pairs::default() };
    let claim = run.claim.as_mut().expect("a claim");
    claim.before = Score { passed: before, scored, void: 0 };
    claim.after = Score { passed: after, scored, void: 0 };
    (claim.pairs, claim.difference) = (pairs, pairs.interval(0.05));
}

/// A run with controls: A/A, no no-op edit, and sampling that solved 20 of 24 tasks.
fn controlled(pairs: Pairs) -> RunReport {
    let mut run = improving();
    let decision = run.rounds[0].judged[1].decision.clone();
    let floor = NoiseFloor { within_task: 0.136, tasks: 48, attempts: 2 };
    let sampling = Sampling {
        evolution: 480,
        attempts: 20,
        trials: 96,
        tasks: 24,
        solved: 20,
        pairs,
        difference: pairs.interval(0.05),
    };
    let arm = |kind, decision, floor| ControlArm { kind, edit: None, decision, floor };
    run.controls = Some(Controls {
        arms: vec![
            arm(ControlKind::Same, Some(decision), Some(floor)),
            arm(ControlKind::Neutral, None, None),
        ],
        sampling: Some(sampling),
    });
    run
}

#[test]
fn controls_and_the_answer_to_sampling_are_in_every_report() {
    let lost = Pairs { better: 1, same: 11, worse: 12, ..Pairs::default() };
    let summary = Summary::of(&controlled(lost));
    let controls = summary.controls.as_ref().expect("controls");
    assert_eq!((controls.beat_sampling.as_str(), controls.arms.len()), ("no", 2));
    let floor = controls.noise_floor.expect("A/A");
    // 1.645 √(2 · 0.136 / 96)
    assert!((floor.change - 0.0876).abs() < 1e-3 && floor.promotions_below == 0);
    for shown in [run_table(&summary), markdown(&summary)] {
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        for expected in [
            "did evolution beat sampling? no",
            "20 of 24 sealed tasks",
            "A/A",
            "noise floor",
            "the harness offers no such edit",
        ] {
            assert!(shown.contains(expected), "{expected} is missing in {shown}");
        }
    }
    let won = Pairs { better: 12, same: 12, ..Pairs::default() };
    assert_eq!(Summary::of(&controlled(won)).controls.expect("controls").beat_sampling, "yes");
    let open = Pairs { better: 2, same: 21, worse: 1, ..Pairs::default() };
    assert_eq!(Summary::of(&controlled(open)).controls.expect("controls").beat_sampling, "open");
    let none = Summary::of(&improving());
    assert!(run_table(&none).contains("controls: none in this run"));
    assert!(markdown(&none).contains("whether evolution beat sampling is not known"));
}

#[test]
fn a_loss_against_an_ancestor_is_told_wherever_the_round_is_shown() {
    let mut run = improving();
    let round = run.rounds.last_mut().expect("a round");
    let (pairs, against) = (Pairs { same: 2, worse: 8, ..Pairs::default() }, round.incumbent);
    round.drift = vec![Drift { against, pairs, at_most: pairs.at_most(0.025) }];
    round.promoted.clear();
    (round.incumbent, round.tip) = (round.tip, against);
    let story = Story::default().tell(&Event::RoundFinished { report: round }).join(" ");
    let summary = Summary::of(&run);
    assert!(summary.pass_rates.held_in.after.is_none(), "what promoted it was given up");
    for shown in [run_table(&summary), markdown(&summary), story] {
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            shown.contains("a credible loss against") && shown.contains("0 better, 8 worse of 10"),
            "{shown}"
        );
        assert!(shown.contains("went back to"), "{shown}");
    }
    let round = run.rounds.last_mut().expect("a round");
    (round.tip, round.drift[0].at_most) = (round.incumbent, 0.2);
    let table = run_table(&Summary::of(&run));
    assert!(table.contains("beside 1 ancestor no credible loss"), "{table}");
}

#[test]
fn what_the_gate_expected_is_told_wherever_the_round_is_shown() {
    let effect = |share, mean, sd| SpikeAndSlab { share, mean, sd };
    let start = Expected {
        target: effect(0.6, 0.5, 0.3),
        side_effect: effect(0.4, -0.7, 0.4),
        everywhere: effect(1.0, -0.03, 0.28),
        pass_rates: Beta { a: 0.6, b: 0.6 },
    };
    let learnt =
        Expected { target: effect(0.625, 0.25, 0.2), pass_rates: Beta { a: 3.0, b: 1.0 }, ..start };
    let (task, split) = (TaskName::new("a*b"), SplitName::HeldOut);
    let tasks = vec![ExpectedRate { task, split, mean: 0.75, sd: 0.125 }];
    let prior = Prior { start, start_edits: 60.0, start_tasks: 6.0, learnt, edits: 4, tasks };
    let mut run = improving();
    let round = run.rounds.last_mut().expect("a round");
    let finding = Finding { prior: Some(Arc::new(prior)), ..Finding::default() };
    round.judged[0].decision.finding = Some(Box::new(finding));
    let story = Story::default().tell(&Event::RoundFinished { report: round }).join(" ");
    let summary = Summary::of(&run);
    for shown in [run_table(&summary), story] {
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        for told in [
            "62.5 % of edits act where they are aimed, by +25.0 ± 20.0 points",
            "40.0 % elsewhere, by -0.70 ± 0.40 log-odds",
            "one aimed at nothing acts by -0.03 ± 0.28 log-odds",
            "tasks pass at Beta(3.00, 1.00), mean 75.0 %",
            "by the safe start (worth 60 edits, 6 tasks), 4 edits and 1 task of this run",
        ] {
            assert!(shown.contains(told), "{told}: {shown}");
        }
    }
    let report = markdown(&summary);
    for told in [
        "| safe start | worth 60 edits, 6 tasks | 60.0 %: +50.0",
        "| a\\*b | held-out | 75 ± 12 % |",
    ] {
        assert!(report.contains(told), "{told}: {report}");
    }
    let json = serde_json::to_value(&summary).expect("it has a JSON form");
    assert_eq!(json["rounds"][0]["prior"]["learnt"]["target"]["share"], 0.625);
    assert!(jsonschema::is_valid(&Summary::schema(), &json));
    assert!(!markdown(&Summary::of(&improving())).contains("What the gate expected"));
}

#[test]
fn a_forced_reading_is_marked_wherever_it_is_shown() {
    let mut run = improving();
    run.claim.as_mut().expect("a claim").reading = 2;
    let summary = Summary::of(&run);
    assert_eq!(summary.pass_rates.sealed_reading, Some(2));
    let story = {
        let claim = run.claim.as_ref().expect("a claim");
        Story::default().tell(&Event::Claimed { claim }).join(" ")
    };
    for shown in [summary.verdict_in_words.clone(), run_table(&summary), markdown(&summary), story]
    {
        assert!(shown.contains("reading 2") && shown.contains("forced"), "{shown}");
        assert!(!shown.contains("read once:"), "{shown}");
    }
}

#[test]
fn a_claim_from_before_pairs_were_kept_is_shown_with_its_unpaired_interval() {
    let mut run = improving();
    let claim = run.claim.as_mut().expect("a claim");
    (claim.pairs, claim.difference) = (Pairs::default(), None);
    let sealed = Summary::of(&run).pass_rates.sealed.expect("a claim");
    assert_eq!(sealed.difference, difference((6, 22), (22, 22)));
}

#[test]
fn the_verdict_is_the_sealed_intervals() {
    let run = improving();
    let verdict = |before: u64, after: u64, scored: u64| {
        let mut run = run.clone();
        claim_that(&mut run, before, after, scored);
        let summary = Summary::of(&run);
        (summary.verdict, summary.verdict_in_words)
    };
    assert_eq!(verdict(2, 19, 20).0, Conclusion::Improved);
    assert_eq!(verdict(19, 2, 20).0, Conclusion::NotImproved);
    let (open, words) = verdict(10, 12, 20);
    assert_eq!(open, Conclusion::Inconclusive);
    assert!(words.contains("does not tell") && words.contains("+10.0 points"), "{words}");
    assert_eq!(verdict(0, 0, 0).0, Conclusion::Inconclusive);

    let mut unsealed = run.clone();
    unsealed.claim = None;
    let summary = Summary::of(&unsealed);
    assert_eq!(summary.verdict, Conclusion::Inconclusive);
    assert!(summary.verdict_in_words.contains("no claim can be made"));
    assert!(summary.pass_rates.sealed.is_none());
}

#[test]
fn without_a_promotion_nothing_improved() {
    let (run, told) = run_with(vec![WorldEdit::new("b", 1.0)]);
    let summary = Summary::of(&run);
    assert_eq!(summary.verdict, Conclusion::NotImproved);
    assert_eq!(summary.pass_rates.held_in.after, None);
    assert!(!summary.pass_rates.held_in.used_for_selection);
    assert!(run_table(&summary).contains("promoted nothing"));
    assert!(markdown(&summary).contains("Nothing was promoted."));
    assert!(told.contains("round 1 promoted nothing"));
}

#[test]
fn the_summary_survives_json_and_fits_its_schema() {
    let summary = Summary::of(&improving()).with_skipped(vec![Skipped {
        name: "gpu-task".to_owned(),
        reason: "needs a GPU".to_owned(),
    }]);
    let json = serde_json::to_value(&summary).expect("JSON");
    let back: Summary = serde_json::from_value(json.clone()).expect("a summary");
    assert_eq!(back, summary);
    let schema = jsonschema::validator_for(&Summary::schema()).expect("a schema");
    assert!(schema.is_valid(&json));
    let keys = [
        "harness",
        "model",
        "simulated",
        "rounds",
        "pass_rates",
        "trials",
        "cost",
        "report",
        "verdict",
        "stopped",
    ];
    for key in keys {
        assert!(json.get(key).is_some(), "{key}");
        let mut without = json.clone();
        without.as_object_mut().expect("an object").remove(key);
        if key != "report" {
            assert!(!schema.is_valid(&without), "{key} is not required");
        }
    }
}

#[test]
fn the_table_holds_the_counts_and_fits_a_hundred_columns() {
    let run = improving();
    let table = run_table(&Summary::of(&run).with_report("state/report.md".as_ref()));
    for expected in [
        "6 → 22 of 22",
        "6 of 22 (2 void)",
        "27.3 %",
        "/levels",
        "promote",
        "reject",
        "in 8 tasks",
        "no claim",
        "[13.2–48.2 %]",
        "report: state/report.md",
        "verdict: on the sealed split the last harness is better",
    ] {
        assert!(table.contains(expected), "{expected} is missing in\n{table}");
    }
    let trials = format!("trials: {} scored, {} void", run.trials.scored, run.trials.void);
    assert!(table.contains(&trials), "{table}");
    for line in table.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    assert!(!table.contains('\x1b'), "no colour codes");
}

#[test]
fn a_known_price_is_shown_and_an_unknown_one_is_unknown() {
    let mut run = improving();
    run.spent = Spent {
        calls: 3,
        prompt_tokens: 40,
        completion_tokens: 2,
        known_usd: 1.5,
        ..Spent::default()
    };
    let summary = Summary::of(&run);
    assert_eq!((summary.cost.usd, summary.cost.tokens), (Some(1.5), 42));
    assert!(run_table(&summary).contains("cost: 1.5000 USD, 42 tokens in 3 calls"));
    run.spent.calls_without_price = 1;
    let summary = Summary::of(&run);
    assert_eq!(summary.cost.usd, None);
    assert!(run_table(&summary).contains("cost: unknown, 42 tokens"));
}

#[test]
fn calls_of_unknown_outcome_are_shown_at_their_worst_wherever_the_cost_is() {
    let mut run = improving();
    let told =
        "1 call of unknown outcome, charged at worst: at most 1042 tokens and 2.7500 USD in all";
    let shown = |run: &RunReport| {
        let summary = Summary::of(run);
        [run_table(&summary), markdown(&summary)]
            .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    run.spent = Spent { calls: 3, prompt_tokens: 42, known_usd: 1.5, ..Spent::default() };
    assert!(shown(&run).iter().all(|text| !text.contains("unknown outcome")));
    run.spent = Spent { calls_unknown: 1, unknown_tokens: 1000, unknown_usd: 1.25, ..run.spent };
    for text in shown(&run) {
        assert!(text.contains(told), "{text}");
    }
    let cost = Summary::of(&run).cost;
    assert_eq!((cost.usd, cost.usd_at_most, cost.tokens_at_most), (None, Some(2.75), 1042));
}

#[test]
fn a_round_that_is_mostly_void_is_shown_as_inconclusive() {
    let mut run = improving();
    let round = run.rounds.last_mut().expect("a round");
    (round.assessed.held_in.scored, round.assessed.held_in.void) = (2, 4);
    round.promoted.clear();
    round.judged.clear();
    round.tip = round.incumbent;
    let all = round.assessed.held_out.scored + round.assessed.held_out.void + 6;
    let void = round.assessed.held_out.void + 4;
    let told = format!("{void} of {all} trials of the incumbent could not be scored");
    let story = Story::default().tell(&Event::RoundFinished { report: round }).join(" ");
    for shown in [run_table(&Summary::of(&run)), story] {
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.contains("inconclusive: ") && shown.contains(&told), "{shown}");
    }
}

#[test]
fn simulated_results_are_labelled_everywhere_and_real_ones_nowhere() {
    let labelled = |run: RunReport| {
        let summary = Summary::of(&run);
        let shown = [run_table(&summary), markdown(&summary)];
        (summary.simulated, shown.map(|text| text.to_lowercase().contains("simulated")))
    };
    assert_eq!(labelled(simulated(improving())), (true, [true, true]));
    assert_eq!(labelled(real(improving())), (false, [false, false]));
    let mut improver = real(improving());
    improver.improver = ModelId::new(ModelId::SIMULATED, "looper");
    assert_eq!(labelled(improver), (true, [true, true]));
}

#[test]
fn progress_tells_the_story_in_plain_lines() {
    let (_, told) = run_with(vec![WorldEdit::new("a", 1.0), WorldEdit::new("b", 1.0)]);
    for expected in [
        "round 1",
        "48 trials, 28 passed, 16 failed, 4 void",
        "weakness w-",
        "lacks a / direct / scripted, in 8 tasks",
        "r1-p1 edits /levels: scripted",
        "r1-p1 promote: passes change by 16 held-in",
        "r1-p2 reject: ",
        "round 1 promoted r1-p1: harness ",
        "sealed split, read once: seed harness 6 of 22 (27.3 %), final harness 22 of 22",
    ] {
        let joined = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(joined.contains(expected), "{expected} is missing in\n{told}");
    }
    assert!(!told.contains('\x1b') && !told.contains('\r'), "no control codes");
    for line in told.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn every_line_of_a_simulated_run_says_so() {
    let page = Page::default();
    let progress = ProgressObserver::lines(page.clone());
    let (model, isolation) = (ModelId::new(ModelId::SIMULATED, "looper"), improving().isolation);
    progress.observe(&Event::RunStarted { model: &model, isolation: &isolation, rounds_done: 2 });
    progress.observe(&Event::RoundStarted { round: 3 });
    let reason = format!("the sandbox did not open \x1b[31m{}", "and so on ".repeat(20));
    let task = TaskName::new("log-summary");
    progress.observe(&Event::TrialVoid { task: &task, split: SplitName::HeldIn, reason: &reason });
    let told = page.text();
    assert!(told.contains("after 2 rounds of earlier sessions"), "{told}");
    assert!(told.contains("void, tried again: log-summary (held-in): the sandbox"), "{told}");
    assert!(told.lines().count() > 4, "a long reason is wrapped");
    for line in told.lines() {
        assert!(line.starts_with("[simulated] "), "{line}");
        assert!(line.chars().count() <= 100 && !line.contains('\x1b'), "{line}");
    }
}

#[test]
fn a_batch_shows_where_it_is() {
    let run = improving();
    let mut story = Story::default();
    story.tell(&Event::RunStarted { model: &run.model, isolation: &run.isolation, rounds_done: 0 });
    assert!(story.tell(&Event::TrialsPlanned { count: 3, purpose: "candidate" }).is_empty());
    assert_eq!(story.position(), (0, 3));
    assert!(story.status().contains("candidate: 0 of 3"), "{}", story.status());
}

#[test]
fn publishing_leaves_both_files_whole() {
    let state = tempfile::tempdir().expect("a directory");
    let run = simulated(improving());
    let written = publish(state.path(), Summary::of(&run)).expect("written");
    let json = std::fs::read(state.path().join("summary.json")).expect("there");
    assert_eq!(serde_json::from_slice::<Summary>(&json).expect("a summary"), written);
    let path = written.report.clone().expect("a path");
    let report = std::fs::read_to_string(path).expect("there");
    for expected in ["r1-p1", "Lineage", "6 → 22 of 22", "\"lever\": \"a\"", "lacks a", "Simulated"]
    {
        assert!(report.contains(expected), "{expected} is missing in\n{report}");
    }
    // Again, over the old files, and nothing else is left behind.
    publish(state.path(), Summary::of(&run)).expect("written");
    assert_eq!(std::fs::read_dir(state.path()).expect("there").count(), 2);
}

#[test]
fn a_state_directory_that_cannot_be_written_is_named() {
    let state = tempfile::tempdir().expect("a directory");
    let file = state.path().join("file");
    std::fs::write(&file, "in the way").expect("written");
    let error = publish(&file, Summary::of(&improving())).expect_err("a file is no directory");
    assert!(error.message().contains("report.md"), "{error}");
}

#[test]
fn words_of_a_model_are_no_markup_and_move_no_cursor() {
    let mut run = improving();
    let judged = &mut run.rounds[0].judged[0];
    judged.proposal.mechanism = "x\x1b[2J<script>alert(1)</script>\n# title | `code`".to_owned();
    judged.proposal.rationale = "[link](javascript:1)".to_owned();
    judged.proposal.edit = serde_json::json!({"text": "```\n</details>"});
    judged.decision.reason = "\u{202e}reversed\r\n".to_owned();
    let summary = Summary::of(&run);
    let (table, report) = (run_table(&summary), markdown(&summary));
    for text in [&table, &report] {
        assert!(!text.contains('\x1b') && !text.contains('\u{202e}') && !text.contains('\r'));
    }
    assert!(!report.contains("<script>") && !report.contains("\n# title"));
    assert!(!report.contains("[link](javascript"), "links are not live");
    assert!(report.contains("````json"), "the fence is longer than what is in it");
}

#[test]
fn a_measurement_gives_every_attempt() {
    let world = world();
    let tasks = world.benchmark().expect("a benchmark").all().take(10).cloned().collect();
    let mut config = world.config();
    config.attempts = 2;
    let builder = world.engine(WorldHarness::default()).expect("a world").config(config);
    let measured = block_on(builder.measure(tasks)).expect("measured");
    let model = ModelId::new(ModelId::SIMULATED, "looper");
    let summary = MeasurementSummary::of("nop", &model, &measured);
    assert_eq!(summary.tasks.len(), 10);
    assert!(summary.tasks.iter().all(|task| task.attempts.len() == 2));
    assert_eq!(summary.tasks[0].attempts[0].reward, Some(0.0));
    assert_eq!(summary.tasks[9].attempts[1].reward, Some(1.0));
    let void = &summary.tasks[8].attempts[0];
    assert_eq!(void.reward, None);
    assert!(void.void.as_ref().expect("a reason").contains("void"));
    assert!(summary.simulated);

    let json = serde_json::to_value(&summary).expect("JSON");
    assert_eq!(serde_json::from_value::<MeasurementSummary>(json.clone()).expect("back"), summary);
    assert!(jsonschema::is_valid(&MeasurementSummary::schema(), &json));
    let table = measurement_table(&summary);
    assert!(table.contains("held-in-8") && table.contains("void: "), "{table}");
    assert!(table.contains("simulated"));
}

proptest! {
    #[test]
    fn no_conclusion_is_bolder_than_its_interval(
        before in 0u64..30, after in 0u64..30, scored in 1u64..30,
    ) {
        let (before, after) = (before.min(scored), after.min(scored));
        let mut run = stored();
        claim_that(&mut run, before, after, scored);
        let summary = Summary::of(&run);
        let sealed = summary.pass_rates.sealed.expect("a claim");
        let interval = sealed.difference.expect("trials");
        match summary.verdict {
            Conclusion::Improved => prop_assert!(interval.low > 0.0 && after > before),
            Conclusion::NotImproved => prop_assert!(interval.high <= 0.0 && after < before),
            Conclusion::Inconclusive => prop_assert!(interval.low <= 0.0 && 0.0 < interval.high),
        }
    }
}

/// One run for all cases of a property.
fn stored() -> RunReport {
    static RUN: std::sync::OnceLock<RunReport> = std::sync::OnceLock::new();
    RUN.get_or_init(improving).clone()
}
