//! The simulation of the gates as a reader meets it, on a world of their own.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::{program, stderr, stdout};

fn simulate(home: &TempDir, world: &Value, more: &[&str]) -> Output {
    let program = program().with_file_name("operating_characteristics");
    assert!(program.exists(), "build it first: cargo build --example operating_characteristics");
    let file: &Path = &home.path().join("world.json");
    std::fs::write(file, world.to_string()).unwrap();
    let mut command = Command::new(program);
    command.arg("--world").arg(file).args(["--no-decisions", "--seed", "5"]);
    if !more.contains(&"--replicates") {
        command.args(["--replicates", "2"]);
    }
    command.args(more).output().unwrap()
}

fn world(edits: &Value) -> Value {
    json!({
        "name": "a reader's", "held_in": 8, "held_out": 5, "unseen": 20, "rounds": 2, "width": 2, "budgets": [60, 120],
        "flaky": 0.2, "coupling": 0.1, "missing": { "share": 0.5, "rate": 0.3 }, "edits": edits
    })
}

fn uniform() -> Value {
    json!({ "kind": "uniform", "mean": 0.1, "sd": 0.3, "scatter": 0.1 })
}

fn targeted() -> Value {
    json!({
        "kind": "targeted", "signatures": 2, "share": 0.5, "before": 0.1, "after": 0.9, "mends": 0.4,
        "mends_and_hurts": 0.2, "side_effect": -0.3
    })
}

#[test]
fn a_readers_own_world_is_simulated_under_every_rule_and_again_the_same() {
    let home = TempDir::new().unwrap();
    for edits in [uniform(), targeted()] {
        let ended = simulate(&home, &world(&edits), &[]);
        assert_eq!(ended.status.code(), Some(0), "{}", stderr(&ended));
        let said = stdout(&ended);
        assert!(said.contains("a reader's (2 runs of 2 rounds, seed 5; simulated)"), "{said}");
        let line: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        let rules = line["worlds"][0]["rules"].as_array().unwrap();
        let named = |name: &str| rules.iter().any(|rule| rule["rule"] == name);
        assert!(["sequential", "paper", "published", "strict"].into_iter().all(named), "{line}");
        assert!(rules.len() >= 10, "peers are missing: {line}");
        assert!(rules.iter().all(|rule| rule["trials"].as_f64().unwrap() > 0.0), "{line}");
        let again = simulate(&home, &world(&edits), &["--json"]);
        assert_eq!(serde_json::from_slice::<Value>(&again.stdout).unwrap(), line);
    }
}

/// Some of these once gave a table of nothing.
#[test]
fn a_world_that_cannot_be_is_refused_by_the_name_of_what_is_wrong() {
    let home = TempDir::new().unwrap();
    let wrong = [
        ("sd", json!(-0.1), uniform()),
        ("scatter", json!(-1), uniform()),
        ("mends", json!(-0.1), targeted()),
        ("mends_and_hurts", json!(0.7), targeted()),
        ("share", json!(1.5), targeted()),
        ("signatures", json!(0), targeted()),
        ("unheard_of", json!(0), targeted()),
    ];
    for (key, value, mut edits) in wrong {
        edits[key] = value;
        let ended = simulate(&home, &world(&edits), &[]);
        assert_eq!(ended.status.code(), Some(1), "{key}: {}", stdout(&ended));
        assert!(stderr(&ended).contains(key), "{key}: {}", stderr(&ended));
    }
    let mut coupled = world(&uniform());
    coupled["coupling"] = json!(-1);
    let ended = simulate(&home, &coupled, &[]);
    assert!(ended.status.code() == Some(1) && stderr(&ended).contains("'coupling'"));
    let none = simulate(&home, &world(&uniform()), &["--replicates", "0"]);
    assert_eq!(none.status.code(), Some(2), "{}", stderr(&none));
    assert!(stderr(&none).contains("0 is not in 1.."), "{}", stderr(&none));
}
