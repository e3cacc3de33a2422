//! Fingerprints of what belongs to the tasks.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::hash::BuildHasher as _;

use harness_core::{Task, TaskName};

use super::literals::{self, Literals, literals, tokens};
use super::shingles::{code_shingles, shingles};
use super::source::{Leak, LeakKind, Source};
use crate::guard::text::{plain, readings, squeezed};

/// Fingerprints of the names, texts, tests and solutions of a benchmark's tasks, of all splits, to recognise them in edits.
///
/// It holds no text: keyed hashes with a key that lives and dies with the process, so whoever holds it can ask whether a text
/// leaks, and learns nothing else. What several tasks have in common (boilerplate, usual phrases) is in none's fingerprints,
/// and neither is ordinary technical writing.
///
/// ```
/// use harness_core::Task;
/// use harness_validator::{LeakIndex, Source};
///
/// let task = Task::new("fold-ledger", "Fold `vouchers.csv` by quarter.");
/// let mut index = LeakIndex::builder();
/// index.task(&task);
/// index.text(&task.name, Source::Tests, "expected.txt", b"Q1 total 48213");
/// let index = index.build();
///
/// assert!(index.leaks("Read every instruction twice.").is_empty());
/// assert!(!index.leaks("If in doubt, the total is 48213.").is_empty());
/// assert!(!index.leaks("In fold-ledger, be careful.").is_empty());
/// assert!(!index.leaks("Call my_fold_ledger_helper first.").is_empty());
/// ```
#[derive(Clone, Default)]
pub struct LeakIndex {
    key: RandomState,
    tasks: Vec<TaskName>,
    known: HashMap<u64, (usize, LeakKind)>,
    /// Lengths of squeezed literals, by the hash of how they begin.
    beginnings: HashMap<u64, BTreeSet<usize>>,
}

impl fmt::Debug for LeakIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tasks, known) = (self.tasks.len(), self.known.len());
        f.debug_struct("LeakIndex").field("tasks", &tasks).field("fingerprints", &known).finish()
    }
}

/// Texts on their way into a [`LeakIndex`].
#[derive(Default)]
pub struct LeakIndexBuilder {
    key: RandomState,
    tasks: Vec<TaskName>,
    /// What each fingerprint stands for, and in which tasks it occurs.
    found: HashMap<u64, (LeakKind, BTreeSet<usize>)>,
    beginnings: HashMap<u64, BTreeSet<usize>>,
    /// Those that count although many tasks have them.
    unshared: HashSet<u64>,
}

impl fmt::Debug for LeakIndexBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeakIndexBuilder").field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}

/// What more tasks than this have in common is common.
const SHARED: usize = 2;
/// Of a larger file only the beginning is read: the rest is more of the same.
const MOST_BYTES: usize = 64 << 10;

/// In front of what is hashed, so that a word is not taken for a shingle.
const TOKEN: &str = "token ";
const SQUEEZED: &str = "squeezed ";
const SHINGLE: &str = "shingle ";
const CODE: &str = "code ";
const NAMED: &str = "named ";
const JOINED: &str = "joined ";
/// Beside these a task's name is one, also when its words are everyday words.
const TASKS: [&str; 6] = ["task", "exercise", "challenge", "benchmark", "assignment", "problem"];

impl LeakIndex {
    /// Starts an empty one.
    pub fn builder() -> LeakIndexBuilder {
        LeakIndexBuilder::default()
    }

    /// How many fingerprints it holds.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether nothing can leak.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// What of the tasks `text` carries, as it stands or hidden in a code; each finding once.
    pub fn leaks(&self, text: &str) -> Vec<Leak> {
        let mut found = BTreeSet::new();
        for reading in readings(text) {
            for (task, kind) in self.matches(&reading.text) {
                let hidden = reading.how.map(str::to_owned);
                found.insert(Leak { task: self.tasks[task].clone(), kind, hidden });
            }
        }
        found.into_iter().collect()
    }

    /// What of the tasks stands in a text as it is.
    pub(in crate::guard) fn verbatim(&self, text: &str) -> Vec<Leak> {
        let found: BTreeSet<_> = self.matches(&plain(text)).into_iter().collect();
        let leak = |(task, kind): (usize, LeakKind)| Leak {
            task: self.tasks[task].clone(),
            kind,
            hidden: None,
        };
        found.into_iter().map(leak).collect()
    }

