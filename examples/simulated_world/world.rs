//! Tasks, what is known of their commands, and the models that play them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use harness_benchmark::harbor::Solution;
use harness_benchmark::{HarborTask, Loader, Selection};
use harness_core::{
    Error, ErrorKind, MinimalHarness, Result, Sandbox, Task, TaskName, TrialLimits,
};
use harness_llm::{Facts, Playbook, Profile, SimulatedLlm, Truth};
use harness_sandbox::SandboxKind;

use crate::options::Options;

/// Attempts of simulated models are quick: as many calls as the main example gives them.
pub(crate) fn limits() -> TrialLimits {
    TrialLimits { steps: 30, ..TrialLimits::default() }
}

/// Tasks with their playbooks and facts.
pub(crate) struct World {
    pub(crate) harbor: Vec<HarborTask>,
    /// What a run is made of: the tasks, or several alike of each.
    pub(crate) tasks: Vec<Arc<Task>>,
    playbooks: Vec<Playbook>,
    facts: Vec<(TaskName, Facts)>,
    seed: u64,
}

impl World {
    /// The world of these options, each task taken `variants` times.
    pub(crate) fn load(options: &Options, variants: u32) -> Result<Self> {
        let directory = options.tasks.clone().unwrap_or_else(bundled);
        let selection = Selection { include: options.include.clone(), ..Selection::default() };
        let loader = Loader::new().with_variables(std::env::vars().collect());
        let loaded = loader.with_selection(selection).load(&directory)?;
        for skipped in &loaded.skipped {
            eprintln!("skipped {}: {}", skipped.name, skipped.reason);
        }
        let mut world = Self {
            harbor: loaded.tasks,
            tasks: Vec::new(),
            playbooks: Vec::new(),
            facts: Vec::new(),
            seed: options.seed,
        };
        world.play(options.assume, variants)?;
        Ok(world)
    }

    fn play(&mut self, assume: bool, variants: u32) -> Result<()> {
        let solved: Vec<(Arc<Task>, String)> = self
            .harbor
            .iter()
            .filter_map(|task| Some((Arc::clone(&task.task), script(task)?)))
            .collect();
        if solved.is_empty() {
            let why = "no task here has a solution that a simulated model could play";
            return Err(Error::new(ErrorKind::InvalidInput, why));
        }
        let sandbox = if assume { None } else { Some(sandbox()?) };
        for (task, script) in solved {
            let facts = match &sandbox {
                Some(sandbox) => measured(&task, &script, sandbox.as_ref())?,
                None => Facts::assumed(&playbook(&task, task.name.as_str(), &script)),
            };
            for variant in 1..=variants {
                self.add(&task, &script, variant, facts.clone());
            }
        }
        Ok(())
    }

    fn add(&mut self, task: &Arc<Task>, script: &str, variant: u32, facts: Facts) {
        let named = match variant {
            1 => Arc::clone(task),
            _ => {
                let name = TaskName::new(format!("{}-{variant}", task.name));
                Arc::new(Task { name, ..Task::clone(task) })
            }
        };
        self.playbooks.push(playbook(task, named.name.as_str(), script));
        self.facts.push((named.name.clone(), facts));
        self.tasks.push(named);
    }

    /// The model of this profile. `shift` chooses other tasks for its weaknesses.
    pub(crate) fn model(&self, profile: Profile, shift: u64) -> SimulatedLlm {
        SimulatedLlm::new(profile, self.seed + shift, self.playbooks.clone())
    }

    /// What harnesses are worth to a model of this world.
    pub(crate) fn truth(&self, model: &SimulatedLlm) -> Truth {
        let truth = model.truth().with_limits(limits());
        self.facts
            .iter()
            .fold(truth, |truth, (name, facts)| truth.with_facts(name.clone(), facts.clone()))
    }

    /// The mean true pass rate over tasks of this world.
    pub(crate) fn pass_rate(&self, truth: &Truth, harness: &MinimalHarness) -> Result<f64> {
        mean(truth, harness, self.tasks.iter().map(|task| &task.name))
    }
}

/// The mean true pass rate over `tasks`.
pub(crate) fn mean<'a>(
    truth: &Truth,
    harness: &MinimalHarness,
    tasks: impl Iterator<Item = &'a TaskName>,
) -> Result<f64> {
    let rates = tasks.map(|task| truth.pass_rate(harness, task)).collect::<Result<Vec<f64>>>()?;
    Ok(average(&rates))
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn average(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len().max(1) as f64
}

/// The best sandbox that this machine has.
pub(crate) fn sandbox() -> Result<Arc<dyn Sandbox>> {
    harness_sandbox::build(SandboxKind::Auto)
}

pub(crate) fn playbook(task: &Task, name: &str, script: &str) -> Playbook {
    let outputs =
        task.outputs.iter().map(|output| output.relative_to(&task.environment.workdir).to_owned());
    Playbook::from_script(name, &task.instruction, script, outputs.collect::<Vec<_>>())
}

fn measured(task: &Task, script: &str, sandbox: &dyn Sandbox) -> Result<Facts> {
    let playbook = playbook(task, task.name.as_str(), script);
    let facts = runtime()?.block_on(Facts::measure(&playbook, task, sandbox));
    facts.map_err(|error| error.while_doing(format!("playing {} once", task.name)))
}

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Runtime::new().map_err(|source| {
        Error::new(ErrorKind::Infrastructure, "starting the threads").with_source(source)
    })
}

fn script(task: &HarborTask) -> Option<String> {
    let script = task.solution.as_ref()?.files.file(Solution::SCRIPT)?;
    Some(String::from_utf8_lossy(script).into_owned())
}

fn bundled() -> PathBuf {
    let here = Path::new("examples/tasks");
    if here.is_dir() { here.to_owned() } else { Path::new(env!("CARGO_MANIFEST_DIR")).join(here) }
}
