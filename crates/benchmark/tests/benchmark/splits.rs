//! Splits: drawn, read, selected.

use std::sync::Arc;

use harness_benchmark::{Assignment, Proportions, Selection};
use harness_core::{ErrorKind, SplitName, Task, TaskName};
use proptest::prelude::*;

use crate::common::Tasks;

const SPLITS: [SplitName; 3] = [SplitName::HeldIn, SplitName::HeldOut, SplitName::Sealed];

fn task(category: &str, number: usize) -> Arc<Task> {
    let mut task = Task::new(format!("{category}-{number}").as_str(), "x");
    task.category = category.to_owned();
    Arc::new(task)
}

/// Tasks in categories of these sizes.
fn tasks(sizes: &[usize]) -> Vec<Arc<Task>> {
    let category = |(at, size): (usize, &usize)| {
        let name = format!("c{at}");
        (0..*size).map(|number| task(&name, number)).collect::<Vec<_>>()
    };
    sizes.iter().enumerate().flat_map(category).collect()
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0_usize..12, 1..8)
}

fn shares() -> impl Strategy<Value = Proportions> {
    (1_u32..100, 1_u32..100, 0_u32..100).prop_map(|(held_in, held_out, sealed)| Proportions {
        held_in,
        held_out,
        sealed,
    })
}

fn share(shares: Proportions, split: SplitName) -> f64 {
    let part = match split {
        SplitName::HeldIn => shares.held_in,
        SplitName::HeldOut => shares.held_out,
        SplitName::Sealed => shares.sealed,
    };
    f64::from(part) / f64::from(shares.held_in + shares.held_out + shares.sealed)
}

fn draw(tasks: &[Arc<Task>], seed: u64) -> Assignment {
    Assignment::stratified(tasks, seed, Proportions::default()).unwrap()
}

fn count(assignment: &Assignment, tasks: &[Arc<Task>], split: SplitName) -> usize {
    tasks.iter().filter(|task| assignment.split(&task.name) == Some(split)).count()
}

proptest! {
    #[test]
    fn every_task_is_in_exactly_one_split(sizes in sizes(), seed: u64, shares in shares()) {
        let tasks = tasks(&sizes);
        let assignment = Assignment::stratified(&tasks, seed, shares).unwrap();
        prop_assert_eq!(assignment.iter().count(), tasks.len());
        let placed: usize = SPLITS.iter().map(|split| count(&assignment, &tasks, *split)).sum();
        prop_assert_eq!(placed, tasks.len());
    }

    #[test]
    fn every_split_has_its_share_of_every_category(sizes in sizes(), seed: u64) {
        let all = tasks(&sizes);
        prop_assume!(all.len() >= 3);
        let shares = Proportions::default();
        let assignment = draw(&all, seed);
        for at in 0..sizes.len() {
            let category: Vec<_> =
                all.iter().filter(|it| it.category == format!("c{at}")).cloned().collect();
            for split in SPLITS {
                let exact = share(shares, split) * category.len() as f64;
                let found = count(&assignment, &category, split) as f64;
                prop_assert!((found - exact).abs() <= 1.0 + 1e-9, "{split}: {found} of {exact}");
            }
        }
    }

    #[test]
    fn no_split_is_empty_where_there_are_enough(sizes in sizes(), seed: u64, shares in shares()) {
        let tasks = tasks(&sizes);
        prop_assume!(tasks.len() >= 3);
        let assignment = Assignment::stratified(&tasks, seed, shares).unwrap();
        for split in SPLITS {
            let wanted = split != SplitName::Sealed || shares.sealed > 0;
            prop_assert_eq!(count(&assignment, &tasks, split) > 0, wanted, "{}", split);
        }
    }

    #[test]
    fn the_order_of_the_tasks_does_not_matter(sizes in sizes(), seed: u64) {
        let forward = tasks(&sizes);
        let backward: Vec<_> = forward.iter().rev().cloned().collect();
        prop_assert_eq!(draw(&forward, seed), draw(&backward, seed));
    }

    #[test]
    fn a_further_task_moves_few_and_none_of_other_categories(
        sizes in prop::collection::vec(5_usize..12, 2..6), seed: u64
    ) {
        let before = tasks(&sizes);
        let mut after = before.clone();
        after.push(task("c0", 999));
        let (one, two) = (draw(&before, seed), draw(&after, seed));
        let moved: Vec<_> =
            before.iter().filter(|it| one.split(&it.name) != two.split(&it.name)).collect();
        prop_assert!(moved.len() <= 2, "{moved:?}");
        prop_assert!(moved.iter().all(|it| it.category == "c0"));
    }
}

#[test]
fn the_seed_decides() {
    let tasks = tasks(&[10, 10]);
    assert!((1..20).any(|seed| draw(&tasks, seed) != draw(&tasks, 0)));
}

