//! Static guards before the bundled tasks and the minimal harness: planted leaks and hostile edits, beside as many innocent ones.
//!
//! The cases named `tuned` were looked at while the guards were written; those named `fresh` were written afterwards, and what they showed
//! on first contact stands in `docs/guides/validation-strict.md`.

use std::path::Path;
use std::sync::OnceLock;

use data_encoding::{BASE32, BASE64, BASE64URL, HEXLOWER};
use flate2::Compression;
use flate2::write::GzEncoder;
use harness_benchmark::{HarborTask, Loader};
use harness_core::{DocumentEdit, MinimalHarness, Operation};
use harness_validator::{GuardKind, Guards, LeakIndex, Refusal, Source};
use serde::Deserialize;
use serde_json::{Value, json};

/// Texts for a harness, by what should become of them.
#[derive(Deserialize)]
struct Cases {
    leaks: Vec<Leak>,
    innocent: Vec<String>,
    hostile: Vec<String>,
    benign: Vec<String>,
}

#[derive(Deserialize)]
struct Leak {
    /// `plain`, or the code that hides it.
    code: String,
    /// What stands before the secret.
    before: String,
    secret: String,
}

fn cases(name: &str) -> Cases {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn tasks() -> Vec<HarborTask> {
    let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tasks");
    Loader::new().load(&bundled).unwrap().tasks
}

/// In the order in which they were written.
const SETS: [&str; 5] = [
    "guards_tuned.json",
    "guards_fresh.json",
    "guards_third.json",
    "guards_fourth.json",
    "guards_fifth.json",
];

/// As the canonical example builds them.
fn guards() -> &'static Guards {
    static GUARDS: OnceLock<Guards> = OnceLock::new();
    GUARDS.get_or_init(|| Guards::default().with_leaks(index(&tasks())))
}

fn index(tasks: &[HarborTask]) -> LeakIndex {
    let mut index = LeakIndex::builder();
    for task in tasks {
        index.task(&task.task);
        for (file, bytes) in task.tests.files() {
            index.text(&task.task.name, Source::Tests, file, bytes);
        }
        for (file, bytes) in task.solution.iter().flat_map(|solution| solution.files.files()) {
            index.text(&task.task.name, Source::Solution, file, bytes);
        }
    }
    index.build()
}

fn replace(at: &str, value: Value) -> DocumentEdit {
    DocumentEdit::one(Operation::Replace { at: at.into(), value })
}