    fn matches(&self, plain: &str) -> Vec<(usize, LeakKind)> {
        if self.known.is_empty() {
            return Vec::new();
        }
        let hash = |tag: &str, text: &str| self.key.hash_one((tag, text));
        let tokens = tokens(plain).map(|token| hash(TOKEN, token));
        let shingles = shingles(plain).into_iter().map(|shingle| hash(SHINGLE, &shingle));
        let code = code_shingles(plain).into_iter().map(|shingle| hash(CODE, &shingle));
        let named = named(plain).map(|name| hash(NAMED, &name));
        let joined = tokens_within(plain).map(|name| hash(JOINED, &name));
        let words = tokens.chain(shingles).chain(code).chain(named).chain(joined);
        let all = words.chain(self.squeezed_in(plain));
        all.filter_map(|hash| self.known.get(&hash).copied()).collect()
    }

    /// Fingerprints of all stretches of the text without separators that begin like a literal.
    fn squeezed_in(&self, plain: &str) -> Vec<u64> {
        let text: Vec<char> = squeezed(plain).chars().collect();
        let stretch =
            |from: usize, length: usize| -> String { text[from..from + length].iter().collect() };
        let mut found = Vec::new();
        for from in 0..(text.len() + 1).saturating_sub(literals::SQUEEZED) {
            let beginning = self.key.hash_one((SQUEEZED, stretch(from, literals::SQUEEZED)));
            let lengths = self.beginnings.get(&beginning).into_iter().flatten();
            let fitting = lengths.filter(|length| from + **length <= text.len());
            found.extend(
                fitting.map(|length| self.key.hash_one((SQUEEZED, stretch(from, *length)))),
            );
        }
        found
    }
}

impl LeakIndexBuilder {
    /// Adds a task as its agent sees it: name, instruction and files.
    pub fn task(&mut self, task: &Task) -> &mut Self {
        self.name(&task.name);
        self.text(&task.name, Source::Task, "instruction.md", task.instruction.as_bytes());
        for upload in &task.environment.files {
            self.text(&task.name, Source::Task, upload.path.as_str(), &upload.content);
        }
        self
    }

    /// Adds a file of the tests or the solution of a task. Its name tells code from data; what is not text is passed over.
    pub fn text(&mut self, task: &TaskName, source: Source, file: &str, bytes: &[u8]) -> &mut Self {
        let bytes = &bytes[..bytes.len().min(MOST_BYTES)];
        if bytes.contains(&0) {
            return self;
        }
        let text = String::from_utf8_lossy(bytes);
        let task = self.number(task);
        for shingle in shingles(&plain(&text)) {
            self.note(task, SHINGLE, &shingle, LeakKind::Passage(source));
        }
        let spelled_out = is_code(file).then(|| shingles(&plain(&literals::unescaped(&text))));
        for shingle in spelled_out.into_iter().flatten() {
            self.note(task, SHINGLE, &shingle, LeakKind::Passage(source));
        }
        for shingle in is_code(file).then(|| code_shingles(&plain(&text))).into_iter().flatten() {
            self.note(task, CODE, &shingle, LeakKind::Passage(source));
        }
        let Literals { tokens, squeezed, odd } = literals(&text, source, is_code(file));
        for token in tokens {
            self.note(task, TOKEN, &token, LeakKind::Literal(source));
        }
        for squeezed in squeezed {
            self.note_squeezed(task, &squeezed, LeakKind::Literal(source));
        }
        for squeezed in odd {
            let hash = self.note_squeezed(task, &squeezed, LeakKind::Literal(source));
            self.unshared.extend(hash);
        }
        self
    }

    /// Forgets what more than a few tasks have in common.
    pub fn build(self) -> LeakIndex {
        let known = self.found.into_iter().filter_map(|(hash, (kind, tasks))| {
            let own =
                kind == LeakKind::Name || tasks.len() <= SHARED || self.unshared.contains(&hash);
            tasks.first().copied().filter(|_| own).map(|task| (hash, (task, kind)))
        });
        LeakIndex {
            known: known.collect(),
            key: self.key,
            tasks: self.tasks,
            beginnings: self.beginnings,
        }
    }

