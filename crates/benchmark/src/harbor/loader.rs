//! From a directory to tasks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use harness_core::{Error, ErrorKind, Network, Result, SandboxPath, Task, TaskName};

use super::dockerfile::unconditional;
use super::environment::{Site, variables};
use super::instruction::without_canary;
use super::manifest::Manifest;
use super::support::{self, Host};
use super::task::{HarborTask, Solution};
use super::tree::{self, Tree};
use crate::obstacle::{Obstacle, Step, unavailable, wrong};
use crate::split::Selection;

/// Reads task directories. What the host offers is said here; nothing is read from the environment.
#[derive(Clone, Debug, Default)]
pub struct Loader {
    host: Host,
    selection: Selection,
}

/// What a directory holds.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Tasks that can be attempted here, by directory name.
    pub tasks: Vec<HarborTask>,
    /// Tasks that cannot, each with its reason.
    pub skipped: Vec<Skipped>,
}

/// A task that cannot be attempted here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its name.
    pub name: TaskName,
    /// What it needs, and what would give it: a sentence for a person.
    pub reason: String,
}

impl Loaded {
    /// The names of all tasks, skipped ones included.
    pub fn names(&self) -> impl Iterator<Item = &TaskName> {
        let skipped = self.skipped.iter().map(|skipped| &skipped.name);
        self.tasks.iter().map(|task| &task.task.name).chain(skipped)
    }
}

impl Loader {
    /// A host without variables and without network, whose programs are those of its system directories.
    pub fn new() -> Self {
        Self::default()
    }

    /// Values for `${NAME}` in the tables `env` of tasks.
    #[must_use]
    pub fn with_variables(mut self, variables: BTreeMap<String, String>) -> Self {
        self.host.variables = variables;
        self
    }

    /// Where programs named by `requires` are looked for.
    #[must_use]
    pub fn with_program_directories(mut self, directories: Vec<PathBuf>) -> Self {
        self.host.path = directories;
        self
    }

    /// The sandbox gives the public network to tasks that want it: those that ask for it are not skipped, and those that
    /// say nothing have it, as Harbor's rules are.
    #[must_use]
    pub fn with_public_network(mut self) -> Self {
        self.host.public_network = true;
        self
    }

    /// The sandbox can let single hosts through: tasks with an allowlist are not skipped.
    #[must_use]
    pub fn with_allowed_hosts(mut self) -> Self {
        self.host.allowed_hosts = true;
        self
    }

    /// The tasks are wanted for their solutions alone, as a simulated model plays them: one whose environment or verifier this machine cannot
    /// offer has an empty working directory instead of being skipped. Nothing that is loaded so can be judged.
    #[must_use]
    pub fn for_solutions(mut self) -> Self {
        self.host.for_solutions = true;
        self
    }

    /// Only these tasks: the others may be broken, and are not listed either.
    #[must_use]
    pub fn with_selection(mut self, selection: Selection) -> Self {
        self.selection = selection;
        self
    }

    /// Reads `directory`: a task, or a directory of tasks.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for files that are missing or wrong, with file, key and remedy; for a link that leads
    /// out of its task; for two tasks of one name; for a directory without tasks, or a selection that leaves none.
    pub fn load(&self, directory: impl AsRef<Path>) -> Result<Loaded> {
        let directory = directory.as_ref();
        let mut loaded = Loaded::default();
        let mut seen = BTreeMap::new();
        let mut wanted = self.selection.limit.unwrap_or(usize::MAX);
        for task in task_directories(directory)? {
            if wanted == 0 {
                break;
            }
            let name = directory_name(&task);
            let (name, read) = self.task(&task, name);
            let admitted = self.selection.admits(&name)?;
            match read {
                Ok(task) => {
                    wanted -= usize::from(admitted);
                    loaded.tasks.push(task);
                }
                // What is wrong with a task that takes no part concerns nobody.
                Err(_) if !admitted => {}
                Err(Obstacle::Unavailable(reason)) => {
                    loaded.skipped.push(Skipped { name: name.clone(), reason });
                }
                Err(Obstacle::Wrong(error)) => return Err(error),
            }
            if let Some(other) = seen.insert(name.clone(), task.clone()) {
                let problem = format!("{} is called '{name}' too", other.display());
                return Err(wrong(&task, "its name", problem, "give each task a name of its own"));
            }
        }
        loaded.tasks = self.selection.apply(loaded.tasks)?;
        Ok(loaded)
    }

    /// One task, and its name as far as it could be found out.
    fn task(&self, directory: &Path, name: TaskName) -> (TaskName, Step<HarborTask>) {
        let file = directory.join("task.toml");
        let manifest = match manifest(directory, &file) {
            Ok(manifest) => manifest,
            Err(obstacle) => return (name, Err(obstacle)),
        };
        let name = manifest.task.as_ref().map_or(name, |task| TaskName::new(&task.name));
        let site = Site { directory, file: &file, manifest: &manifest, host: &self.host };
        (name.clone(), assemble(&site, name))
    }
}

fn manifest(directory: &Path, file: &Path) -> Step<Manifest> {
    match tree::text(directory, "task.toml")? {
        Some(text) => Ok(Manifest::parse(file, &text)?),
        None if directory.join("task.yaml").exists() => {
            unavailable("it is in the format of Terminal-Bench 1 (task.yaml): not supported yet")
        }
        None => {
            Err(wrong(file, "the file", "is missing", "write one; an empty file will do").into())
        }
    }
}

