//! Tasks, what is known of their commands, and the models that play them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use harness_benchmark::{HarborTask, Loaded, Loader, Selection};
use harness_core::{
    Error, ErrorKind, MinimalHarness, Result, Sandbox, Task, TaskName, TrialLimits,
};
use harness_llm::{Facts, Playbook, Profile, SimulatedLlm, Truth};
use harness_sandbox::SandboxKind;

use crate::options::Options;
use crate::playbook::playbook;

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
        let mut world = Self {
            harbor: harbor(options, options.assume)?.tasks,
            tasks: Vec::new(),
            playbooks: Vec::new(),
            facts: Vec::new(),
            seed: options.seed,
        };
        world.play(options.assume, variants)?;
        Ok(world)
    }

    fn play(&mut self, assume: bool, variants: u32) -> Result<()> {
        let name = |task: &HarborTask| task.task.name.to_string();
        let solved: Vec<(HarborTask, Playbook)> = self
            .harbor
            .iter()
            .filter_map(|task| Some((task.clone(), playbook(task, &name(task))?)))
            .collect();
        if solved.is_empty() {
            let why = "no task here has a solution that a simulated model could play";
            return Err(Error::new(ErrorKind::InvalidInput, why));
        }
        let sandbox = if assume { None } else { Some(sandbox()?) };
        for (task, known) in solved {
            let facts = match &sandbox {
                Some(sandbox) => measured(&task.task, &known, sandbox.as_ref())?,
                None => Facts::assumed(&known),
            };
            for variant in 1..=variants {
                self.add(&task, variant, facts.clone());
            }
        }
        Ok(())
    }

    fn add(&mut self, task: &HarborTask, variant: u32, facts: Facts) {
        let plain = &task.task;
        let named = match variant {
            1 => Arc::clone(plain),
            _ => {
                let name = TaskName::new(format!("{}-{variant}", plain.name));
                Arc::new(Task { name, ..Task::clone(plain) })
            }
        };
        self.playbooks.extend(playbook(task, named.name.as_str()));
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

/// The tasks that the options name; what is left out is said. Where nothing is judged, that is nothing.
pub(crate) fn harbor(options: &Options, for_solutions: bool) -> Result<Loaded> {
    let directory = options.tasks.clone().unwrap_or_else(bundled);
    let selection = Selection { include: options.include.clone(), ..Selection::default() };
    let loader = Loader::new().with_variables(std::env::vars().collect());
    let loader = if for_solutions { loader.for_solutions() } else { loader };
    let loaded = loader.with_selection(selection).load(&directory)?;
    for skipped in &loaded.skipped {
        eprintln!("skipped {}: {}", skipped.name, skipped.reason);
    }
    Ok(loaded)
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

fn measured(task: &Task, playbook: &Playbook, sandbox: &dyn Sandbox) -> Result<Facts> {
    let facts = runtime()?.block_on(Facts::measure(playbook, task, sandbox));
    facts.map_err(|error| error.while_doing(format!("playing {} once", task.name)))
}

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Runtime::new().map_err(|source| {
        Error::new(ErrorKind::Infrastructure, "starting the threads").with_source(source)
    })
}

fn bundled() -> PathBuf {
    let here = Path::new("examples/tasks");
    if here.is_dir() { here.to_owned() } else { Path::new(env!("CARGO_MANIFEST_DIR")).join(here) }
}
