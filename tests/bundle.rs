//! The promotion bundle as its users meet it: one file, made where the run was, and good for everything anywhere else.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use harness_core::{Fingerprint, Harness, MinimalHarness};
use serde_json::Value;
use tempfile::TempDir;

use crate::cli::{command, program, stderr, stdout};

/// Promotes two edits in its only round.
const RUN: &str = "--limit 12 --rounds 1 --width 4 --steps 12 --attempts 1 --claim-attempts 1 --gate paper --seed 1 \
                   --model simulated:explorer --state s --json";

fn audit(directory: &Path, arguments: &[&str]) -> Output {
    let program = program().with_file_name("audit");
    assert!(program.exists(), "build it first: cargo build --example audit");
    Command::new(program).current_dir(directory).env_clear().args(arguments).output().unwrap()
}

/// What it printed, which must have gone well.
fn done(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(output), stderr(output));
    stdout(output)
}

fn fingerprint(harness: &str) -> Fingerprint {
    serde_json::from_str::<MinimalHarness>(harness).unwrap().fingerprint().unwrap()
}

/// The bundle of a run, and its final harness; nothing else is left of the run.
fn exported() -> (String, String) {
    let home = TempDir::new().unwrap();
    let ended = command(&home, &RUN.split_whitespace().collect::<Vec<_>>()).output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", stderr(&ended));
    done(&audit(home.path(), &["s", "--export", "run.bundle"]));
    let read = |name: &str| fs::read_to_string(home.path().join(name)).unwrap();
    (read("run.bundle"), read("s/harness.json"))
}

#[test]
fn a_bundle_is_verified_applied_and_reverted_edit_by_edit_where_no_journal_is() {
    let (bundle, last) = exported();
    let elsewhere = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(elsewhere.path().join(name), text).unwrap();
    let here = |arguments: &[&str]| audit(elsewhere.path(), arguments);
    write("run.bundle", &bundle);
    write("last.json", &last);
    let told: Value = serde_json::from_str(&bundle).unwrap();
    write("seed.json", &told["seed"].to_string());

    let said = done(&here(&["--verify", "run.bundle"]));
    assert!(said.contains("2 edits") && said.contains("holds"), "{said}");
    let applied = done(&here(&["--apply", "run.bundle", "seed.json"]));
    assert_eq!(fingerprint(&applied), fingerprint(&last));
    let after: Fingerprint = serde_json::from_value(told["edits"][0]["after"].clone()).unwrap();
    let seed = fingerprint(&told["seed"].to_string());
    for (edits, wanted) in [("0", fingerprint(&last)), ("1", after), ("2", seed)] {
        let back = done(&here(&["--revert", "run.bundle", "last.json", "--edits", edits]));
        assert_eq!(fingerprint(&back), wanted, "{edits} taken back");
    }
    let back = done(&here(&["--revert", "run.bundle", "last.json"]));
    assert_eq!(fingerprint(&back), seed, "all taken back");

    // Neither way from a harness that it does not belong to.
    for wrong in [["--apply", "run.bundle", "last.json"], ["--revert", "run.bundle", "seed.json"]] {
        assert_eq!(here(&wrong).status.code(), Some(1), "{wrong:?}");
    }
    // Whatever is altered is found: every key in turn is given another value.
    for key in told.as_object().unwrap().keys() {
        let mut altered = told.clone();
        altered[key] = match &told[key] {
            Value::Number(number) => Value::from(number.as_f64().unwrap() + 1.0),
            _ => Value::from("altered"),
        };
        write("altered.bundle", &altered.to_string());
        let refused = here(&["--verify", "altered.bundle"]);
        assert_eq!(refused.status.code(), Some(1), "{key}: {}", stdout(&refused));
    }
    for (at, key) in [("identity", "seed"), ("spent", "calls"), ("evidence", "records")] {
        let mut altered = told.clone();
        altered[at][key] = match &told[at][key] {
            Value::String(text) => Value::from(format!("{text}0")),
            other => Value::from(other.as_u64().unwrap() + 1),
        };
        write("altered.bundle", &altered.to_string());
        let refused = here(&["--verify", "altered.bundle"]);
        assert_eq!(refused.status.code(), Some(1), "{at}.{key}: {}", stdout(&refused));
        assert!(stderr(&refused).contains("damaged or altered"), "{}", stderr(&refused));
    }
}
