//! The tasks of this repository. What their solutions and wrong attempts earn is tested in `tests/tasks.rs` of the
//! workspace, at every sandbox level.

use std::path::PathBuf;

use harness_benchmark::{Assignment, Loaded, Loader, Proportions};
use harness_core::SplitName;

/// None where the crate stands alone, without the repository around it.
fn bundled() -> Option<Loaded> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/tasks");
    if !directory.is_dir() {
        let why = format!("{} is not there", directory.display());
        assert!(std::env::var("HARNESS_TEST_REQUIRE").as_deref() != Ok("all"), "{why}");
        // Not `eprintln!`: the test harness would swallow it.
        let _lost =
            std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("SKIPPED: {why}\n"));
        return None;
    }
    Some(Loader::new().load(directory).unwrap_or_else(|error| panic!("{}", error.report())))
}

#[test]
fn every_task_loads() {
    let Some(loaded) = bundled() else { return };
    for skipped in &loaded.skipped {
        // A machine may lack a program that a task declares; nothing else is an excuse.
        assert!(
            skipped.reason.contains("needs the program"),
            "{}: {}",
            skipped.name,
            skipped.reason
        );
    }
    assert!(loaded.tasks.len() + loaded.skipped.len() >= 24);
    for task in &loaded.tasks {
        assert!(task.solution.is_some(), "{} has no solution", task.task.name);
        assert!(!task.task.category.is_empty(), "{} has no category", task.task.name);
        assert!(!task.task.outputs.is_empty(), "{} declares no output", task.task.name);
    }
}

#[test]
fn every_split_has_its_share_of_them() {
    let Some(loaded) = bundled() else { return };
    let tasks: Vec<_> = loaded.tasks.iter().map(|it| it.task.clone()).collect();
    for seed in 0..50 {
        let assignment = Assignment::stratified(&tasks, seed, Proportions::default()).unwrap();
        let benchmark = assignment.benchmark(&tasks).unwrap();
        let sizes = [SplitName::HeldIn, SplitName::HeldOut, SplitName::Sealed]
            .map(|split| benchmark.tasks(split).len());
        assert!(sizes[0] >= 8 && sizes[1] >= 3 && sizes[2] >= 1, "seed {seed}: {sizes:?}");
    }
}
