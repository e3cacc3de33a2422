//! Task name → split, drawn or read from a file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use harness_core::{Benchmark, Result, SplitName, Task, TaskName};
use toml::Value;

use crate::obstacle::{line_of, wrong};

/// Which task is in which split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment(BTreeMap<TaskName, SplitName>);

impl Assignment {
    /// Reads a TOML file, or a JSON file when its name ends in `.json`: one entry per task, its split `held-in`,
    /// `held-out` or `sealed`. Tasks that it does not name stay out. `known` are the names that exist.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](harness_core::ErrorKind::InvalidInput) with file, key and remedy: for a file that cannot be read or parsed, a name that does not
    /// exist, a word that is no split, and a held-in or held-out split without tasks.
    pub fn read<'a>(
        file: impl AsRef<Path>,
        known: impl IntoIterator<Item = &'a TaskName>,
    ) -> Result<Self> {
        let file = file.as_ref();
        let known: Vec<&TaskName> = known.into_iter().collect();
        let mut assignment = Self::default();
        for (name, value) in entries(file)? {
            let Some(split) = value.as_deref().and_then(split_of) else {
                let problem =
                    format!("{} is no split", value.as_deref().unwrap_or("what it holds"));
                let remedy = "write \"held-in\", \"held-out\" or \"sealed\"";
                return Err(wrong(file, format!("key `{name}`"), problem, remedy));
            };
            let name = TaskName::new(name);
            if !known.contains(&&name) {
                let remedy = format!(
                    "name one of the {} tasks, such as {}",
                    known.len(),
                    closest(&name, &known)
                );
                return Err(wrong(file, format!("key `{name}`"), "names no task", remedy));
            }
            assignment.0.insert(name, split);
        }
        for split in [SplitName::HeldIn, SplitName::HeldOut] {
            if !assignment.0.values().any(|it| *it == split) {
                let remedy = format!("give at least one task the value \"{split}\"");
                return Err(wrong(file, format!("split `{split}`"), "has no task", remedy));
            }
        }
        Ok(assignment)
    }

    /// The split of a task; `None` for a task that stays out.
    pub fn split(&self, task: &TaskName) -> Option<SplitName> {
        self.0.get(task).copied()
    }

    /// Every task with its split, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&TaskName, SplitName)> {
        self.0.iter().map(|(name, split)| (name, *split))
    }

    /// The benchmark of those of `tasks` that have a split.
    ///
    /// # Errors
    /// As [`Benchmark::new`]: held-in or held-out has no task among them.
    pub fn benchmark(&self, tasks: &[Arc<Task>]) -> Result<Benchmark> {
        let of = |split| {
            let chosen = tasks.iter().filter(|task| self.split(&task.name) == Some(split));
            chosen.cloned().collect()
        };
        Benchmark::new(of(SplitName::HeldIn), of(SplitName::HeldOut), of(SplitName::Sealed))
    }
}

impl FromIterator<(TaskName, SplitName)> for Assignment {
    fn from_iter<I: IntoIterator<Item = (TaskName, SplitName)>>(members: I) -> Self {
        Self(members.into_iter().collect())
    }
}

fn split_of(word: &str) -> Option<SplitName> {
    let splits = [SplitName::HeldIn, SplitName::HeldOut, SplitName::Sealed];
    splits.into_iter().find(|split| split.to_string() == word)
}

/// The file's entries; a value that is no text is `None`.
fn entries(file: &Path) -> Result<Vec<(String, Option<String>)>> {
    let text = fs::read_to_string(file).map_err(|source| {
        wrong(file, "reading it", &source, "name a file with a split for each task")
            .with_source(source)
    })?;
    if file.extension().is_some_and(|kind| kind.eq_ignore_ascii_case("json")) {
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text)
            .map_err(|source| {
                let at = format!("line {}", source.line());
                wrong(file, at, &source, "write an object such as {\"task\": \"held-in\"}")
                    .with_source(source)
            })?;
        let text = |value: serde_json::Value| value.as_str().map(str::to_owned);
        return Ok(object.into_iter().map(|(name, value)| (name, text(value))).collect());
    }
    let table: toml::Table = toml::from_str(&text).map_err(|source| {
        let line = line_of(&text, source.span());
        wrong(
            file,
            format!("line {line}"),
            source.message(),
            "write lines such as task = \"held-in\"",
        )
    })?;
    let text = |value: Value| value.as_str().map(str::to_owned);
    Ok(table.into_iter().map(|(name, value)| (name, text(value))).collect())
}

/// The known name that shares the longest beginning.
fn closest(name: &TaskName, known: &[&TaskName]) -> String {
    let common = |other: &str| {
        name.as_str().chars().zip(other.chars()).take_while(|(one, two)| one == two).count()
    };
    let best = known.iter().max_by_key(|other| common(other.as_str()));
    best.map_or_else(|| "none, as there are none".to_owned(), |best| format!("'{best}'"))
}