fn assemble(site: &Site<'_>, name: TaskName) -> Step<HarborTask> {
    let Site { directory, file, manifest, host } = site;
    host.unless_for_solutions(support::check(directory, manifest))?;
    let instruction = instruction(directory)?;
    let tests = tests(directory)?;
    let verifier_env = variables(host, &manifest.verifier.env, "[verifier].env")?;
    let solution = solution(site)?;
    let required = manifest.metadata.requires.iter().map(String::as_str);
    host.unless_for_solutions(host.require(required))?;
    let agent_timeout = manifest.agent.timeout_sec;
    let agent_timeout =
        agent_timeout.map(|limit| site.seconds("agent.timeout_sec", limit)).transpose()?;
    let verifier_timeout = manifest.verifier.timeout_sec.unwrap_or(600.0);
    let verifier_timeout = site.seconds("verifier.timeout_sec", verifier_timeout)?;
    let category =
        manifest.metadata.category.as_ref().and_then(|it| it.as_str()).unwrap_or_default();
    let mut outputs = Vec::new();
    for artifact in &manifest.artifacts {
        outputs.push(SandboxPath::new(artifact.source()).map_err(|error| {
            wrong(file, "key `artifacts`", error.message(), "write a path without '..'")
        })?);
    }
    let environment = host.unless_for_solutions(site.environment())?.unwrap_or_default();
    if environment.network == Network::None && !host.for_solutions {
        can_be_judged_offline(&tests)?;
    }
    let task = Task {
        name,
        instruction,
        environment,
        outputs,
        agent_timeout,
        verifier_timeout,
        category: category.to_owned(),
    };
    let (task, directory) = (Arc::new(task), directory.to_path_buf());
    Ok(HarborTask { task, directory, tests: Arc::new(tests), verifier_env, solution })
}

fn instruction(directory: &Path) -> Step<String> {
    let file = directory.join("instruction.md");
    let Some(text) = tree::text(directory, "instruction.md")? else {
        let remedy = "write what the agent is to do";
        return Err(wrong(&file, "the file", "is missing", remedy).into());
    };
    let text = without_canary(&text);
    if text.trim().is_empty() {
        let remedy = "write what the agent is to do";
        return Err(wrong(&file, "the file", "is empty", remedy).into());
    }
    Ok(text.to_owned())
}

fn tests(directory: &Path) -> Step<Tree> {
    let root = directory.join("tests");
    let missing = || {
        let remedy = "write a script that leaves a reward in /logs/verifier/reward.txt";
        wrong(&root.join(HarborTask::TEST), "the file", "is missing", remedy)
    };
    if !root.is_dir() {
        return Err(missing().into());
    }
    let tests = Tree::read(&root, directory)?;
    match tests.file(HarborTask::TEST) {
        Some(_) => Ok(tests),
        None => Err(missing().into()),
    }
}

/// Skips a task whose tests install what they run: without a network no attempt at it could ever be judged, and each
/// would have been paid for.
fn can_be_judged_offline(tests: &Tree) -> Step<()> {
    let script = String::from_utf8_lossy(tests.file(HarborTask::TEST).unwrap_or_default());
    match unconditional(&script) {
        None => Ok(()),
        Some(what) => unavailable(format!(
            "its tests need the network, which this run does not offer: tests/{} {what}",
            HarborTask::TEST
        )),
    }
}

fn solution(site: &Site<'_>) -> Step<Option<Arc<Solution>>> {
    let root = site.directory.join("solution");
    if !root.is_dir() {
        return Ok(None);
    }
    let files = Tree::read(&root, site.directory)?;
    if files.file(Solution::SCRIPT).is_none() {
        return Ok(None);
    }
    let env = variables(site.host, &site.manifest.solution.env, "[solution].env")?;
    Ok(Some(Arc::new(Solution { files, env })))
}

/// The task directories that `directory` means, in the order of their names.
fn task_directories(directory: &Path) -> Result<Vec<PathBuf>> {
    if looks_like_a_task(directory) {
        return Ok(vec![directory.to_owned()]);
    }
    let unreadable = |source: std::io::Error| {
        let message = format!(
            "reading the tasks in {}: name a task, or a directory of tasks",
            directory.display()
        );
        Error::new(ErrorKind::InvalidInput, message).with_source(source)
    };
    let entries = fs::read_dir(directory).map_err(unreadable)?;
    let paths: std::io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut tasks = paths.map_err(unreadable)?;
    tasks.retain(|path| looks_like_a_task(path));
    tasks.sort();
    if tasks.is_empty() {
        let message = format!(
            "there is no task in {}: a task is a directory with task.toml, instruction.md, environment/ and tests/test.sh",
            directory.display()
        );
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    Ok(tasks)
}

fn looks_like_a_task(directory: &Path) -> bool {
    let marks =
        ["task.toml", "instruction.md", "tests/test.sh", "environment/Dockerfile", "task.yaml"];
    marks.iter().any(|mark| directory.join(mark).symlink_metadata().is_ok())
}

fn directory_name(directory: &Path) -> TaskName {
    // `.` and `..` have no name of their own.
    let real = directory.canonicalize();
    let name = real.as_deref().unwrap_or(directory).file_name().unwrap_or_default();
    TaskName::new(name.to_string_lossy())
}
