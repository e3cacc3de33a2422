//! The tasks that the repository brings: their scripts divide well, and playing them stanza by stanza solves them.

use std::path::{Path, PathBuf};
use std::process::Command;

use futures::StreamExt;
use futures::stream;

use super::place::PATH;
use super::*;
use crate::simulated::SolutionFiles;
use crate::simulated::script::{self, Purpose};

/// Says what is left out, or fails where nothing may be.
fn skip(why: &str) {
    assert!(std::env::var("HARNESS_TEST_REQUIRE").as_deref() != Ok("all"), "{why}");
    // Not `eprintln!`: the test harness would swallow it.
    let _lost = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("SKIPPED: {why}\n"));
}

/// The bundled tasks, or none, said aloud.
fn tasks() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/tasks");
    let entries = std::fs::read_dir(&root).into_iter().flatten().flatten();
    let mut tasks: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| script_of(path).is_some()).collect();
    tasks.sort();
    if tasks.is_empty() {
        let why = format!("SKIPPED: no tasks in {}", root.display());
        skip(&why);
    }
    tasks
}

fn script_of(task: &Path) -> Option<String> {
    std::fs::read_to_string(task.join("solution/solve.sh")).ok()
}

fn name_of(task: &Path) -> String {
    task.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn every_script_divides_into_its_commands() {
    for task in tasks() {
        let (name, script) = (name_of(&task), script_of(&task).unwrap());
        let stanzas = script::stanzas(&name, &SolutionFiles::new(script.as_str()));
        let lines = |text: &str| -> Vec<String> {
            let lines = text
                .lines()
                .map(str::trim_end)
                .filter(|line| !line.is_empty() && !line.starts_with('#'));
            lines.map(str::to_owned).collect()
        };
        let joined: Vec<&str> = stanzas.iter().map(|stanza| stanza.text.as_str()).collect();
        assert_eq!(lines(&joined.join("\n")), lines(&script), "{name}");
        assert!(stanzas.len() >= 3, "{name} is not divided: {stanzas:#?}");
        assert_eq!(stanzas.last().unwrap().purpose, Purpose::Check, "{name}");
        for stanza in &stanzas {
            let parsed = Command::new("bash").args(["-n", "-c", &stanza.text]).output().unwrap();
            assert!(
                parsed.status.success(),
                "{name}: {}\n{}",
                String::from_utf8_lossy(&parsed.stderr),
                stanza.text
            );
        }
    }
}

/// Whether the machine has the programs that a task declares.
fn can_run(task: &Path) -> bool {
    let manifest: toml::Table =
        std::fs::read_to_string(task.join("task.toml")).unwrap().parse().unwrap();
    let declared = manifest.values().filter_map(|table| table.get("requires")?.as_array());
    let programs = declared.flatten().filter_map(toml::Value::as_str);
    let has = |program: &str| {
        let found = Command::new("bash").args(["-c", &format!("command -v {program}")]).output();
        found.is_ok_and(|output| output.status.success())
    };
    let missing: Vec<&str> = programs.filter(|program| !has(program)).collect();
    if !missing.is_empty() {
        skip(&format!("SKIPPED: {} needs {}", name_of(task), missing.join(", ")));
    }
    missing.is_empty()
}

/// A shell that inherits nothing: what this process was started with must not decide.
fn bare_bash() -> Command {
    let mut bash = Command::new("bash");
    bash.env_clear().env("PATH", PATH);
    bash
}

/// A task set up in a directory, as its Dockerfile's plain lines say.
fn set_up(task: &Path) -> Place {
    let place = Place::new(&[]);
    let run = |script: &str| {
        let ran = bare_bash().args(["-c", script]).current_dir(place.directory()).output().unwrap();
        assert!(ran.status.success(), "{script}: {}", String::from_utf8_lossy(&ran.stderr));
    };
    let dockerfile = std::fs::read_to_string(task.join("environment/Dockerfile")).unwrap();
    for line in dockerfile.replace("\\\n", " ").lines() {
        if let Some(line) = line.strip_prefix("RUN ") {
            run(line);
        } else if line == "COPY files/ /app/" {
            run(&format!("cp -a {}/environment/files/. .", task.display()));
        } else if let Some(copy) = line.strip_prefix("COPY ") {
            let (from, _) = copy.split_once(' ').unwrap();
            run(&format!("cp -a {}/environment/{from} .", task.display()));
        }
    }
    place
}

fn outputs(task: &Path) -> Vec<String> {
    let manifest: toml::Table =
        std::fs::read_to_string(task.join("task.toml")).unwrap().parse().unwrap();
    let artifacts =
        manifest.get("artifacts").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let paths = artifacts.iter().filter_map(|path| path.as_str());
    paths.map(|path| path.trim_start_matches("/app/").to_owned()).collect()
}

fn judged(task: &Path, place: &Place) -> bool {
    let logs = place.directory().with_file_name("logs");
    let test = bare_bash()
        .arg(task.join("tests/test.sh"))
        .current_dir(place.directory())
        .env("VERIFIER_LOGS_PATH", &logs)
        .output();
    assert!(test.unwrap().status.success());
    std::fs::read_to_string(logs.join("reward.txt")).unwrap().trim() == "1"
}

/// The bundled tasks, each with whether `doses` passes it under `harness`. Four at a time.
async fn solved(doses: &'static Doses, seed: u64, harness: &MinimalHarness) -> Vec<(String, bool)> {
    let attempts: Vec<_> = tasks()
        .into_iter()
        .filter(|task| can_run(task))
        .map(|task| solve(doses, seed, harness, task))
        .collect();
    stream::iter(attempts).buffer_unordered(4).collect().await
}

async fn solve(
    doses: &'static Doses,
    seed: u64,
    harness: &MinimalHarness,
    directory: PathBuf,
) -> (String, bool) {
    let instruction = std::fs::read_to_string(directory.join("instruction.md")).unwrap();
    let name = name_of(&directory);
    let outputs = outputs(&directory);
    let playbook =
        Playbook::from_script(&name, &instruction, &script_of(&directory).unwrap(), &outputs);
    let model = Arc::new(SimulatedLlm::new(Profile(doses), seed, [playbook]));
    let place = set_up(&directory);
    let mut task = Task::new(name.as_str(), instruction);
    task.outputs = outputs.iter().filter_map(|path| SandboxPath::new(path).ok()).collect();
    let cx = RunContext::alone(model, &place, TrialLimits { steps: 30, ..TrialLimits::default() });
    let _ = harness.run(&task, &cx).await;
    (name, judged(&directory, &place))
}

#[tokio::test]
async fn played_stanza_by_stanza_every_script_solves_its_task() {
    let failed: Vec<String> = solved(&FLAWLESS, 1, &harness(&[]))
        .await
        .into_iter()
        .filter(|(_, passed)| !passed)
        .map(|(name, _)| name)
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// Prints pass rates over the bundled tasks, of the seed harness and of one with every control that mends.
#[tokio::test]
#[ignore = "a measurement of minutes: run by hand with --ignored --nocapture"]
async fn rates() {
    let attempts = 3;
    let early = "You have looked enough. Create the required output now with its real content, then check it.";
    let mended = harness(&[
        ("/controls/unchanged_cap", json!({ "max_calls": 6, "message": early })),
        (
            "/controls/identical_call_guard",
            json!({ "mode": "deny", "message": "This exact call failed. Try something different." }),
        ),
        (
            "/controls/environment_persistence",
            json!({ "variables": true, "working_directory": true }),
        ),
        (
            "/controls/check_before_finish",
            json!({ "command": "", "message": "Fix what fails, run the check again, then finish.", "max_refusals": 3 }),
        ),
        (
            "/controls/artifact_guard",
            json!({ "message": "A required output is missing.", "max_refusals": 3 }),
        ),
    ]);
    for profile in Profile::all() {
        for (label, harness) in [("seed", &harness(&[])), ("mended", &mended)] {
            let (mut passed, mut all) = (0, 0);
            for seed in 0..attempts {
                let results = solved(profile.0, seed, harness).await;
                passed += results.iter().filter(|(_, passed)| *passed).count();
                all += results.len();
            }
            eprintln!("{} {label}: {passed} of {all}", profile.name());
        }
    }
}