    /// A name of several parts is told from everyday words by its joints, or by three words in a row.
    fn name(&mut self, name: &TaskName) {
        let task = self.number(name);
        let name = plain(name.as_str());
        let parts: Vec<&str> =
            name.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect();
        if parts.len() >= 2 || name.chars().any(|c| c.is_ascii_digit()) && name.len() >= 6 {
            for joint in ["-", "_", ".", ""] {
                self.note(task, TOKEN, &parts.join(joint), LeakKind::Name);
            }
        }
        if parts.len() >= 2 {
            self.note(task, NAMED, &parts.join(" "), LeakKind::Name);
            self.note(task, JOINED, &parts.join("-"), LeakKind::Name);
        }
        let joined = parts.concat();
        if parts.len() >= 3 && joined.chars().count() >= literals::SQUEEZED {
            self.note_squeezed(task, &joined, LeakKind::Name);
        }
    }

    fn number(&mut self, name: &TaskName) -> usize {
        self.tasks.iter().position(|known| known == name).unwrap_or_else(|| {
            self.tasks.push(name.clone());
            self.tasks.len() - 1
        })
    }

    fn note(&mut self, task: usize, tag: &str, text: &str, kind: LeakKind) -> u64 {
        let hash = self.key.hash_one((tag, text));
        let (known, tasks) = self.found.entry(hash).or_insert_with(|| (kind, BTreeSet::new()));
        *known = kind.min(*known);
        tasks.insert(task);
        hash
    }

    fn note_squeezed(&mut self, task: usize, squeezed: &str, kind: LeakKind) -> Option<u64> {
        let beginning: String = squeezed.chars().take(literals::SQUEEZED).collect();
        let length = squeezed.chars().count();
        (length >= literals::SQUEEZED).then(|| {
            let beginning = self.key.hash_one((SQUEEZED, beginning));
            self.beginnings.entry(beginning).or_default().insert(length);
            self.note(task, SQUEEZED, squeezed, kind)
        })
    }
}

/// Two to five parts in a row of each longer name, such as `fold-ledger` of `fold-ledger-helper` and of `my_fold_ledger`.
fn tokens_within(plain: &str) -> impl Iterator<Item = String> {
    tokens(plain).flat_map(|token| {
        let parts: Vec<&str> =
            token.split(['-', '_', '.']).filter(|part| !part.is_empty()).collect();
        let runs = |length: usize| {
            let runs = parts.windows(length).map(|run| run.join("-"));
            if parts.len() > length { runs.collect() } else { Vec::new() }
        };
        (2..=5).flat_map(runs).collect::<Vec<_>>()
    })
}

/// The words beside the word for a task, two to five of them.
fn named(plain: &str) -> impl Iterator<Item = String> {
    let words: Vec<&str> =
        plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut names = Vec::new();
    for at in (0..words.len()).filter(|at| TASKS.contains(&words[*at].trim_end_matches('s'))) {
        for length in 2..=5 {
            // "the task called fold ledger", "the fold ledger task"
            let after = words[at + 1..].iter().position(|word| {
                !matches!(*word, "called" | "named" | "about" | "of" | "on" | "the" | "is")
            });
            let after =
                after.map(|skip| at + 1 + skip).and_then(|from| words.get(from..from + length));
            let before = at.checked_sub(length).map(|from| &words[from..at]);
            names.extend(after.into_iter().chain(before).map(|words| words.join(" ")));
        }
    }
    names.into_iter()
}

/// Whether a file is a program, by its name; everything else is data.
fn is_code(file: &str) -> bool {
    const CODE: [&str; 22] = [
        "sh", "bash", "py", "awk", "sed", "pl", "rb", "js", "ts", "c", "h", "cc", "cpp", "rs",
        "go", "java", "sql", "lua", "r", "php", "scala", "kt",
    ];
    let name = file.rsplit('/').next().unwrap_or(file);
    name == "Dockerfile" || name.rsplit_once('.').is_some_and(|(_, ext)| CODE.contains(&ext))
}
