//! From options to tasks, model and sandbox.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use harness_benchmark::harbor::Solution;
use harness_benchmark::{HarborTask, Loaded, Loader, Selection, Skipped};
use harness_core::{IsolationLevel, LlmBackend, ModelId, Redactor, Result, Sandbox};

use harness_llm::{
    AnthropicBackend, Breaker, OpenAiBackend, Playbook, Price, PriceTable, Priced, Profile,
    Redacted, Retried, Secret, SimulatedLlm,
};
use harness_sandbox::SandboxKind;
use harness_validator::{LeakIndex, Source};

use crate::options::{Agent, Options, SandboxChoice};
use crate::wrong;

const OPENAI: &str = "https://api.openai.com/v1";
const ANTHROPIC: &str = "https://api.anthropic.com/v1";
/// The variable for the key of whatever server; each provider's own comes after it.
const ANY_KEY: &str = "SELF_HARNESS_API_KEY";

/// The tasks of a run, and those that cannot take part.
pub(crate) struct Tasks {
    pub(crate) tasks: Vec<HarborTask>,
    pub(crate) skipped: Vec<Skipped>,
}

/// The tasks, with what was left out told aloud.
pub(crate) fn tasks(options: &Options) -> Result<Tasks> {
    let directory = options.tasks.clone().unwrap_or_else(bundled);
    let selection = Selection {
        include: options.include.clone(),
        exclude: options.exclude.clone(),
        limit: options.limit.map(|count| count as usize),
    };
    let loader = Loader::new().with_variables(std::env::vars().collect()).with_selection(selection);
    let Loaded { tasks, skipped } = loader.load(&directory)?;
    for skipped in &skipped {
        eprintln!("skipped {}: {}", skipped.name, skipped.reason);
    }
    if tasks.is_empty() {
        let directory = directory.display();
        return Err(wrong(format!(
            "no task of {directory} can run here: each was skipped, for the reason given"
        )));
    }
    Ok(Tasks { tasks, skipped })
}

/// The tasks that come with this example: beside it in the checkout it was built from, or where it is started.
fn bundled() -> PathBuf {
    let here = Path::new("examples/tasks");
    if here.is_dir() { here.to_owned() } else { Path::new(env!("CARGO_MANIFEST_DIR")).join(here) }
}

/// The model behind what a run needs of it: limits on outages and repeats, a price where one is known, no key in sight.
pub(crate) async fn model(options: &Options, tasks: &Tasks) -> Result<Arc<dyn LlmBackend>> {
    if let Some(profile) = options.model.strip_prefix("simulated:") {
        let playbooks = tasks.tasks.iter().filter_map(playbook);
        return Ok(Arc::new(SimulatedLlm::new(Profile::named(profile)?, options.seed, playbooks)));
    }
    let prices = prices(options)?;
    let (backend, redactor) = served(options).await?;
    let retried = Retried::new(Breaker::new(backend)).repeating_charged(options.repeat_charged);
    Ok(Arc::new(Redacted::new(Priced::new(retried, &prices), redactor)))
}

/// The server's model, and what finds its key. The key comes from the environment, and goes no further than the backend.
async fn served(options: &Options) -> Result<(Arc<dyn LlmBackend>, Redactor)> {
    let (provider, name) = options.model.split_once(':').unwrap_or(("", &options.model));
    let url = options.base_url.as_deref();
    // Each is probed before a run is begun: a wrong address or key is the commonest mistake, and costs nothing to find.
    if provider == "anthropic" {
        let mut backend = AnthropicBackend::new(url.unwrap_or(ANTHROPIC), name)?;
        let key = key("ANTHROPIC_API_KEY")?;
        let redactor = redactor(key.as_ref())?;
        match key {
            Some(key) => backend = backend.with_key(key),
            None => backend = backend.with_key_variable(ANY_KEY),
        }
        backend.probe().await?;
        return Ok((Arc::new(backend), redactor));
    }
    let mut backend = match (url, provider) {
        (Some(url), "openai") => OpenAiBackend::new(url, name)?,
        (Some(url), _) => OpenAiBackend::new(url, &options.model)?,
        (None, "openai") => OpenAiBackend::new(OPENAI, name)?,
        (None, _) => {
            let model = &options.model;
            return Err(wrong(format!(
                "--model {model}: say where it is served with --base-url, or write openai:{model}, anthropic:{model} or simulated:PROFILE"
            )));
        }
    };
    let key = key("OPENAI_API_KEY")?;
    let redactor = redactor(key.as_ref())?;
    match key {
        Some(key) => backend = backend.with_key(key),
        None => backend = backend.with_key_variable(ANY_KEY),
    }
    backend.probe().await?;
    Ok((Arc::new(backend), redactor))
}

fn key(variable: &str) -> Result<Option<Secret>> {
    match Secret::from_variable(ANY_KEY)? {
        Some(key) => Ok(Some(key)),
        None => Secret::from_variable(variable),
    }
}