#[test]
fn over_many_small_categories_the_shares_even_out() {
    let tasks = tasks(&[1; 400]);
    let assignment = draw(&tasks, 7);
    for (split, exact) in SPLITS.iter().zip([200, 120, 80]) {
        assert!(count(&assignment, &tasks, *split).abs_diff(exact) < 40, "{split}");
    }
}

#[test]
fn two_tasks_are_mined_and_gated_and_one_is_not_enough() {
    let pair = tasks(&[1, 1]);
    for seed in 0..20 {
        let benchmark = draw(&pair, seed).benchmark(&pair).unwrap();
        assert_eq!(benchmark.tasks(SplitName::Sealed).len(), 0);
    }
    let one = tasks(&[1]);
    assert_eq!(draw(&one, 0).benchmark(&one).unwrap_err().kind(), ErrorKind::InvalidInput);
    let none = Proportions { held_out: 0, ..Proportions::default() };
    assert!(Assignment::stratified(&pair, 0, none).is_err());
}

fn read(name: &str, text: &str) -> Result<Assignment, String> {
    let directory = Tasks::new();
    let file = directory.write(name, text);
    let known: Vec<TaskName> = ["org/a", "b", "c", "d"].map(TaskName::new).to_vec();
    Assignment::read(file, &known).map_err(|error| {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        error.report()
    })
}

#[test]
fn a_file_says_it_in_toml_or_json() {
    let members =
        [("org/a", SplitName::HeldIn), ("b", SplitName::HeldOut), ("c", SplitName::Sealed)];
    let expected: Assignment =
        members.into_iter().map(|(name, split)| (TaskName::new(name), split)).collect();
    let toml = "# mine\n\"org/a\" = \"held-in\"\nb = \"held-out\"\nc = \"sealed\"\n";
    assert_eq!(read("split.toml", toml), Ok(expected.clone()));
    let json = r#"{"org/a": "held-in", "b": "held-out", "c": "sealed"}"#;
    assert_eq!(read("split.json", json), Ok(expected.clone()));
    let all = ["org/a", "b", "c", "d"].map(|name| Arc::new(Task::new(name, "x")));
    let benchmark = expected.benchmark(&all).unwrap();
    assert_eq!(benchmark.all().count(), 3, "a task that is not named stays out");
}

#[test]
fn a_wrong_file_is_refused_with_file_key_and_remedy() {
    let good = "b = \"held-out\"\nc = \"held-in\"\n";
    for (name, text, named) in [
        ("s.toml", format!("{good}x = \"held-in\""), ["s.toml", "key `x`", "names no task"]),
        ("s.toml", format!("{good}\"org/b\" = \"sealed\""), ["s.toml", "key `org/b`", "'org/a'"]),
        ("s.toml", format!("{good}d = \"train\""), ["s.toml", "key `d`", "held-in"]),
        ("s.toml", format!("{good}d = 1"), ["s.toml", "key `d`", "held-in"]),
        ("s.toml", "b = \"held-in\"".to_owned(), ["s.toml", "split `held-out`", "has no task"]),
        ("s.toml", "b = \"held-out\"".to_owned(), ["s.toml", "split `held-in`", "has no task"]),
        ("s.toml", "b = \n".to_owned(), ["s.toml", "line 1", "held-in"]),
        ("s.json", "{\"b\":\n}".to_owned(), ["s.json", "line 2", "held-in"]),
    ] {
        let refused = read(name, &text).unwrap_err();
        for part in named {
            assert!(refused.contains(part), "{text:?} gives {refused:?}, which lacks {part:?}");
        }
    }
    let missing = Assignment::read("/nowhere/split.toml", []).unwrap_err();
    assert!(missing.message().contains("/nowhere/split.toml"));
}

#[test]
fn a_selection_takes_what_matches_up_to_its_limit() {
    let directory = Tasks::new();
    directory.task("git-a").task("git-b").task("csv").task("git-c");
    let select = |include: &[&str], exclude: &[&str], limit| {
        let owned = |patterns: &[&str]| patterns.iter().map(|it| (*it).to_owned()).collect();
        let selection = Selection { include: owned(include), exclude: owned(exclude), limit };
        let chosen = selection.apply(directory.load().tasks).map_err(|error| error.report())?;
        let names: Vec<_> = chosen.iter().map(|it| it.task.name.to_string()).collect();
        Ok::<_, String>(names.join(" "))
    };
    assert_eq!(select(&[], &[], None).unwrap(), "csv git-a git-b git-c");
    assert_eq!(select(&["git-*"], &["*-b"], None).unwrap(), "git-a git-c");
    assert_eq!(select(&["git-*", "csv"], &[], Some(2)).unwrap(), "csv git-a");
    assert!(select(&["nothing"], &[], None).unwrap_err().contains("loosen"));
    assert!(select(&["["], &[], None).unwrap_err().contains("include '['"));
}
