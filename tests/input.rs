//! What bad input gets: a message that names the file or the address, the key and the remedy, and the right exit status.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::cli::{command, stderr};

/// Runs the example and returns what it said, after checking its exit status.
fn refusal(home: &TempDir, arguments: &[&str], status: i32) -> String {
    let output = command(home, arguments).output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

fn assert_names(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "'{word}' is missing in: {said}");
    }
}

/// A minimal task directory.
fn task(home: &TempDir) -> PathBuf {
    let task = home.path().join("broken");
    for folder in ["environment", "tests"] {
        fs::create_dir_all(task.join(folder)).unwrap();
    }
    let files = [
        ("task.toml", "version = \"1.0\"\n[agent]\ntimeout_sec = 5\n"),
        ("instruction.md", "Do it."),
        ("environment/Dockerfile", "FROM debian:bookworm-slim\nWORKDIR /app\n"),
        ("tests/test.sh", "echo 1 > /logs/verifier/reward.txt\n"),
    ];
    for (file, content) in files {
        fs::write(task.join(file), content).unwrap();
    }
    task
}

#[test]
fn a_broken_task_names_the_file_and_the_key() {
    let wrong_type = "version = \"1.0\"\n[agent]\ntimeout_sec = \"soon\"\n";
    // A file of the task, what it holds instead (`None`: it is absent), and what the message names.
    let cases: [(&str, Option<&str>, &[&str]); 5] = [
        ("task.toml", None, &["task.toml"]),
        ("task.toml", Some("version = "), &["task.toml"]),
        ("task.toml", Some(wrong_type), &["task.toml", "timeout_sec"]),
        ("tests/test.sh", None, &["tests/test.sh"]),
        ("instruction.md", None, &["instruction.md"]),
    ];
    for (file, content, words) in cases {
        let home = TempDir::new().unwrap();
        let task = task(&home);
        match content {
            Some(content) => fs::write(task.join(file), content).unwrap(),
            None => fs::remove_file(task.join(file)).unwrap(),
        }
        let arguments = ["--tasks", task.to_str().unwrap(), "--agent", "nop"];
        assert_names(&refusal(&home, &arguments, 1), words);
    }
}

#[test]
fn a_broken_task_that_takes_no_part_is_no_obstacle() {
    let home = TempDir::new().unwrap();
    fs::rename(task(&home), home.path().join("good")).unwrap();
    let broken = home.path().join("broken");
    fs::create_dir_all(broken.join("tests")).unwrap();
    fs::write(broken.join("instruction.md"), "Do it.").unwrap();
    let tasks = home.path().to_str().unwrap();
    assert_names(&refusal(&home, &["--tasks", tasks, "--agent", "nop"], 1), &["broken/task.toml"]);
    let one = command(&home, &["--tasks", tasks, "--agent", "nop", "--include", "good"])
        .output()
        .unwrap();
    assert_eq!(one.status.code(), Some(0), "{}", stderr(&one));
}

#[test]
fn a_broken_split_names_the_file_the_key_and_the_remedy() {
    let cases = [
        ("no-such-task = \"held-in\"\n", vec!["split.toml", "no-such-task"]),
        ("ini-tune = \"train\"\n", vec!["split.toml", "ini-tune", "held-in"]),
        ("ini-tune = \"held-in\"\n", vec!["split.toml", "held-out"]),
        ("ini-tune = ", vec!["split.toml"]),
    ];
    for (text, words) in cases {
        let home = TempDir::new().unwrap();
        fs::write(home.path().join("split.toml"), text).unwrap();
        assert_names(&refusal(&home, &["--split", "split.toml", "--state", "s"], 1), &words);
    }
}

#[test]
fn an_option_that_cannot_be_met_says_what_can() {
    let home = TempDir::new().unwrap();
    let cases: [(&[&str], i32, &[&str]); 12] = [
        (&["--rounds", "many"], 2, &["--rounds"]),
        (&["--no-such-option"], 2, &["--no-such-option"]),
        (&["--max-cost", "nan"], 2, &["--max-cost", "nan", "2.50"]),
        (&["--max-cost", "inf"], 2, &["--max-cost", "inf"]),
        (&["--max-cost=-1"], 2, &["--max-cost", "-1"]),
        (&["--gate", "lenient"], 1, &["lenient", "strict"]),
        (&["--model", "gpt"], 1, &["--base-url", "simulated:"]),
        (&["--model", "simulated:genius"], 1, &["genius", "explorer"]),
        (&["--sandbox", "unconfined"], 1, &["--yes-run-unconfined"]),
        (&["--include", "zzz*"], 1, &["include", "zzz*"]),
        (&["--tasks", "nowhere"], 1, &["nowhere"]),
        (&["--resume"], 1, &["--resume", "--state"]),
    ];
    for (arguments, status, words) in cases {
        assert_names(&refusal(&home, arguments, status), words);
    }
}

#[test]
fn a_server_that_is_down_is_named_and_no_run_is_begun() {
    let home = TempDir::new().unwrap();
    // A port that was free a moment ago, and that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("http://127.0.0.1:{port}/v1");
    let arguments = ["--base-url", &address, "--model", "m", "--state", "s"];
    assert_names(&refusal(&home, &arguments, 1), &[&address]);
    assert!(!home.path().join("s").exists());
}

/// A start that was refused begins no run: the next one, put right, finds its directory free.
#[test]
fn a_refused_start_leaves_its_directory_free() {
    let home = TempDir::new().unwrap();
    let arguments = ["--agent", "nop", "--limit", "1", "--attempts", "1", "--state", "s"];
    // No price is known of a simulated model.
    assert_names(
        &refusal(&home, &[&arguments[..], &["--max-cost", "1"]].concat(), 1),
        &["cap on dollars", "price"],
    );
    refusal(&home, &arguments, 0);
    assert_names(&refusal(&home, &arguments, 1), &["holds a run already", "--resume"]);
}