fn redactor(key: Option<&Secret>) -> Result<Redactor> {
    key.map_or_else(|| Ok(Redactor::default()), Secret::redactor)
}

fn prices(options: &Options) -> Result<PriceTable> {
    let Some(file) = &options.prices else { return Ok(PriceTable::default()) };
    let name = file.display();
    let text = fs::read_to_string(file)
        .map_err(|source| wrong(format!("--prices {name}: reading it")).with_source(source))?;
    PriceTable::from_toml(&text).map_err(|error| error.while_doing(format!("--prices {name}")))
}

/// What the model charges, where that is known.
pub(crate) fn price(options: &Options) -> Result<Option<Price>> {
    let (provider, name) = options.model.split_once(':').unwrap_or(("", &options.model));
    Ok(prices(options)?.price(&ModelId::new(provider, name)))
}

fn playbook(task: &HarborTask) -> Option<Playbook> {
    let script = task.solution.as_ref()?.files.file(Solution::SCRIPT)?;
    let script = String::from_utf8_lossy(script);
    let outputs = task
        .task
        .outputs
        .iter()
        .map(|output| output.relative_to(&task.task.environment.workdir).to_owned());
    Some(Playbook::from_script(
        task.task.name.as_str(),
        &task.task.instruction,
        &script,
        outputs.collect::<Vec<_>>(),
    ))
}

/// Fingerprints of all that belongs to the tasks, of every split: no edit may carry any of it.
pub(crate) fn leaks(tasks: &[HarborTask]) -> LeakIndex {
    let mut index = LeakIndex::builder();
    for task in tasks {
        let name = &task.task.name;
        index.task(&task.task);
        for (file, bytes) in task.tests.files() {
            index.text(name, Source::Tests, file, bytes);
        }
        for (file, bytes) in task.solution.iter().flat_map(|solution| solution.files.files()) {
            index.text(name, Source::Solution, file, bytes);
        }
    }
    index.build()
}

/// Containers, as their daemon isolates them.
#[cfg(feature = "docker")]
async fn containers(options: &Options) -> Result<Arc<dyn Sandbox>> {
    use harness_sandbox::{ContainerOptions, ContainerSandbox};

    let socket = options.docker_socket.clone();
    let sandbox =
        ContainerSandbox::connect(ContainerOptions { socket, ..ContainerOptions::default() })
            .await?;
    let isolation = sandbox.isolation();
    eprintln!("sandbox: {isolation}");
    isolation.residual.iter().for_each(|residual| eprintln!("  note: {residual}"));
    Ok(Arc::new(sandbox))
}

#[cfg(not(feature = "docker"))]
async fn containers(_options: &Options) -> Result<Arc<dyn Sandbox>> {
    Err(wrong(
        "--sandbox docker needs an example built with containers: \
         cargo run --release --features docker --example terminal_bench -- …",
    ))
}

/// The sandbox, never weaker than what was asked for aloud.
pub(crate) async fn sandbox(
    options: &Options,
    model: &Arc<dyn LlmBackend>,
) -> Result<Arc<dyn Sandbox>> {
    let kind = match options.sandbox {
        SandboxChoice::Auto => SandboxKind::Auto,
        SandboxChoice::Namespace => SandboxKind::Namespace,
        SandboxChoice::Landlock => SandboxKind::Landlock,
        SandboxChoice::Docker => return containers(options).await,
        SandboxChoice::Unconfined if options.yes_run_unconfined => SandboxKind::Unconfined,
        SandboxChoice::Unconfined => {
            return Err(wrong(
                "--sandbox unconfined lets the model's commands do on this machine whatever you can do: \
                 if you mean it, add --yes-run-unconfined",
            ));
        }
    };
    let sandbox = harness_sandbox::build(kind)?;
    let isolation = sandbox.isolation();
    let weaker = isolation.level > IsolationLevel::User;
    if weaker
        && options.sandbox == SandboxChoice::Auto
        && !may_run_restricted(options.agent, model.model())
    {
        let why_no_stronger: Vec<&str> = isolation
            .residual
            .iter()
            .map(String::as_str)
            .filter(|residual| residual.contains("is not available here"))
            .collect();
        return Err(wrong(format!(
            "this machine offers no namespaces, and {isolation} has no private root:\n{}\n\
             To run {} there all the same, say --sandbox landlock.",
            why_no_stronger.join("\n"),
            model.model(),
        )));
    }
    eprintln!("sandbox: {isolation}");
    if weaker {
        isolation.residual.iter().for_each(|residual| eprintln!("  note: {residual}"));
    }
    Ok(sandbox)
}

/// A simulated model plays the tasks' own solutions, so its commands were read by somebody.
fn may_run_restricted(agent: Agent, model: &ModelId) -> bool {
    agent != Agent::Minimal || model.is_simulated()
}