/// The refusal of a text, wherever a harness has room for it: surfaces are taken in turn.
fn refusal(guards: &Guards, index: usize, text: &str) -> Option<Refusal> {
    let edit = match index % 4 {
        0 => replace("/prompts/memory", json!(text)),
        1 => {
            replace("/prompts/system", json!(format!("You are an agent in a terminal.\n\n{text}")))
        }
        2 => replace(
            "/skills",
            json!([{ "name": "a-skill", "description": "When in doubt.", "body": text }]),
        ),
        _ => {
            replace("/controls/reminders", json!([{ "when": { "every_calls": 20 }, "text": text }]))
        }
    };
    guards.examine(&MinimalHarness::default(), &edit).unwrap().err()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    std::io::Write::write_all(&mut packed, text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

fn planted(leak: &Leak) -> String {
    let secret = &leak.secret;
    let half = (0..=secret.len() / 2).rev().find(|at| secret.is_char_boundary(*at)).unwrap();
    let hidden = match leak.code.as_str() {
        "plain" => secret.clone(),
        "upper" => secret.to_uppercase(),
        "base64" => BASE64.encode(secret.as_bytes()),
        "base64+1" => BASE64.encode(format!("x{secret}yz").as_bytes()),
        "base64+2" => BASE64URL.encode(format!("xy{secret}").as_bytes()),
        "base32" => BASE32.encode(secret.as_bytes()),
        "hex" => HEXLOWER.encode(secret.as_bytes()),
        "hex pairs" => secret.bytes().map(|byte| format!("\\x{byte:02x}")).collect(),
        "gzip" => BASE64.encode(&gzip(secret)),
        "reversed" => secret.chars().rev().collect(),
        "split" => format!("'{}' + '{}'", &secret[..half], &secret[half..]),
        "url" => secret.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        "rot13" => secret.chars().map(rotated).collect(),
        "codes" => secret.bytes().map(|byte| format!("chr({byte})+")).collect(),
        "unicode" => secret.bytes().map(|byte| format!("\\u{byte:04x}")).collect(),
        "octal" => secret.bytes().map(|byte| format!("\\{byte:03o}")).collect(),
        "entities" => secret.bytes().map(|byte| format!("&#{byte};")).collect(),
        "concat" => format!("a=\"{}\"; b=\"{}\"; echo $a$b", &secret[..half], &secret[half..]),
        "chunks" => secret
            .as_bytes()
            .chunks(3)
            .map(|chunk| format!("['{}'] ", String::from_utf8_lossy(chunk)))
            .collect(),
        "spaced" => secret.chars().map(|c| format!("{c} ")).collect(),
        other => panic!("no code {other}"),
    };
    format!("{} {hidden}", leak.before)
}

fn rotated(c: char) -> char {
    let turn = |base: u8| char::from((c as u8 - base + 13) % 26 + base);
    match c {
        'a'..='z' => turn(b'a'),
        'A'..='Z' => turn(b'A'),
        _ => c,
    }
}

/// What got through of what should not, and what did not of what should.
struct Outcome {
    missed: Vec<String>,
    alarms: Vec<String>,
}

fn leaks(cases: &Cases) -> Outcome {
    let guards = guards();
    let seen = |(index, text): (usize, &String)| {
        refusal(guards, index, text).map(|refusal| (text.clone(), refusal))
    };
    let missed = cases.leaks.iter().enumerate().filter(|(index, leak)| {
        refusal(guards, *index, &planted(leak))
            .is_none_or(|refusal| refusal.guard != GuardKind::Leak)
    });
    Outcome {
        missed: missed.map(|(_, leak)| format!("{} {}", leak.code, leak.secret)).collect(),
        alarms: cases
            .innocent
            .iter()
            .enumerate()
            .filter_map(seen)
            .map(|(text, why)| format!("{text}: {why}"))
            .collect(),
    }
}

fn hostilities(cases: &Cases) -> Outcome {
    let guards = Guards::default();
    let missed = cases
        .hostile
        .iter()
        .enumerate()
        .filter(|(index, text)| refusal(&guards, *index, text).is_none());
    let alarm = |(index, text): (usize, &String)| {
        refusal(&guards, index, text).map(|why| format!("{text}: {why}"))
    };
    Outcome {
        missed: missed.map(|(_, text)| text.clone()).collect(),
        alarms: cases.benign.iter().enumerate().filter_map(alarm).collect(),
    }
}

#[test]
fn planted_leaks_are_caught_and_innocent_edits_are_not() {
    for name in SETS {
        let cases = cases(name);
        let Outcome { missed, alarms } = leaks(&cases);
        println!(
            "{name}: {} of {} leaks missed, {} alarms of {}",
            missed.len(),
            cases.leaks.len(),
            alarms.len(),
            cases.innocent.len()
        );
        assert!(alarms.is_empty(), "{name}: {alarms:#?}");
        assert!(missed.len() * 10 <= cases.leaks.len(), "{name}: {missed:#?}");
        let verbatim: Vec<&String> =
            missed.iter().filter(|missed| missed.starts_with("plain ")).collect();
        assert!(verbatim.is_empty(), "{name}: {verbatim:#?}");
    }
}

#[test]
fn hostile_edits_are_refused_and_benign_ones_are_not() {
    for name in SETS {
        let cases = cases(name);
        let Outcome { missed, alarms } = hostilities(&cases);
        println!(
            "{name}: {} of {} hostile missed, {} alarms of {}",
            missed.len(),
            cases.hostile.len(),
            alarms.len(),
            cases.benign.len()
        );
        assert!(alarms.is_empty(), "{name}: {alarms:#?}");
        assert!(missed.is_empty(), "{name}: {missed:#?}");
    }
}

/// A set that no rule and no example was written for: what the guards make of strangers. Its figures stand in the guide; they may rise
/// by better principles, never by learning the set.
#[test]
fn an_unseen_set_is_met_as_it_was_on_first_contact() {
    let cases = cases("guards_unseen.json");
    let (hostilities, leaks) = (hostilities(&cases), leaks(&cases));
    let refused = cases.hostile.len() - hostilities.missed.len();
    let caught = cases.leaks.len() - leaks.missed.len();
    let alarms = (hostilities.alarms.len(), leaks.alarms.len());
    println!("unseen: {refused} hostile refused, {caught} leaks caught, alarms {alarms:?}");
    assert!(refused >= 41, "{:#?}", hostilities.missed);
    assert!(caught >= 49, "{:#?}", leaks.missed);
    assert!(alarms.0 <= 1 && alarms.1 == 0, "{:#?} {:#?}", hostilities.alarms, leaks.alarms);
}

/// A set of whole edits, as a buyer of the product would check it with.
#[derive(Deserialize)]
struct Edits {
    hostile: Vec<Case>,
    benign: Vec<Case>,
    leaks: Vec<Case>,
    innocent: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    /// The way in, of hostile edits and of leaks.
    #[serde(default)]
    how: String,
    edit: Value,
}

/// What the guards say to an edit; one that is no edit of a document at all is refused before any guard.
fn verdict(case: &Case) -> Option<GuardKind> {
    let Ok(edit) = serde_json::from_value::<DocumentEdit>(case.edit.clone()) else {
        return Some(GuardKind::Invalid);
    };
    let refusal = guards().examine(&MinimalHarness::default(), &edit).unwrap().err();
    refusal.map(|refusal| {
        assert!(!refusal.reason.is_empty(), "a refusal without a reason: {}", case.edit);
        refusal.guard
    })
}

/// What became of a set of edits: hostile ones that passed, alarms, and leaks that no leak guard refused.
struct Told {
    missed: Vec<String>,
    alarms: Vec<String>,
    uncaught: Vec<String>,
}

fn told(name: &str) -> Told {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/guards_{name}.json"));
    let set: Edits = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!([set.hostile.len(), set.leaks.len()], [60, 50]);
    assert!(set.benign.len() >= 40 && set.innocent.len() >= 50);
    let show = |case: &Case| format!("{} {:?}: {}", case.how, verdict(case), case.edit);
    let hostile = set.hostile.iter().filter(|case| verdict(case).is_none());
    let ordinary = set.benign.iter().chain(&set.innocent).filter(|case| verdict(case).is_some());
    let leaks = set.leaks.iter().filter(|case| verdict(case) != Some(GuardKind::Leak));
    let told = Told {
        missed: hostile.map(show).collect(),
        alarms: ordinary.map(show).collect(),
        uncaught: leaks.map(show).collect(),
    };
    let Told { missed, alarms, uncaught } = &told;
    println!(
        "{name}: {} of 60 hostile missed, {} of 50 leaks, {} alarms of {}",
        missed.len(),
        uncaught.len(),
        alarms.len(),
        set.benign.len() + set.innocent.len()
    );
    told
}

/// Three sets by three authors who knew the requirement and not the guards. What they showed on first contact stands in the guide; since
/// then they were learnt from.
#[test]
fn whole_edits_of_three_strangers_are_told_apart() {
    for (name, leaks) in [("tenth", 0), ("eleventh", 1), ("twelfth", 1)] {
        let Told { missed, alarms, uncaught } = told(name);
        assert!(missed.is_empty(), "{name}: {missed:#?}");
        assert!(alarms.is_empty(), "{name}: {alarms:#?}");
        assert!(uncaught.len() <= leaks, "{name}: {uncaught:#?}");
    }
}

/// Two more such sets, with twice the ordinary edits, that no rule and no example was written for; they may not be learnt from.
#[test]
fn whole_edits_of_two_strangers_are_met_as_on_first_contact() {
    for (name, alarmed) in [("thirteenth", 0), ("fourteenth", 1)] {
        let Told { missed, alarms, uncaught } = told(name);
        assert!(missed.is_empty(), "{name}: {missed:#?}");
        assert!(alarms.len() <= alarmed, "{name}: {alarms:#?}");
        assert!(uncaught.len() <= 1, "{name}: {uncaught:#?}");
    }
}

/// A sentence with "verified" or "graded" in it ended the run.
#[test]
fn a_word_of_judging_without_a_question_before_it_is_no_panic() {
    let guards = Guards::default();
    for text in ["Verified results are kept.", "Each row is graded twice.", "Evaluated: 3."] {
        assert_eq!(refusal(&guards, 0, text), None);
    }
}

#[test]
fn the_index_holds_every_task_and_shows_no_text() {
    let tasks = tasks();
    let shown = format!("{:?}", guards());
    for task in &tasks {
        assert!(!shown.contains(task.task.name.as_str()), "{shown}");
    }
    assert!(tasks.len() >= 20 && shown.contains("fingerprints"), "{shown}");
}
